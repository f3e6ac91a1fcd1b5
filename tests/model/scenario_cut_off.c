/* SPDX-License-Identifier: BSD-2-Clause */
/* Units that refuse what is right, so that devices are cut off: beside their DMA, attach, detach, and others
 * that cut off. */
#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "lib/pci.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/model/scenario_driver.h"
#include "tests/model/sometimes.h"
#include "tests/model/spec_descriptors.h"

/* The last page of one table, and the first of the next. */
#define PAGES 2
#define IOVA  (0x40200000ull - PAGE_SIZE)

static const struct unit_config *const modern[] = {&unit_modern};

static unsigned type_of(const struct unit_pending *descriptor)
{
    return SPEC_DESCRIPTOR_TYPE(descriptor->word[0]);
}

static unsigned granularity_of(const struct unit_pending *descriptor)
{
    return SPEC_DESCRIPTOR_G(descriptor->word[0]);
}

static bool is_page(const struct unit_pending *descriptor)
{
    return (type_of(descriptor) == SPEC_DESCRIPTOR_IOTLB && granularity_of(descriptor) == SPEC_IOTLB_PAGE) ||
           (type_of(descriptor) == SPEC_DESCRIPTOR_PASID_IOTLB &&
            granularity_of(descriptor) == SPEC_PASID_IOTLB_PAGE);
}

static bool is_wide(const struct unit_pending *descriptor)
{
    return type_of(descriptor) == SPEC_DESCRIPTOR_IOTLB && granularity_of(descriptor) == SPEC_IOTLB_DOMAIN;
}

static bool refuses_selective(const struct unit_pending *descriptor)
{
    return is_page(descriptor) || is_wide(descriptor);
}

/* What an unmap tries, one after the other: of its page, of the domain, of everything; each once. An attach
 * and a detach have a PASID-cache invalidation ahead of that of the domain. */
static unsigned tries;
static unsigned type_before;

static bool refuses_each_try(const struct unit_pending *descriptor)
{
    bool is_next = (tries == 0 && is_page(descriptor)) ||
                   (tries == 1 && is_wide(descriptor) && type_before != SPEC_DESCRIPTOR_PASID_CACHE) ||
                   (tries == 2 && type_of(descriptor) == SPEC_DESCRIPTOR_CONTEXT &&
                    granularity_of(descriptor) == SPEC_CONTEXT_GLOBAL);

    type_before = type_of(descriptor);
    tries += is_next;
    return is_next;
}

static void map_pages(void)
{
    for (unsigned page = 0; page < PAGES; page++)
        expect_equal(oracle_map(rig.oracle, rig_page(page), rig_last(page), rig.memory + page * PAGE_SIZE,
                                PT_READ | PT_WRITE),
                     0);
}

static void start(bool (*refuses)(const struct unit_pending *descriptor))
{
    rig_start(modern, 1, IOVA, PAGES);
    rig.cuts_off = true;
    (void)rig_attach(0);
    map_pages();
    machine_unit(0)->refuses = refuses;
}

static int unmap_error;

static void unmap_page_0(void *context)
{
    (void)context;
    unmap_error = oracle_unmap(rig.oracle, rig_page(0), rig_last(0));
}

static void unmap_page_1(void *context)
{
    (void)context;
    expect_equal(oracle_unmap(rig.oracle, rig_page(1), rig_last(1)), 0);
}

/* A device that is cut off is blocked by its context entry too: it may not heed its command register. */
static void expect_blocked(unsigned n)
{
    expect(!device_access(&rig.devices[n], rig_page(1), true));
    rig.devices[n].bus_master = true;
    expect(!device_access(&rig.devices[n], rig_page(1), true));
    rig.devices[n].bus_master = false;
}

static void finish(void)
{
    machine_unit(0)->refuses = NULL;
    rig_finish();
}

SCENARIO(
    cut_off_x_dma, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
    .what = "a unit drops no translation but all of them at once, while a device writes what is unmapped: it "
            "is cut off, and nothing lands any more")
{
    static struct rig_traffic traffic = {.device = 0, .pages = 1, .accesses = 2, .kind = RIG_WRITES};

    start(refuses_selective);
    rig_start_cpu(1, "unmapper", unmap_page_0, NULL);
    rig_start_traffic(&traffic);
    rig.pages_go = true;
    rig_run();
    expect_equal(unmap_error, 0);
    expect_blocked(0);
    expect(rig_is_cut_off(0));
    expect_equal(vtd_unit(0)->cut_offs, 1);
    finish();
}

