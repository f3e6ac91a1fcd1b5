/* SPDX-License-Identifier: BSD-2-Clause */
/* The one stream that decides everything that is left open in a run: who goes on, and what hardware does. It
 * outlives a run, unlike all else. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum choices_mode {
    CHOICES_RANDOM,     /* by a seed */
    CHOICES_BYTES,      /* by bytes, a choice each; when they end every answer is 0 */
    CHOICES_EXHAUSTIVE, /* each run another, until all with at most so many deviations were made */
};

void choices_init(void); /* once in a program, before anything else */

/* How the next runs choose. */
void choices_random(uint64_t seed);
void choices_bytes(const uint8_t *bytes, size_t count);

/* Every run whose answers other than 0 cost at most this: answer i of choices_agent() i, of others 1.
 * `whole`: agents are interrupted before whatever they touch. */
void choices_exhaustive(unsigned deviations, bool whole);

/* After a run: sets the next one of an exhaustive search up. False when there is none. */
bool choices_next(void);

enum choices_mode choices_mode(void);

/* Any of 0 to count - 1. choices_chance(): true once in `in` times. */
unsigned choices_choose(unsigned count);
bool choices_chance(unsigned in);

/* Which of count agents goes on; 0 is the one whose turn it would be. weights for random runs. */
unsigned choices_agent(const unsigned *weights, unsigned count);

/* An agent whose turn is taken from it waits until the others cannot go on (nearly: schedule.c), or else it
 * is soon its turn again. */
bool choices_delays(void);

/* Whether the agent that runs is interrupted before it touches the address: a look at whether it is worth it.
 * In an exhaustive search only what several agents touch, one of them writing, is: eight bytes, or a page
 * that is freed meanwhile. What that is is learned as the search goes on, which begins anew when there is
 * something new. */
bool choices_may_switch(unsigned agent, const volatile void *address, bool store);

/* The agent frees the page: that is as if it stored to all of it. */
void choices_page_freed(unsigned agent, const volatile void *page);
