/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver is built with LULL_MUTANT as a variable, so that one program can break any of its guards. */
#pragma once

extern int lull_mutant;

/* By its name in lib/mutant.h. Ends the program if there is none of that name. */
void mutant_choose(const char *name);
