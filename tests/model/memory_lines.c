/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory behind the CPUs' caches. */
#include "tests/model/memory_lines.h"
#include "lib/compiler.h"
#include "lib/platform.h"
#include "lib/units.h"
#include "tests/model/memory.h"
#include "tests/model/run.h"
#include "tests/model/schedule.h"
#include <string.h>

/* As a page-table entry it is present, and has reserved bits set. */
#define STALE_BYTE 0xdb

/* So many contents are remembered, of all lines together, and so many before the caches write back by
 * themselves. */
#define VERSIONS_MAX  64
#define VERSIONS_MANY 48

/* What a line held before a store to it, since it was last written back. */
struct version {
    uint64_t line; /* HPA; 0 for none */
    uint8_t bytes[CACHE_LINE];
};

static uint64_t base;
static uint8_t *behind; /* kept: memory behind the caches, from base on */
static uint8_t *saved;
static struct version versions[VERSIONS_MAX]; /* a ring */
static unsigned next;                         /* where the next version goes: the oldest is there */
static unsigned remembered;

void lines_init(uint64_t hpa, uint64_t bytes)
{
    base = hpa;
    behind = run_keep(bytes);
    saved = run_keep(bytes);
}

static uint8_t *line_behind(uint64_t line)
{
    return behind + (line - base);
}

/* The n-th, from the oldest on. */
static struct version *version_at(unsigned n)
{
    return &versions[(next + n) % VERSIONS_MAX];
}

static void drop(struct version *version)
{
    remembered -= version->line != 0;
    version->line = 0;
}

static void forget(uint64_t hpa, uint64_t bytes)
{
    for (unsigned i = 0; remembered && i < VERSIONS_MAX; i++)
        if (versions[i].line - hpa < bytes)
            drop(&versions[i]);
}

void lines_fill_stale(uint64_t hpa, uint64_t bytes)
{
    forget(hpa, bytes);
    memset(line_behind(hpa), STALE_BYTE, bytes);
}

void lines_before_store(uint64_t hpa)
{
    uint64_t line = align_down(hpa, CACHE_LINE);
    const uint8_t *now = phys_to_virt(line);
    const uint8_t *newest = line_behind(line);

    for (unsigned i = 0; i < VERSIONS_MAX; i++)
        if (version_at(i)->line == line)
            newest = version_at(i)->bytes;
    if (memcmp(newest, now, CACHE_LINE) == 0)
        return;
    drop(&versions[next]);
    versions[next].line = line;
    remembered++;
    memcpy(versions[next].bytes, now, CACHE_LINE);
    next = (next + 1) % VERSIONS_MAX;
}

/* The line was evicted when it held the n-th of its versions that are remembered. */
static void evict_version(uint64_t line, unsigned n)
{
    for (unsigned i = 0; i < VERSIONS_MAX; i++) {
        struct version *version = version_at(i);

        if (version->line != line)
            continue;
        drop(version);
        if (!n--) {
            memcpy(line_behind(line), version->bytes, CACHE_LINE);
            return;
        }
    }
}

void lines_maybe_evict(void)
{
    unsigned oldest = 0;

    if (remembered < VERSIONS_MANY)
        return;
    while (!version_at(oldest)->line)
        oldest++;
    if (schedule_chance(2))
        evict_version(version_at(oldest)->line, 0);
    else
        drop(version_at(oldest));
}

void lines_write_back(uint64_t hpa, uint64_t bytes)
{
    uint64_t first = align_down(hpa, CACHE_LINE);

    bytes = align_up(hpa + bytes, CACHE_LINE) - first;
    forget(first, bytes);
    memcpy(line_behind(first), phys_to_virt(first), bytes);
}

/* Which of its contents the line was written back with. */
static void choose_eviction(uint64_t line)
{
    unsigned count = 0;
    unsigned choice;

    for (unsigned i = 0; i < VERSIONS_MAX; i++)
        count += versions[i].line == line;
    if (!count && memcmp(line_behind(line), phys_to_virt(line), CACHE_LINE) == 0)
        return;
    /* A search tries 0 first, which is best the rarer case: the line is in the cache still. While all is calm
     * nothing is late. */
    choice = schedule_choose(count + 2);
    if (schedule_is_calm() ? choice == 0 : choice == count + 1)
        lines_write_back(line, CACHE_LINE);
    else if (choice && choice <= count)
        evict_version(line, choice - 1);
}

uint64_t lines_read(uint64_t hpa)
{
    uint64_t word;

    choose_eviction(align_down(hpa, CACHE_LINE));
    memcpy(&word, line_behind(hpa), sizeof word);
    return word;
}

void lines_save_page(uint64_t hpa)
{
    memcpy(saved + (hpa - base), line_behind(hpa), PAGE_SIZE);
}

void lines_restore_page(uint64_t hpa)
{
    memcpy(line_behind(hpa), saved + (hpa - base), PAGE_SIZE);
}
