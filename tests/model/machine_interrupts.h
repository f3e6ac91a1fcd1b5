/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts of the machine's CPUs, inside the machine. */
#pragma once

/* Delivers whatever is pending to the CPU that runs, if its interrupts are on: none of it may wait longer. */
void interrupts_deliver_all(void);
