/* SPDX-License-Identifier: BSD-2-Clause */
/* Grace periods: two readers and two updaters, who draw numbers at the same time, under TSO. Nobody uses an
 * object after it was freed.
 *
 *   use_pointer()   a read section: rcu_dereference(), then accesses to what it gave
 *   report()        lib/rcu.c report(); the test `cpu->seen == now` is on what this CPU itself wrote last
 *   reader's end    a CPU that goes offline: seen = 0, as rcu_extended_enter() stores it (fence D)
 *   get_state()     rcu_start(): fence A, load of newest, compare-and-swap (fence B)
 *   updater         rcu_assign_pointer(), which is a store; get_state(); rcu_poll() until it is true (fence C);
 *                   then the object is freed
 *
 * Abstracted: an object is a number, and counts as freed the moment that the updater has seen the last CPU
 * pass, which is earlier than any store of who has the memory next. An updater waits for each CPU once, not
 * for all of them in one sweep, so its grace period ends no later than the real one. The updaters' own CPUs,
 * which report while they wait and read nothing, are left out. Numbers are bytes: they do not wrap.
 *
 * Left out in turn (-D):
 *   NO_FENCE_A            no fence before newest is read. Who loses the race is then served by a grace period
 *                         that may have started before its unlink was in memory; for who wins, B would do
 *   NEWEST_WITHOUT_CAS    newest is read and stored: it goes back, and an old report serves a new grace
 *                         period
 *   NUMBER_READ           an updater waits for the grace period that it read, not for the one after
 *   NO_FENCE_D            the report comes before the last access of the section. Nothing to emit on x86,
 *                         where a store waits for the loads before it; the release keeps the compiler from
 *                         moving it. It is also what a load of the next section's pointer before that of
 *                         newest would lead to (A)
 *   NO_WAIT_FOR_SECOND    the updater looks at the first CPU only
 *
 * Fence C needs nothing on x86 either (a store waits for the loads before it). To leave it out would be to
 * free before the CPUs were looked at. NO_FENCE_B is in extended.pml: for who stays online it is not needed,
 * since it is waited for until it reports a number that it cannot have read before that was in memory. */

/* Three read sections of the first reader show all variants; the second has one, so that the state space
 * stays small. */
#define SECTIONS (me == 0 -> 3 : 1)
#define UPDATES  2

#define CPUS       4
#define POINTER(u) (u)
#define NEWEST     2
#define SEEN(r)    (3 + (r))
#define LOCATIONS  5
#define BUFFER_MAX 3
#include "tso.pml"

#define OBJECT(u, version) ((u) * 4 + (version))
bit freed[8];

inline report() {
    load(me, NEWEST, now);
    if
    :: now != seen -> store(me, SEEN(me), now); seen = now
    :: else
    fi
}

inline use_pointer() {
    if
    :: load(me, POINTER(0), object)
    :: load(me, POINTER(1), object)
    fi;
#ifdef NO_FENCE_D
    report();
#endif
    assert(!freed[object])
}

proctype reader(byte me) {
    byte sections, object, now;
    byte seen = 1;

    do
    :: sections < SECTIONS ->
        sections++;
        use_pointer();
        report()
    :: else -> break
    od;
    store(me, SEEN(me), 0)
}

inline get_state() {
#ifndef NO_FENCE_A
    fence(me);
#endif
    load(me, NEWEST, before);
#ifdef NEWEST_WITHOUT_CAS
    store(me, NEWEST, before + 1);
    fence(me);
#else
    compare_exchange(me, NEWEST, before, before + 1, found);
#endif
#ifdef NUMBER_READ
    state = before
#else
    state = before + 1
#endif
}

#define PASSED(r) (memory[SEEN(r)] == 0 || memory[SEEN(r)] >= state)

proctype updater(byte me; byte u) {
    byte version, before, found, state;

    do
    :: version < UPDATES ->
        store(me, POINTER(u), OBJECT(u, version + 1));
        get_state();
        PASSED(0);
#ifndef NO_WAIT_FOR_SECOND
        PASSED(1);
#endif
        d_step {
            freed[OBJECT(u, version)] = 1;
            version++;
            before = 0;
            found = 0;
            state = 0
        }
    :: else -> break
    od
}

init {
    atomic {
        memory[POINTER(0)] = OBJECT(0, 0);
        memory[POINTER(1)] = OBJECT(1, 0);
        memory[NEWEST] = 1;
        memory[SEEN(0)] = 1;
        memory[SEEN(1)] = 1;
        run drain(0);
        run drain(1);
        run drain(2);
        run drain(3);
        run reader(0);
        run reader(1);
        run updater(2, 0);
        run updater(3, 1)
    }
}
