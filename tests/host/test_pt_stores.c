/* SPDX-License-Identifier: BSD-2-Clause */
/* Every store of the engine, and what hardware that walks at that moment comes to: for each page either what
 * was there before the operation or what is there after it. Devices write meanwhile, and another CPU maps,
 * unmaps and splits beside. */
#include "lib/page_alloc.h"
#include "lib/pt/table.h"
#include "lib/pt/walk.h"
#include "lib/rcu.h"
#include "tests/host/accesses.h"
#include "tests/host/host.h"
#include "tests/host/pt_fixture.h"
#include "tests/host/pt_watch.h"
#include "tests/host/tree.h"
#include <string.h>

#define STEPS 2500u

struct range {
    unsigned first;
    unsigned count;
};

static bool owed[PAGES]; /* a device wrote there, and nobody was told yet */
static uint64_t reported[PAGES / 64 + 1];
static uint64_t rival_reported[PAGES / 64 + 1];
static struct range busy; /* what the operation that is watched has for itself */
static bool nobody_asks;  /* what was dirty there */
static bool others_split; /* others may split leaves there meanwhile */
static uint64_t random_state;
static unsigned step;
static const volatile uint64_t *last_stored;
static unsigned rivals; /* that may still come during this operation */

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            fail_msg("flags %u, step %u, line %d: %s", pt.flags, step, __LINE__, #condition);                \
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
    return iova_at(range.first);
}

static uint64_t last_of(struct range range)
{
    return iova_at(range.first + range.count) - 1;
}

static bool in_range(struct range range, unsigned page)
{
    return page - range.first < range.count;
}

static bool dirty_in_tree(unsigned page)
{
    struct tree_leaf leaf;

    return tree_find(format, &tree_through_cache, &pt, iova_at(page), &leaf) && leaf.entry & format->dirty;
}

static void look_at_all(void)
{
    for (unsigned i = 0; i < WATCHED; i++)
        CHECK(watched_is_legal(&watched[i], random_below(levels)));
}

/* The line of the last store may leave the cache at any time. */
static void around_flush(void)
{
    look_at_all();
    if (pt.flags & PT_INCOHERENT && last_stored && random_below(2)) {
        tree_evict((const void *)last_stored);
        look_at_all();
    }
}

/* A device that has some of the way cached writes. */
static void device_writes(void)
{
    struct watched *at = &watched[random_below(WATCHED)];
    unsigned level = random_below(levels);
    uint64_t hpa;

    if (at->table[level] &&
        tree_access_from(format, &tree_through_cache, at->table[level], level, iova_at(at->page), true, &hpa))
        owed[at->page] = true;
}

static bool merged; /* and not unmapped, what is in the gather */

static void finish(struct gather *gather, struct dirty_bitmap *dirty)
{
    gather_set_invalidated(gather);
    if (merged)
        ops->hand_back(&pt, gather, false);
    else
        ops->harvest_detached(&pt, gather, dirty);
    merged = false;
    gather_set_harvested(gather);
    (void)gather_free(gather, true);
}

/* A mapper would wait for ever for one that detaches an empty table and is stopped. */
static bool meets_frozen(unsigned page)
{
    struct watched at = {.page = page};

    watched_cache(&at);
    for (unsigned level = 0; level <= pt.top_level; level++) {
        const uint64_t *table = phys_to_virt(at.table[level]);

        if (at.table[level] &&
            (*pt_table_count(table) & PT_TABLE_FROZEN || table[pt_index(iova_at(page), level)] == PT_FROZEN))
            return true;
    }
    return false;
}

static bool no_leaf(void *context, const struct pt_leaf *leaf)
{
    (void)leaf;
    return *(bool *)context = false;
}

static bool is_empty(struct range range)
{
    bool empty = true;

    ops->visit(&pt, iova_of(range), last_of(range), no_leaf, &empty);
    return empty;
}

/* What another CPU did is done for whoever walks from now on. */
static void see_anew(struct range range)
{
    for (unsigned i = 0; i < WATCHED; i++) {
        if (in_range(range, watched[i].page)) {
            watched[i].before = watched[i].after = sight_of(&tree_through_cache, watched[i].page);
            watched[i].changed = false;
            if (pt.flags & PT_INCOHERENT)
                CHECK(sight_same(sight_of(&tree_in_memory, watched[i].page), watched[i].after));
        }
        /* Its invalidation reaches every unit's caches. */
        watched_cache(&watched[i]);
    }
}

