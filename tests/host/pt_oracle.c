/* SPDX-License-Identifier: BSD-2-Clause */
/* Random operations on a tree and on the reference; after each the tree has what the reference says, and not
 * a table more than that needs. */
#include "tests/host/pt_oracle.h"
#include "lib/error.h"
#include "tests/host/host.h"
#include "tests/host/pt_fixture.h"
#include "tests/host/pt_reference.h"
#include "tests/host/tree.h"
#include <stdio.h>
#include <string.h>

#define STEPS 200000u /* in each round */

struct round {
    unsigned leaf_levels;
    unsigned flags;
};

static const struct round rounds[] = {
    {7, 0},
    {7, PT_PRUNES},
    {7, PT_INCOHERENT},
    {3, PT_ACCESSED_IS_DIRTY},
    {3, PT_ACCESSED_IS_DIRTY | PT_PRUNES},
    {1, PT_INCOHERENT | PT_PRESET_DIRTY},
};

/* A range of pages within one window. */
struct range {
    unsigned first;
    unsigned count;
};

static uint64_t random_state;
static unsigned step;
static uint64_t pages_before;
static uint64_t bits[REF_MAIN_PAGES / 64];
static struct dirty_bitmap found;

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            fail_msg("%s, %u levels, leaves %u, flags %u, step %u: %s", ops->name, levels, pt.leaf_levels,   \
                     pt.flags, step, #condition);                                                            \
    } while (0)

static unsigned random_below(unsigned limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)((random_state >> 20) % limit);
}

static uint64_t iova_of(struct range range)
{
    return ref_iova(range.first);
}

static uint64_t last_of(struct range range)
{
    return ref_iova(range.first + range.count - 1) + PAGE_SIZE - 1;
}

/* Mostly around the places where tables and windows begin and end, so that operations meet each other. */
static struct range random_range(void)
{
    static const unsigned places[] = {2 * REF_TABLE_PAGES, 3 * REF_TABLE_PAGES, 5 * REF_TABLE_PAGES,
                                      REF_MAIN_PAGES - 2 * REF_TABLE_PAGES};
    enum ref_window window = random_below(5) ? REF_MAIN : random_below(2) ? REF_LOW : REF_HIGH;
    unsigned first = ref_first(window), count = ref_count(window), end = first + count;
    unsigned from, pages = 1 + random_below(1u << random_below(11));

    if (window == REF_MAIN && random_below(1000) == 0)
        return (struct range){2 * REF_TABLE_PAGES, 262144}; /* the 1 GiB */
    if (window == REF_MAIN)
        from = places[random_below(4)] - random_below(pages + 9);
    else
        from = first + random_below(count);
    if (random_below(3) == 0) {
        from -= from % REF_TABLE_PAGES;
        pages = REF_TABLE_PAGES * (1 + random_below(3));
    }
    return (struct range){from, pages < end - from ? pages : end - from};
}

static void begin_report(struct range range)
{
    memset(bits, 0, ((range.count + 63) / 64) * sizeof bits[0]);
    found = (struct dirty_bitmap){bits, iova_of(range), last_of(range)};
}

/* What was reported is just what the reference has as dirty. */
static void check_report(struct range range)
{
    for (unsigned i = 0; i < range.count; i++)
        CHECK(bitmap_test(bits, i) == ref.dirty[range.first + i]);
}

static void check_gathered(const struct gather *gather, unsigned page)
{
    uint64_t iova = ref_iova(ref_leaf_first(page));

    CHECK(gather->iova <= iova && gather->last >= iova + ref_leaf_pages(page) * PAGE_SIZE - 1);
}

static void remove_range(struct range range)
{
    for (unsigned page = range.first; page < range.first + range.count;) {
        unsigned pages = 1;

        if (ref.level[page] != REF_NONE) {
            pages = ref_leaf_pages(page);
            ref_remove_leaf(page);
        }
        page += pages;
    }
}

static unsigned level_for(uint64_t iova, uint64_t hpa, uint64_t bytes)
{
    for (unsigned level = 2; level; level--)
        if (pt.leaf_levels & 1u << level && is_aligned(iova | hpa, PT_ENTRY_SIZE(level)) &&
            bytes >= PT_ENTRY_SIZE(level))
            return level;
    return 0;
}

