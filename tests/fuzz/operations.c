/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: bytes as a tree of some format and a sequence of operations on it, each compared with a plain
 * reference; some without memory; with a device that caches what the gathers do not name. */
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/fuzz/agent.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/reference.h"
#include "tests/host/host.h"
#include <string.h>

#define ARENA      (64 * MIB)
#define WINDOW     (4 * GIB) /* all mappings lie in one, which crosses entries of the highest levels */
#define HPA        (1ull << 40)
#define SMALL_MAX  (8 * MIB) /* a range of leaves of 4 KiB, so that a step is short */
#define STEPS      256
#define VISITS_MAX 600

static const struct pt_ops *const formats[] = {&pt_vtdss, &pt_x86_64, &pt_ept};

static struct pt pt;
static const struct pt_ops *ops;
static struct reference reference;
static struct agent agent;
static uint64_t window;
static uint64_t found_words[WINDOW / PAGE_SIZE / 64], expected_words[WINDOW / PAGE_SIZE / 64];
static struct dirty_bitmap found_bits, expected_bits;
static uint64_t free_pages;
static unsigned pages_left; /* what the next operation may allocate; NO_LIMIT: all there is */

#define NO_LIMIT 64u

struct range {
    uint64_t iova;
    uint64_t last;
};

static uint64_t choose_iova(struct input *input)
{
    unsigned high = input_byte(input);
    uint64_t iova = (high & 3) * GIB + input_byte(input) * (4 * MIB) + (high >> 2 & 1) * (2 * MIB);

    return window + iova + (high & 8 ? input_byte(input) * (2 * PAGE_SIZE) + (high >> 4 & 1) * PAGE_SIZE : 0);
}

/* Never beyond the window, nor longer than most (0: any length). */
static struct range choose_range(struct input *input, uint64_t most)
{
    struct range range = {choose_iova(input), 0};
    unsigned shape = input_byte(input);
    uint64_t bytes = ((shape >> 3) + 1ull) << (12 + 9 * ((shape & 3) % 3));

    if (shape & 4)
        bytes += input_byte(input) * PAGE_SIZE;
    if (most && bytes > most)
        bytes = most;
    if (bytes > window + WINDOW - range.iova)
        bytes = window + WINDOW - range.iova;
    range.last = range.iova + bytes - 1;
    return range;
}

static void memory_begin(void)
{
    if (pages_left < NO_LIMIT)
        host_leave_pages(pages_left);
}

static void memory_end(void)
{
    host_release_pages();
    pages_left = NO_LIMIT;
}

static void bitmaps_clear(const struct range *range)
{
    size_t bytes = bitmap_words((range->last + 1 - range->iova) / PAGE_SIZE) * 8;

    memset(found_words, 0, bytes);
    memset(expected_words, 0, bytes);
    found_bits = (struct dirty_bitmap){found_words, range->iova, range->last};
    expected_bits = (struct dirty_bitmap){expected_words, range->iova, range->last};
}

static void bitmaps_compare(const struct range *range)
{
    check(memcmp(found_words, expected_words,
                 bitmap_words((range->last + 1 - range->iova) / PAGE_SIZE) * 8) == 0);
}

/* No agent holds anything any more that the tree does not say. */
static void check_agent(void)
{
    for (unsigned i = 0; i < AGENT_ENTRIES; i++) {
        const struct agent_entry *entry = &agent.entries[i];
        const struct reference_run *run = reference_find(&reference, entry->iova);

        if (!entry->valid)
            continue;
        check(run && entry->iova + entry->bytes <= run->iova + run->bytes);
        check(run->hpa + (entry->iova - run->iova) == entry->hpa);
        check(entry->writable == !!(run->prot & PT_WRITE));
        check(PT_ENTRY_SIZE(run->level) >= entry->bytes);
        check(!entry->dirty || run->dirty);
    }
}

/* The free order, with the agent in the part of all hardware. */
static void settle(struct gather *gather, struct dirty_bitmap *dirty, bool tables_went)
{
    check(gather_has_tables(gather) == tables_went);
    check(!tables_went || !gather_empty(gather));
    agent_invalidate(&agent, gather);
    gather_set_invalidated(gather);
    if (dirty)
        ops->harvest_detached(&pt, gather, dirty);
    gather_set_harvested(gather);
    (void)gather_free(gather, true);
    check_agent();
}

static void settle_merge(struct gather *gather, bool tables_went)
{
    check(gather_has_tables(gather) == tables_went);
    agent_invalidate(&agent, gather);
    gather_set_invalidated(gather);
    ops->hand_back(&pt, gather, false);
    gather_set_harvested(gather);
    (void)gather_free(gather, true);
    check_agent();
}

static void unmap(struct range range, bool report)
{
    uint64_t before = pt.tables;
    struct gather gather;
    int error;

    if (report)
        bitmaps_clear(&range);
    gather_init(&gather);
    memory_begin();
    error = ops->unlink(&pt, range.iova, range.last, &gather, report ? &found_bits : NULL);
    memory_end();
    check(!error || error == ERR_NOMEM);
    if (error) {
        check(gather_empty(&gather) && pt.tables == before);
        return;
    }
    reference_unmap(&reference, range.iova, range.last, report ? &expected_bits : NULL);
    settle(&gather, report ? &found_bits : NULL, gather_has_tables(&gather));
    check(!gather.unlink_again); /* nobody else froze anything */
    if (report)
        bitmaps_compare(&range);
}