/* Who drives it, and knows of nothing yet. */
static void change_another_bit(void *context)
{
    (void)context;
    for (unsigned i = 0; i < 4; i++)
        (void)pci_command_change(pci_address_from_source_id(0, rig.devices[0].source_id),
                                 i % 2 ? PCI_COMMAND_NO_INTX : 0, i % 2 ? 0 : PCI_COMMAND_NO_INTX);
}

SCENARIO(cut_off_x_owner, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
         .what = "a device is cut off while its owner changes another bit of its command register: its bus "
                 "mastering stays off")
{
    start(refuses_selective);
    rig_start_cpu(1, "unmapper", unmap_page_0, NULL);
    rig_start_cpu(2, "owner", change_another_bit, NULL);
    rig_run();
    expect_equal(unmap_error, 0);
    expect(rig_is_cut_off(0) && !rig.devices[0].bus_master);
    expect_blocked(0);
    finish();
}

static bool refuses_all(const struct unit_pending *descriptor)
{
    return type_of(descriptor) != SPEC_DESCRIPTOR_WAIT;
}

/* The detach of one device is not confirmed, and that of the other one is: the unit may still have the first
 * one's context entry cached, and in legacy mode with it the domain's tree. Its device does not heed its
 * command register. */
static void leave_in_turn(void)
{
    static const struct unit_config *const legacy[] = {&unit_legacy};

    rig.config.translation = IOMMU_TRANSLATION_LEGACY;
    rig_start(legacy, 1, IOVA, PAGES);
    rig.cuts_off = true;
    (void)rig_attach(0);
    (void)rig_attach(1);
    expect_equal(oracle_map(rig.oracle, rig_page(0), rig_last(1), rig.memory, PT_READ | PT_WRITE), 0);
    (void)device_access(&rig.devices[0], rig_page(0), true);
    device_drain(&rig.devices[0]);
    machine_unit(0)->refuses = refuses_all;
    expect(oracle_detach(rig.oracle, &rig.devices[0]));
    machine_unit(0)->refuses = NULL;
    expect_equal(oracle_detach(rig.oracle, &rig.devices[1]), 0);
    rig.attached[0] = rig.attached[1] = false;
    rig.devices[0].bus_master = true;
}

SCENARIO(cut_off_leftover, .kind = SCENARIO_RANDOM,
         .what = "a later detach that is confirmed drops what an earlier one left in the unit")
{
    leave_in_turn();
    expect(!device_access(&rig.devices[0], rig_page(0), true));
    device_drain(&rig.devices[0]);
    rig_finish();
}

SCENARIO(cut_off_leftover_freed, .kind = SCENARIO_RANDOM, .what = "and so does the end of the domain")
{
    leave_in_turn();
    expect_equal(oracle_unmap(rig.oracle, rig.iova, rig_last(1)), 0);
    expect_equal(iommu_domain_destroy(rig.domain), 0);
    rcu_barrier();
    expect(!device_access(&rig.devices[0], rig_page(1), true));
    device_drain(&rig.devices[0]);
}

SCENARIO(cut_off_x_cut_off, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
         .what =
             "two CPUs unmap, on a unit that drops no translation but all of them at once: the device is cut "
             "off once")
{
    start(refuses_selective);
    rig_start_cpu(1, "unmapper 0", unmap_page_0, NULL);
    rig_start_cpu(2, "unmapper 1", unmap_page_1, NULL);
    rig_run();
    expect_equal(unmap_error, 0);
    expect(rig_is_cut_off(0));
    expect_equal(vtd_unit(0)->cut_offs, 1);
    expect_equal(rig.domain->unit_cutting[0], 0);
    expect_equal(rig.domain->units_unconfirmed, 0);
    finish();
}

static int attach_error;

static void attach_device_1(void *context)
{
    (void)context;
    attach_error = oracle_attach(rig.oracle, &rig.devices[1]);
    rig.attached[1] = attach_error == 0;
}

static void attach_late(void *context)
{
    while (rig.devices[0].bus_master) {
        rcu_quiescent();
        platform_relax();
    }
    attach_device_1(context);
}

