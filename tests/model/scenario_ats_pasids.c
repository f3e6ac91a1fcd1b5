/* SPDX-License-Identifier: BSD-2-Clause */
/* One device with ATS, in one domain without PASID and in another one by a PASID, and two CPUs, each with one
 * of the domains: on both lists it is one device, with one context entry and one ATS. */
#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "lib/platform.h"
#include "lib/units.h"
#include "tests/model/scenario_driver.h"
#include "tests/model/sometimes.h"

#define PAGES 2
#define IOVA  (0x40200000ull - PAGE_SIZE) /* the last page of one table, and the first of the next */
#define PASID 3

enum { PLAIN, BY_PASID, WAYS };

static const struct unit_config *const modern[] = {&unit_modern};
static const struct pci_address address = {0, 0, 0};
static struct iommu_domain *domains[WAYS];
static bool unmapped[WAYS]; /* page 0, and iommu_unmap() has returned */
static int attach_error;

static uint64_t memory_of(unsigned way, unsigned page)
{
    return rig.memory + (way * PAGES + page) * PAGE_SIZE;
}

static bool reaches(unsigned way, unsigned page)
{
    return way == PLAIN ? device_access(&rig.devices[0], rig_page(page), true)
                        : device_access_pasid(&rig.devices[0], PASID, rig_page(page), true);
}

/* A translated request says only where it goes: each domain has pages of its own. Agents take turns where
 * they touch what is shared by atomic accesses, and a landing is one step: so there are none here. */
static void on_landing(void *context, const struct request *request)
{
    (void)context;
    if (request->type == REQUEST_TRANSLATION)
        return;
    for (unsigned way = 0; way < WAYS; way++)
        expect(!(unmapped[way] && align_down(request->hpa, PAGE_SIZE) == memory_of(way, 0)));
}

static void map_page(unsigned way, unsigned page)
{
    expect_equal(
        iommu_map(domains[way], rig_page(page), rig_last(page), memory_of(way, page), PT_READ | PT_WRITE), 0);
}

static int attach(unsigned way)
{
    return iommu_attach(domains[way], address, way == PLAIN ? IOMMU_NO_PASID : PASID);
}

static void detach(unsigned way)
{
    expect_equal(iommu_detach(domains[way], address, way == PLAIN ? IOMMU_NO_PASID : PASID), 0);
}

static void start(unsigned ways)
{
    int error;

    rig.ats = 1;
    rig_start(modern, 1, IOVA, PAGES);
    domains[PLAIN] = rig.domain;
    domains[BY_PASID] = iommu_domain_create("other", &error);
    expect_equal(error, 0);
    device_make(&rig.devices[0], "device 0", 0, true);
    device_ats_switch(&rig.devices[0], false);
    rig.devices[0].watch = (struct device_watch){.lands = on_landing};
    for (unsigned way = 0; way < WAYS; way++) {
        unmapped[way] = false;
        for (unsigned page = 0; page < PAGES; page++)
            map_page(way, page);
    }
    for (unsigned way = 0; way < ways; way++) {
        expect_equal(attach(way), 0);
        rig.devices[0].bus_master = true;
        expect(reaches(way, 0));
    }
    expect(rig.devices[0].ats_on);
}

static void unmap_page_0(void *context)
{
    unsigned way = *(const unsigned *)context;

    expect_equal(iommu_unmap(domains[way], rig_page(0), rig_last(0), NULL), 0);
    unmapped[way] = true;
}

static void use_both(void *context)
{
    (void)context;
    for (unsigned i = 0; i < 2; i++)
        for (unsigned way = 0; way < WAYS; way++)
            (void)reaches(way, 0);
    device_drain(&rig.devices[0]);
}

static void start_unmapper(unsigned cpu, unsigned way)
{
    static unsigned ways[WAYS] = {PLAIN, BY_PASID};

    rig_start_cpu(cpu, way == PLAIN ? "unmapper" : "unmapper by PASID", unmap_page_0, &ways[way]);
}

static void finish(void)
{
    expect(!rig.devices[0].ats_on);
    for (unsigned way = 0; way < WAYS; way++)
        expect_equal(iommu_unmap(domains[way], rig_page(1), rig_last(1), NULL), 0);
    expect_equal(iommu_domain_destroy(domains[BY_PASID]), 0);
    rig_finish();
}

