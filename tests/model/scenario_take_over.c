/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver takes over a unit that firmware uses: its tables in force, commands in its queue, interrupts
 * remapped, and a device that an RMRR names issuing DMA all the time. */
#include "iommu/iommu.h"
#include "lib/error.h"
#include "lib/mutant.h"
#include "lib/page_alloc.h"
#include "lib/pci.h"
#include "lib/platform.h"
#include "lib/units.h"
#include "tests/model/bare.h"
#include "tests/model/configs.h"
#include "tests/model/device.h"
#include "tests/model/scenario.h"
#include "tests/model/sometimes.h"
#include "tests/model/spec_descriptors.h"
#include "tests/model/spec_registers.h"
#include "tests/model/spec_tables.h"

#define KEPT     0x00e8 /* 00:1d.0, which the RMRR names */
#define STRANGER 0x0018 /* 00:03.0, which firmware uses too, and nothing names */
#define PAGES    4      /* of the RMRR */
#define FOUND_ID 1      /* firmware's domain id: the driver's first as well */
#define ACCESSES 40
#define LEVELS   4
#define ON       (SPEC_GSTS_TES | SPEC_GSTS_QIES | SPEC_GSTS_IRES)

/* How the unit is found, and what is wanted of it. */
struct found {
    const struct unit_config *config;
    bool scalable;
    enum iommu_translation wanted;
    bool no_interrupt_remapping;
    bool extended; /* EIME */
};

static struct {
    struct unit *unit;
    struct device kept, stranger;
    uint64_t memory; /* of the RMRR */
    uint64_t other;  /* of the stranger */
    bool live;       /* nothing of the kept device may be refused */
    bool over;       /* the driver has the unit: nothing of the stranger may land */
    bool stop;
    bool passed_meanwhile;
} found;

/* --- firmware --- */

static void map_itself(uint64_t *root, uint64_t hpa, bool second)
{
    /* Accessed and dirty are there from the start: a unit that does not snoop could not set them (SFS.9). */
    uint64_t flags = second ? 0 : SPEC_FS_ACCESSED | SPEC_FS_DIRTY;

    bare_set(found.unit, bare_slot(found.unit, root, LEVELS, hpa, 0, second),
             bare_leaf(hpa, 0, second) | flags);
}

static void map_devices(bool scalable)
{
    uint64_t *root = bare_table(found.unit);
    enum bare_stage stage = scalable ? BARE_FIRST_STAGE : BARE_SECOND_STAGE;

    for (unsigned page = 0; page < PAGES; page++)
        map_itself(root, found.memory + page * PAGE_SIZE, !scalable);
    map_itself(root, found.other, !scalable);
    bare_attach(found.unit, KEPT, stage, FOUND_ID, root, LEVELS, false, false);
    bare_attach(found.unit, STRANGER, stage, FOUND_ID, root, LEVELS, false, false);
}

static void remap_interrupts(bool extended)
{
    bare_write64(found.unit, SPEC_IRTA, bare_table_hpa(found.unit) | (extended ? SPEC_IRTA_EIME : 0) | 7);
    bare_command(found.unit, SPEC_GCMD_SIRTP, true);
    bare_invalidate_all(found.unit);
    bare_command(found.unit, SPEC_GCMD_IRE, true);
}

static void reserve_page_of(unsigned offset)
{
    uint64_t page = bare_read64(found.unit, offset) & SPEC_PAGE_ADDRESS;

    machine_reserve(page, page + PAGE_SIZE - 1);
}

static void lands(void *context, const struct request *request)
{
    const struct device *device = context;
    bool kept = device == &found.kept;

    expect_equal(request->hpa, request->iova);
    if (!kept && found.over)
        violation(VIOLATION_STALE, "a device that was stopped reaches %#lx", (unsigned long)request->hpa);
}

static void refused(void *context, const struct request *request)
{
    const struct device *device = context;

    if (device == &found.kept && found.live && request->iova - found.memory < PAGES * PAGE_SIZE)
        violation(VIOLATION_SPURIOUS_FAULT, "%#lx, which an RMRR names, is refused: reason %#x",
                  (unsigned long)request->iova, request->reason);
}

static void add_device(struct device *device, const char *name, uint16_t source_id)
{
    device_make(device, name, source_id, false);
    device->watch = (struct device_watch){.lands = lands, .refused = refused, .context = device};
    machine_add_function(source_id);
}

