/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices with ATS and the driver: what it unmaps and harvests beside them, and those that do not answer. */
#include "iommu/vtd/vtd.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/model/scenario_driver.h"
#include "tests/model/sometimes.h"

/* The last page of one table, and the first of the next. */
#define PAGES 2
#define IOVA  (0x40200000ull - PAGE_SIZE)

#define PASID 3

static const struct unit_config *const modern[] = {&unit_modern};
static const struct unit_config *const names_nobody[] = {&unit_names_nobody};

static void map_page(struct oracle *oracle, unsigned page, unsigned target)
{
    expect_equal(oracle_map(oracle, rig_page(page), rig_last(page), rig.memory + target * PAGE_SIZE,
                            PT_READ | PT_WRITE),
                 0);
}

/* Device 0 in the domain, with ATS, and with both pages in its TLB. */
static void start(void)
{
    rig.ats = 1;
    rig_start(modern, 1, IOVA, PAGES);
    for (unsigned page = 0; page < PAGES; page++)
        map_page(rig.oracle, page, page);
    (void)rig_attach(0);
    expect(rig.devices[0].ats_on);
    for (unsigned page = 0; page < PAGES; page++)
        expect(device_access(&rig.devices[0], rig_page(page), true));
}

static void unmap_page_0(void *context)
{
    (void)context;
    expect_equal(oracle_unmap(rig.oracle, rig_page(0), rig_last(0)), 0);
}

/* Who is asked to drop something answers. */
static void finish(void)
{
    expect_equal(vtd_unit(0)->cut_offs, 0);
    expect_equal(vtd_unit(0)->queue.stats.ite, 0);
    rig_finish();
    expect(!rig.devices[0].ats_on);
}

SCENARIO(
    ats_x_unmap, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
    .what = "a page is unmapped that a device has in its TLB, and asks for again: nothing lands after that")
{
    static struct rig_traffic traffic = {.device = 0, .pages = 1, .accesses = 2, .kind = RIG_WRITES};

    start();
    rig_start_cpu(1, "unmapper", unmap_page_0, NULL);
    rig_start_traffic(&traffic);
    rig.pages_go = true;
    rig_run();
    expect(!device_access(&rig.devices[0], rig_page(0), true));
    expect(device_access(&rig.devices[0], rig_page(1), true));
    finish();
}

static void harvest(void *context)
{
    (void)context;
    expect_equal(oracle_harvest(rig.oracle, rig_page(0), rig_last(PAGES - 1)), 0);
}

SCENARIO(
    ats_x_harvest, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
    .what = "pages are harvested that a device writes by its TLB, which sets no dirty bit: no write is lost")
{
    static struct rig_traffic traffic = {.device = 0, .pages = PAGES, .accesses = 3, .kind = RIG_WRITES};

    start();
    rig_start_cpu(1, "harvester", harvest, NULL);
    rig_start_traffic(&traffic);
    rig_run();
    finish();
}

static void detach_device_0(void *context)
{
    (void)context;
    expect_equal(oracle_detach(rig.oracle, &rig.devices[0]), 0);
    rig.attached[0] = false;
    expect(!rig.devices[0].ats_on);
}

SCENARIO(ats_detach_x_unmap, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
         .what = "a device leaves, and its ATS is switched off, while another CPU invalidates its TLB: it "
                 "answers as long as it is asked")
{
    static struct rig_traffic traffic = {.device = 0, .pages = 1, .accesses = 1, .kind = RIG_WRITES};

    start();
    rig_start_cpu(1, "unmapper", unmap_page_0, NULL);
    rig_start_cpu(2, "detacher", detach_device_0, NULL);
    rig_start_traffic(&traffic);
    rig.pages_go = true;
    rig_run();
    finish();
}

/* --- a second PASID --- */

static const struct pci_address address_0 = {0, 0, 0};
static struct iommu_domain *other_domain;

static void attach_pasid(void *context)
{
    (void)context;
    oracle_attach_begins(rig.oracle, &rig.devices[0]);
    expect_equal(iommu_attach(rig.domain, address_0, PASID), 0);
    oracle_attach_ends(rig.oracle, &rig.devices[0], 0);
}

static void ask_by_pasid(void *context)
{
    (void)context;
    for (unsigned i = 0; i < 2; i++)
        (void)device_access_pasid(&rig.devices[0], PASID, rig_page(0), true);
    device_drain(&rig.devices[0]);
}

