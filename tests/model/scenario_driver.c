/* SPDX-License-Identifier: BSD-2-Clause */
/* The rig of the scenarios with the real driver: its start, its run and its end. */
#include "tests/model/scenario_driver.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/model/choices.h"
#include "tests/model/sometimes.h"

#define AGENTS_MAX 8
#define PROBED_MAX 16

struct rig rig;

static struct agent *agents[AGENTS_MAX];
static unsigned agent_count;

static struct cpu {
    void (*main)(void *context);
    void *context;
} cpus[MACHINE_CPUS];
static unsigned cpus_running;
static bool has_traffic, has_cpus;

unsigned rig_choose(unsigned count)
{
    return choices_choose(count);
}

static const struct pci_address rig_addresses[RIG_DEVICES] = {{0, 0, 0 << 3}, {0, 0, 1 << 3}, {0, 0, 2 << 3}};

void rig_start(const struct unit_config *const *configs, unsigned units, uint64_t iova, unsigned pages)
{
    struct iommu_domain_info info;
    const void *dmar;
    size_t bytes;
    void *memory;
    int error;

    machine_make(configs, units);
    dmar = machine_dmar(&bytes);
    /* Interrupts have scenarios of their own, and their table is most of the memory that each run makes. */
    rig.config.no_interrupt_remapping = true;
    if (rig.ats) {
        rig.config.ats = rig_addresses;
        rig.config.ats_count = RIG_DEVICES;
    }
    expect_equal(iommu_init(dmar, bytes, &rig.config), 0);
    rig.domain = iommu_domain_create("guest", &error);
    expect_equal(error, 0);
    iommu_domain_info(rig.domain, &info);
    rig.tracked = info.tracks_dirty;
    rig.iova = iova;
    rig.pages = pages;
    rig.oracle = oracle_make(rig.domain, iova, pages);
    if (rig.tracked && !rig.starts_untracked)
        expect_equal(oracle_track(rig.oracle, IOMMU_TRACKING_DIRTY_BITS), 0);
    memory = pages_alloc(6, PAGE_DMA);
    expect(memory);
    rig.memory = virt_to_phys(memory);
}

/* One of the table modes and stages, and the units that have it. */
static const struct unit_config *const *choose_translation(void)
{
    static const struct unit_config *const *const lists[] = {
        [IOMMU_TRANSLATION_AUTO] = unit_configs_first_stage,
        [IOMMU_TRANSLATION_LEGACY] = unit_configs_legacy,
        [IOMMU_TRANSLATION_SECOND_STAGE] = unit_configs_second_stage,
        [IOMMU_TRANSLATION_FIRST_STAGE] = unit_configs_first_stage,
    };

    rig.config.translation = rig_choose(ARRAY_SIZE(lists));
    return lists[rig.config.translation];
}

const struct unit_config *rig_choose_unit(unsigned kinds)
{
    return choose_translation()[rig_choose(kinds)];
}

void rig_start_any(bool tracking, uint64_t iova, unsigned pages)
{
    const struct unit_config *configs[RIG_UNITS], *usable[16] = {NULL}, *const * list;
    unsigned count = 0, units = 1 + rig_choose(RIG_UNITS);

    do
        list = choose_translation();
    while (tracking && rig.config.translation == IOMMU_TRANSLATION_LEGACY); /* which keeps no dirty bits */
    for (unsigned i = 0; list[i]; i++)
        if (!tracking || list[i] != &unit_incoherent)
            usable[count++] = list[i];
    for (unsigned i = 0; i < units; i++)
        configs[i] = usable[rig_choose(count)];
    if (rig_choose(2))
        rig.ats = rig_choose(1 << RIG_DEVICES);
    rig_start(configs, units, iova, pages);
    expect(rig.tracked || !tracking);
}

struct device *rig_attach(unsigned n)
{
    static const char *const names[RIG_DEVICES] = {"device 0", "device 1", "device 2"};

    device_make(&rig.devices[n], names[n], (uint16_t)(n << 3), rig.ats >> n & 1);
    device_ats_switch(&rig.devices[n], false);
    expect_equal(oracle_attach(rig.oracle, &rig.devices[n]), 0);
    rig.attached[n] = true;
    return &rig.devices[n];
}

uint64_t rig_page(unsigned n)
{
    return rig.iova + n * PAGE_SIZE;
}

uint64_t rig_last(unsigned n)
{
    return rig_page(n) + PAGE_SIZE - 1;
}

int rig_check(int error)
{
    if ((error == ERR_TIMEOUT || error == ERR_HARDWARE) && rig.failures_left)
        rig.failures_left--;
    else
        expect_equal(error, 0);
    return error;
}

