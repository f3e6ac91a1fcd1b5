/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver takes units as firmware left them: starts what is off, refuses what is on or lacks something,
 * and ends in a state that can be told when a unit does not answer. */
#include "iommu/iommu.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/units.h"
#include "tests/model/configs.h"
#include "tests/model/machine.h"
#include "tests/model/scenario.h"
#include "tests/model/spec_registers.h"

#define ON (SPEC_GSTS_TES | SPEC_GSTS_QIES | SPEC_GSTS_IRES)

static int start(void)
{
    size_t bytes;
    const void *dmar = machine_dmar(&bytes);

    return iommu_init(dmar, bytes, &(struct iommu_config){0});
}

static void make_one(const struct unit_config *config)
{
    machine_make(&config, 1);
    schedule_set_calm(false);
}

/* Which parts of the unit are on. */
static uint32_t parts_on(unsigned index)
{
    return machine_unit(index)->gsts & ON;
}

static void expect_running(void)
{
    for (unsigned i = 0; i < machine_unit_count(); i++) {
        const struct unit *unit = machine_unit(i);

        expect_equal(parts_on(i), ON);
        expect_equal(SPEC_RTADDR_TTM(unit->root), SPEC_TTM_SCALABLE);
        expect_equal(unit->owed, 0);
        expect(!(unit->fectl & SPEC_EVENT_IM));
    }
}

static void expect_off(void)
{
    for (unsigned i = 0; i < machine_unit_count(); i++)
        expect_equal(parts_on(i), 0);
}

static void make_and_use_domain(void)
{
    int error = 0;
    struct iommu_domain *domain = iommu_domain_create("guest", &error);

    expect_equal(error, 0);
    expect_equal(iommu_domain_destroy(domain), 0);
}

static void start_and_stop(void)
{
    expect_equal(start(), 0);
    expect_running();
    make_and_use_domain();
    iommu_shutdown();
    expect_off();
}

/* --- units that the driver can run --- */

SCENARIO(start_each, .what = "the driver starts and stops one unit of any kind", .kind = SCENARIO_RANDOM)
{
    const struct unit_config *config;
    unsigned count = 0;

    while (unit_configs_first_stage[count])
        count++;
    schedule_set_calm(false);
    config = unit_configs_first_stage[schedule_choose(count)];
    schedule_set_calm(true);
    make_one(config);
    start_and_stop();
}

SCENARIO(start_several, .what = "units of different versions and capabilities start together",
         .kind = SCENARIO_RANDOM)
{
    const struct unit_config *const configs[] = {&unit_incoherent, &unit_five_levels, &unit_caching_mode,
                                                 &unit_no_page_selective};

    machine_make(configs, ARRAY_SIZE(configs));
    schedule_set_calm(false);
    start_and_stop();
}

SCENARIO(start_again, .what = "what was stopped starts again, with new tables", .kind = SCENARIO_RANDOM)
{
    const struct unit_config *const configs[] = {&unit_incoherent, &unit_modern};

    machine_make(configs, ARRAY_SIZE(configs));
    schedule_set_calm(false);
    start_and_stop();
    start_and_stop();
}

SCENARIO(start_with_protected_memory,
         .what = "firmware's protected regions go, and not before the tables protect",
         .kind = SCENARIO_RANDOM)
{
    struct unit *unit;

    make_one(&unit_modern);
    unit = machine_unit(0);
    unit->pmen = SPEC_PMEN_EPM | SPEC_PMEN_PRS;
    expect_equal(start(), 0);
    expect_equal(unit->pmen, 0);
    expect_running();
}

SCENARIO(start_with_old_errors, .what = "faults and queue errors of an earlier user do not disturb",
         .kind = SCENARIO_RANDOM)
{
    struct unit *unit;

    make_one(&unit_modern);
    unit = machine_unit(0);
    unit->fsts = SPEC_FSTS_IQE | SPEC_FSTS_ITE | SPEC_FSTS_ICE | SPEC_FSTS_PFO;
    unit->frcd[0][1] = SPEC_FRCD_F | SPEC_FRCD_WITH_REASON(1);
    unit->fault_next = 1;
    unit_fault_registers_written(unit);
    expect_equal(start(), 0);
    expect_equal(unit->fsts & (SPEC_FSTS_QUEUE | SPEC_FSTS_PFO | SPEC_FSTS_PPF), 0);
    expect_running();
    expect_equal(iommu_fault_count(), 1);
}

/* --- units that it refuses --- */

SCENARIO(old_unit_refused, .what = "a unit without scalable mode is refused, also beside one that has it",
         .kind = SCENARIO_RANDOM)
{
    const struct unit_config *const configs[] = {&unit_modern, &unit_old};

    machine_make(configs, ARRAY_SIZE(configs));
    schedule_set_calm(false);
    expect_equal(start(), ERR_UNSUPPORTED);
    for (unsigned i = 0; i < machine_unit_count(); i++)
        expect_equal(machine_unit(i)->register_writes, 0);
}

/* --- units that do not answer --- */

SCENARIO(commands_not_carried_out,
         .what = "a unit ignores its commands: a timeout, and the other one is off again",
         .kind = SCENARIO_RANDOM)
{
    const struct unit_config *const configs[] = {&unit_modern, &unit_modern};

    machine_make(configs, ARRAY_SIZE(configs));
    machine_unit(1)->silent_commands = true;
    schedule_set_calm(false);
    expect_equal(start(), ERR_TIMEOUT);
    expect_off();
    /* A unit that comes to itself later is switched off, and started. */
    machine_unit(1)->silent_commands = false;
    schedule_set_calm(true);
    while (machine_unit(1)->command_pending)
        platform_relax();
    expect_equal(start(), ERR_BUSY);
    iommu_shutdown();
    start_and_stop();
}

SCENARIO(queue_not_carried_out, .what = "a unit ignores its queue: a timeout, and nothing translates",
         .kind = SCENARIO_RANDOM)
{
    make_one(&unit_modern);
    machine_unit(0)->silent_queue = true;
    expect_equal(start(), ERR_TIMEOUT);
    expect_equal(parts_on(0) & SPEC_GSTS_TES, 0);
}

SCENARIO(commands_not_carried_out_at_the_end,
         .what = "a unit ignores its commands when it is to be switched off", .kind = SCENARIO_RANDOM)
{
    make_one(&unit_modern);
    expect_equal(start(), 0);
    machine_unit(0)->silent_commands = true;
    iommu_shutdown();
    expect_equal(parts_on(0), ON);
    expect_equal(start(), ERR_BUSY);
}