/* All that firmware does before the driver comes; commands are in the queue still. */
static void be_firmware(const struct found *how)
{
    found.unit = bare_start(how->config, how->scalable);
    found.memory = bare_dma_memory(2);
    found.other = bare_dma_memory(0);
    map_devices(how->scalable);
    remap_interrupts(how->extended);
    reserve_page_of(SPEC_IQA);
    machine_reserve(found.memory, found.memory + PAGES * PAGE_SIZE - 1);
    machine_add_reserved(found.memory, found.memory + PAGES * PAGE_SIZE - 1, KEPT);
    add_device(&found.kept, "kept device", KEPT);
    add_device(&found.stranger, "stranger", STRANGER);
    bare_write32(found.unit, SPEC_IECTL, 0);
    for (unsigned i = 0; i < 3; i++)
        bare_submit(found.unit, SPEC_DESCRIPTOR_IOTLB | SPEC_DESCRIPTOR_WITH_G(SPEC_IOTLB_GLOBAL), 0);
}

/* --- devices --- */

static void access_one(struct device *device, uint64_t page)
{
    bool passed;

    if (!machine_masters_bus(device->source_id)) {
        schedule_point(POINT_HARDWARE, NULL);
        return;
    }
    passed = device_access(device, page, schedule_choose(2));
    found.passed_meanwhile |= passed && device == &found.kept && !found.over;
}

static void use_reserved_memory(void *context)
{
    (void)context;
    for (unsigned i = 0; i < ACCESSES && !found.stop; i++)
        access_one(&found.kept, found.memory + schedule_choose(PAGES) * PAGE_SIZE);
    device_drain(&found.kept);
}

static void use_other_memory(void *context)
{
    (void)context;
    for (unsigned i = 0; i < ACCESSES && !found.stop; i++)
        access_one(&found.stranger, found.other);
    device_drain(&found.stranger);
}

static void write_other_memory(void *context)
{
    (void)context;
    while (machine_masters_bus(STRANGER)) {
        device_access(&found.stranger, found.other, true);
        platform_relax(); /* it goes on until somebody else stops it */
    }
}

/* --- the driver --- */

static int start(const struct found *how)
{
    static const uint16_t segments[] = {0};
    const struct iommu_config config = {
        .translation = how->wanted, .x2apic = true, .no_interrupt_remapping = how->no_interrupt_remapping};
    size_t bytes;
    const void *dmar = machine_dmar(&bytes);

    expect_equal(pci_scan(segments, 1), 0);
    return iommu_init(dmar, bytes, &config);
}

static void expect_taken(const struct found *how)
{
    bool scalable = how->wanted != IOMMU_TRANSLATION_LEGACY && how->config->ecap & SPEC_ECAP_SMTS;

    expect_equal(found.unit->gsts & ON, how->no_interrupt_remapping ? ON & ~SPEC_GSTS_IRES : ON);
    expect_equal(SPEC_RTADDR_TTM(found.unit->root), scalable ? SPEC_TTM_SCALABLE : SPEC_TTM_LEGACY);
    expect_equal(found.unit->owed, 0);
    expect_equal(found.unit->pmen, 0);
    expect(found.unit->iectl & SPEC_EVENT_IM);
    expect_equal(machine_masters_bus(KEPT), true);
}

/* Calm: each device tries its memory once more. */
static void try_all(void)
{
    for (unsigned page = 0; page < PAGES; page++)
        expect(device_access(&found.kept, found.memory + page * PAGE_SIZE, true));
    expect(!device_access(&found.kept, found.other, true));
    expect(!device_access(&found.stranger, found.other, true));
    expect(!device_access(&found.stranger, found.memory, true));
    device_drain(&found.kept);
    device_drain(&found.stranger);
}

static void take_over(const struct found *how)
{
    struct iommu_domain *domain;
    int error;

    schedule_set_calm(true);
    be_firmware(how);
    agent_start(AGENT_DEVICE, 0, "kept device", use_reserved_memory, NULL);
    agent_start(AGENT_DEVICE, 0, "stranger", use_other_memory, NULL);
    schedule_set_calm(false);
    expect_equal(start(how), 0);
    found.over = true;
    expect_taken(how);
    schedule_set_calm(true);
    try_all();
    domain = iommu_domain_create("guest", &error);
    expect(domain);
    expect_equal(iommu_attach(domain, (struct pci_address){0, 0, KEPT}, IOMMU_NO_PASID), ERR_BUSY);
    expect_equal(iommu_domain_destroy(domain), 0);
    found.live = false;
    found.stop = true;
    pci_bus_master_off_all(NULL);
    iommu_shutdown();
    expect_equal(found.unit->gsts & ON, 0);
}

static const struct unit_config *one_of(const struct unit_config *const *configs)
{
    unsigned count = 0;

    while (configs[count])
        count++;
    return configs[schedule_choose(count)];
}

