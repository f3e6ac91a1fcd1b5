/* SPDX-License-Identifier: BSD-2-Clause */
/* Extended quiescence: CPU 0 leaves it and enters it again, CPU 1 comes online for the first time and goes
 * offline, while an updater replaces and frees objects, under TSO. Nobody uses an object after it was freed.
 *
 *   exit()       lib/rcu.c rcu_extended_exit(): load of newest, store of seen, fence E
 *   enter()      rcu_extended_enter(): store of seen = 0 (fence D). handover.pml has the inbox
 *   raise_end()  rcu_cpu_online(): the compare-and-swap that raises cpu_end, before seen is set
 *   use_pointer(), report(), the updater: as in grace_period.pml; here it reads cpu_end too
 *
 * Abstracted: as in grace_period.pml. There is one updater, so it wins each race for newest.
 *
 * Left out in turn (-D):
 *   NO_FENCE_E              a CPU's first load may come before its store of seen is in memory
 *   NO_FENCE_A NO_FENCE_B   neither: the looks at seen may come before the unlink is in memory. B is left out
 *                           by raising newest with a plain store
 *   NO_FENCE_A              holds: the compare-and-swap is B, and it is between the unlink and the looks at
 *                           seen. grace_period.pml shows what A alone is for
 *   NO_FENCE_B              holds: A is between them too. So on x86 the compare-and-swap has to be one for
 *                           the sake of the count (NEWEST_WITHOUT_CAS in grace_period.pml), and is a second
 *                           fence by the way
 *   NO_FENCE_D              seen is set before the last access of a section. Nothing to emit on x86, as there
 *   END_RAISED_LATE         a CPU reads before it has raised cpu_end
 *   END_READ_EARLY          the updater reads cpu_end before fences A and B */

#define UPDATES  2
#define TRIPS    2
#define SECTIONS 2

#define CPUS      3
#define POINTER   0
#define NEWEST    1
#define END       2
#define SEEN(c)   (3 + (c))
#define LOCATIONS 5
#define BUFFER_MAX 4
#include "tso.pml"

bit freed[UPDATES + 1];

inline use_pointer() {
    load(me, POINTER, object);
#ifdef NO_FENCE_D
    report();
#endif
    assert(!freed[object])
}

inline report() {
    load(me, NEWEST, now);
    if
    :: now != seen -> store(me, SEEN(me), now); seen = now
    :: else
    fi
}

inline exit() {
    load(me, NEWEST, seen);
    store(me, SEEN(me), seen);
#ifndef NO_FENCE_E
    fence(me)
#endif
}

inline enter() {
    store(me, SEEN(me), 0);
    seen = 0
}

inline read_and_enter() {
    sections = 0;
    do
    :: sections < SECTIONS -> sections++; use_pointer(); report()
    :: sections > 0 -> break
    od;
#ifdef NO_FENCE_D
    load(me, POINTER, object);
    enter();
    assert(!freed[object])
#else
    use_pointer();
    enter()
#endif
}

proctype idler(byte me) {
    byte trips, sections, object, now, seen;

    do
    :: trips < TRIPS ->
        trips++;
        exit();
        read_and_enter()
    :: else -> break
    od
}

inline raise_end() {
    compare_exchange(me, END, 1, 2, now)
}

proctype newcomer(byte me) {
    byte sections, object, now, seen;

#ifndef END_RAISED_LATE
    raise_end();
#endif
    exit();
#ifdef END_RAISED_LATE
    use_pointer();
    raise_end();
#endif
    read_and_enter()
}

inline get_state() {
#ifndef NO_FENCE_A
    fence(me);
#endif
    load(me, NEWEST, before);
#ifdef NO_FENCE_B
    store(me, NEWEST, before + 1)
#else
    compare_exchange(me, NEWEST, before, before + 1, found)
#endif
}

#define PASSED(c) (memory[SEEN(c)] == 0 || memory[SEEN(c)] > before)

proctype updater(byte me) {
    byte version, before, found, end_seen;

    do
    :: version < UPDATES ->
        store(me, POINTER, version + 1);
#ifdef END_READ_EARLY
        load(me, END, end_seen);
#endif
        get_state();
#ifndef END_READ_EARLY
        load(me, END, end_seen);
#endif
        PASSED(0);
        end_seen < 2 || PASSED(1);
        d_step {
            freed[version] = 1;
            version++;
            before = 0;
            found = 0;
            end_seen = 0
        }
    :: else -> break
    od
}

init {
    atomic {
        memory[NEWEST] = 1;
        memory[END] = 1;
        run drain(0);
        run drain(1);
        run drain(2);
        run idler(0);
        run newcomer(1);
        run updater(2)
    }
}