static void add_range(struct range range, uint64_t hpa, unsigned prot)
{
    for (unsigned done = 0; done < range.count;) {
        uint64_t at = done * PAGE_SIZE;
        unsigned page = range.first + done;
        unsigned level = level_for(ref_iova(page), hpa + at, range.count * PAGE_SIZE - at);

        ref_add_leaf(page, level, hpa + at, prot, pt.flags & PT_PRESET_DIRTY);
        done += ref_leaf_pages(page);
    }
}

static void do_map(struct range range)
{
    bool skewed = random_below(range.count > 4096 ? 16 : 4) == 0;
    uint64_t hpa = 4 * GIB * (1 + random_below(2)) + (iova_of(range) & (GIB - 1)) + (skewed ? PAGE_SIZE : 0);
    unsigned prot = PT_READ | (random_below(4) ? PT_WRITE : 0);
    unsigned mapped = 0;
    struct gather gather;
    uint64_t end;
    int error = ops->map(&pt, iova_of(range), last_of(range), hpa, prot, &end);

    while (mapped < range.count && ref.level[range.first + mapped] == REF_NONE)
        mapped++;
    CHECK(error == (mapped == range.count ? 0 : ERR_EXISTS));
    CHECK(end - iova_of(range) == mapped * PAGE_SIZE);
    if (!error) {
        add_range(range, hpa, prot);
    } else if (mapped) {
        gather_init(&gather);
        CHECK(ops->unlink(&pt, iova_of(range), end - 1, &gather, NULL) == 0);
        (void)settle_unmap(iova_of(range), end - 1, &gather, NULL);
    }
}

static void do_unmap(struct range range)
{
    struct gather gather;

    begin_report(range);
    gather_init(&gather);
    CHECK(ops->unlink(&pt, iova_of(range), last_of(range), &gather, &found) == 0);
    for (unsigned i = 0; i < 2; i++) {
        unsigned edge = i ? range.first + range.count - 1 : range.first;

        if (ref.level[edge] != REF_NONE)
            check_gathered(&gather, edge);
    }
    ref_cut(range.first);
    ref_cut(range.first + range.count);
    (void)settle_unmap(iova_of(range), last_of(range), &gather, &found);
    check_report(range);
    remove_range(range);
}

static void do_split(struct range range)
{
    unsigned level = random_below(range.count > 4096 ? 64 : 3) ? 1 : 0;
    struct gather gather;

    gather_init(&gather);
    CHECK(ops->split(&pt, iova_of(range), last_of(range), level, &gather) == 0);
    for (unsigned page = range.first; page < range.first + range.count; page++)
        while (ref.level[page] != REF_NONE && ref.level[page] > level) {
            check_gathered(&gather, page);
            ref_split(page);
        }
    CHECK(settle(&gather, NULL) == 0);
}

static void do_merge(struct range range)
{
    uint64_t tables = ref.tables;
    struct gather gather;

    gather_init(&gather);
    ops->merge(&pt, iova_of(range), last_of(range), &gather);
    for (unsigned level = 1; level <= 2; level++)
        for (unsigned i = 0; i < range.count && pt.leaf_levels & 1u << level; i++) {
            unsigned page = range.first + i;

            if (is_aligned(ref_iova(page), PT_ENTRY_SIZE(level)) &&
                range.count - i >= PT_ENTRY_SIZE(level) / PAGE_SIZE)
                ref_merge(page, level);
        }
    CHECK(settle_merge(&gather) == tables - ref.tables);
}

static void do_harvest(struct range range)
{
    unsigned flags = (random_below(3) ? 0 : HARVEST_KEEP) | (random_below(2) ? 0 : HARVEST_PRUNE);
    struct gather gather;

    begin_report(range);
    gather_init(&gather);
    ops->harvest(&pt, iova_of(range), last_of(range), &found, flags, &gather, NULL);
    check_report(range);
    for (unsigned page = range.first; page < range.first + range.count && !(flags & HARVEST_KEEP);) {
        unsigned pages = ref.level[page] == REF_NONE ? 1 : ref_leaf_pages(page);

        if (ref.dirty[page] && ref_leaf_first(page) == page && range.first + range.count - page >= pages) {
            check_gathered(&gather, page);
            ref_set_dirty(page, false);
        } else if (ref.level[page] != REF_NONE) {
            pages -= page - ref_leaf_first(page);
        }
        page += pages;
    }
    CHECK(settle(&gather, NULL) == 0);
}

