/* SPDX-License-Identifier: BSD-2-Clause */
/* Guards that a test build breaks on purpose, to see a test fail. An image that anybody ships defines no
 * LULL_MUTANT, and mutant() is then the constant 0.
 *
 * Build one with: make MUTANT=NAME BUILD=build/mutant-NAME demo-image */
#pragma once

enum {
    MUTANT_NO_UNMAP_INVALIDATION = 1, /* unmap does not invalidate the units */
    MUTANT_NO_HARVEST_INVALIDATION,   /* a harvest clears dirty bits and does not invalidate */
    MUTANT_HARVEST_SKIPS_ENTRIES,     /* a harvest looks at every second entry only */
    MUTANT_NO_FENCE_AFTER_IDLE,       /* a CPU that comes back from idle reads before it is seen to be back */
    MUTANT_FREE_BEFORE_GRACE_PERIOD,  /* rcu_free_pages() frees at once */
    MUTANT_CALLBACK_BEFORE_GRACE_PERIOD, /* callbacks run at the next quiescent state of their own CPU */
};

#ifdef LULL_MUTANT
#define mutant(name) (LULL_MUTANT == MUTANT_##name)
#else
#define mutant(name) 0
#endif
