/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests that no page table translates, or that ask for a translation, by the rules: pass-through,
 * translation off, protected regions, ATS. */
#include "lib/atomic.h"
#include "lib/deadline.h"
#include "lib/units.h"
#include "tests/model/bare.h"
#include "tests/model/bare_probe.h"
#include "tests/model/configs.h"
#include "tests/model/scenario.h"
#include "tests/model/spec_registers.h"
#include "tests/model/spec_tables.h"

#define SOURCE  0x0108
#define DID     7
#define WAIT_NS (100 * NS_PER_MS)

static void run_pass_through(const struct unit_config *config, bool scalable)
{
    static struct probe probe;
    struct unit *unit = bare_start(config, scalable);
    uint64_t page = bare_dma_memory(0);

    bare_attach(unit, SOURCE, BARE_PASS_THROUGH, DID, NULL, 0, false, false);
    probe_make(&probe, SOURCE);
    schedule_set_calm(false);
    probe_expect(&probe, page, true, page);
    probe_expect(&probe, page, false, page);
    probe_expect_refused(&probe, 1ull << SPEC_HAW, false, scalable ? SPEC_SGN_4 : SPEC_LGN_1);
    probe_expect_refused(&probe, SPEC_INTERRUPT_FIRST, false, 0);
}

SCENARIO(pass_through_legacy, .what = "pass-through in legacy mode", .kind = SCENARIO_RANDOM)
{
    run_pass_through(&unit_modern, false);
}

SCENARIO(pass_through_scalable, .what = "pass-through in scalable mode", .kind = SCENARIO_RANDOM)
{
    run_pass_through(&unit_incoherent, true);
}

SCENARIO(translation_off, .what = "with translation off a request goes where it says",
         .kind = SCENARIO_RANDOM)
{
    static const struct unit_config *const configs[] = {&unit_modern};
    static struct probe probe;
    uint64_t page;

    machine_make(configs, 1);
    page = bare_dma_memory(0);
    probe_make(&probe, SOURCE);
    schedule_set_calm(false);
    probe_expect(&probe, page, true, page);
    probe_expect_pasid_refused(&probe, 3, page, true, 0);
}

/* --- protected regions (11.4.8) --- */

/* The 2 MiB around a page, and their protection on or off. */
static void protect(struct unit *unit, uint64_t page, bool on)
{
    bool done;

    if (on) {
        bare_write32(unit, SPEC_PLMBASE, (uint32_t)align_down(page, 2 * MIB));
        bare_write32(unit, SPEC_PLMLIMIT, (uint32_t)align_down(page, 2 * MIB));
    }
    bare_write32(unit, SPEC_PMEN, on ? SPEC_PMEN_EPM : 0);
    done = wait_until(!(bare_read32(unit, SPEC_PMEN) & SPEC_PMEN_PRS) == !on, WAIT_NS);
    expect(done);
}

SCENARIO(protected_region, .what = "a protected region keeps devices out while translation is off",
         .kind = SCENARIO_RANDOM)
{
    static const struct unit_config *const configs[] = {&unit_modern};
    static struct probe probe;
    uint64_t page;

    machine_make(configs, 1);
    page = bare_dma_memory(0);
    probe_make(&probe, SOURCE);
    schedule_set_calm(false);
    protect(machine_unit(0), page, true);
    probe_expect_refused(&probe, page, true, 0);
    protect(machine_unit(0), page, false);
    probe_expect(&probe, page, true, page);
}

SCENARIO(protected_region_pass_through, .what = "a protected region keeps out what passes through",
         .kind = SCENARIO_RANDOM)
{
    static struct probe probe;
    struct unit *unit = bare_start(&unit_modern, true);
    uint64_t page = bare_dma_memory(0);

    bare_attach(unit, SOURCE, BARE_PASS_THROUGH, DID, NULL, 0, false, false);
    probe_make(&probe, SOURCE);
    schedule_set_calm(false);
    protect(unit, page, true);
    for (unsigned i = 0; i < 3; i++)
        probe_expect_refused(&probe, page, false, 0);
    protect(unit, page, false);
    probe_expect(&probe, page, false, page);
}

/* --- translation requests (4.2.3) --- */

static void expect_nothing_recorded(const struct unit *unit)
{
    expect(!(unit->frcd[0][1] & SPEC_FRCD_F));
}

SCENARIO(ats_dirty, .what = "a request for a translation to write sets the dirty bit, one to read does not",
         .kind = SCENARIO_RANDOM)
{
    static struct device device;
    struct unit *unit = bare_start(&unit_modern, true);
    struct probe_tree tree = probe_tree(unit, true);
    uint64_t *slot = bare_slot(unit, tree.root, PROBE_LEVELS, PROBE_IOVA, 0, true);

    bare_attach(unit, SOURCE, BARE_SECOND_STAGE, DID, tree.root, PROBE_LEVELS, true, true);
    device_make(&device, "device", SOURCE, true);
    schedule_set_calm(false);
    expect(device_access(&device, PROBE_IOVA, false));
    expect_equal(atomic_read(slot) & (SPEC_SS_ACCESSED | SPEC_SS_DIRTY), SPEC_SS_ACCESSED);
    expect(device_access(&device, PROBE_IOVA, true));
    expect(atomic_read(slot) & SPEC_SS_DIRTY);
    device_drain(&device);
    expect_nothing_recorded(unit);
}

SCENARIO(ats_nothing_there,
         .what = "a request for a translation that there is none of is answered, and no fault",
         .kind = SCENARIO_RANDOM)
{
    static struct device device;
    struct unit *unit = bare_start(&unit_modern, true);
    struct probe_tree tree = probe_tree(unit, false);
    uint64_t *slot = bare_slot(unit, tree.root, PROBE_LEVELS, PROBE_IOVA, 0, false);

    bare_attach(unit, SOURCE, BARE_FIRST_STAGE, DID, tree.root, PROBE_LEVELS, false, true);
    device_make(&device, "device", SOURCE, true);
    bare_set(unit, slot, *slot & ~SPEC_FS_WRITE);
    schedule_set_calm(false);
    expect(!device_access(&device, PROBE_IOVA + PAGE_SIZE, false));
    expect(!device_access(&device, PROBE_IOVA, true));
    expect(device_access(&device, PROBE_IOVA, false));
    expect(!(atomic_read(slot) & SPEC_FS_DIRTY));
    expect_nothing_recorded(unit);
}

SCENARIO(write_only, .what = "a second-stage page may be written and not read", .kind = SCENARIO_RANDOM)
{
    static struct probe probe;
    struct unit *unit = bare_start(&unit_modern, true);
    struct probe_tree tree = probe_tree(unit, true);

    bare_attach(unit, SOURCE, BARE_SECOND_STAGE, DID, tree.root, PROBE_LEVELS, true, false);
    bare_set(unit, bare_slot(unit, tree.root, PROBE_LEVELS, PROBE_IOVA, 0, true),
             bare_leaf(tree.page, 0, true) & ~SPEC_SS_READ);
    probe_make(&probe, SOURCE);
    schedule_set_calm(false);
    probe_expect(&probe, PROBE_IOVA, true, tree.page);
    probe_expect_refused(&probe, PROBE_IOVA, false, SPEC_SGN_7);
    probe_expect(&probe, PROBE_IOVA, true, tree.page);
}