static void do_access(struct range range)
{
    bool write = random_below(4);
    bool allowed = ref.level[range.first] != REF_NONE && (!write || ref.prot[range.first] & PT_WRITE);
    uint64_t hpa, within = random_below(4096);

    CHECK(tree_access_as(format, &tree_through_cache, &pt, iova_of(range) + within, write, &hpa) == allowed);
    if (!allowed)
        return;
    CHECK(hpa == ref.hpa[range.first] + within);
    if (write || pt.flags & PT_ACCESSED_IS_DIRTY)
        ref_set_dirty(range.first, true);
}

static void check_leaf(const struct pt_leaf *leaf, unsigned page)
{
    unsigned first = ref_leaf_first(page);

    CHECK(leaf->level == ref.level[page]);
    CHECK(leaf->iova == ref_iova(first));
    CHECK(leaf->hpa == ref.hpa[first]);
    CHECK(leaf->prot == ref.prot[page]);
    CHECK(leaf->dirty == ref.dirty[page]);
}

static void do_lookup(struct range range)
{
    struct pt_leaf leaf;
    bool mapped = ref.level[range.first] != REF_NONE;

    CHECK(ops->lookup(&pt, iova_of(range) + random_below(4096), &leaf) == mapped);
    if (mapped)
        check_leaf(&leaf, range.first);
}

/* Where a visit is, and what it has to come to next. */
struct visit {
    unsigned page;
    unsigned end;
    unsigned leaves; /* to go */
};

static unsigned next_mapped(unsigned page, unsigned end)
{
    while (page < end && ref.level[page] == REF_NONE)
        page++;
    return page;
}

static bool visit_leaf(void *context, const struct pt_leaf *leaf)
{
    struct visit *visit = context;

    visit->page = next_mapped(visit->page, visit->end);
    CHECK(visit->page < visit->end);
    check_leaf(leaf, visit->page);
    visit->page = ref_leaf_first(visit->page) + ref_leaf_pages(visit->page);
    return --visit->leaves;
}

static void check_visit(struct range range, unsigned leaves)
{
    struct visit visit = {range.first, range.first + range.count, leaves};

    ops->visit(&pt, iova_of(range), last_of(range), visit_leaf, &visit);
    CHECK(visit.leaves == 0 || next_mapped(visit.page, visit.end) >= visit.end);
}

static void do_step(void)
{
    static void (*const choices[])(struct range range) = {
        do_map,   do_map,     do_map,    do_unmap,  do_unmap,  do_unmap,  do_split,
        do_merge, do_harvest, do_access, do_access, do_access, do_access, do_lookup};
    struct range range = random_range();

    if (random_below(24))
        choices[random_below(ARRAY_SIZE(choices))](range);
    else
        check_visit(range, 1 + random_below(64));
    CHECK(pt.tables == ref.tables);
}

static void check_count(void)
{
    uint64_t counted[PT_LEAF_LEVELS] = {0}, expected[PT_LEAF_LEVELS] = {0};

    for (unsigned page = 0; page < REF_PAGES; page++)
        if (ref.level[page] != REF_NONE && ref_leaf_first(page) == page)
            expected[ref.level[page]]++;
    ops->count(&pt, counted);
    for (unsigned level = 0; level < PT_LEAF_LEVELS; level++)
        CHECK(counted[level] == expected[level]);
}

/* Everything in every window, and no page lost. */
static void check_all(void)
{
    check_count();
    for (enum ref_window window = REF_MAIN; window < REF_WINDOWS; window++)
        check_visit((struct range){ref_first(window), ref_count(window)}, ~0u);
    CHECK(pages_used() == pages_before + ref.tables);
}

static void run_round(const struct round *round)
{
    tree_make(round->leaf_levels, round->flags);
    pages_before = pages_used() - 1;
    ref_init(levels);
    for (step = 0; step < STEPS; step++) {
        do_step();
        if (step % 8192 == 0)
            check_all();
    }
    check_all();
    tree_free();
}

static void a_tree_is_what_a_plain_reference_says(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(rounds); i++) {
        random_state = 0x9e3779b97f4a7c15ull * (i + 1);
        run_round(&rounds[i]);
    }
}

int pt_oracle_main(const struct pt_ops *of)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_is_what_a_plain_reference_says),
    };

    return pt_tests_run_for(of, "pt_oracle", tests, ARRAY_SIZE(tests));
}