SCENARIO(ats_attach_x_unmap, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
         .what =
             "a device that is at work comes into a second domain by a PASID, where a page is unmapped: the "
             "page is in its TLB no more, or never was")
{
    int error;

    rig.ats = 1;
    rig_start(modern, 1, IOVA, PAGES);
    other_domain = iommu_domain_create("other", &error);
    expect_equal(error, 0);
    for (unsigned page = 0; page < PAGES; page++)
        map_page(rig.oracle, page, page);
    device_make(&rig.devices[0], "device 0", 0, true);
    device_ats_switch(&rig.devices[0], false);
    expect_equal(iommu_attach(other_domain, address_0, IOMMU_NO_PASID), 0);
    expect(rig.devices[0].ats_on && rig.devices[0].bus_master);
    oracle_watch(rig.oracle, &rig.devices[0]);
    rig_start_cpu(1, "attacher", attach_pasid, NULL);
    rig_start_device(0, ask_by_pasid);
    rig_start_cpu(2, "unmapper", unmap_page_0, NULL);
    rig_run();
    expect(!device_access_pasid(&rig.devices[0], PASID, rig_page(0), true));
    expect(device_access_pasid(&rig.devices[0], PASID, rig_page(1), true));
    oracle_detach_begins(rig.oracle, &rig.devices[0]);
    expect_equal(iommu_detach(rig.domain, address_0, PASID), 0);
    oracle_detach_ends(rig.oracle, &rig.devices[0], 0);
    expect(!device_access_pasid(&rig.devices[0], PASID, rig_page(1), true));
    expect(rig.devices[0].ats_on);
    expect_equal(iommu_detach(other_domain, address_0, IOMMU_NO_PASID), 0);
    expect_equal(iommu_domain_destroy(other_domain), 0);
    finish();
}

/* --- devices that do not answer, in another domain than the one that goes on --- */

static struct oracle *other_oracle;

/* Device 1 in the rig's domain, device 2 in another one; both with ATS, and with page 0 in their TLBs. */
static void start_two(const struct unit_config *const *unit)
{
    struct device *const bad = &rig.devices[2];
    int error;

    rig.ats = 6;
    rig_start(unit, 1, IOVA, PAGES);
    other_domain = iommu_domain_create("other", &error);
    expect_equal(error, 0);
    other_oracle = oracle_make(other_domain, IOVA, PAGES);
    if (rig.tracked)
        expect_equal(oracle_track(other_oracle, IOMMU_TRACKING_DIRTY_BITS), 0);
    for (unsigned page = 0; page < PAGES; page++) {
        map_page(rig.oracle, page, page);
        map_page(other_oracle, page, PAGES + page);
    }
    (void)rig_attach(1);
    device_make(bad, "bad device", 2 << 3, true);
    device_ats_switch(bad, false);
    expect_equal(oracle_attach(other_oracle, bad), 0);
    expect(device_access(&rig.devices[1], rig_page(0), true));
    expect(device_access(bad, rig_page(0), true));
}

static void unmap_other(void *context)
{
    (void)context;
    expect_equal(oracle_unmap(other_oracle, rig_page(0), rig_last(0)), 0);
}

/* It is plugged in again, or reset. */
static void repair(struct device *device)
{
    device->silent = device->late = device->going = device->gone = false;
    device->bus_master = false;
    device_ats_switch(device, false);
}

static void one_of_two_fails(void)
{
    struct device *const bad = &rig.devices[2];

    rig_start_cpu(1, "unmapper", unmap_page_0, NULL);
    rig_start_cpu(2, "unmapper of the other", unmap_other, NULL);
    rig_run();
    expect(iommu_device_is_cut_off(pci_address_from_source_id(0, bad->source_id)));
    expect(!iommu_device_is_cut_off(pci_address_from_source_id(0, rig.devices[1].source_id)));
    expect(bad->gone || (!bad->bus_master && !bad->ats_on));
    expect_equal(vtd_unit(0)->cut_offs, 1);
    /* It may not heed its command register. */
    bad->bus_master = true;
    expect(!device_access(bad, rig_page(0), true));
    expect(!device_access(bad, rig_page(1), true));
    bad->bus_master = false;
    expect(device_access(&rig.devices[1], rig_page(1), true));
    expect_equal(oracle_unmap(other_oracle, rig_page(1), rig_last(1)), 0);
    expect_equal(oracle_detach(other_oracle, bad), 0);
    repair(bad);
    map_page(other_oracle, 1, PAGES);
    expect_equal(oracle_attach(other_oracle, bad), 0);
    expect(bad->ats_on && device_access(bad, rig_page(1), true));
    expect_equal(oracle_detach(other_oracle, bad), 0);
    expect_equal(iommu_domain_destroy(other_domain), 0);
    rig_finish();
}

SCENARIO(ats_silent_x_unmap, .kind = SCENARIO_RANDOM,
         .what = "a device does not answer: it alone is cut off, its unmap succeeds, and so does that of "
                 "another domain's device")
{
    start_two(modern);
    rig.devices[2].silent = true;
    one_of_two_fails();
}

static void unmap_other_too(void *context)
{
    (void)context;
    expect_equal(oracle_unmap(other_oracle, rig_page(1), rig_last(1)), 0);
}

