/* SPDX-License-Identifier: BSD-2-Clause */
/* Callbacks over several grace periods, under TSO: CPU 0 replaces objects and frees the old ones by
 * callbacks, CPU 1 reads, CPU 2 starts grace periods of its own, so that CPU 0 loses races for `newest`. No
 * callback runs before its own grace period is over: nobody uses an object after it was freed. Every callback
 * runs (weak fairness; with -DLIVENESS).
 *
 *   update()       rcu_assign_pointer() and lib/rcu_callbacks.c call_rcu(): to `next`
 *   advance()      rcu_callbacks_advance(): rcu_poll(), run_waiting(), then `next` becomes `waiting` and
 *                  draws its number (lib/rcu.c rcu_start())
 *   quiescent()    lib/rcu.c rcu_quiescent()
 *
 * The first callback makes an update itself while it runs, so a callback is queued by a callback. A segment
 * is a set: the order in it is handover.pml's concern, as is the inbox. Other abstractions: as in
 * grace_period.pml.
 *
 * Left out in turn (-D):
 *   JOIN_WAITING         call_rcu() queues into `waiting` when it is not empty
 *   NUMBER_DRAWN_EARLY   the number is drawn when the first callback comes to `next`, not when `next` is
 *                        closed
 *   NUMBER_KEPT          `next` becomes `waiting` and keeps the number of the segment before
 *   NO_FENCE_A           the unlink may be in the store buffer when newest is read; the race is lost to CPU 2
 *   NO_RESTART           `next` moves up only when a callback is queued, not after a segment has run
 *                        (LIVENESS) */

#define UPDATES  3 /* one of them by a callback */
#ifdef LIVENESS
#define SECTIONS 1
#define STARTS   1
#else
#define SECTIONS 3
#define STARTS   2
#endif

#define CPUS       3
#define POINTER    0
#define NEWEST     1
#define SEEN(c)    (2 + (c))
#define LOCATIONS  4
#define BUFFER_MAX 5
#include "tso.pml"

byte freed; /* bit n: object n, which callback n frees */
#define ALL   ((1 << UPDATES) - 1)
#define IS_FREED(object) (freed & (1 << (object)))

inline get_state(number) {
#ifndef NO_FENCE_A
    fence(me);
#endif
    load(me, NEWEST, before);
    compare_exchange(me, NEWEST, before, before + 1, found);
    d_step {
        number = before + 1;
        before = 0;
        found = 0
    }
}

inline report() {
    load(me, NEWEST, now);
    if
    :: now != seen -> store(me, SEEN(me), now); seen = now
    :: else
    fi;
    now = 0
}

inline move_up() {
    if
    :: next ->
        d_step { waiting = next; next = 0 }
#ifdef NUMBER_DRAWN_EARLY
        waiting_for = next_for
#else
#ifdef NUMBER_KEPT
        if
        :: waiting_for == 0 -> get_state(waiting_for)
        :: else
        fi
#else
        get_state(waiting_for)
#endif
#endif
    :: else
    fi
}

inline update() {
    store(me, POINTER, version + 1);
#ifdef NUMBER_DRAWN_EARLY
    if
    :: next == 0 -> get_state(next_for)
    :: else
    fi;
#endif
    d_step {
#ifdef JOIN_WAITING
        if
        :: waiting -> waiting = waiting | (1 << version)
        :: else -> next = next | (1 << version)
        fi;
#else
        next = next | (1 << version);
#endif
        version++
    }
#ifdef NO_RESTART
    if
    :: waiting == 0 -> move_up()
    :: else
    fi
#endif
}

inline run_waiting() {
    d_step { running = waiting; waiting = 0 }
    if
    :: running & 1 -> update()
    :: else
    fi;
    d_step { freed = freed | running; running = 0 }
}

inline advance() {
    if
    :: waiting ->
        load(me, SEEN(0), now);
        if
        :: now >= waiting_for ->
            load(me, SEEN(1), now);
            if
            :: now >= waiting_for -> run_waiting()
            :: else
            fi
        :: else
        fi;
        now = 0
    :: else
    fi;
#ifndef NO_RESTART
    if
    :: waiting == 0 -> move_up()
    :: else
    fi
#endif
}

inline quiescent() {
    report();
    advance()
}

byte waiting, next;

proctype caller(byte me) {
    byte updates, version, running, waiting_for, next_for, before, found, now;
    byte seen = 1;

    do
    :: updates < UPDATES - 1 -> updates++; update()
    :: waiting || next -> quiescent()
    :: updates == UPDATES - 1 && !waiting && !next -> break
    od
}

proctype reader(byte me) {
    byte sections, object, now;
    byte seen = 1;

    do
    :: sections < SECTIONS ->
        sections++;
        load(me, POINTER, object);
        assert(!IS_FREED(object));
        report()
    :: else -> break
    od;
    object = 0;
end:
    do
    :: memory[NEWEST] != seen -> report()
    od
}

proctype starter(byte me) {
    byte starts, before, found, state;

    do
    :: starts < STARTS -> starts++; get_state(state)
    :: else -> break
    od
}

init {
    atomic {
        memory[NEWEST] = 1;
        memory[SEEN(0)] = 1;
        memory[SEEN(1)] = 1;
        run drain(0);
        run drain(1);
        run caller(0);
        run reader(1);
        run starter(2)
    }
}

#ifdef LIVENESS
ltl every_callback_runs { <> (freed == ALL) }
#endif
