/* SPDX-License-Identifier: BSD-2-Clause */
/* One tree, and agents that have nothing cached. */
#include "tests/host/pt_fixture.h"
#include "lib/page_alloc.h"
#include "lib/rcu.h"
#include "tests/host/host.h"
#include "tests/host/tree.h"
#include "tests/host/unit.h"
#include <string.h>

#define ARENA (64 * MIB)

struct pt pt;
uint64_t words[WORDS];
struct dirty_bitmap bitmap;

void tree_make(unsigned levels, unsigned leaf_levels, unsigned flags)
{
    assert_int_equal(pt_init(&pt, levels, leaf_levels, levels == 3 ? 39 : 47, flags), 0);
    memset(words, 0, sizeof words);
    bitmap = (struct dirty_bitmap){words, BASE, BASE + sizeof words * 8 * PAGE_SIZE - 1};
}

int map(uint64_t iova, uint64_t bytes, uint64_t hpa)
{
    uint64_t end;
    int error = pt_x86_64.map(&pt, iova, iova + bytes - 1, hpa, PT_READ | PT_WRITE, &end);

    if (!error)
        assert_int_equal(end, iova + bytes);
    return error;
}

/* Unlinks and plays the agents that have nothing cached. Returns the error; *freed the tables that went. */
int unmap(uint64_t iova, uint64_t bytes, struct dirty_bitmap *dirty, uint64_t *freed)
{
    struct gather gather;
    int error;
    uint64_t count;

    gather_init(&gather);
    error = pt_x86_64.unlink(&pt, iova, iova + bytes - 1, &gather, dirty);
    gather_set_invalidated(&gather);
    if (dirty)
        pt_x86_64.harvest_detached(&pt, &gather, dirty);
    gather_set_harvested(&gather);
    count = gather_free(&gather, true);
    if (freed)
        *freed = count;
    rcu_barrier();
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
    pt_x86_64.harvest(&pt, iova, iova + bytes - 1, &bitmap, flags, &gather, &stats);
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

int pt_tests_run(const char *name, const struct CMUnitTest *tests, size_t count)
{
    host_memory_init(ARENA);
    tree_watch_flushes(ARENA);
    rcu_cpu_online();
    return _cmocka_run_group_tests(name, tests, count, NULL, NULL);
}