SCENARIO(ats_unnamed_x_unmap, .kind = SCENARIO_RANDOM,
         .what = "the same where the unit does not tell who does not answer: both are asked alone")
{
    start_two(names_nobody);
    rig.devices[2].silent = true;
    rig_start_cpu(3, "another of the other", unmap_other_too, NULL);
    one_of_two_fails();
}

/* As soon as it is cut off. The unmappers may not have given it up yet, each by itself. */
static void put_in_again(void *context)
{
    struct device *const bad = &rig.devices[2];
    const struct pci_address address = pci_address_from_source_id(0, bad->source_id);

    (void)context;
    while (!iommu_device_is_cut_off(address)) {
        rcu_quiescent();
        platform_relax();
    }
    expect_equal(oracle_detach(other_oracle, bad), 0);
    repair(bad);
    expect_equal(oracle_attach(other_oracle, bad), 0);
    expect(bad->ats_on);
}

SCENARIO(ats_silent_comes_back, .kind = SCENARIO_RANDOM,
         .what =
             "a device does not answer two unmaps, is cut off, detached, repaired and attached again beside "
             "them: neither takes it for the one that it was")
{
    struct device *const bad = &rig.devices[2];

    start_two(modern);
    expect(device_access(bad, rig_page(1), true));
    bad->silent = true;
    rig_start_cpu(1, "unmapper", unmap_other, NULL);
    rig_start_cpu(2, "another", unmap_other_too, NULL);
    rig_start_cpu(3, "who puts it in again", put_in_again, NULL);
    rig_run();
    expect(!iommu_device_is_cut_off(pci_address_from_source_id(0, bad->source_id)));
    expect_equal(vtd_unit(0)->cut_offs, 1);
    expect(bad->ats_on && iommu_device_has_ats(pci_address_from_source_id(0, bad->source_id)));
    map_page(other_oracle, 1, PAGES);
    bad->bus_master = true;
    expect(device_access(bad, rig_page(1), true));
    expect_equal(oracle_unmap(other_oracle, rig_page(1), rig_last(1)), 0);
    expect(!device_access(bad, rig_page(1), true));
    expect_equal(oracle_detach(other_oracle, bad), 0);
    expect_equal(iommu_domain_destroy(other_domain), 0);
    rig_finish();
}

SCENARIO(ats_late_x_unmap, .kind = SCENARIO_RANDOM,
         .what = "the same with a device that answers when nobody waits for it any more")
{
    start_two(modern);
    rig.devices[2].late = true;
    one_of_two_fails();
}

SCENARIO(ats_gone_x_unmap, .kind = SCENARIO_RANDOM, .what = "the same with a device that was pulled out")
{
    start_two(modern);
    device_go_away(&rig.devices[2]);
    one_of_two_fails();
}

#define MANY      12
#define MANY_IOVA (0x40200000ull - MANY / 2 * PAGE_SIZE)

static void fail_some_time(void *context)
{
    struct device *const bad = &rig.devices[2];

    (void)context;
    for (unsigned turns = schedule_choose(200); turns; turns--) {
        rcu_quiescent();
        platform_relax();
    }
    switch (schedule_choose(3)) {
    case 0:
        bad->silent = true;
        break;
    case 1:
        bad->late = true;
        break;
    default:
        rig_be_idle();
        device_go_away(bad);
        rcu_extended_exit();
        break;
    }
}

SCENARIO(ats_device_fails, .kind = SCENARIO_RANDOM,
         .what =
             "one of three devices with ATS stops answering, beside DMA of all, a mapper, a harvester, and "
             "another device that comes and goes: every call succeeds, and it alone is cut off")
{
    static struct rig_mapper mapper = {.first = 0, .pages = MANY, .operations = 8};
    static struct rig_mover mover = {.device = 1, .operations = 4};
    static struct rig_traffic traffic[3] = {{.device = 0, .pages = MANY, .accesses = 16, .pause = 80},
                                            {.device = 1, .pages = MANY, .accesses = 16, .pause = 80},
                                            {.device = 2, .pages = MANY, .accesses = 16, .pause = 80}};
    const struct unit_config *config = rig_choose_unit(3);

    rig.ats = 7;
    rig.cuts_off = true;
    rig_start(&config, 1, MANY_IOVA, MANY);
    for (unsigned i = 0; i < 3; i++) {
        (void)rig_attach(i);
        rig_start_traffic(&traffic[i]);
    }
    rig_start_mapper(1, &mapper);
    rig_start_mover(2, &mover);
    rig_start_cpu(3, "who breaks a device", fail_some_time, NULL);
    rig_run();
    expect(!rig_is_cut_off(0) && !rig_is_cut_off(1));
    sometimes(rig_is_cut_off(2));
    sometimes(!rig_is_cut_off(2));
    if (rig_is_cut_off(2))
        repair(&rig.devices[2]);
    rig_finish();
}
