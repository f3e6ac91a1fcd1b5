/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver's interrupt entries come, move and go while devices raise interrupts: their own, and others'
 * that they forge. Each that arrives must be one that its source has at that moment, and goes where that one
 * goes. */
#include "iommu/iommu.h"
#include "lib/error.h"
#include "lib/rcu.h"
#include "tests/model/choices.h"
#include "tests/model/configs.h"
#include "tests/model/machine.h"
#include "tests/model/scenario.h"
#include "tests/model/sometimes.h"
#include "tests/model/spec_interrupts.h"

#define LINES_MAX 3
#define CPUS      4
/* Each line uses so many in turn: an arrival tells which line it is of, and from when. */
#define VECTORS 8

/* What stands, or will, or may still: an interrupt may arrive at `target` if may_arrive, at `next` if
 * may_arrive_next, and must arrive if must_arrive. Changed by the line's CPU between two of its steps. */
struct line {
    uint16_t source_id;
    struct iommu_interrupt interrupt;
    uint64_t address; /* that its device was told last; 0: none yet */
    struct iommu_interrupt_target target, next;
    bool may_arrive, may_arrive_next, must_arrive;
    unsigned changes; /* of any of this */
    unsigned vectors_used;
};

static struct line lines[LINES_MAX];
static unsigned line_count;
static unsigned arrived, blocked;
static bool arrived_old, arrived_new; /* while one was moving */

static void start(const struct unit_config *const *configs, unsigned units, unsigned count, bool x2apic)
{
    const void *dmar;
    size_t bytes;

    machine_make(configs, units);
    dmar = machine_dmar(&bytes);
    expect_equal(iommu_init(dmar, bytes, &(struct iommu_config){.x2apic = x2apic}), 0);
    line_count = count;
    for (unsigned i = 0; i < count; i++)
        lines[i].source_id = (uint16_t)(i << 3);
}

static struct iommu_interrupt_target new_target(struct line *line)
{
    unsigned n = (unsigned)(line - lines);

    return (struct iommu_interrupt_target){
        .apic_id = schedule_choose(CPUS),
        .vector = (uint8_t)(0x40 + n * VECTORS + line->vectors_used++ % VECTORS),
    };
}

/* --- the CPU's side --- */

static void line_alloc(struct line *line)
{
    const struct iommu_interrupt_source source = {.device = pci_address_from_source_id(0, line->source_id)};
    struct iommu_interrupt interrupt;

    line->next = new_target(line);
    line->may_arrive_next = true; /* the device may know the address from before */
    line->changes++;
    expect_equal(iommu_interrupt_alloc(&source, &line->next, &interrupt), 0);
    expect(interrupt.remapped);
    line->interrupt = interrupt;
    line->address = interrupt.address;
    line->target = line->next;
    line->may_arrive = true;
    line->may_arrive_next = false;
    line->must_arrive = true;
    line->changes++;
}

static void line_move(struct line *line)
{
    line->next = new_target(line);
    line->may_arrive_next = true;
    line->changes++;
    expect_equal(iommu_interrupt_change(&line->interrupt, &line->next), 0);
    line->target = line->next;
    line->may_arrive_next = false;
    line->changes++;
}

static void line_free(struct line *line)
{
    line->must_arrive = false;
    line->changes++;
    expect_equal(iommu_interrupt_free(&line->interrupt), 0);
    line->may_arrive = false;
    line->changes++;
}

static void driver_main(void *context)
{
    struct line *line = context;

    for (unsigned i = 0; i < 5; i++) {
        if (!line->may_arrive)
            line_alloc(line);
        else if (schedule_choose(3))
            line_move(line);
        else
            line_free(line);
        rcu_quiescent();
    }
}

/* --- the devices' side --- */

static bool goes_to(const struct unit_delivery *delivery, const struct iommu_interrupt_target *target)
{
    return delivery->vector == target->vector && delivery->destination == target->apic_id;
}

/* Nobody runs between the moment at which the unit lets an interrupt pass and this. */
static void check_arrival(const struct line *line, const struct unit_delivery *delivery)
{
    bool moving = line->may_arrive && line->may_arrive_next;

    arrived++;
    if (line->may_arrive && goes_to(delivery, &line->target))
        arrived_old |= moving;
    else if (line->may_arrive_next && goes_to(delivery, &line->next))
        arrived_new |= moving;
    else
        violation(VIOLATION_INTERRUPT,
                  "%#x raises vector %#x on CPU %u, which is not its own, or not any more", line->source_id,
                  delivery->vector, delivery->destination);
}

/* Raises an interrupt of `from` as the device of `line`: both are the same unless it forges. */
static void raise(struct line *line, const struct line *from)
{
    struct unit *unit = machine_unit_of(line->source_id);
    unsigned before = unit->delivered_count, changes = line->changes;
    bool must_arrive = line->must_arrive && from == line;

    if (!from->address)
        return;
    unit_interrupt(unit, line->source_id, from->address, 0);
    if (unit->delivered_count > before) {
        check_arrival(line, &unit->delivered[before]);
        unit->delivered_count = before;
        return;
    }
    blocked++;
    if (must_arrive && line->changes == changes)
        violation(VIOLATION_SPURIOUS_FAULT,
                  "an interrupt of %#x was blocked, though its entry stood all the time", line->source_id);
}

