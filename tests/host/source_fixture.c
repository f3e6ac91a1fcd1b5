/* SPDX-License-Identifier: BSD-2-Clause */
/* A domain as the only source of a tracker, on hardware that does what a test says. */
#include "tests/host/source_fixture.h"
#include "lib/page_alloc.h"
#include "lib/rcu.h"
#include "tests/host/tree.h"

struct iommu_domain *source_domain;
struct iommu_track_source track_source;
struct tracker *source_tracker;
uint64_t source_words[2 * GIB / PAGE_SIZE / 64];
struct dirty_bitmap source_report = {source_words, 0, 2 * GIB - 1};
struct source_hardware source_hardware;
static uint64_t dma; /* 4 MiB of memory for devices */

void source_init(void)
{
    host_memory_init(256 * MIB);
    dma = virt_to_phys(pages_alloc(10, PAGE_DMA));
}

static int fake_init(struct iommu_domain *made)
{
    made->pt_ops = &pt_x86_64;
    made->id = 7;
    made->tracks_dirty = !source_hardware.keeps_no_dirty_bits;
    return pt_init(&made->pt, 3, 7, 39, 0);
}

static void fake_destroy(struct iommu_domain *gone)
{
    pt_destroy(&gone->pt);
}

static int fake_invalidate(struct iommu_domain *of, const struct gather *gather)
{
    void (*during)(void) = source_hardware.during;

    (void)of;
    (void)gather;
    source_hardware.during = NULL;
    if (during)
        during();
    return source_hardware.result;
}

static const struct iommu_domain_ops fake_ops = {
    .flags = DOMAIN_FLAG_RCU_FREE_PAGES,
    .init = fake_init,
    .destroy = fake_destroy,
    .invalidate = fake_invalidate,
};

void source_make(uint64_t last, enum iommu_tracking how)
{
    struct tracker_config config = {.name = "vm", .last = last};
    int error;

    source_domain = iommu_domain_create_with(&fake_ops, "guest", &error);
    assert_int_equal(error, 0);
    assert_int_equal(iommu_map(source_domain, GPA, GPA + 2 * MIB - 1, dma, PT_READ | PT_WRITE), 0);
    source_tracker = tracker_create(&config, &error);
    assert_int_equal(error, 0);
    iommu_track_source_init(&track_source, source_domain, how);
    assert_int_equal(tracker_add_source(source_tracker, &track_source.source), 0);
}

int source_setup(void **state)
{
    (void)state;
    memset(&source_hardware, 0, sizeof source_hardware);
    memset(source_words, 0, sizeof source_words);
    rcu_cpu_online();
    host_log_clear();
    source_make(LAST, IOMMU_TRACKING_DIRTY_BITS);
    return 0;
}

void source_unmake(void)
{
    struct tracker_info info;

    memset(&source_hardware, 0, sizeof source_hardware);
    tracker_info(source_tracker, &info);
    if (info.tracks)
        assert_int_equal(tracker_stop(source_tracker), 0);
    assert_int_equal(tracker_destroy(source_tracker), 0);
    assert_int_equal(iommu_domain_destroy(source_domain), 0);
    rcu_barrier();
}

int source_teardown(void **state)
{
    (void)state;
    source_unmake();
    rcu_cpu_offline();
    return 0;
}

void source_write(unsigned page)
{
    uint64_t hpa;

    assert_true(tree_access(&tree_through_cache, &source_domain->pt, GPA + page * PAGE_SIZE, true, &hpa));
}

void source_start(unsigned level)
{
    assert_int_equal(tracker_start(source_tracker, level, TRACKER_NONE_DIRTY), 0);
}

uint64_t source_pages_of_pass(void)
{
    struct tracker_pass pass;

    memset(source_words, 0, sizeof source_words);
    assert_int_equal(tracker_pass(source_tracker, &source_report, 0, &pass), 0);
    return pass.reported;
}

bool source_is_reported(unsigned page)
{
    return bitmap_test(source_words, GPA / PAGE_SIZE + page);
}
