/* SPDX-License-Identifier: BSD-2-Clause */
/* Hand-over and barrier: CPUs 0 and 1 queue callbacks, run them and leave, and CPU 0 comes back; CPU 2 comes,
 * stays, and calls rcu_barrier(). No callback is stranded on a CPU that left: else the model ends with
 * callbacks that have not run, which is a stuck state. The barrier returns only after every callback that was
 * queued before has run.
 *
 *   call()          lib/rcu_callbacks.c call_rcu(); then a word in memory that says so, for the barrier's
 *                   caller
 *   advance()       rcu_callbacks_advance(): take_inbox(), run_waiting(), `next` becomes `waiting`
 *   push()          push(), as one step: a compare-and-swap that fails there is tried again and has no effect
 *   hand_over()     rcu_hand_over(), give_away(), take_all(); the lock is `moving`
 *   enter()         lib/rcu.c rcu_extended_enter(), which closes the inbox
 *   exit()          rcu_extended_exit(), which opens it
 *   barrier()       barrier_ask_all() and the wait in rcu_barrier()
 *
 * "Queued before the barrier" means that its caller could know: it has read the word that the CPU stored
 * after it queued the callback. That word and the opening of the inbox are plain stores and go through a
 * store buffer; all else that CPUs share here is changed by locked instructions, or under the lock, whose
 * release is at once.
 *
 * Abstracted: a grace period is over or not, as the model pleases (grace_period.pml has what makes it so),
 * `seen` is left out, and a CPU that has an inbox to look into does look (quiet.pml). Lists are linked as in
 * the code, by number: 0 ends one. A CPU that found nobody to hand over to polls once before it tries again,
 * not three times. Steps on what a CPU has for itself are one with the shared step before or after them.
 *
 * Left out in turn (-D):
 *   NO_INBOX_CLOSE       a CPU leaves with its inbox open
 *   CLOSE_WITHOUT_CAS    it looks whether the inbox is empty, then stores CLOSED
 *   LEAVE_WITH_CALLBACKS it leaves though `waiting` and `next` are not empty
 *   PUSH_WITHOUT_CAS     the new top is stored, not compared and swapped
 *   NO_REVERSE           take_inbox() leaves the stack as it is, the last pushed first
 *   CHAIN_NOT_TURNED     a hand-over pushes its chain oldest first, so that take_inbox() turns that round too
 *   NO_LOCK              hand-over and barrier do not take the lock
 *   OPEN_LATE            a CPU that came back opens its inbox only after it has queued a callback */

/* A CPU that moves queues one callback and leaves once, CPU 0 to come back: what a barrier may overtake is a
 * chain of that one and a barrier's. */
#define TRIPS     1

#define CPUS       3
#define INBOX(c)   (c)
#define QUEUED(c)  (3 + (c))
#define LOCATIONS  5
#define BUFFER_MAX 2
#include "tso.pml"

#define CALLBACK(c)     (1 + (c))
#define BARRIER_HEAD(c) (3 + (c))
#define HEADS           6
#define CLOSED          15

typedef segment {
    byte first;
    byte last
};

segment waiting[CPUS];
segment next[CPUS];
byte link[HEADS];
byte ran; /* bit n: callback n */
bit moving;
byte barrier_left;
bit barrier_done;

#define BIT(n)  (1 << (n))
#define ALL_RAN (ran == (BIT(CALLBACK(0)) | BIT(CALLBACK(1))) && barrier_done)

hidden byte head, following;

inline append(list, from, to) {
    link[to] = 0;
    if
    :: list.first == 0 -> list.first = from
    :: else -> link[list.last] = from
    fi;
    list.last = to
}

/* from becomes the last, to the first of the chain turned round. Within a d_step. */
inline turn_round(from, to) {
    head = from;
    to = 0;
    do
    :: head ->
        following = link[head];
        link[head] = to;
        to = head;
        head = following
    :: else -> break
    od
}

inline find_last(from, to) {
    to = from;
    do
    :: link[to] -> to = link[to]
    :: else -> break
    od
}

/* Within an atomic. */
inline take_inbox() {
    load(me, INBOX(me), top);
    if
    :: top ->
        exchange(me, INBOX(me), 0, top);
#ifdef NO_REVERSE
        first = top;
        find_last(first, last);
#else
        last = top;
        turn_round(top, first);
#endif
        append(next[me], first, last);
        top = 0;
        first = 0;
        last = 0
    :: else
    fi
}

inline run_first() {
    d_step {
        if
        :: first < BARRIER_HEAD(0) -> ran = ran | BIT(first)
        :: else -> barrier_left--
        fi;
        last = first;
        first = link[first];
        link[last] = 0;
        last = 0
    }
}

inline move_up() {
    if
    :: waiting[me].first == 0 ->
        waiting[me].first = next[me].first;
        waiting[me].last = next[me].last;
        next[me].first = 0;
        next[me].last = 0
    :: else
    fi
}

/* Each callback runs in a step of its own, as others see the barrier's counter go down in between. */
inline advance() {
    atomic {
        take_inbox();
        if
        :: waiting[me].first ->
            first = waiting[me].first;
            waiting[me].first = 0;
            waiting[me].last = 0
        :: true
        fi
    }
    do
    :: atomic { first -> run_first() }
    :: atomic { !first -> move_up(); break }
    od
}

