/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes a unit, and looks after what it still caches whenever memory is freed. */
#include "tests/model/unit.h"
#include "tests/model/history.h"
#include "tests/model/schedule.h"
#include "tests/model/spec_registers.h"
#include "tests/model/violation.h"
#include "tests/model/write_buffer.h"
#include <stdio.h>

/* Fields of context entries (9.3, 9.4) and PASID entries (9.6) that point to memory. */
#define LEGACY_TT(word0)    ((unsigned)((word0) >> 2 & 3))
#define LEGACY_PASS_THROUGH 2u
#define PASID_PGTT(word0)   ((unsigned)((word0) >> 6 & 7))
#define PGTT_FIRST          1u
#define PGTT_SECOND         2u
#define PGTT_NESTED         3u

/* Agents keep their names, not copies of them. */
static char names[UNITS_MAX][2][24];

struct block {
    const struct unit *unit;
    uint64_t hpa;
    uint64_t last;
};

static bool within(const struct block *block, uint64_t hpa)
{
    return hpa >= block->hpa && hpa <= block->last;
}

static NORETURN void call_out(const struct block *block, const char *what, uint64_t where)
{
    violation(VIOLATION_FREED_CACHED, "[%#lx, %#lx] is freed while unit %u caches %s %#lx",
              (unsigned long)block->hpa, (unsigned long)block->last, block->unit->index, what,
              (unsigned long)where);
}

static void check_translations(const struct block *block, struct cache *cache)
{
    for (unsigned i = 0; i < cache->count; i++) {
        const struct cached_translation *entry = cache_entry(cache, i);

        if (!entry->present || entry->generation == 0)
            continue; /* pass-through reaches all memory, whoever's it is */
        if (within(block, entry->table))
            call_out(block, "a translation that was read from the table at", entry->table);
        if (entry->hpa <= block->last && entry->hpa + ((1ull << entry->page_lg2) - 1) >= block->hpa)
            call_out(block, "a translation that leads there, of IOVA", entry->iova);
    }
}

static void check_tables(const struct block *block, struct cache *cache)
{
    for (unsigned i = 0; i < cache->count; i++) {
        const struct cached_table *entry = cache_entry(cache, i);

        if (within(block, entry->table))
            call_out(block, "an entry that points to the table at", entry->table);
    }
}

static void check_contexts(const struct block *block, struct cache *cache)
{
    for (unsigned i = 0; i < cache->count; i++) {
        const struct cached_context *entry = cache_entry(cache, i);

        if (!entry->present)
            continue;
        if (within(block, entry->at))
            call_out(block, "the context entry at", entry->at);
        if (!entry->scalable && LEGACY_TT(entry->word[0]) == LEGACY_PASS_THROUGH)
            continue;
        if (within(block, entry->word[0] & SPEC_PAGE_ADDRESS))
            call_out(block, "a context entry that points to the table at",
                     entry->word[0] & SPEC_PAGE_ADDRESS);
    }
}

static void check_pasids(const struct block *block, struct cache *cache)
{
    for (unsigned i = 0; i < cache->count; i++) {
        const struct cached_pasid *entry = cache_entry(cache, i);
        unsigned pgtt = PASID_PGTT(entry->word[0]);

        if (!entry->present)
            continue;
        if (within(block, entry->at))
            call_out(block, "the PASID entry at", entry->at);
        if ((pgtt == PGTT_SECOND || pgtt == PGTT_NESTED) && within(block, entry->word[0] & SPEC_PAGE_ADDRESS))
            call_out(block, "a PASID entry with its second-stage tree at",
                     entry->word[0] & SPEC_PAGE_ADDRESS);
        if ((pgtt == PGTT_FIRST || pgtt == PGTT_NESTED) && within(block, entry->word[2] & SPEC_PAGE_ADDRESS))
            call_out(block, "a PASID entry with its first-stage tree at", entry->word[2] & SPEC_PAGE_ADDRESS);
    }
}

static void check_interrupts(const struct block *block, struct cache *cache)
{
    for (unsigned i = 0; i < cache->count; i++) {
        const struct cached_interrupt *entry = cache_entry(cache, i);

        if (entry->present && within(block, entry->at))
            call_out(block, "the interrupt entry at", entry->at);
    }
}

/* What the unit holds while translation is off it does not use, and a new root table comes with a global
 * invalidation (6.6). */
static void look_at_freed(void *context, uint64_t hpa, uint64_t last)
{
    struct unit *unit = context;
    const struct block block = {unit, hpa, last};

    if (unit_translates(unit)) {
        check_translations(&block, &unit->caches.translations);
        check_tables(&block, &unit->caches.tables);
        check_contexts(&block, &unit->caches.contexts);
        check_pasids(&block, &unit->caches.pasids);
    }
    if (unit->gsts & SPEC_GSTS_IRES)
        check_interrupts(&block, &unit->caches.interrupts);
}

void unit_make(struct unit *unit, unsigned index, const struct unit_config *config)
{
    *unit = (struct unit){
        .index = index,
        .config = *config,
        /* 11.4.7.2, 11.4.9.5: events are masked after reset. */
        .fectl = SPEC_EVENT_IM,
        .iectl = SPEC_EVENT_IM,
    };
    caches_make(&unit->caches);
    list_init(&unit->requests);
    memory_on_free(look_at_freed, unit);
    if (config->cap & SPEC_CAP_RWBF)
        write_buffer_make();
    snprintf(names[index][0], sizeof names[index][0], "unit%u registers", index);
    snprintf(names[index][1], sizeof names[index][1], "unit%u queue", index);
    agent_start(AGENT_HARDWARE, 0, names[index][0], unit_command_agent, unit);
    agent_start(AGENT_HARDWARE, 0, names[index][1], unit_queue_agent, unit);
    history("unit %lu: %s, version %lu", index, history_text(config->name), SPEC_VER_MAJOR(config->ver));
}
