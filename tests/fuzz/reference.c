/* SPDX-License-Identifier: BSD-2-Clause */
/* A plain reference for the engine: runs of leaves in a sorted array. */
#include "tests/fuzz/reference.h"
#include "lib/units.h"
#include "tests/fuzz/fuzz.h"
#include <string.h>

static uint64_t run_last(const struct reference_run *run)
{
    return run->iova + run->bytes - 1;
}

struct reference_run *reference_after(struct reference *reference, uint64_t iova)
{
    unsigned low = 0, high = reference->count;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (run_last(&reference->runs[middle]) < iova)
            low = middle + 1;
        else
            high = middle;
    }
    return &reference->runs[low];
}

static struct reference_run *end_of(struct reference *reference)
{
    return &reference->runs[reference->count];
}

/* The first run of the range, or NULL. */
static struct reference_run *meets(struct reference *reference, uint64_t iova, uint64_t last)
{
    struct reference_run *run = reference_after(reference, iova);

    return run < end_of(reference) && run->iova <= last ? run : NULL;
}

struct reference_run *reference_find(struct reference *reference, uint64_t iova)
{
    return meets(reference, iova, iova);
}

uint64_t reference_first_mapped(struct reference *reference, uint64_t iova, uint64_t last)
{
    const struct reference_run *run = meets(reference, iova, last);

    if (!run)
        return last + 1;
    return run->iova > iova ? run->iova : iova;
}

/* Makes room for another run at place. */
static void insert(struct reference *reference, struct reference_run *place, struct reference_run run)
{
    check(reference->count < REFERENCE_RUNS);
    memmove(place + 1, place, (size_t)(end_of(reference) - place) * sizeof *place);
    *place = run;
    reference->count++;
}

static void erase(struct reference *reference, struct reference_run *first, struct reference_run *end)
{
    memmove(first, end, (size_t)(end_of(reference) - end) * sizeof *first);
    reference->count -= (unsigned)(end - first);
}

/* Lets a run begin at iova, where a leaf begins. */
static void divide(struct reference *reference, uint64_t iova)
{
    struct reference_run *run = reference_find(reference, iova), rest;
    uint64_t before;

    if (!run || run->iova == iova)
        return;
    before = iova - run->iova;
    rest = *run;
    rest.iova += before;
    rest.hpa += before;
    rest.bytes -= before;
    run->bytes = before;
    insert(reference, run + 1, rest);
}

/* A run of the one leaf at iova, which is mapped. */
static struct reference_run *isolate(struct reference *reference, uint64_t iova)
{
    uint64_t size = PT_ENTRY_SIZE(reference_find(reference, iova)->level);

    divide(reference, align_down(iova, size));
    divide(reference, align_down(iova, size) + size);
    return reference_find(reference, iova);
}

static bool continues(const struct reference_run *run, const struct reference_run *next)
{
    return next->iova == run->iova + run->bytes && next->hpa == run->hpa + run->bytes &&
           next->level == run->level && next->prot == run->prot && next->accessed == run->accessed &&
           next->dirty == run->dirty;
}

/* Joins neighbours that are alike, so that there are few runs. */
static void tidy(struct reference *reference)
{
    unsigned kept = 0;

    for (unsigned i = 1; i < reference->count; i++) {
        struct reference_run *run = &reference->runs[kept], *next = &reference->runs[i];

        if (continues(run, next))
            run->bytes += next->bytes;
        else
            reference->runs[++kept] = *next;
    }
    if (reference->count)
        reference->count = kept + 1;
}

void reference_map(struct reference *reference, uint64_t iova, uint64_t last, uint64_t end, uint64_t hpa,
                   unsigned prot)
{
    while (iova < end) {
        unsigned level = 2;
        struct reference_run run;

        while (level && (!(reference->leaf_levels >> level & 1) || (iova | hpa) % PT_ENTRY_SIZE(level) ||
                         last - iova < PT_ENTRY_SIZE(level) - 1))
            level--;
        run = (struct reference_run){iova,
                                     PT_ENTRY_SIZE(level),
                                     hpa,
                                     (uint8_t)level,
                                     (uint8_t)prot,
                                     reference->preset,
                                     reference->preset};
        /* As many leaves of that size as fit before a larger one does. */
        while (run.bytes < end - iova && last - iova - run.bytes >= PT_ENTRY_SIZE(level) - 1 &&
               (level == 2 || !(reference->leaf_levels >> (level + 1) & 1) ||
                ((iova + run.bytes) | (hpa + run.bytes)) % PT_ENTRY_SIZE(level + 1)))
            run.bytes += PT_ENTRY_SIZE(level);
        insert(reference, reference_after(reference, iova), run);
        iova += run.bytes;
        hpa += run.bytes;
    }
    tidy(reference);
}

void reference_split_leaf(struct reference *reference, uint64_t iova)
{
    isolate(reference, iova)->level--;
}

/* Lets a run begin at iova. */
static void cut(struct reference *reference, uint64_t iova)
{
    const struct reference_run *run;

    while ((run = reference_find(reference, iova)) && iova % PT_ENTRY_SIZE(run->level))
        reference_split_leaf(reference, iova);
    divide(reference, iova);
}