inline push(to, newest, oldest) {
#ifdef PUSH_WITHOUT_CAS
    load(me, INBOX(to), top);
    link[oldest] = (top == CLOSED -> 0 : top);
    pushed = (top != CLOSED);
    if
    :: pushed -> memory[INBOX(to)] = newest
    :: else
    fi;
    top = 0
#else
    atomic {
        fence(me);
        pushed = (memory[INBOX(to)] != CLOSED);
        if
        :: pushed -> link[oldest] = memory[INBOX(to)]; memory[INBOX(to)] = newest
        :: else -> link[oldest] = 0
        fi
    }
#endif
}

inline lock() {
#ifdef NO_LOCK
    skip
#else
    d_step { !moving && buffers[me].used == 0; moving = 1 }
#endif
}

inline unlock() {
    moving = 0
}

/* Within an atomic. */
inline take_all() {
    take_inbox();
    if
    :: waiting[me].first && next[me].first ->
        link[waiting[me].last] = next[me].first;
        first = waiting[me].first;
        last = next[me].last
    :: waiting[me].first && !next[me].first -> first = waiting[me].first; last = waiting[me].last
    :: !waiting[me].first -> first = next[me].first; last = next[me].last
    fi;
    waiting[me].first = 0;
    waiting[me].last = 0;
    next[me].first = 0;
    next[me].last = 0;
#ifndef CHAIN_NOT_TURNED
    last = first;
    turn_round(last, first)
#endif
}

inline give_back() {
    atomic {
#ifndef CHAIN_NOT_TURNED
        last = first;
        turn_round(last, first);
#endif
        append(next[me], first, last)
    }
}

/* Tries the other CPUs, by number, as give_away() does. */
inline hand_over() {
    atomic {
        lock();
        take_all()
    }
    atomic { push((me == 0 -> 1 : 0), first, last) }
    if
    :: !pushed -> atomic { push(2, first, last) }
    :: else
    fi;
    atomic {
        if
        :: !pushed -> give_back()
        :: else
        fi;
        first = 0;
        last = 0;
        unlock()
    }
    if
    :: !pushed -> advance()
    :: else -> pushed = 0
    fi
}

#define OWN_CALLBACKS (waiting[me].first || next[me].first)
/* An inbox that was opened and is not in memory yet is empty to its CPU. */
#define HAS_CALLBACKS (OWN_CALLBACKS || (memory[INBOX(me)] && memory[INBOX(me)] != CLOSED))

inline call() {
    atomic {
        append(next[me], CALLBACK(me), CALLBACK(me));
        queued = 1;
        store(me, QUEUED(me), 1)
    }
}

inline open_inbox() {
    store(me, INBOX(me), 0)
}

/* Leaves `away` as 1 if it was not refused. */
inline enter() {
#ifdef NO_INBOX_CLOSE
    away = (memory[INBOX(me)] == 0)
#else
#ifdef CLOSE_WITHOUT_CAS
    fence(me);
    if
    :: memory[INBOX(me)] == 0 -> away = 1
    :: else
    fi;
    if
    :: away -> memory[INBOX(me)] = CLOSED
    :: else
    fi
#else
    compare_exchange(me, INBOX(me), 0, CLOSED, found);
    atomic { away = !found; found = 0 }
#endif
#endif
}

inline exit() {
#ifdef OPEN_LATE
    if
    :: !queued -> call()
    :: else
    fi;
#endif
    open_inbox()
}

proctype mover(byte me) {
    byte trips, top, first, last, found;
    bit queued, pushed, away;

    do
    :: !queued -> call()
    :: HAS_CALLBACKS -> advance()
    :: trips < TRIPS && (me == 0 || queued) ->
        trips++;
        do
#ifdef LEAVE_WITH_CALLBACKS
        :: !away -> enter()
#else
        :: !away && HAS_CALLBACKS -> hand_over()
        :: !away && !OWN_CALLBACKS -> enter()
#endif
        :: away -> break
        od;
        if
        :: queued -> break
        :: me == 0 -> exit(); away = 0
        fi
    :: ALL_RAN -> break
    od
}

inline ask(to) {
    barrier_left++;
    push(to, BARRIER_HEAD(to), BARRIER_HEAD(to));
    if
    :: !pushed -> barrier_left--
    :: else -> pushed = 0
    fi
}

inline barrier() {
    before = memory[QUEUED(0)] * BIT(CALLBACK(0)) + memory[QUEUED(1)] * BIT(CALLBACK(1));
    lock();
    ask(0);
    ask(1);
    ask(2);
    unlock();
    do
    :: barrier_left == 0 -> break
    :: HAS_CALLBACKS -> advance()
    od;
    assert((ran & before) == before);
    before = 0;
    barrier_done = 1
}

proctype stayer(byte me) {
    byte before, top, first, last;
    bit pushed;

    memory[INBOX(me)] = 0;
    do
    :: !barrier_done -> barrier()
    :: HAS_CALLBACKS -> advance()
    :: ALL_RAN -> break
    od
}

init {
    atomic {
        memory[INBOX(2)] = CLOSED;
        run drain(0);
        run drain(1);
        run mover(0);
        run mover(1);
        run stayer(2)
    }
}
