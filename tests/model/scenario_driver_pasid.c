/* SPDX-License-Identifier: BSD-2-Clause */
/* Ways to translate that only few have: a device in several domains at once, by its PASIDs; one that passes
 * through; tables of as many levels as were asked for. */
#include "lib/atomic.h"
#include "lib/error.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/model/scenario_driver.h"

#define PAGES 2
#define IOVA  0x40200000ull

static const struct pci_address address = {0, 0, 0x28};
static struct device device;

static struct iommu_domain *create(const char *name)
{
    int error;
    struct iommu_domain *domain = iommu_domain_create(name, &error);

    expect_equal(error, 0);
    return domain;
}

static void map(struct iommu_domain *domain, unsigned page)
{
    expect_equal(
        iommu_map(domain, rig_page(page), rig_last(page), rig.memory + page * PAGE_SIZE, PT_READ | PT_WRITE),
        0);
}

static void unmap(struct iommu_domain *domain, unsigned page)
{
    expect_equal(iommu_unmap(domain, rig_page(page), rig_last(page), NULL), 0);
}

static void start(const struct unit_config *config)
{
    rig_start(&config, 1, IOVA, PAGES);
    device_make(&device, "device", pci_source_id(address), false);
}

/* Requests without PASID and with PASID 9 go by one domain, those with PASID 7 by another. */
static void attach_three_ways(struct iommu_domain *one, struct iommu_domain *other)
{
    expect_equal(iommu_attach(one, address, IOMMU_NO_PASID), 0);
    expect_equal(iommu_attach(other, address, 7), 0);
    expect_equal(iommu_attach(one, address, 7), ERR_BUSY);
    expect_equal(iommu_attach(one, address, 9), 0);
    expect_equal(iommu_attach(one, address, 1u << 20), ERR_RANGE);
}

static void expect_reached(unsigned page, bool plain, bool by_7, bool by_9)
{
    expect_equal(device_access(&device, rig_page(page), true), plain);
    expect_equal(device_access_pasid(&device, 7, rig_page(page), true), by_7);
    expect_equal(device_access_pasid(&device, 9, rig_page(page), true), by_9);
    expect(!device_access_pasid(&device, 8, rig_page(page), true));
}

SCENARIO(pasids_of_one_device, .kind = SCENARIO_RANDOM,
         .what = "each PASID of a device goes by its own domain, and an unmap reaches all that go by one")
{
    const struct unit_config *config;
    struct iommu_domain *one, *other;

    do
        config = rig_choose_unit(6);
    while (rig.config.translation == IOMMU_TRANSLATION_LEGACY); /* which has no PASIDs */
    start(config);
    one = create("one");
    other = create("other");
    map(one, 0);
    map(other, 1);
    attach_three_ways(one, other);
    expect_reached(0, true, false, true);
    expect_reached(1, false, true, false);
    unmap(one, 0);
    expect_reached(0, false, false, false);
    map(one, 0);
    expect_equal(iommu_detach(other, address, 7), 0);
    expect_equal(iommu_detach(other, address, 9), ERR_NOT_FOUND);
    expect_reached(0, true, false, true);
    expect_reached(1, false, false, false);
    expect_equal(iommu_detach(one, address, IOMMU_NO_PASID), 0);
    expect_reached(0, false, false, true);
    expect_equal(iommu_domain_destroy(one), ERR_BUSY);
    expect_equal(iommu_detach(one, address, 9), 0);
    expect_reached(0, false, false, false);
    expect_equal(iommu_domain_destroy(one), 0);
    expect_equal(iommu_domain_destroy(other), 0);
    rig_finish();
}

static bool left; /* the domain */

static void attach_by_7(void *context)
{
    expect_equal(iommu_attach(context, address, 7), 0);
    rcu_quiescent();
    expect_equal(iommu_detach(context, address, 7), 0);
    atomic_write(&left, true);
}

