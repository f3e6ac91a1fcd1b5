/* SPDX-License-Identifier: BSD-2-Clause */
/* The page tables of a textbook: what the work costs when nobody else is there, and nobody has tuned it. */
#include "tests/bench/plain_walker.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/pt/fmt_vtdss.h"
#include "lib/units.h"
#include "tests/bench/pt_side.h"

#define TOP 3

/* What of [iova, last] the entry at iova translates. */
struct part {
    uint64_t iova;
    uint64_t last;
    bool whole; /* all that the entry translates */
};

static struct part part_of(uint64_t iova, uint64_t last, unsigned level)
{
    uint64_t end = align_down(iova, PT_ENTRY_SIZE(level)) + PT_ENTRY_SIZE(level) - 1;
    struct part part = {iova, last < end ? last : end, false};

    part.whole = part.last - iova == PT_ENTRY_SIZE(level) - 1;
    return part;
}

static unsigned index_of(uint64_t iova, unsigned level)
{
    return (unsigned)(iova >> PT_ENTRY_LG2(level)) % PT_ENTRIES;
}

static uint64_t *child(uint64_t entry)
{
    return phys_to_virt(entry & VTDSS_ADDRESS);
}

static bool is_leaf(uint64_t entry, unsigned level)
{
    return entry && (level == 0 || entry & VTDSS_LARGE);
}

static uint32_t *used(const uint64_t *table)
{
    return &page_of(table)->entries_used;
}

static uint64_t *table_make(void)
{
    uint64_t *table = pages_alloc(0, PAGE_HYPERVISOR);

    if (table)
        *used(table) = 0;
    return table;
}

/* The table below an entry, made if there is none. NULL if there is no memory. */
static uint64_t *table_below(uint64_t *table, unsigned i)
{
    uint64_t *below;

    if (table[i])
        return child(table[i]);
    below = table_make();
    if (!below)
        return NULL;
    table[i] = vtdss_table(virt_to_phys(below));
    ++*used(table);
    return below;
}

static int map_in(const struct plain_walker *walker, uint64_t *table, unsigned level, uint64_t iova,
                  uint64_t last, uint64_t hpa)
{
    int error = 0;

    while (!error && iova <= last) {
        struct part part = part_of(iova, last, level);
        unsigned i = index_of(iova, level);
        uint64_t *below;

        if (is_leaf(table[i], level))
            return ERR_EXISTS;
        if (level == 0 || (walker->large && level < TOP && part.whole && !table[i] &&
                           is_aligned(hpa, PT_ENTRY_SIZE(level)))) {
            table[i] = vtdss_leaf(hpa, level, PT_READ | PT_WRITE);
            ++*used(table);
        } else {
            below = table_below(table, i);
            error = below ? map_in(walker, below, level - 1, iova, part.last, hpa) : ERR_NOMEM;
        }
        hpa += part.last + 1 - iova;
        iova = part.last + 1;
    }
    return error;
}

/* A table of smaller leaves in the place of a large one. */
static void split(uint64_t *table, unsigned i, unsigned level)
{
    uint64_t *below = table_make();
    uint64_t leaf = level == 1 ? table[i] & ~VTDSS_LARGE : table[i];

    if (!below)
        bench_fail("no memory for a split");
    for (unsigned at = 0; at < PT_ENTRIES; at++)
        below[at] = leaf + at * PT_ENTRY_SIZE(level - 1);
    *used(below) = PT_ENTRIES;
    table[i] = vtdss_table(virt_to_phys(below));
}

/* True if the table is empty then. */
static bool unmap_in(uint64_t *table, unsigned level, uint64_t iova, uint64_t last)
{
    while (iova <= last) {
        struct part part = part_of(iova, last, level);
        unsigned i = index_of(iova, level);
        bool leaf = is_leaf(table[i], level);

        if (leaf && !part.whole) {
            split(table, i, level);
            leaf = false;
        }
        if (table[i] && (leaf || unmap_in(child(table[i]), level - 1, iova, part.last))) {
            if (!leaf)
                pages_free(child(table[i]));
            table[i] = 0;
            --*used(table);
        }
        iova = part.last + 1;
    }
    return *used(table) == 0;
}

void plain_init(struct plain_walker *walker, bool large)
{
    walker->root = table_make();
    walker->large = large;
    if (!walker->root)
        bench_fail("no memory for a tree");
}

void plain_destroy(struct plain_walker *walker)
{
    pages_free(walker->root);
}

int plain_map(struct plain_walker *walker, uint64_t iova, uint64_t last, uint64_t hpa)
{
    return map_in(walker, walker->root, TOP, iova, last, hpa);
}

void plain_unmap(struct plain_walker *walker, uint64_t iova, uint64_t last)
{
    (void)unmap_in(walker->root, TOP, iova, last);
}

static void harvest_in(uint64_t *table, unsigned level, uint64_t iova, uint64_t last, uint64_t *words,
                       bool keep)
{
    while (iova <= last) {
        struct part part = part_of(iova, last, level);
        uint64_t *entry = &table[index_of(iova, level)];

        if (!is_leaf(*entry, level)) {
            if (*entry)
                harvest_in(child(*entry), level - 1, iova, part.last, words, keep);
        } else if (*entry & VTDSS_DIRTY) {
            for (uint64_t page = iova >> PAGE_LG2; page <= part.last >> PAGE_LG2; page++)
                words[page / 64] |= 1ull << page % 64;
            if (!keep)
                *entry &= ~VTDSS_DIRTY;
        }
        iova = part.last + 1;
    }
}

void plain_harvest(struct plain_walker *walker, uint64_t iova, uint64_t last, uint64_t *words, bool keep)
{
    harvest_in(walker->root, TOP, iova, last, words, keep);
}

static uint64_t lookup_in(const uint64_t *table, unsigned level, uint64_t iova)
{
    uint64_t entry = table[index_of(iova, level)];

    if (!entry)
        return BENCH_NO_HPA;
    if (is_leaf(entry, level))
        return (entry & VTDSS_ADDRESS) + iova % PT_ENTRY_SIZE(level);
    return lookup_in(child(entry), level - 1, iova);
}

uint64_t plain_lookup(const struct plain_walker *walker, uint64_t iova)
{
    return lookup_in(walker->root, TOP, iova);
}