bool reference_unmap(struct reference *reference, uint64_t iova, uint64_t last, struct dirty_bitmap *dirty)
{
    struct reference_run *first, *end;

    cut(reference, iova);
    cut(reference, last + 1);
    first = end = reference_after(reference, iova);
    while (end < end_of(reference) && end->iova <= last) {
        if (dirty && reference_is_dirty(reference, end))
            dirty_bitmap_mark(dirty, end->iova, run_last(end));
        end++;
    }
    erase(reference, first, end);
    tidy(reference);
    return end > first;
}

bool reference_split(struct reference *reference, uint64_t iova, uint64_t last, unsigned level)
{
    const struct reference_run *run;
    bool any = false;
    uint64_t at = iova;

    while ((run = meets(reference, at, last))) {
        if (at < run->iova)
            at = run->iova;
        if (run->level > level) {
            reference_split_leaf(reference, at);
            any = true;
        } else {
            at = run_last(run) + 1;
        }
    }
    tidy(reference);
    return any;
}

/* The 512 leaves that begin at iova, which allow one of level. */
static bool merge_block(struct reference *reference, uint64_t iova, unsigned level)
{
    struct reference_run merged = *reference_find(reference, iova);
    uint64_t hpa = merged.hpa + (iova - merged.iova), end = iova + PT_ENTRY_SIZE(level);
    const struct reference_run *run;

    if (hpa % PT_ENTRY_SIZE(level))
        return false;
    for (uint64_t at = iova; at < end; at = run_last(run) + 1) {
        run = reference_find(reference, at);
        if (!run || run->level != level - 1 || run->prot != merged.prot ||
            run->hpa + (at - run->iova) != hpa + (at - iova))
            return false;
        merged.accessed = merged.accessed || run->accessed;
        merged.dirty = merged.dirty || run->dirty;
    }
    divide(reference, iova);
    divide(reference, end);
    merged.iova = iova;
    merged.hpa = hpa;
    merged.bytes = end - iova;
    merged.level = (uint8_t)level;
    erase(reference, reference_find(reference, iova) + 1, reference_after(reference, end));
    *reference_find(reference, iova) = merged;
    return true;
}

bool reference_merge(struct reference *reference, uint64_t iova, uint64_t last)
{
    bool any = false;

    for (unsigned level = 1; level <= 2; level++) {
        uint64_t size = PT_ENTRY_SIZE(level);

        for (uint64_t at = align_up(iova, size); at <= last && last - at >= size - 1;) {
            const struct reference_run *run = meets(reference, at, last);

            if (!run)
                break;
            if (run->iova >= at + size) {
                at = align_down(run->iova, size);
                continue;
            }
            if (reference->leaf_levels >> level & 1 && run->iova <= at)
                any |= merge_block(reference, at, level);
            at += size;
        }
    }
    tidy(reference);
    return any;
}

void reference_touch(struct reference *reference, uint64_t iova, bool write)
{
    struct reference_run *run = isolate(reference, iova);

    run->accessed = true;
    run->dirty = run->dirty || write;
    tidy(reference);
}

bool reference_is_dirty(const struct reference *reference, const struct reference_run *run)
{
    return run->dirty || (reference->accessed_is_dirty && run->accessed);
}

bool reference_harvest(struct reference *reference, uint64_t iova, uint64_t last, bool keep,
                       struct dirty_bitmap *bitmap)
{
    struct reference_run *run;
    bool cleared = false;

    for (uint64_t at = iova, end; at <= last && (run = meets(reference, at, last)); at = end) {
        uint64_t size = PT_ENTRY_SIZE(run->level);
        bool whole;

        if (at < run->iova)
            at = run->iova;
        /* A leaf that reaches beyond the range is reported only. */
        whole = at % size == 0 && last - at >= size - 1;
        end = whole ? align_down(last + 1, size) : align_down(at, size) + size;
        if (end > run_last(run) + 1)
            end = run_last(run) + 1;
        if (!reference_is_dirty(reference, run))
            continue;
        dirty_bitmap_mark(bitmap, at, end - 1 < last ? end - 1 : last);
        if (!whole || keep)
            continue;
        divide(reference, at);
        divide(reference, end);
        run = reference_find(reference, at);
        run->dirty = false;
        run->accessed = run->accessed && !reference->accessed_is_dirty;
        cleared = true;
    }
    tidy(reference);
    return cleared;
}

uint64_t reference_tables(const struct reference *reference, unsigned levels)
{
    uint64_t tables = 1;

    for (unsigned level = 0; level + 1 < levels; level++) {
        uint64_t next = 0; /* the first table of this level that is not counted yet, and above */

        for (unsigned i = 0; i < reference->count; i++) {
            const struct reference_run *run = &reference->runs[i];
            uint64_t first = run->iova >> PT_ENTRY_LG2(level + 1);
            uint64_t last = run_last(run) >> PT_ENTRY_LG2(level + 1);

            if (run->level > level)
                continue;
            if (first < next)
                first = next;
            if (first <= last) {
                tables += last - first + 1;
                next = last + 1;
            }
        }
    }
    return tables;
}