static void use_7(void *context)
{
    (void)context;
    for (unsigned i = 0; i < 6; i++) {
        bool gone = atomic_read(&left);

        expect(!device_access_pasid(&device, 7, rig_page(0), true) || !gone);
    }
    device_drain(&device);
}

SCENARIO(
    pasid_attach_x_dma, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
    .what = "a device that is in a domain without PASID gets another one, and loses it, beside DMA by that")
{
    struct iommu_domain *other;

    start(&unit_modern);
    other = create("other");
    map(other, 0);
    expect_equal(iommu_attach(rig.domain, address, IOMMU_NO_PASID), 0);
    left = false;
    rig_start_cpu(1, "attach", attach_by_7, other);
    (void)agent_start(AGENT_DEVICE, 0, "device", use_7, NULL);
    rig_run();
    expect_equal(iommu_detach(rig.domain, address, IOMMU_NO_PASID), 0);
    expect_equal(iommu_domain_destroy(other), 0);
    rig_finish();
}

SCENARIO(legacy_mode_has_no_pasids, .kind = SCENARIO_RANDOM,
         .what = "an attach by a PASID to a unit in legacy mode is refused, and the device stays blocked")
{
    rig.config.translation = IOMMU_TRANSLATION_LEGACY;
    start(unit_configs_legacy[rig_choose(3)]);
    map(rig.domain, 0);
    expect_equal(iommu_attach(rig.domain, address, 7), ERR_RANGE);
    expect(!device_access(&device, rig_page(0), false));
    unmap(rig.domain, 0);
    rig_finish();
}

SCENARIO(
    pass_through, .kind = SCENARIO_RANDOM,
    .what = "a device that is trusted reaches memory untranslated until it is detached; another one does not")
{
    static const struct pci_address stranger = {0, 0, 0x30};
    struct iommu_domain *domain;
    int error;

    rig.config.trusted = &address;
    rig.config.trusted_count = 1;
    start(rig_choose_unit(6));
    domain = iommu_domain_create_pass_through("all", &error);
    expect_equal(error, 0);
    expect_equal(iommu_map(domain, IOVA, IOVA + PAGE_SIZE - 1, rig.memory, PT_READ), ERR_UNSUPPORTED);
    expect_equal(iommu_attach(domain, stranger, IOMMU_NO_PASID), ERR_UNSUPPORTED);
    expect(!device_access(&device, rig.memory, true));
    expect_equal(iommu_attach(domain, address, IOMMU_NO_PASID), 0);
    expect(device_access(&device, rig.memory, true));
    device_drain(&device);
    expect_equal(iommu_detach(domain, address, IOMMU_NO_PASID), 0);
    expect(!device_access(&device, rig.memory, true));
    expect_equal(iommu_domain_destroy(domain), 0);
    rig_finish();
}

SCENARIO(levels_asked_for, .kind = SCENARIO_RANDOM,
         .what = "tables of three or five levels, in each mode that has them, under DMA")
{
    static struct rig_mapper mapper = {.first = 0, .pages = PAGES, .operations = 8};
    static struct rig_traffic traffic = {.device = 0, .pages = PAGES, .accesses = 16, .pause = 40};
    static const struct unit_config *const config = &unit_five_levels;
    struct iommu_domain_info info;

    rig.config.translation = IOMMU_TRANSLATION_LEGACY + rig_choose(3);
    rig.config.levels = rig.config.translation == IOMMU_TRANSLATION_FIRST_STAGE || rig_choose(2) ? 5 : 3;
    rig_start(&config, 1, rig.config.levels == 5 ? 1ull << 50 : IOVA, PAGES);
    iommu_domain_info(rig.domain, &info);
    expect_equal(info.levels, rig.config.levels);
    (void)rig_attach(0);
    rig_start_mapper(1, &mapper);
    rig_start_traffic(&traffic);
    rig_run();
    rig_finish();
}