/* Runs as a whole between two accesses of the operation that is watched: one page beside, or a split. */
static void rival(void)
{
    struct range range = {watched[random_below(WATCHED)].page, 1};
    struct dirty_bitmap dirty = {rival_reported, iova_at(0), iova_at(PAGES) - 1};
    struct gather gather;
    uint64_t end;
    unsigned spoil = random_below(3);

    gather_init(&gather);
    tree_watch_each_flush(NULL);
    host_set_cpu(1);
    if (spoil == 0 && (others_split || !in_range(busy, range.first))) {
        CHECK(ops->split(&pt, iova_of(range), last_of(range), 0, &gather) == 0);
    } else if (!in_range(busy, range.first) && spoil == 1 && !meets_frozen(range.first) && is_empty(range)) {
        CHECK(ops->map(&pt, iova_of(range), last_of(range), HPA, PT_READ | PT_WRITE, &end) == 0);
        CHECK(sight_of(&tree_through_cache, range.first).hpa == HPA);
        see_anew(range);
    } else if (!in_range(busy, range.first) && spoil == 2) {
        CHECK(ops->unlink(&pt, iova_of(range), last_of(range), &gather, &dirty) == 0);
        finish(&gather, &dirty);
        if (gather.unlink_again)
            ops->unlink_empty(&pt, iova_of(range), last_of(range), &gather);
        CHECK(!sight_of(&tree_through_cache, range.first).present);
        see_anew(range);
    }
    finish(&gather, &dirty);
    see_anew((struct range){0, 0});
    rcu_quiescent();
    host_set_cpu(0);
    tree_watch_each_flush(around_flush);
}

/* Hardware changes nothing in an empty entry or a frozen one, and what it changes in others is lost. */
static bool may_be_stored(uint64_t entry)
{
    return entry == 0 || entry == PT_FROZEN || nobody_asks;
}

static void before_access(enum access access, const volatile uint64_t *entry)
{
    bool in_table = page_of((const void *)entry); /* or in a struct page */

    if (access != ACCESS_READ && in_table) {
        CHECK(page_of((const void *)entry)->use == PAGE_HYPERVISOR);
        if (access != ACCESS_LOCKED && watched_is_linked(entry))
            CHECK(access == ACCESS_ATOMIC_STORE && may_be_stored(*entry));
        around_flush();
        last_stored = entry;
    }
    if (!(pt.flags & PT_INCOHERENT) && random_below(8) == 0)
        device_writes();
    if (rivals && random_below(step % 2 ? 12 : 400) == 0) {
        rivals--;
        rival();
    }
}

static struct range random_range(void)
{
    static const unsigned places[] = {BELOW - 512, BELOW, BELOW + 512, BELOW + 1024};
    unsigned count = 1 + random_below(1u << random_below(7));
    unsigned first = places[random_below(4)] - random_below(count + 3);

    switch (random_below(16)) {
    case 0:
        return (struct range){BELOW, 262144};
    case 1:
    case 2:
    case 3:
        return (struct range){places[random_below(4)], 512};
    default:
        return (struct range){first, count};
    }
}

static void watch_pages(struct range range)
{
    const unsigned chosen[] = {
        range.first, range.first + range.count - 1, range.first + range.count, range.first - 1, BELOW,
        BELOW - 1};

    for (unsigned i = 0; i < WATCHED; i++) {
        struct watched *at = &watched[i];

        *at = (struct watched){.page = i < ARRAY_SIZE(chosen) ? chosen[i] : BELOW - 640 + random_below(1800)};
        if (i >= 9)
            at->page = range.first + random_below(range.count);
        if (at->page >= PAGES)
            at->page = PAGES - 1;
        at->before = at->after = sight_of(&tree_through_cache, at->page);
        at->was_dirty = dirty_in_tree(at->page);
        watched_cache(at);
    }
}

static void expect(struct range range, uint64_t hpa, bool write)
{
    for (unsigned i = 0; i < WATCHED; i++)
        if (in_range(range, watched[i].page))
            watched[i].after = (struct sight){hpa != 0, hpa && write,
                                              hpa ? hpa + (watched[i].page - range.first) * PAGE_SIZE : 0};
}

static void watched_map(struct range range)
{
    uint64_t hpa =
        4 * GIB + (iova_of(range) & (GIB - 1)) + (range.count < 4096 && random_below(4) == 0 ? PAGE_SIZE : 0);
    bool write = random_below(4);
    uint64_t end;

    if (!is_empty(range))
        return;
    expect(range, hpa, write);
    accesses_watch(before_access);
    CHECK(ops->map(&pt, iova_of(range), last_of(range), hpa, PT_READ | (write ? PT_WRITE : 0), &end) == 0);
}

static void watched_lookup(struct range range)
{
    struct pt_leaf leaf;
    struct sight before = watched[0].before;

    busy = range; /* nobody else changes that one */
    accesses_watch(before_access);
    CHECK(ops->lookup(&pt, iova_of(range), &leaf) == before.present);
    if (before.present)
        CHECK(leaf.hpa + (iova_of(range) - leaf.iova) == before.hpa);
}

static void watched_harvest(struct range range, unsigned flags, struct gather *gather,
                            struct dirty_bitmap *dirty)
{
    accesses_watch(before_access);
    ops->harvest(&pt, iova_of(range), last_of(range), dirty, flags, gather, NULL);
    for (unsigned i = 0; i < WATCHED; i++) {
        unsigned page = watched[i].page;

        if (watched[i].was_dirty && in_range(range, page))
            CHECK(bitmap_test(reported, page) || bitmap_test(rival_reported, page));
    }
}