static void cut_off_beside_attach(void (*attacher)(void *context))
{
    start(refuses_each_try);
    device_make(&rig.devices[1], "device 1", 1 << 3, false);
    oracle_watch(rig.oracle, &rig.devices[1]);
    rig_start_cpu(1, "unmapper", unmap_page_0, NULL);
    rig_start_cpu(2, "attacher", attacher, NULL);
    rig_run();
    sometimes(unmap_error && attach_error);
    expect(!unmap_error || rig_is_cut_off(0));
    /* Nobody is in the domain behind a unit that may hold what was unmapped. */
    expect(!rig.attached[1] || rig_is_cut_off(1) || !rig.domain->units_unconfirmed);
    expect_equal(rig.domain->unit_devices[0], 1 + rig.attached[1]);
    expect(!device_access(&rig.devices[1], rig_page(0), true));
    finish();
}

SCENARIO(cut_off_x_attach, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
         .what =
             "a device is attached while the others of its domain are cut off, on a unit that drops nothing: "
             "it is cut off too, or refused, or the unit has dropped all before")
{
    cut_off_beside_attach(attach_device_1);
    sometimes(unmap_error && rig.attached[1]);
}

SCENARIO(cut_off_x_late_attach, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
         .what = "the same, and the attach begins when the others have just been cut off")
{
    cut_off_beside_attach(attach_late);
}

static int detach_error;

static void detach_device_0(void *context)
{
    (void)context;
    detach_error = oracle_detach(rig.oracle, &rig.devices[0]);
    rig.attached[0] = false;
}

SCENARIO(cut_off_x_detach, .kind = SCENARIO_EXHAUSTIVE, .deviations = 1,
         .what = "a device is detached, and what it had is freed, while it is cut off")
{
    start(refuses_each_try);
    rig_start_cpu(1, "unmapper", unmap_page_0, NULL);
    rig_start_cpu(2, "detacher", detach_device_0, NULL);
    rig_run();
    sometimes(unmap_error);
    sometimes(!rig.devices[0].bus_master);
    expect_equal(detach_error, 0);
    expect_equal(rig.domain->unit_devices[0], 0);
    machine_unit(0)->refuses = NULL;
    expect_equal(oracle_attach(rig.oracle, &rig.devices[0]), 0);
    rig.attached[0] = true;
    expect(device_access(&rig.devices[0], rig_page(1), true));
    finish();
}

#define MANY      12
#define MANY_IOVA (0x40200000ull - MANY / 2 * PAGE_SIZE)

static unsigned refusals_left;

static bool refuses_some(const struct unit_pending *descriptor)
{
    return SPEC_DESCRIPTOR_TYPE(descriptor->word[0]) != SPEC_DESCRIPTOR_WAIT && refusals_left &&
           refusals_left--;
}

static void come_and_go(void *context)
{
    (void)context;
    for (unsigned turns = schedule_choose(100); turns; turns--) {
        rcu_quiescent();
        platform_relax();
    }
    refusals_left = 6 + schedule_choose(20);
    for (unsigned i = 0; i < 4; i++) {
        rcu_quiescent();
        (void)rig_check(oracle_release(rig.oracle));
    }
}

SCENARIO(
    cut_off_beside_all, .kind = SCENARIO_RANDOM,
    .what =
        "a unit refuses everything for a while, beside mappers, a harvester, devices that come and go, and "
        "releases from quarantine")
{
    static struct rig_mapper mapper = {.first = 0, .pages = MANY, .operations = 8, .tables = true};
    static struct rig_mover mover = {.device = 1, .operations = 5};
    static struct rig_traffic traffic[3] = {{.device = 0, .pages = MANY, .accesses = 20, .pause = 80},
                                            {.device = 1, .pages = MANY, .accesses = 20, .pause = 80},
                                            {.device = 2, .pages = MANY, .accesses = 20, .pause = 80}};

    rig_start_any(false, MANY_IOVA, MANY);
    rig.cuts_off = true;
    rig.failures_left = 100;
    for (unsigned i = 0; i < 3; i++) {
        (void)rig_attach(i);
        rig_start_traffic(&traffic[i]);
    }
    mapper.tables_iova = rig_page(0);
    mapper.tables_last = mapper.tables_iova + 2 * MIB - 1;
    machine_unit_of(rig.devices[0].source_id)->refuses = refuses_some;
    rig_start_mapper(1, &mapper);
    rig_start_mover(2, &mover);
    rig_start_cpu(3, "who makes the unit refuse", come_and_go, NULL);
    rig_run();
    sometimes(rig_is_cut_off(0));
    sometimes(rig.failures_left < 100);
    refusals_left = 0;
    rig_finish();
}