SCENARIO(ats_pasids_x_unmaps, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
         .what = "two CPUs unmap a page each, in the domains of a device's requests with and without PASID: "
                 "neither page is in its TLB after that, and both others may be")
{
    start(WAYS);
    start_unmapper(1, PLAIN);
    start_unmapper(2, BY_PASID);
    rig_start_device(0, use_both);
    rig_run();
    for (unsigned way = 0; way < WAYS; way++) {
        expect(!reaches(way, 0));
        expect(reaches(way, 1));
    }
    expect_equal(vtd_unit(0)->cut_offs, 0);
    expect_equal(vtd_unit(0)->queue.stats.ite, 0);
    detach(PLAIN);
    expect(rig.devices[0].ats_on && reaches(BY_PASID, 1));
    detach(BY_PASID);
    finish();
}

static void leave_by_pasid(void *context)
{
    (void)context;
    detach(BY_PASID);
}

SCENARIO(ats_pasid_leaves_x_unmap, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
         .what = "a device leaves one domain by its PASID while another CPU invalidates its TLB for the "
                 "other: it answers, and keeps its ATS")
{
    start(WAYS);
    start_unmapper(1, PLAIN);
    rig_start_cpu(2, "detacher by PASID", leave_by_pasid, NULL);
    rig_start_device(0, use_both);
    rig_run();
    expect(rig.devices[0].ats_on && rig.devices[0].bus_master);
    expect(!reaches(PLAIN, 0) && reaches(PLAIN, 1));
    expect(!reaches(BY_PASID, 0) && !reaches(BY_PASID, 1));
    expect_equal(vtd_unit(0)->cut_offs, 0);
    detach(PLAIN);
    finish();
}

/* It has lost its rights, once and for both; is taken out, repaired, and comes back. */
static void expect_cut_off(bool by_both)
{
    struct device *device = &rig.devices[0];

    expect(iommu_device_is_cut_off(address));
    expect(!device->bus_master && !device->ats_on);
    expect_equal(vtd_unit(0)->cut_offs, 1);
    device->bus_master = true; /* it may not heed its command register */
    for (unsigned way = 0; way < WAYS; way++)
        expect(!reaches(way, 0) && !reaches(way, 1));
    device->bus_master = false;
    if (by_both)
        detach(BY_PASID);
    detach(PLAIN);
    device->silent = false;
    for (unsigned way = 0; way < WAYS; way++) {
        expect_equal(attach(way), 0);
        device->bus_master = true;
        expect(device->ats_on && reaches(way, 1));
    }
    detach(PLAIN);
    detach(BY_PASID);
}

SCENARIO(ats_pasids_silent_x_unmaps, .kind = SCENARIO_RANDOM,
         .what =
             "a device does not answer two CPUs that unmap in its two domains: it is cut off once, and both "
             "unmaps succeed")
{
    start(WAYS);
    rig.devices[0].silent = true;
    start_unmapper(1, PLAIN);
    start_unmapper(2, BY_PASID);
    rig_run();
    expect_cut_off(true);
    finish();
}

static void come_by_pasid(void *context)
{
    (void)context;
    /* It is long before the unit gives the device up. */
    if (rig_choose(2))
        while (!iommu_device_is_cut_off(address))
            platform_relax();
    attach_error = attach(BY_PASID);
    sometimes(!attach_error);
    sometimes(attach_error);
}

SCENARIO(ats_pasid_comes_x_silent, .kind = SCENARIO_RANDOM,
         .what =
             "a device that does not answer is cut off while another CPU attaches it by a PASID: it comes "
             "in before, or is refused, and reaches nothing")
{
    start(1);
    rig.devices[0].silent = true;
    start_unmapper(1, PLAIN);
    rig_start_cpu(2, "attacher by PASID", come_by_pasid, NULL);
    rig_run();
    expect(!attach_error || attach_error == ERR_HARDWARE);
    expect_equal(iommu_unmap(domains[BY_PASID], rig_page(0), rig_last(0), NULL), 0);
    expect_cut_off(!attach_error);
    finish();
}
