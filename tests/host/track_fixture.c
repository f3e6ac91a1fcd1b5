/* SPDX-License-Identifier: BSD-2-Clause */
/* A domain on hardware that only takes notes. */
#include "tests/host/track_fixture.h"
#include "lib/page_alloc.h"
#include "lib/rcu.h"
#include "tests/host/host.h"
#include "tests/host/tree.h"
#include "tests/host/unit.h"
#include <string.h>

struct track_hardware track_hardware;

static struct pt_ops tree_ops;

static void watched_harvest(struct pt *pt, uint64_t iova, uint64_t last, struct dirty_bitmap *into,
                            unsigned flags, struct gather *gather, struct harvest_stats *stats)
{
    track_hardware.harvests++;
    track_hardware.flags = flags;
    pt_vtdss.harvest(pt, iova, last, into, flags, gather, stats);
    stats->audit_dirty += track_hardware.audit_dirty;
}

static int watched_unlink(struct pt *pt, uint64_t iova, uint64_t last, struct gather *gather,
                          struct dirty_bitmap *dirty)
{
    if (track_hardware.on_unlink)
        track_hardware.on_unlink(track_domain);
    return pt_vtdss.unlink(pt, iova, last, gather, dirty);
}

static int fake_init(struct iommu_domain *made)
{
    tree_ops = pt_vtdss;
    tree_ops.harvest = watched_harvest;
    tree_ops.unlink = watched_unlink;
    made->pt_ops = &tree_ops;
    made->id = 7;
    made->tracks_dirty = !track_hardware.cannot;
    made->why_not_dirty = "a unit has been made so";
    made->pruning = track_hardware.pruning;
    return pt_init(&made->pt, 4, 7, 48, track_hardware.pruning.allowed ? PT_PRUNES : 0);
}

static void fake_destroy(struct iommu_domain *gone_domain)
{
    pt_destroy(&gone_domain->pt);
}

static int fake_invalidate(struct iommu_domain *of, const struct gather *gather)
{
    (void)gather;
    track_hardware.invalidations++;
    if (track_hardware.on_invalidate)
        track_hardware.on_invalidate(of);
    return track_hardware.result;
}

static int fake_track(struct iommu_domain *of, bool on)
{
    ++*(on ? &track_hardware.starts : &track_hardware.stops);
    if (track_hardware.on_track)
        track_hardware.on_track(of, on);
    return track_hardware.track_result;
}

const struct iommu_domain_ops track_ops = {
    .flags = DOMAIN_FLAG_RCU_FREE_PAGES,
    .init = fake_init,
    .destroy = fake_destroy,
    .invalidate = fake_invalidate,
    .track = fake_track,
};

const struct iommu_domain_ops track_locked_ops = {
    .init = fake_init,
    .destroy = fake_destroy,
    .invalidate = fake_invalidate,
};

uint64_t track_dma;
uint64_t track_words[TRACK_WORDS], track_gone_words[TRACK_WORDS];
struct dirty_bitmap track_bitmap = {track_words, BASE, BASE + sizeof track_words * 8 * PAGE_SIZE - 1};
struct dirty_bitmap track_gone = {track_gone_words, BASE, BASE + sizeof track_gone_words * 8 * PAGE_SIZE - 1};

const struct iommu_track track_off = {.how = IOMMU_TRACKING_OFF};
const struct iommu_track track_bits = {
    .how = IOMMU_TRACKING_DIRTY_BITS, .level = PT_LEAF_LEVEL_MAX, .unmapped = &track_gone};
const struct iommu_track track_all_writable = {
    .how = IOMMU_TRACKING_ALL_WRITABLE, .level = PT_LEAF_LEVEL_MAX, .unmapped = &track_gone};

struct iommu_domain *track_domain;

void track_make(const struct iommu_domain_ops *ops)
{
    int error;

    track_domain = iommu_domain_create_with(ops, "test", &error);
    assert_int_equal(error, 0);
}

int track_setup(void **state)
{
    (void)state;
    memset(&track_hardware, 0, sizeof track_hardware);
    memset(track_words, 0, sizeof track_words);
    memset(track_gone_words, 0, sizeof track_gone_words);
    host_log_clear();
    track_make(&track_ops);
    return 0;
}

int track_teardown(void **state)
{
    (void)state;
    track_hardware.result = track_hardware.track_result = 0;
    track_hardware.on_unlink = NULL;
    track_hardware.on_invalidate = NULL;
    track_hardware.on_track = NULL;
    assert_int_equal(iommu_domain_destroy(track_domain), 0);
    rcu_barrier();
    return 0;
}

/* With other flags of hardware. */
void track_make_again(void)
{
    assert_int_equal(iommu_domain_destroy(track_domain), 0);
    track_make(&track_ops);
}

enum iommu_tracking track_how(void)
{
    struct iommu_domain_info info;

    iommu_domain_info(track_domain, &info);
    return info.tracking;
}

int track_map(uint64_t iova, uint64_t bytes)
{
    return iommu_map(track_domain, iova, iova + bytes - 1, track_dma + (iova & (4 * MIB - 1)),
                     PT_READ | PT_WRITE);
}

void track_write(uint64_t iova)
{
    uint64_t hpa;

    assert_true(tree_access_as(&tree_formats[1], &tree_through_cache, &track_domain->pt, iova, true, &hpa));
}

unsigned track_level_at(uint64_t iova)
{
    struct pt_leaf leaf;

    assert_true(iommu_lookup(track_domain, iova, &leaf));
    return leaf.level;
}

uint64_t track_count(const uint64_t *in)
{
    uint64_t bits_set = 0;

    for (unsigned i = 0; i < TRACK_WORDS; i++)
        bits_set += (unsigned)__builtin_popcountll(in[i]);
    return bits_set;
}

void track_harvest(int expected)
{
    unsigned flags = HARVEST_PRUNED(track_hardware.harvests);

    memset(track_words, 0, sizeof track_words);
    assert_int_equal(
        iommu_harvest(track_domain, track_bitmap.iova, track_bitmap.last, &track_bitmap, flags, NULL),
        expected);
}

void track_init(void)
{
    host_memory_init(64 * MIB);
    rcu_cpu_online();
    track_dma = virt_to_phys(pages_alloc(10, PAGE_DMA));
}
