/* SPDX-License-Identifier: BSD-2-Clause */
/* The stream of choices. Its state is on a heap of its own, which no run restores. */
#include "tests/model/choices.h"
#include "tests/model/run.h"
#include <stdlib.h>
#include <string.h>

#define DECISIONS_MAX (1u << 20)
#define TOUCHED_MAX   (1u << 16)
#define GRANULE_LG2   3
#define PAGE_LG2      12

/* One answer of an exhaustive search. */
struct decision {
    uint32_t answer;
    uint32_t count;    /* of possible answers */
    uint32_t by_index; /* answer i costs i, else 1 */
};

/* Who touched eight bytes, or a page. They are shared when several did, and one stored; or freed the page. */
struct touched {
    uintptr_t what; /* the number of the granule, or page_key() */
    unsigned agent; /* the first */
    bool several;
    bool stored;
};

/* Of random runs: an agent is interrupted at one in so many points. Some errors take agents that go step by
 * step, others one that stands still while another one does a lot. */
static const uint8_t paces[] = {2, 2, 2, 4, 8, 16, 32, 128};

static struct {
    enum choices_mode mode;
    uint64_t random;
    unsigned switch_in; /* the pace of this run */
    bool delays;

    const uint8_t *bytes;
    size_t bytes_left;

    struct decision *decisions;
    unsigned known; /* decisions that the next run repeats */
    unsigned made;  /* in this run */
    unsigned cost;  /* of those made */
    unsigned deviations;
    struct touched *touched;
    bool learned; /* something turned out to be shared in this run */
    bool whole;   /* no reduction: each point counts */
} * state;

void choices_init(void)
{
    state = run_keep(sizeof *state);
    state->decisions = run_keep(DECISIONS_MAX * sizeof *state->decisions);
    state->touched = run_keep(TOUCHED_MAX * sizeof *state->touched);
}

/* splitmix64 (Steele, Lea, Flood 2014): any seed is a good one. */
static uint64_t next_random(void)
{
    uint64_t z = state->random += 0x9e3779b97f4a7c15ull;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

void choices_random(uint64_t seed)
{
    state->mode = CHOICES_RANDOM;
    state->random = seed;
    state->delays = false;
    state->switch_in = paces[next_random() % sizeof paces];
}

void choices_bytes(const uint8_t *bytes, size_t count)
{
    state->mode = CHOICES_BYTES;
    state->bytes = bytes;
    state->bytes_left = count;
    state->switch_in = 4;
    state->delays = false;
}

void choices_exhaustive(unsigned deviations, bool whole)
{
    state->whole = whole;
    state->mode = CHOICES_EXHAUSTIVE;
    state->deviations = deviations;
    state->delays = true;
    state->known = state->made = state->cost = 0;
    state->learned = false;
    memset(state->touched, 0, TOUCHED_MAX * sizeof *state->touched);
}

enum choices_mode choices_mode(void)
{
    return state->mode;
}

bool choices_delays(void)
{
    return state->delays;
}

static unsigned cost_of(const struct decision *decision)
{
    return decision->by_index ? decision->answer : decision->answer != 0;
}

bool choices_next(void)
{
    unsigned cost = state->cost;

    if (state->learned) {
        state->known = state->made = state->cost = 0;
        state->learned = false;
        return true;
    }
    while (state->made) {
        struct decision *last = &state->decisions[--state->made];

        cost -= cost_of(last);
        last->answer++;
        if (last->answer < last->count && cost + cost_of(last) <= state->deviations) {
            state->known = state->made + 1;
            state->made = state->cost = 0;
            return true;
        }
    }
    return false;
}

static unsigned decide(unsigned count, bool by_index)
{
    struct decision *decision = &state->decisions[state->made];

    if (state->made == DECISIONS_MAX)
        run_broken("a run has more than %u decisions", DECISIONS_MAX);
    if (state->made >= state->known)
        *decision = (struct decision){.count = count, .by_index = by_index};
    else if (decision->count != count)
        run_broken("a run did not repeat: decision %u had %u answers, and now %u", state->made,
                   decision->count, count);
    state->made++;
    state->cost += cost_of(decision);
    return decision->answer;
}

static unsigned next_byte(unsigned count)
{
    if (!state->bytes_left)
        return 0;
    state->bytes_left--;
    return *state->bytes++ % count;
}

unsigned choices_choose(unsigned count)
{
    if (count == 1)
        return 0;
    switch (state->mode) {
    case CHOICES_RANDOM:
        return (unsigned)(next_random() % count);
    case CHOICES_BYTES:
        return next_byte(count);
    default:
        return decide(count, false);
    }
}

bool choices_chance(unsigned in)
{
    if (in == 1)
        return true;
    if (state->mode == CHOICES_EXHAUSTIVE)
        return decide(2, false);
    return choices_choose(in) == in - 1;
}

unsigned choices_agent(const unsigned *weights, unsigned count)
{
    unsigned total = 0, pick;

    if (count == 1)
        return 0;
    if (state->mode == CHOICES_BYTES)
        return next_byte(count);
    if (state->mode == CHOICES_EXHAUSTIVE)
        return decide(count, true);
    for (unsigned i = 0; i < count; i++)
        total += weights[i];
    pick = (unsigned)(next_random() % total);
    for (unsigned i = 0;; i++) {
        if (pick < weights[i])
            return i;
        pick -= weights[i];
    }
}

/* Notes the access; true if others touch the same. */
static bool is_shared(unsigned agent, uintptr_t what, bool store)
{
    size_t at = (what * 0x9e3779b97f4a7c15ull) >> 48;
    struct touched *touched;

    for (unsigned tried = 0; tried < TOUCHED_MAX; tried++, at++) {
        touched = &state->touched[at % TOUCHED_MAX];
        if (!touched->what)
            *touched = (struct touched){what, agent, false, store};
        if (touched->what == what)
            break;
    }
    if (touched->what != what)
        return true; /* the table is full: no reduction any more */
    if (touched->several && touched->stored)
        return true;
    touched->stored = touched->stored || store;
    touched->several = touched->several || touched->agent != agent;
    if (!touched->several || !touched->stored)
        return false;
    state->learned = true;
    return true;
}

/* No granule's number has the highest bit. */
static uintptr_t page_key(const volatile void *address)
{
    return (uintptr_t)address >> PAGE_LG2 | 1ull << 63;
}

bool choices_may_switch(unsigned agent, const volatile void *address, bool store)
{
    bool shared;

    if (state->mode != CHOICES_EXHAUSTIVE)
        return choices_chance(state->switch_in);
    if (!address || state->whole)
        return true;
    shared = is_shared(agent, page_key(address), false);
    return is_shared(agent, (uintptr_t)address >> GRANULE_LG2, store) || shared;
}

void choices_page_freed(unsigned agent, const volatile void *page)
{
    if (state->mode == CHOICES_EXHAUSTIVE)
        (void)is_shared(agent, page_key(page), true);
}
