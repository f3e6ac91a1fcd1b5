/* SPDX-License-Identifier: BSD-2-Clause */
/* Guards that a test build breaks on purpose, to see a test fail. An image that anybody ships defines no
 * LULL_MUTANT, and mutant() is then the constant 0.
 *
 * Build one with: make MUTANT=NAME BUILD=build/mutant-NAME demo-image */
#pragma once

/* Their names, and what each leaves out. */
#define LULL_MUTANTS(X)                                                                                      \
    X(NO_UNMAP_INVALIDATION, "unmap does not invalidate the units")                                          \
    X(NO_HARVEST_INVALIDATION, "a harvest clears dirty bits and does not invalidate")                        \
    X(HARVEST_SKIPS_ENTRIES, "a harvest looks at every second entry only")                                   \
    X(NO_FENCE_AFTER_IDLE, "a CPU that comes back from idle reads before it is seen to be back")             \
    X(FREE_BEFORE_GRACE_PERIOD, "rcu_free_pages() frees at once")                                            \
    X(CALLBACK_BEFORE_GRACE_PERIOD, "callbacks run at the next quiescent state of their own CPU")            \
    X(LEAVES_ONLY, "an invalidation leaves cached table entries, though a table went")                       \
    X(FROZEN_SKIPPED, "a mapper installs in a table that is frozen")                                         \
    X(NO_SETTLE, "a mapper that finds a table linked leaves it to the one who linked it to flush the entry") \
    X(NO_MARK_DIRTY, "a harvest whose invalidation failed leaves what it cleared clean")

#define LULL_MUTANT_NUMBER(name, what) MUTANT_##name,

enum { MUTANT_NONE, LULL_MUTANTS(LULL_MUTANT_NUMBER) };

#ifdef LULL_MUTANT
#define mutant(name) (LULL_MUTANT == MUTANT_##name)
#else
#define mutant(name) 0
#endif
