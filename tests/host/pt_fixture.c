/* SPDX-License-Identifier: BSD-2-Clause */
/* One tree, and agents that have nothing cached. */
#include "tests/host/pt_fixture.h"
#include "lib/page_alloc.h"
#include "lib/rcu.h"
#include "tests/host/host.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA (16 * MIB)

const struct pt_ops *ops;
const struct tree_format *format;
unsigned levels;
struct pt pt;
uint64_t words[WORDS];
struct dirty_bitmap bitmap;

void tree_make(unsigned leaf_levels, unsigned flags)
{
    assert_int_equal(pt_init(&pt, levels, leaf_levels, PT_ENTRY_LG2(levels), flags), 0);
    memset(words, 0, sizeof words);
    bitmap = (struct dirty_bitmap){words, BASE, BASE + sizeof words * 8 * PAGE_SIZE - 1};
}

int map_as(uint64_t iova, uint64_t bytes, uint64_t hpa, unsigned prot)
{
    uint64_t end;
    int error = ops->map(&pt, iova, iova + bytes - 1, hpa, prot, &end);

    if (!error)
        assert_int_equal(end, iova + bytes);
    return error;
}

int map(uint64_t iova, uint64_t bytes, uint64_t hpa)
{
    return map_as(iova, bytes, hpa, PT_READ | PT_WRITE);
}

static uint64_t free_tables(struct gather *gather)
{
    uint64_t count;

    gather_set_harvested(gather);
    count = gather_free(gather, true);
    rcu_barrier();
    return count;
}

uint64_t settle(struct gather *gather, struct dirty_bitmap *dirty)
{
    gather_set_invalidated(gather);
    if (dirty)
        ops->harvest_detached(&pt, gather, dirty);
    return free_tables(gather);
}

uint64_t settle_merge(struct gather *gather)
{
    gather_set_invalidated(gather);
    ops->hand_back(&pt, gather, false);
    return free_tables(gather);
}

uint64_t settle_unmap(uint64_t iova, uint64_t last, struct gather *gather, struct dirty_bitmap *dirty)
{
    uint64_t count = settle(gather, dirty);

    while (gather->unlink_again) {
        ops->unlink_empty(&pt, iova, last, gather);
        count += settle(gather, dirty);
    }
    return count;
}

int unmap(uint64_t iova, uint64_t bytes, struct dirty_bitmap *dirty, uint64_t *freed)
{
    struct gather gather;
    int error;
    uint64_t count;

    gather_init(&gather);
    error = ops->unlink(&pt, iova, iova + bytes - 1, &gather, dirty);
    count = settle_unmap(iova, iova + bytes - 1, &gather, dirty);
    if (freed)
        *freed = count;
    return error;
}

void tree_free(void)
{
    assert_int_equal(unmap(0, pt_span_last(&pt) + 1, NULL, NULL), 0);
    assert_int_equal(pt.tables, 1);
    pt_destroy(&pt);
}

struct harvest_stats harvest(uint64_t iova, uint64_t bytes, unsigned flags)
{
    struct harvest_stats stats = {0};
    struct gather gather;

    gather_init(&gather);
    ops->harvest(&pt, iova, iova + bytes - 1, &bitmap, flags, &gather, &stats);
    assert_int_equal(gather_has_tables(&gather), false);
    assert_int_equal(gather_empty(&gather), stats.dirty == 0 || flags & HARVEST_KEEP);
    return stats;
}

unsigned bits_set(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
        count += (unsigned)__builtin_popcountll(words[i]);
    return count;
}

void device_access(uint64_t iova, bool write)
{
    uint64_t hpa;

    assert_true(tree_access_as(format, &tree_through_cache, &pt, iova, write, &hpa));
}

bool device_sees(uint64_t iova, uint64_t *hpa)
{
    return tree_access_as(format, &tree_through_cache, &pt, iova, false, hpa);
}

uint64_t *slot_at(uint64_t iova, unsigned level)
{
    uint64_t *table = pt.root;

    for (unsigned at = levels - 1; at > level; at--)
        table = phys_to_virt(table[iova >> PT_ENTRY_LG2(at) & 511] & 0x000ffffffffff000ull);
    return &table[iova >> PT_ENTRY_LG2(level) & 511];
}

void write_by_cached_table(uint64_t iova)
{
    *slot_at(iova, 0) |= format->accessed | format->dirty;
}

unsigned level_at(uint64_t iova)
{
    struct pt_leaf leaf;

    assert_true(ops->lookup(&pt, iova, &leaf));
    return leaf.level;
}

bool dirty_at(uint64_t iova)
{
    struct pt_leaf leaf;

    assert_true(ops->lookup(&pt, iova, &leaf));
    return leaf.dirty;
}

uint64_t pages_used(void)
{
    struct page_alloc_stats stats;

    page_alloc_stats(&stats);
    return stats.total_pages - stats.free_pages;
}

static void begin(void)
{
    host_memory_init(ARENA);
    tree_watch_flushes(ARENA);
    rcu_cpu_online();
}

struct kind {
    const struct tree_format *format;
    unsigned levels;
};

static int take_kind(void **state)
{
    const struct kind *kind = *state;

    format = kind->format;
    ops = format->ops;
    levels = kind->levels;
    return 0;
}

/* One group for all, since a program has one TAP plan. */
int pt_tests_run_for(const struct pt_ops *of, const char *name, const struct CMUnitTest *tests, size_t count)
{
    enum { LEVEL_COUNTS = PT_LEVELS_MAX - 2, KINDS = TREE_FORMATS * LEVEL_COUNTS, NAME = 128 };
    static struct kind kinds[KINDS];
    struct CMUnitTest *all = calloc(count * KINDS, sizeof *all);
    char(*names)[NAME] = calloc(count * KINDS, sizeof *names);
    size_t n = 0;
    int failed;

    assert_true(all && names);
    for (unsigned k = 0; k < KINDS; k++) {
        kinds[k] = (struct kind){&tree_formats[k / LEVEL_COUNTS], 3 + k % LEVEL_COUNTS};
        for (size_t i = 0; i < count && (!of || of == kinds[k].format->ops); i++, n++) {
            snprintf(names[n], NAME, "%s, %u levels: %s", kinds[k].format->ops->name, kinds[k].levels,
                     tests[i].name);
            all[n] = (struct CMUnitTest){names[n], tests[i].test_func, take_kind, NULL, &kinds[k]};
        }
    }
    begin();
    failed = _cmocka_run_group_tests(name, all, n, NULL, NULL);
    free(all);
    free(names);
    return failed;
}

int pt_tests_run(const char *name, const struct CMUnitTest *tests, size_t count)
{
    return pt_tests_run_for(NULL, name, tests, count);
}
