/* SPDX-License-Identifier: BSD-2-Clause */
/* Arrays of pages, and for each table the count of its entries. */
#include "tests/host/pt_reference.h"
#include <stdlib.h>
#include <string.h>

/* A table above level 0, by what it translates. Few are ever needed. */
struct upper {
    unsigned level;
    uint64_t number; /* iova over what the table spans */
    unsigned entries;
};

struct ref ref;

static unsigned low_entries[REF_PAGES / REF_TABLE_PAGES]; /* of each table at level 0 */
static struct upper uppers[64];
static unsigned upper_count;

void ref_init(unsigned level_count)
{
    memset(&ref, 0, sizeof ref);
    memset(ref.level, REF_NONE, sizeof ref.level);
    memset(low_entries, 0, sizeof low_entries);
    upper_count = 0;
    ref.levels = level_count;
    ref.tables = 1;
}

unsigned ref_first(enum ref_window window)
{
    return window == REF_MAIN ? 0 : REF_MAIN_PAGES + (window - REF_LOW) * REF_SIDE_PAGES;
}

unsigned ref_count(enum ref_window window)
{
    return window == REF_MAIN ? REF_MAIN_PAGES : REF_SIDE_PAGES;
}

uint64_t ref_iova(unsigned page)
{
    if (page < REF_MAIN_PAGES)
        return PT_ENTRY_SIZE(ref.levels - 1) - 4 * MIB + page * PAGE_SIZE;
    page -= REF_MAIN_PAGES;
    if (page < REF_SIDE_PAGES)
        return page * PAGE_SIZE;
    return PT_ENTRY_SIZE(ref.levels) - 2 * REF_SIDE_PAGES * PAGE_SIZE + page * PAGE_SIZE;
}

static unsigned pages_at(unsigned level)
{
    return 1u << (9 * level);
}

unsigned ref_leaf_pages(unsigned page)
{
    return pages_at(ref.level[page]);
}

unsigned ref_leaf_first(unsigned page)
{
    return page - (unsigned)(ref_iova(page) >> PAGE_LG2) % ref_leaf_pages(page);
}

bool ref_is_empty(unsigned first, unsigned count)
{
    for (unsigned page = first; page < first + count; page++)
        if (ref.level[page] != REF_NONE)
            return false;
    return true;
}

/* The count of entries of the table at level on page's path. */
static unsigned *entries_of(unsigned page, unsigned level)
{
    uint64_t number = ref_iova(page) >> PT_ENTRY_LG2(level + 1);

    if (level == 0)
        return &low_entries[page / REF_TABLE_PAGES];
    for (unsigned i = 0; i < upper_count; i++)
        if (uppers[i].level == level && uppers[i].number == number)
            return &uppers[i].entries;
    if (upper_count == sizeof uppers / sizeof uppers[0])
        abort();
    uppers[upper_count] = (struct upper){level, number, 0};
    return &uppers[upper_count++].entries;
}

/* An entry of a table at level comes to be used. A table that was not there needs an entry itself. */
static void use_entry(unsigned page, unsigned level)
{
    while (level + 1 < ref.levels && (*entries_of(page, level))++ == 0) {
        ref.tables++;
        level++;
    }
}

static void give_up_entry(unsigned page, unsigned level)
{
    while (level + 1 < ref.levels && --*entries_of(page, level) == 0) {
        ref.tables--;
        level++;
    }
}

void ref_add_leaf(unsigned first, unsigned level, uint64_t hpa, unsigned prot, bool dirty)
{
    unsigned pages = pages_at(level);

    for (unsigned i = 0; i < pages; i++)
        ref.hpa[first + i] = hpa + i * PAGE_SIZE;
    memset(&ref.level[first], (int)level, pages);
    memset(&ref.prot[first], (int)prot, pages);
    memset(&ref.dirty[first], dirty, pages);
    use_entry(first, level);
}

void ref_remove_leaf(unsigned page)
{
    unsigned first = ref_leaf_first(page), pages = ref_leaf_pages(page);

    give_up_entry(first, ref.level[page]);
    memset(&ref.level[first], REF_NONE, pages);
    memset(&ref.dirty[first], false, pages);
}

void ref_set_dirty(unsigned page, bool dirty)
{
    memset(&ref.dirty[ref_leaf_first(page)], dirty, ref_leaf_pages(page));
}

void ref_split(unsigned page)
{
    unsigned first = ref_leaf_first(page), pages = ref_leaf_pages(page), level = ref.level[page] - 1u;

    memset(&ref.level[first], (int)level, pages);
    *entries_of(page, level) = PT_ENTRIES;
    ref.tables++;
}

void ref_cut(unsigned page)
{
    /* No leaf reaches out of a window. */
    while (page < REF_PAGES && ref.level[page] != REF_NONE && ref_leaf_first(page) != page)
        ref_split(page);
}

void ref_merge(unsigned page, unsigned level)
{
    unsigned pages = pages_at(level);
    bool dirty = false;

    if (!is_aligned(ref.hpa[page], PT_ENTRY_SIZE(level)))
        return;
    for (unsigned i = 0; i < pages; i++) {
        if (ref.level[page + i] != level - 1 || ref.hpa[page + i] != ref.hpa[page] + i * PAGE_SIZE ||
            ref.prot[page + i] != ref.prot[page])
            return;
        dirty |= ref.dirty[page + i];
    }
    memset(&ref.level[page], (int)level, pages);
    memset(&ref.dirty[page], dirty, pages);
    *entries_of(page, level - 1) = 0;
    ref.tables--;
}
