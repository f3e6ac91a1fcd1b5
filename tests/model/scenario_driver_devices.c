/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices that come and go, domains that end, and ids that are used again. */
#include "lib/compiler.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/model/scenario_driver.h"
#include "tests/model/spec_registers.h"
#include <stdio.h>

#define PAGES 12
#define IOVA  (0x40200000ull - PAGES / 2 * PAGE_SIZE)

static void map_all(uint64_t hpa)
{
    expect_equal(oracle_map(rig.oracle, rig_page(0), rig_last(PAGES - 1), hpa, PT_READ | PT_WRITE), 0);
}

SCENARIO(attach_detach, .kind = SCENARIO_RANDOM,
         .what = "devices are detached and attached in the middle of their DMA, while pages are unmapped")
{
    static struct rig_mover movers[2] = {{.device = 0, .operations = 5}, {.device = 1, .operations = 5}};
    static struct rig_mapper mapper = {.first = 0, .pages = PAGES, .operations = 5};
    static struct rig_traffic traffic[2] = {{.device = 0, .pages = PAGES, .accesses = 16, .pause = 80},
                                            {.device = 1, .pages = PAGES, .accesses = 16, .pause = 80}};

    rig_start_any(false, IOVA, PAGES);
    for (unsigned i = 0; i < 2; i++) {
        (void)rig_attach(i);
        rig_start_mover(1 + i, &movers[i]);
        rig_start_traffic(&traffic[i]);
    }
    rig_start_mapper(3, &mapper);
    rig_run();
    rig_finish();
}

SCENARIO(
    one_of_two_leaves, .kind = SCENARIO_RANDOM,
    .what = "one of a unit's two devices comes and goes, and what is unmapped is invalidated for the other")
{
    static struct rig_mover mover = {.device = 1, .operations = 3};
    static struct rig_mapper mapper = {.first = 0, .pages = 3, .operations = 12};
    static struct rig_traffic traffic = {.device = 0, .pages = 3, .accesses = 30, .pause = 80};
    const struct unit_config *config = rig_choose_unit(3);

    rig_start(&config, 1, IOVA, PAGES);
    (void)rig_attach(0);
    (void)rig_attach(1);
    rig_start_mover(1, &mover);
    rig_start_mapper(2, &mapper);
    rig_start_traffic(&traffic);
    rig_run();
    rig_finish();
}

/* The context table is made by the first attach of a bus; whoever made it, the device is in when this
 * returns. */
static void attach_first(void *device)
{
    expect_equal(oracle_attach(rig.oracle, device), 0);
    expect(device_access(device, rig_page(0), false));
    rcu_quiescent();
}

SCENARIO(first_attach_of_a_bus, .kind = SCENARIO_RANDOM,
         .what = "two CPUs attach the first two devices of a bus, which have one context table")
{
    static const char *const names[2] = {"device 0", "device 1"};
    static struct rig_traffic traffic[2] = {{.device = 0, .pages = PAGES, .accesses = 12, .pause = 80},
                                            {.device = 1, .pages = PAGES, .accesses = 12, .pause = 80}};
    const struct unit_config *config = rig_choose_unit(3);

    rig_start(&config, 1, IOVA, PAGES);
    map_all(rig.memory);
    for (unsigned i = 0; i < 2; i++) {
        device_make(&rig.devices[i], names[i], (uint16_t)(0x300 + i * 8), false);
        oracle_watch(rig.oracle, &rig.devices[i]);
        rig_start_cpu(1 + i, names[i], attach_first, &rig.devices[i]);
        rig_start_traffic(&traffic[i]);
        rig.attached[i] = true;
    }
    rig_run();
    rig_finish();
}

/* Ends the rig's domain, and goes through domain ids until the next one has the same. */
static void replace_domain(void *context)
{
    struct iommu_domain_info old, info;
    struct device *device = context;
    int error;

    iommu_domain_info(rig.domain, &old);
    expect_equal(oracle_detach(rig.oracle, device), 0);
    expect_equal(oracle_unmap(rig.oracle, rig_page(0), rig_last(PAGES / 2)), 0);
    expect_equal(iommu_domain_destroy(rig.domain), 0);
    for (unsigned i = 0;; i++) {
        rig.domain = iommu_domain_create("next", &error);
        expect_equal(error, 0);
        iommu_domain_info(rig.domain, &info);
        if (info.id == old.id)
            break;
        expect(i < 16);
        expect_equal(iommu_domain_destroy(rig.domain), 0);
        rcu_quiescent();
    }
    rig.oracle = oracle_make(rig.domain, IOVA, PAGES);
    if (rig.tracked)
        expect_equal(oracle_track(rig.oracle, IOMMU_TRACKING_DIRTY_BITS), 0);
    map_all(rig.memory + 32 * PAGE_SIZE);
    expect_equal(oracle_attach(rig.oracle, device), 0);
    rcu_quiescent();
}

SCENARIO(domain_id_reuse, .kind = SCENARIO_RANDOM,
         .what = "a domain ends under DMA, and another one with its id maps the same addresses elsewhere")
{
    static struct unit_config few_ids;
    static struct rig_traffic traffic = {.device = 0, .pages = PAGES, .accesses = 40, .pause = 80};
    const struct unit_config *config = &few_ids;

    few_ids = *rig_choose_unit(6);
    few_ids.cap &= ~SPEC_CAP_WITH_ND(7); /* 16 domain ids */
    rig_start(&config, 1, IOVA, PAGES);
    map_all(rig.memory);
    rig_start_cpu(1, "replacer", replace_domain, rig_attach(0));
    rig_start_traffic(&traffic);
    rig_run();
    rig_finish();
}

/* A device that leaves one domain for another. */

static struct iommu_domain *other_domain;
static struct oracle *other_oracle;

static void move_to_and_fro(void *context)
{
    struct device *device = context;

    for (unsigned i = 0; i < 3; i++) {
        expect_equal(oracle_detach(i % 2 ? other_oracle : rig.oracle, device), 0);
        expect_equal(oracle_attach(i % 2 ? rig.oracle : other_oracle, device), 0);
        rcu_quiescent();
    }
    expect_equal(oracle_detach(other_oracle, device), 0);
    expect_equal(oracle_attach(rig.oracle, device), 0);
}

SCENARIO(two_domains, .kind = SCENARIO_RANDOM,
         .what = "a device goes from one domain to another and back, and reaches only what its own one maps")
{
    static struct rig_traffic traffic[2] = {{.device = 0, .pages = PAGES, .accesses = 30, .pause = 80},
                                            {.device = 1, .pages = PAGES, .accesses = 10, .pause = 80}};
    int error;

    rig_start_any(false, IOVA, PAGES);
    map_all(rig.memory);
    other_domain = iommu_domain_create("other", &error);
    expect_equal(error, 0);
    other_oracle = oracle_make(other_domain, IOVA, PAGES);
    if (rig.tracked)
        expect_equal(oracle_track(other_oracle, IOMMU_TRACKING_DIRTY_BITS), 0);
    expect_equal(oracle_map(other_oracle, rig_page(0), rig_last(PAGES - 1), rig.memory + 32 * PAGE_SIZE,
                            PT_READ | PT_WRITE),
                 0);
    rig_start_cpu(1, "mover", move_to_and_fro, rig_attach(0));
    (void)rig_attach(1);
    for (unsigned i = 0; i < 2; i++)
        rig_start_traffic(&traffic[i]);
    rig_run();
    expect_equal(iommu_domain_destroy(other_domain), 0);
    rig_finish();
}
