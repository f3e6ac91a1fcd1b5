/* SPDX-License-Identifier: BSD-2-Clause */
/* The rig's CPUs: mapper, harvester, mover and walker. */
#include "lib/error.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/model/scenario_driver.h"

static uint64_t run_bits(unsigned first, unsigned count)
{
    return ((1ull << count) - 1) << first;
}

/* Where the run goes: somewhere else each time, so that a translation of before shows. */
static uint64_t next_target(struct rig_mapper *mapper, unsigned page, unsigned count)
{
    unsigned room = RIG_MEMORY - count;

    mapper->moves += rig.pages + 1;
    return rig.memory + (page + mapper->moves) % room * PAGE_SIZE;
}

static void map_run(struct rig_mapper *mapper, unsigned first, unsigned count)
{
    unsigned page = mapper->first + first;
    unsigned prot = PT_READ | (schedule_chance(4) ? 0 : PT_WRITE);
    int error = oracle_map(rig.oracle, rig_page(page), rig_last(page + count - 1),
                           next_target(mapper, page, count), prot);

    if (mapper->mapped & run_bits(first, count) && error == ERR_EXISTS)
        return;
    error = rig_check(error);
    /* Where something is it fails: also because what it takes back is not invalidated. */
    expect(error || !(mapper->mapped & run_bits(first, count)));
    if (!error)
        mapper->mapped |= run_bits(first, count);
}

static void unmap_run(struct rig_mapper *mapper, unsigned first, unsigned count)
{
    unsigned page = mapper->first + first;

    if (mapper->tables && schedule_chance(2)) {
        (void)rig_check(oracle_unmap(rig.oracle, mapper->tables_iova, mapper->tables_last));
        mapper->mapped = 0;
        return;
    }
    (void)rig_check(oracle_unmap(rig.oracle, rig_page(page), rig_last(page + count - 1)));
    mapper->mapped &= ~run_bits(first, count);
}

static void mapper_main(void *context)
{
    struct rig_mapper *mapper = context;

    for (unsigned i = 0; i < mapper->operations; i++) {
        unsigned first = schedule_choose(mapper->pages);
        unsigned count = 1 + schedule_choose(mapper->pages - first);

        /* Now and then a map where something is. */
        if (!(mapper->mapped & run_bits(first, count)) || schedule_chance(8))
            map_run(mapper, first, count);
        else
            unmap_run(mapper, first, count);
        rcu_quiescent();
    }
}

void rig_start_mapper(unsigned cpu, struct rig_mapper *mapper)
{
    rig.pages_go = true;
    rig_start_cpu(cpu, "mapper", mapper_main, mapper);
}

static void harvester_main(void *context)
{
    const struct rig_harvester *harvester = context;

    for (unsigned i = 0; i < harvester->operations; i++) {
        unsigned part = schedule_choose(3);
        unsigned first = part == 2 ? rig.pages / 2 : 0;
        unsigned end = part == 1 ? rig.pages / 2 : rig.pages;

        (void)rig_check(oracle_harvest(rig.oracle, rig_page(first), rig_last(end - 1)));
        rcu_quiescent();
    }
}

void rig_start_harvester(unsigned cpu, struct rig_harvester *harvester)
{
    rig_start_cpu(cpu, "harvester", harvester_main, harvester);
}

static void mover_main(void *context)
{
    const struct rig_mover *mover = context;
    struct device *device = &rig.devices[mover->device];

    for (unsigned i = 0; i < mover->operations; i++) {
        int error = rig.attached[mover->device] ? oracle_detach(rig.oracle, device)
                                                : oracle_attach(rig.oracle, device);

        /* A failed detach has cut the device off too. */
        rig.attached[mover->device] = rig_check(error) == 0 && !rig.attached[mover->device];
        rcu_quiescent();
    }
}

void rig_start_mover(unsigned cpu, struct rig_mover *mover)
{
    rig.pages_go = true;
    rig_start_cpu(cpu, "mover", mover_main, mover);
}

static bool count_leaf(void *count, const struct pt_leaf *leaf)
{
    expect(leaf->hpa >= rig.memory);
    ++*(unsigned *)count;
    return true;
}

static void walker_main(void *context)
{
    const struct rig_walker *walker = context;

    for (unsigned i = 0; i < walker->operations; i++) {
        struct pt_leaf leaf;
        unsigned count = 0;

        if (walker->idle) {
            rig_be_idle();
            rcu_extended_exit();
        }
        if (iommu_lookup(rig.domain, rig_page(schedule_choose(rig.pages)), &leaf))
            expect(leaf.hpa >= rig.memory);
        iommu_domain_visit(rig.domain, rig_page(0), rig_last(rig.pages - 1), count_leaf, &count);
        expect(count <= rig.pages);
        rcu_quiescent();
    }
}

void rig_start_walker(unsigned cpu, struct rig_walker *walker)
{
    rig_start_cpu(cpu, "walker", walker_main, walker);
}