static void device_main(void *context)
{
    struct line *line = context;

    for (unsigned i = 0; i < 6; i++)
        raise(line, schedule_choose(3) ? line : &lines[schedule_choose(line_count)]);
}

/* --- scenarios --- */

static void finish(void)
{
    schedule_set_calm(true);
    for (unsigned i = 0; i < line_count; i++)
        if (lines[i].may_arrive)
            line_free(&lines[i]);
    for (unsigned i = 0; i < line_count; i++) {
        unsigned before = arrived;

        raise(&lines[i], &lines[i]);
        expect_equal(arrived, before);
    }
    iommu_shutdown();
}

static void run(void)
{
    static const char *const drivers[] = {"driver 0", "driver 1", "driver 2"};
    static const char *const devices[] = {"device 0", "device 1", "device 2"};
    struct agent *agents[2 * LINES_MAX];

    for (unsigned i = 0; i < line_count; i++) {
        agents[2 * i] = machine_cpu(i + 1, drivers[i], driver_main, &lines[i]);
        agents[2 * i + 1] = agent_start(AGENT_DEVICE, 0, devices[i], device_main, &lines[i]);
    }
    schedule_set_calm(false);
    for (unsigned i = 0; i < 2 * line_count; i++)
        agent_join(agents[i]);
}

static void run_any(bool x2apic)
{
    const struct unit_config *configs[2];
    unsigned usable = 0, units = 1 + choices_choose(2);

    while (unit_configs_first_stage[usable])
        usable++;
    for (unsigned i = 0; i < units; i++)
        configs[i] = unit_configs_first_stage[choices_choose(usable)];
    start(configs, units, LINES_MAX, x2apic);
    run();
    sometimes(arrived > 3);
    sometimes(blocked > 3);
    sometimes(arrived_old);
    sometimes(arrived_new);
    finish();
}

SCENARIO(interrupts_beside_drivers, .kind = SCENARIO_RANDOM,
         .what = "entries come, move and go on several CPUs, while devices raise and forge interrupts")
{
    run_any(true);
}

SCENARIO(interrupts_beside_drivers_xapic, .kind = SCENARIO_RANDOM, .what = "the same with APIC ids of 8 bits")
{
    run_any(false);
}

static void move_main(void *context)
{
    line_move(context);
}

static void raise_thrice(void *context)
{
    for (unsigned i = 0; i < 3; i++)
        raise(context, context);
}

SCENARIO(interrupt_move_x_raise, .kind = SCENARIO_EXHAUSTIVE, .deviations = 2,
         .what = "one interrupt moves while it comes: old CPU or new one, and after that the new one alone")
{
    static const struct unit_config *const config = &unit_incoherent;
    struct agent *cpu, *device;

    start(&config, 1, 1, true);
    line_alloc(&lines[0]);
    raise(&lines[0], &lines[0]); /* it is cached */
    cpu = machine_cpu(1, "driver", move_main, &lines[0]);
    device = agent_start(AGENT_DEVICE, 0, "device", raise_thrice, &lines[0]);
    schedule_set_calm(false);
    agent_join(cpu);
    raise(&lines[0], &lines[0]);
    agent_join(device);
    finish();
}

static void alloc_main(void *context)
{
    line_alloc(context);
}

static void forge(void *context)
{
    struct line entry = {.address = *(const uint64_t *)context};

    for (unsigned i = 0; i < 3; i++)
        raise(&lines[1], &entry);
}

SCENARIO(interrupt_alloc_x_forge, .kind = SCENARIO_EXHAUSTIVE, .deviations = 2,
         .what = "a device tries an entry of another's while that one gets it")
{
    static const struct unit_config *const config = &unit_modern;
    /* The first entry of a table. */
    static const uint64_t address = 0xfee00000 | SPEC_MESSAGE_REMAPPABLE | SPEC_MESSAGE_SHV;
    struct agent *cpu, *device;

    start(&config, 1, 2, true);
    cpu = machine_cpu(1, "driver", alloc_main, &lines[0]);
    device = agent_start(AGENT_DEVICE, 0, "forger", forge, (void *)(uintptr_t)&address);
    schedule_set_calm(false);
    agent_join(cpu);
    agent_join(device);
    expect_equal(lines[0].interrupt.address, address);
    expect_equal(arrived, 0);
    finish();
}

SCENARIO(interrupt_free_not_confirmed, .kind = SCENARIO_RANDOM,
         .what = "a unit refuses an invalidation: the entry is not used again, and the next one is")
{
    static const struct unit_config *const config = &unit_modern;
    uint16_t index;

    start(&config, 1, 1, true);
    line_alloc(&lines[0]);
    index = lines[0].interrupt.index;
    schedule_set_calm(false);
    machine_unit(0)->inject_iqe_in = 1;
    expect_equal(iommu_interrupt_free(&lines[0].interrupt), ERR_HARDWARE);
    machine_unit(0)->inject_iqe_in = 0;
    expect_equal(iommu_interrupt_free(&lines[0].interrupt), ERR_NOT_FOUND);
    line_alloc(&lines[0]);
    expect(lines[0].interrupt.index != index);
    raise(&lines[0], &lines[0]);
    expect_equal(arrived, 1);
    finish();
}