static void map(struct input *input)
{
    unsigned say = input_byte(input);
    unsigned prot = PT_READ | (ops->prot & (say >> 2 & (PT_WRITE | PT_NO_EXECUTE | PT_UNCACHED | PT_SNOOP)));
    bool small = say & 1 || pt.leaf_levels == 1;
    struct range range = choose_range(input, small ? SMALL_MAX : 0);
    uint64_t hpa = HPA + (range.iova - window) + (say & 1 ? PAGE_SIZE : say & 2 ? 2 * MIB : 0);
    uint64_t taken = reference_first_mapped(&reference, range.iova, range.last);
    uint64_t end;
    int error;

    memory_begin();
    error = ops->map(&pt, range.iova, range.last, hpa, prot, &end);
    memory_end();
    check(error == ERR_NOMEM || (error == 0) == (taken > range.last));
    check(!error || error == ERR_NOMEM || error == ERR_EXISTS);
    check(error == ERR_NOMEM ? end >= range.iova && end <= taken : end == taken);
    reference_map(&reference, range.iova, taken - 1, end, hpa, prot);
    /* Half of the time as a domain does: nothing of what failed stays. */
    if (error && end > range.iova && say & 0x80)
        unmap((struct range){range.iova, end - 1}, false);
}

/* Out of memory some leaves were split. */
static void follow_split(const struct range *range)
{
    const struct reference_run *run;

    for (uint64_t at = range->iova; at <= range->last;) {
        struct pt_leaf leaf;

        run = reference_after(&reference, at);
        if (run == reference.runs + reference.count || run->iova > range->last)
            return;
        at = at < run->iova ? run->iova : at;
        check(ops->lookup(&pt, at, &leaf) && leaf.level <= run->level);
        while (reference_find(&reference, at)->level > leaf.level)
            reference_split_leaf(&reference, at);
        at = align_down(at, PT_ENTRY_SIZE(leaf.level)) + PT_ENTRY_SIZE(leaf.level);
    }
}

static void split(struct input *input)
{
    unsigned level = input_byte(input) % 3;
    struct range range = choose_range(input, level ? 0 : SMALL_MAX);
    struct gather gather;
    int error;

    gather_init(&gather);
    memory_begin();
    error = ops->split(&pt, range.iova, range.last, level, &gather);
    memory_end();
    check(!error || error == ERR_NOMEM);
    if (error)
        follow_split(&range);
    else
        check(reference_split(&reference, range.iova, range.last, level) == !gather_empty(&gather));
    settle(&gather, NULL, false);
}

static void merge(struct input *input)
{
    struct range range = choose_range(input, 0);
    struct gather gather;
    bool any;

    gather_init(&gather);
    ops->merge(&pt, range.iova, range.last, &gather);
    any = reference_merge(&reference, range.iova, range.last);
    check(any == !gather_empty(&gather));
    settle_merge(&gather, any);
}

static void harvest(struct input *input, unsigned flags)
{
    bool keep = input_byte(input) & 1;
    struct range range = choose_range(input, 0);
    struct harvest_stats stats = {0};
    struct gather gather;
    bool cleared;

    bitmaps_clear(&range);
    gather_init(&gather);
    ops->harvest(&pt, range.iova, range.last, &found_bits, flags | (keep ? HARVEST_KEEP : 0), &gather,
                 &stats);
    cleared = reference_harvest(&reference, range.iova, range.last, keep, &expected_bits);
    bitmaps_compare(&range);
    /* A pruned tree has accessed bits cleared too. */
    check(cleared == !gather_empty(&gather) || (!cleared && pt.flags & PT_PRUNES));
    check(!cleared || stats.dirty);
    settle(&gather, NULL, false);
}

static void compare_leaf(const struct pt_leaf *leaf, uint64_t iova)
{
    const struct reference_run *run = reference_find(&reference, iova);

    check(run && leaf->level == run->level && leaf->iova == align_down(iova, PT_ENTRY_SIZE(run->level)));
    check(leaf->hpa == run->hpa + (leaf->iova - run->iova));
    check(leaf->prot == run->prot && leaf->accessed == run->accessed);
    check(leaf->dirty == reference_is_dirty(&reference, run));
}

static void lookup(struct input *input)
{
    uint64_t iova = choose_iova(input) + input_byte(input);
    struct pt_leaf leaf;
    bool found = ops->lookup(&pt, iova, &leaf);

    check(found == (reference_find(&reference, iova) != NULL));
    if (found)
        compare_leaf(&leaf, iova);
}

struct visit {
    uint64_t iova;
    uint64_t last;
    unsigned left;
};

static bool visit_leaf(void *context, const struct pt_leaf *leaf)
{
    struct visit *visit = context;
    uint64_t next = reference_first_mapped(&reference, visit->iova, visit->last);

    check(next <= visit->last);
    compare_leaf(leaf, next);
    visit->iova = leaf->iova + PT_ENTRY_SIZE(leaf->level);
    return --visit->left;
}