static void add_agent(struct agent *agent)
{
    expect(agent_count < AGENTS_MAX);
    agents[agent_count++] = agent;
}

static void cpu_main(void *context)
{
    const struct cpu *cpu = context;

    cpu->main(cpu->context);
    cpus_running--;
}

void rig_start_cpu(unsigned cpu, const char *name, void (*main)(void *context), void *context)
{
    cpus[cpu] = (struct cpu){main, context};
    cpus_running++;
    has_cpus = true;
    add_agent(machine_cpu(cpu, name, cpu_main, &cpus[cpu]));
}

static bool cpus_are_done(void)
{
    return cpus_running == 0;
}

static bool has_paused(void *until)
{
    return schedule_step() >= *(uint64_t *)until || cpus_are_done();
}

/* Bursts, and time for the CPUs in between: DMA is to last as long as they do. */
static void pause_traffic(const struct rig_traffic *traffic)
{
    uint64_t until = schedule_step();

    if (!traffic->pause || schedule_chance(2))
        return;
    until += schedule_choose(traffic->pause);
    schedule_wait(has_paused, &until, "the pause between two accesses");
}

/* An access when all CPUs are gone shows nothing of what they do. */
static void note_access(bool passed)
{
    if (has_cpus && cpus_are_done())
        return;
    rig.passed += passed;
    rig.refused += !passed;
}

static void traffic_main(void *context)
{
    const struct rig_traffic *traffic = context;
    struct device *device = &rig.devices[traffic->device];

    for (unsigned i = 0; i < traffic->accesses; i++) {
        unsigned page = traffic->first + schedule_choose(traffic->pages);
        bool write = traffic->kind == RIG_WRITES || (traffic->kind == RIG_BOTH && schedule_choose(3));

        note_access(device_access(device, rig_page(page), write));
        pause_traffic(traffic);
    }
    device_drain(device);
}

void rig_start_traffic(struct rig_traffic *traffic)
{
    has_traffic = true;
    add_agent(agent_start(AGENT_DEVICE, 0, rig.devices[traffic->device].name, traffic_main, traffic));
}

void rig_start_device(unsigned n, void (*main)(void *context))
{
    add_agent(agent_start(AGENT_DEVICE, 0, rig.devices[n].name, main, NULL));
}

void rig_be_idle(void)
{
    while (!rcu_extended_enter()) {
        rcu_quiescent();
        platform_relax();
    }
}

void rig_run(void)
{
    rcu_barrier();
    rig_be_idle(); /* while it waits it reads nothing, and nobody waits for it */
    schedule_set_calm(false);
    for (unsigned i = 0; i < agent_count; i++)
        agent_join(agents[i]);
    schedule_set_calm(true);
    rcu_extended_exit();
    agent_count = 0;
    if (has_traffic)
        sometimes(rig.passed);
    if (has_traffic && rig.pages_go)
        sometimes(rig.refused);
}

/* What was left behind by whoever is not looking any more shows now. */
static void try_pages(struct device *device)
{
    for (unsigned page = 0; page < rig.pages && page < PROBED_MAX; page++) {
        device_access(device, rig_page(page), false);
        device_access(device, rig_page(page), true);
    }
    device_drain(device);
}

bool rig_is_cut_off(unsigned n)
{
    return rig.attached[n] && !rig.devices[n].bus_master;
}

static void come_back(unsigned n)
{
    expect(rig.cuts_off);
    expect(iommu_device_is_cut_off(pci_address_from_source_id(0, rig.devices[n].source_id)));
    expect_equal(oracle_detach(rig.oracle, &rig.devices[n]), 0);
    expect_equal(oracle_attach(rig.oracle, &rig.devices[n]), 0);
    try_pages(&rig.devices[n]);
}

void rig_finish(void)
{
    for (unsigned i = 0; i < RIG_DEVICES; i++)
        if (rig.attached[i])
            try_pages(&rig.devices[i]);
    for (unsigned i = 0; i < RIG_DEVICES; i++)
        if (rig_is_cut_off(i))
            come_back(i);
    expect_equal(oracle_release(rig.oracle), 0);
    oracle_finish(rig.oracle);
    expect_equal(oracle_unmap(rig.oracle, rig.iova, rig_last(rig.pages - 1)), 0);
    for (unsigned i = 0; i < RIG_DEVICES; i++)
        if (rig.attached[i])
            expect_equal(oracle_detach(rig.oracle, &rig.devices[i]), 0);
    expect_equal(iommu_domain_destroy(rig.domain), 0);
    rcu_barrier();
    iommu_shutdown();
}