SCENARIO(take_over_same_mode,
         .what = "DMA of a device that an RMRR names goes on through a take-over in the same mode",
         .kind = SCENARIO_RANDOM)
{
    struct found how;

    schedule_set_calm(false);
    how = (struct found){.scalable = schedule_choose(2), .extended = true};
    how.config = one_of(how.scalable ? unit_configs_first_stage : unit_configs_legacy);
    how.wanted = how.scalable ? IOMMU_TRANSLATION_AUTO : IOMMU_TRANSLATION_LEGACY;
    how.extended = how.config->ecap & SPEC_ECAP_EIM;
    found.live = true;
    take_over(&how);
    sometimes(found.passed_meanwhile);
}

SCENARIO(take_over_other_mode_live,
         .what = "and in another mode, where the unit can change that under translation (CAP.ESRTPS)",
         .kind = SCENARIO_RANDOM)
{
    struct found how = {.config = &unit_modern, .extended = true};

    schedule_set_calm(false);
    how.scalable = schedule_choose(2);
    how.wanted = how.scalable ? IOMMU_TRANSLATION_LEGACY : IOMMU_TRANSLATION_AUTO;
    found.live = true;
    take_over(&how);
    sometimes(found.passed_meanwhile);
}

/* A unit that lacks some capabilities. */
static const struct unit_config *without(const struct unit_config *config, uint64_t cap)
{
    static struct unit_config changed;

    changed = *config;
    changed.cap &= ~cap;
    return &changed;
}

SCENARIO(take_over_other_mode, .what = "elsewhere translation goes off for a while, and nothing gets through",
         .kind = SCENARIO_RANDOM)
{
    static const uint64_t lacks[] = {SPEC_CAP_ESRTPS, SPEC_CAP_ESRTPS | SPEC_CAP_PLMR | SPEC_CAP_PHMR};
    struct found how = {.extended = true};

    schedule_set_calm(false);
    how.config = without(schedule_choose(2) ? &unit_modern : &unit_incoherent, lacks[schedule_choose(2)]);
    how.scalable = schedule_choose(2);
    how.wanted = how.scalable ? IOMMU_TRANSLATION_LEGACY : IOMMU_TRANSLATION_AUTO;
    take_over(&how);
}

SCENARIO(take_over_stuck_master,
         .what = "a device that cannot be stopped is behind protected regions while translation is off",
         .kind = SCENARIO_RANDOM)
{
    struct found how = {.config = without(&unit_modern, SPEC_CAP_ESRTPS), .extended = true};

    schedule_set_calm(true);
    be_firmware(&how);
    machine_fix_bus_master(STRANGER);
    agent_start(AGENT_DEVICE, 0, "stranger", use_other_memory, NULL);
    schedule_set_calm(false);
    expect_equal(start(&how), 0);
    found.over = true;
    expect_taken(&how);
}

SCENARIO(take_over_refused,
         .what = "and without protected regions the unit stays as it was, and goes on checking",
         .kind = SCENARIO_RANDOM)
{
    struct found how = {.config = without(&unit_modern, SPEC_CAP_ESRTPS | SPEC_CAP_PLMR | SPEC_CAP_PHMR),
                        .extended = true};
    uint64_t root;

    schedule_set_calm(true);
    be_firmware(&how);
    machine_fix_bus_master(STRANGER);
    root = found.unit->root;
    agent_start(AGENT_DEVICE, 0, "stranger", use_other_memory, NULL);
    schedule_set_calm(false);
    expect_equal(start(&how), ERR_UNSUPPORTED);
    expect_equal(found.unit->root, root);
    expect_equal(found.unit->gsts & ON, SPEC_GSTS_TES | SPEC_GSTS_IRES);
}

SCENARIO(take_over_interrupts,
         .what = "interrupt remapping changes hands on, or goes off where that is wanted or EIME differs",
         .kind = SCENARIO_RANDOM)
{
    struct found how = {.config = &unit_modern, .scalable = true};

    schedule_set_calm(false);
    how.extended = schedule_choose(2);
    how.no_interrupt_remapping = schedule_choose(2);
    found.live = true;
    take_over(&how);
}

SCENARIO(take_over_drains,
         .what = "what a device sent before it was stopped has landed, also on units that drain when told so",
         .kind = SCENARIO_RANDOM)
{
    struct found how = {.config = &unit_incoherent, .scalable = true};

    schedule_set_calm(true);
    be_firmware(&how);
    agent_start(AGENT_DEVICE, 0, "stranger", write_other_memory, NULL);
    schedule_set_calm(false);
    expect_equal(start(&how), 0);
    found.over = true;
    schedule_set_calm(true);
    device_drain(&found.stranger);
}

SCENARIO(take_over_interrupted, .what = "DMA of a device that an RMRR names at each moment of a take-over",
         .kind = SCENARIO_EXHAUSTIVE, .deviations = 1)
{
    struct found how = {.config = &unit_incoherent, .scalable = true, .extended = true};

    found.live = true;
    take_over(&how);
}
