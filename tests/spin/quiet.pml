/* SPDX-License-Identifier: BSD-2-Clause */
/* The quick way through a quiescent state: CPU 0 looks at its inbox only when `newest` is not what it was
 * when nothing was left to do. Others push into the inbox, and start a grace period after that. No callback
 * stays in the inbox for good: it would end the model with CPU 0 waiting, which is a stuck state.
 *
 *   quiescent      lib/rcu.c rcu_quiescent(): a blocked guard stands for passing by again and again
 *   settle()       settle(): report() reads newest, then the inbox is taken, then looked at once more for
 *                  `settled`
 *   pusher         lib/rcu_callbacks.c give_away() and barrier_ask_all(): push(), then rcu_start()
 *   updater        somebody else in rcu_start(): the pusher loses its race
 *
 * Abstracted: the inbox is a count. What was taken counts as run, since `settled` is 0 while callbacks wait.
 * Pushing and taking are locked instructions, and CPU 0 alone writes the rest, so no store buffer matters;
 * its loads stay in their order on x86, and by the acquire of newest for the compiler.
 *
 * Left out in turn (-D):
 *   NO_START             nobody starts a grace period after the push
 *   START_BEFORE_PUSH    the grace period is started before the push
 *   NEWEST_READ_LAST     `settled` is what newest is after the look at the inbox, not before */

#define PUSHES   2
#define PUSHERS  2
#define UPDATERS 1

byte newest = 1;
byte inbox, taken;

inline start() {
    before = newest;
    d_step {
        if
        :: newest == before -> newest++
        :: else
        fi;
        before = 0
    }
}

inline settle() {
    seen = newest;
    d_step { taken = taken + inbox; inbox = 0 }
    found = inbox;
#ifdef NEWEST_READ_LAST
    seen = newest;
#endif
    settled = (found -> 0 : seen)
}

active proctype owner() {
    byte seen, settled, found;

    do
    :: newest != settled -> settle()
    :: taken == PUSHES * PUSHERS -> break
    od
}

active [PUSHERS] proctype pusher() {
    byte pushes, before;

    do
    :: pushes < PUSHES ->
        pushes++;
#ifdef START_BEFORE_PUSH
        start();
#endif
        inbox++
#ifndef NO_START
#ifndef START_BEFORE_PUSH
        ;
        start()
#endif
#endif
    :: else -> break
    od
}

active [UPDATERS] proctype updater() {
    byte starts, before;

    do
    :: starts < 2 -> starts++; start()
    :: else -> break
    od
}
