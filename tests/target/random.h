/* SPDX-License-Identifier: BSD-2-Clause */
/* Random numbers that a seed repeats: xorshift64* (Vigna, "An experimental exploration of Marsaglia's
 * xorshift generators"). */
#pragma once

#include <stdint.h>

struct random {
    uint64_t state; /* never 0 */
};

static inline struct random random_seeded(uint64_t seed)
{
    return (struct random){seed ? seed : 1};
}

static inline uint64_t random_next(struct random *random)
{
    random->state ^= random->state >> 12;
    random->state ^= random->state << 25;
    random->state ^= random->state >> 27;
    return random->state * 0x2545f4914f6cdd1dull;
}

/* A number below bound, which is not 0 and far below 2^32. */
static inline uint32_t random_below(struct random *random, uint32_t bound)
{
    return (uint32_t)((random_next(random) >> 32) * bound >> 32);
}
