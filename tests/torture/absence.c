/* SPDX-License-Identifier: BSD-2-Clause */
/* A long absence, as in a guest: callbacks go to a CPU that stays, then this one is not waited for. */
#include "tests/torture/torture.h"
#include <unistd.h>

void be_absent(unsigned us)
{
    do
        rcu_hand_over();
    while (!rcu_extended_enter()); /* somebody handed over to us meanwhile */
    usleep(us);
    rcu_extended_exit();
    tally_add(&tally.absences, 1);
}