static void operate(struct range range, struct gather *gather, struct dirty_bitmap *dirty)
{
    unsigned operation = random_below(10);

    others_split = operation >= 7 || operation == 3 || operation == 4;
    nobody_asks = operation == 4;
    switch (operation) {
    case 0:
    case 1:
    case 2:
        watched_map(range);
        break;
    case 3:
    case 4:
        expect(range, 0, false);
        accesses_watch(before_access);
        CHECK(ops->unlink(&pt, iova_of(range), last_of(range), gather, nobody_asks ? NULL : dirty) == 0);
        break;
    case 5:
        accesses_watch(before_access);
        CHECK(ops->split(&pt, iova_of(range), last_of(range), range.count < 4096 ? 0 : 1, gather) == 0);
        break;
    case 6:
        rivals = 0; /* that split what is merged */
        accesses_watch(before_access);
        ops->merge(&pt, iova_of(range), last_of(range), gather);
        merged = true;
        break;
    case 7:
    case 8:
        watched_harvest(range, random_below(2) ? HARVEST_KEEP : 0, gather, dirty);
        break;
    default:
        watched_lookup((struct range){range.first, 1});
    }
}

/* No write is lost: the page is still dirty, or somebody was told. */
static void check_owed(void)
{
    for (const bool *at = owed; (at = memchr(at, 1, (size_t)(owed + PAGES - at))); at++) {
        unsigned page = (unsigned)(at - owed);
        bool told = bitmap_test(reported, page) || bitmap_test(rival_reported, page);
        bool wanted = !nobody_asks || !in_range(busy, page);

        CHECK(told || !wanted || dirty_in_tree(page));
        owed[page] = dirty_in_tree(page);
    }
}

/* Every table has something in it, nothing is frozen, and the count is right. */
static unsigned count_tables(const uint64_t *table, unsigned level)
{
    unsigned count = 1, used = 0;

    for (unsigned i = 0; i < PT_ENTRIES; i++) {
        CHECK(table[i] != PT_FROZEN);
        used += table[i] != 0;
        if (level && table[i] & format->present && !(level <= 2 && table[i] & 0x80))
            count += count_tables(phys_to_virt(table[i] & 0x000ffffffffff000ull), level - 1);
    }
    CHECK(used || table == pt.root);
    CHECK(used + (table == pt.root) == *pt_table_count(table));
    return count;
}

static void do_step(void)
{
    struct dirty_bitmap dirty = {reported, iova_at(0), iova_at(PAGES) - 1};
    struct range range = random_range();
    struct gather gather;

    memset(reported, 0, sizeof reported);
    memset(rival_reported, 0, sizeof rival_reported);
    watch_pages(range);
    busy = range;
    rivals = step % 3;
    last_stored = NULL;
    gather_init(&gather);
    tree_watch_each_flush(around_flush);
    operate(range, &gather, &dirty);
    accesses_watch(NULL);
    tree_watch_each_flush(NULL);
    /* What is done is done, for units that do not snoop too. */
    for (unsigned i = 0; i < WATCHED; i++) {
        watched[i].before = watched[i].after;
        memset(watched[i].table, 0, sizeof watched[i].table); /* it holds until the invalidation */
        CHECK(watched_is_legal(&watched[i], random_below(levels)));
    }
    finish(&gather, &dirty);
    if (gather.unlink_again) {
        accesses_watch(before_access);
        ops->unlink_empty(&pt, iova_of(range), last_of(range), &gather);
        accesses_watch(NULL);
        finish(&gather, &dirty);
    }
    check_owed();
    rcu_quiescent();
    if (step % 8 == 0)
        CHECK(count_tables(pt.root, pt.top_level) == pt.tables);
}

static void others_pass(void)
{
    host_set_cpu(1);
    rcu_quiescent();
    host_set_cpu(0);
}

static void at_each_store_a_page_is_as_before_or_as_after(void **state)
{
    static const unsigned flags[] = {0, PT_INCOHERENT, PT_PRUNES};

    (void)state;
    host_set_cpu(1);
    rcu_cpu_online();
    host_set_cpu(0);
    host_set_relax(others_pass);
    for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
        random_state = 0x9e3779b97f4a7c15ull * (i + 1) + levels;
        memset(owed, 0, sizeof owed);
        tree_make(7, flags[i]);
        for (step = 0; step < STEPS; step++) {
            do_step();
            others_pass();
        }
        tree_free();
    }
    host_set_cpu(1);
    rcu_cpu_offline();
    host_set_cpu(0);
    host_set_relax(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_each_store_a_page_is_as_before_or_as_after),
    };

    return pt_tests_run("pt_stores", tests, ARRAY_SIZE(tests));
}