static void visit(struct range range)
{
    struct visit walk = {range.iova, range.last, VISITS_MAX};

    ops->visit(&pt, range.iova, range.last, visit_leaf, &walk);
    check(!walk.left || walk.iova > range.last ||
          reference_first_mapped(&reference, walk.iova, range.last) > range.last);
}

static void access_page(struct input *input, bool write)
{
    uint64_t iova = choose_iova(input);
    const struct reference_run *run = reference_find(&reference, iova);
    bool hit;

    check(agent_access(&agent, iova, write, &hit) == (run && (!write || run->prot & PT_WRITE)));
    if (run && (!write || run->prot & PT_WRITE) && !hit)
        reference_touch(&reference, iova, write);
}

/* What a walker that does not snoop finds, at the edges of each run. */
static void check_memory(void)
{
    for (unsigned i = 0; i < reference.count; i++) {
        const struct reference_run *run = &reference.runs[i];
        uint64_t edges[] = {0, run->bytes - PAGE_SIZE};

        for (unsigned j = 0; j < 2; j++) {
            uint64_t iova = run->iova + edges[j];
            struct agent_entry entry;

            check(agent_walk(&agent, &tree_in_memory, iova, false, false, &entry));
            check(entry.hpa + (iova - entry.iova) == run->hpa + edges[j]);
            check(entry.bytes == PT_ENTRY_SIZE(run->level));
        }
        if (i + 1 == reference.count || run[1].iova > run->iova + run->bytes)
            check(!agent_walk(&agent, &tree_in_memory, run->iova + run->bytes, false, false,
                              &(struct agent_entry){0}) ||
                  run->iova + run->bytes == window + WINDOW);
    }
}

static void step(struct input *input)
{
    unsigned operation = input_byte(input);

    if (operation >= 0xc0) {
        pages_left = operation & 7;
        operation >>= 3;
    }
    switch (operation % 16) {
    case 0:
    case 1:
    case 2:
        map(input);
        break;
    case 3:
    case 4:
        unmap(choose_range(input, 0), true);
        break;
    case 5:
        unmap(choose_range(input, 0), false);
        break;
    case 6:
    case 7:
        split(input);
        break;
    case 8:
    case 9:
        merge(input);
        break;
    case 10:
        harvest(input, 0);
        break;
    case 11:
        harvest(input, HARVEST_PRUNE);
        break;
    case 12:
        lookup(input);
        break;
    case 13:
        visit(choose_range(input, 0));
        break;
    default:
        access_page(input, operation & 1);
    }
    pages_left = NO_LIMIT;
}

static uint64_t pages_free_now(void)
{
    struct page_alloc_stats stats;

    rcu_barrier();
    page_alloc_stats(&stats);
    return stats.free_pages;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    host_memory_init(ARENA);
    tree_watch_flushes(ARENA);
    rcu_cpu_online();
    free_pages = pages_free_now();
    return 0;
}

static void begin(struct input *input)
{
    static const unsigned leaf_levels[] = {7, 3, 1, 7};
    static const unsigned flag_sets[] = {
        0, PT_ACCESSED_IS_DIRTY, PT_INCOHERENT, PT_PRESET_DIRTY, PT_INCOHERENT | PT_PRESET_DIRTY, PT_PRUNES};
    unsigned kind = input_byte(input), more = input_byte(input);
    unsigned levels = 3 + kind / 3 % 3, flags = flag_sets[more / 4 % ARRAY_SIZE(flag_sets)];
    unsigned address_lg2 = 12 + 9 * levels;

    ops = formats[kind % 3];
    check(pt_init(&pt, levels, leaf_levels[more % 4], address_lg2, flags) == 0);
    /* In the middle of all that can be mapped, or at its end. */
    window = kind & 0x80 ? (1ull << address_lg2) - WINDOW : (1ull << (address_lg2 - 1)) - WINDOW / 2;
    reference.leaf_levels = pt.leaf_levels;
    reference.accessed_is_dirty = flags & PT_ACCESSED_IS_DIRTY;
    reference.preset = flags & PT_PRESET_DIRTY;
    reference.count = 0;
    agent = (struct agent){.pt = &pt, .ops = ops};
    pages_left = NO_LIMIT;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct input input = {bytes, count};

    begin(&input);
    for (unsigned i = 0; i < STEPS && input.left; i++) {
        step(&input);
        check(pt.tables == reference_tables(&reference, pt.top_level + 1u));
        if (pt.flags & PT_INCOHERENT && !(pt.flags & PT_ACCESSED_IS_DIRTY) && i % 8 == 7)
            check_memory();
    }
    visit((struct range){window, window + WINDOW - 1});
    if (pt.flags & PT_INCOHERENT)
        check_memory();
    unmap((struct range){0, pt_span_last(&pt)}, false);
    check(pt.tables == 1 && !reference.count);
    pt_destroy(&pt);
    check(pages_free_now() == free_pages);
    return 0;
}
