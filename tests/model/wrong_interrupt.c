/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupt remapping: a right driver that moves an interrupt from one CPU to another, each reason to refuse
 * one, and wrong drivers. */
#include "lib/atomic.h"
#include "lib/platform.h"
#include "lib/units.h"
#include "tests/model/bare.h"
#include "tests/model/configs.h"
#include "tests/model/scenario.h"
#include "tests/model/spec_descriptors.h"
#include "tests/model/spec_interrupts.h"
#include "tests/model/spec_registers.h"

#define DEVICE     0x0010 /* 00:02.0 */
#define STRANGER   0x0118 /* 01:03.0 */
#define INDEX      5
#define VECTOR     0x41
#define OLD_CPU    1
#define NEW_CPU    2
#define TABLE_SIZE 7 /* 256 entries: a page */

static struct unit *unit;
static uint64_t *table;

static void store(unsigned index, uint64_t word0, uint64_t word1)
{
    /* The half with P last. */
    atomic_write_release(&table[2 * index + 1], word1);
    atomic_write_release(&table[2 * index], word0);
    if (!(unit->config.ecap & SPEC_ECAP_C))
        platform_cache_flush(&table[2 * index], 16);
    atomic_fence_full();
}

static uint64_t entry_to(unsigned cpu)
{
    return SPEC_IRTE_P | SPEC_IRTE_WITH_VECTOR(VECTOR) | SPEC_IRTE_WITH_DESTINATION(cpu);
}

static const uint64_t of_device = SPEC_IRTE_WITH_SVT(SPEC_SVT_SID) | DEVICE;

static void invalidate(unsigned index)
{
    bool done;

    bare_submit(
        unit,
        SPEC_DESCRIPTOR_INTERRUPT | SPEC_INTERRUPT_SELECTIVE | SPEC_INTERRUPT_WITH_INDEX((uint64_t)index), 0);
    done = bare_wait(unit);
    expect(done);
}

static void start(const struct unit_config *config, uint64_t mode)
{
    unit = bare_start(config, true);
    table = bare_table(unit);
    bare_write64(unit, SPEC_IRTA, virt_to_phys(table) | mode | TABLE_SIZE);
    bare_command(unit, SPEC_GCMD_SIRTP, true);
    bare_invalidate_all(unit);
    bare_command(unit, SPEC_GCMD_IRE, true);
    schedule_set_calm(false);
}

static uint64_t message(unsigned index)
{
    return 0xfee00000 | SPEC_MESSAGE_REMAPPABLE | SPEC_MESSAGE_WITH_HANDLE(index);
}

struct sender {
    uint16_t source_id;
    uint64_t address;
    uint32_t data;
    unsigned times;
};

static void send(void *context)
{
    const struct sender *sender = context;

    for (unsigned i = 0; i < sender->times; i++)
        unit_interrupt(unit, sender->source_id, sender->address, sender->data);
}

static struct agent *start_sender(struct sender *sender)
{
    return agent_start(AGENT_DEVICE, 0, "device", send, sender);
}

static void send_one(uint16_t source_id, uint64_t address, uint32_t data)
{
    struct sender sender = {source_id, address, data, 1};

    agent_join(start_sender(&sender));
}

/* Everything delivered from the first one on must have gone to that CPU. */
static void check_destination(unsigned first, unsigned cpu)
{
    for (unsigned i = first; i < unit->delivered_count; i++)
        if (unit->delivered[i].destination != cpu || unit->delivered[i].vector != VECTOR)
            violation(VIOLATION_INTERRUPT, "vector %#x went to CPU %u, not to CPU %u",
                      unit->delivered[i].vector, unit->delivered[i].destination, cpu);
}

static void expect_destination(unsigned cpu)
{
    unsigned before = unit->delivered_count;

    send_one(DEVICE, message(INDEX), 0);
    expect_equal(unit->delivered_count, before + 1);
    check_destination(before, cpu);
}

/* --- right --- */

static void move_interrupt(const struct unit_config *config)
{
    struct sender sender = {DEVICE, message(INDEX), 0, 4};
    struct agent *device;
    unsigned moved_at;

    start(config, SPEC_IRTA_EIME);
    store(INDEX, entry_to(OLD_CPU), of_device);
    if (config->cap & SPEC_CAP_CM)
        invalidate(INDEX);
    device = start_sender(&sender);
    store(INDEX, entry_to(NEW_CPU), of_device);
    invalidate(INDEX);
    moved_at = unit->delivered_count;
    agent_join(device);
    check_destination(moved_at, NEW_CPU);
    expect_equal(unit->delivered_count, sender.times);
    expect_destination(NEW_CPU);
    expect_equal(bare_read32(unit, SPEC_FSTS), 0);
}

SCENARIO(interrupt_moved, .what = "an interrupt moves to another CPU while it comes", .kind = SCENARIO_RANDOM)
{
    move_interrupt(&unit_modern);
}

SCENARIO(interrupt_moved_incoherent, .what = "the same, and the unit does not snoop its table",
         .kind = SCENARIO_RANDOM)
{
    move_interrupt(&unit_incoherent);
}

SCENARIO(interrupt_moved_caching_mode, .what = "the same in caching mode", .kind = SCENARIO_RANDOM)
{
    move_interrupt(&unit_caching_mode);
}

static void expect_fault(uint16_t source_id, uint64_t address, uint32_t data, uint8_t reason)
{
    unsigned at = 16 * (SPEC_CAP_FRO(unit->config.cap) + unit->fault_next);
    unsigned delivered = unit->delivered_count;
    uint64_t high;

    send_one(source_id, address, data);
    high = bare_read64(unit, at + 8);
    expect_equal(unit->delivered_count, delivered);
    expect(high & SPEC_FRCD_F);
    expect_equal(SPEC_FRCD_REASON(high), reason);
    expect_equal(SPEC_FRCD_SOURCE(high), source_id);
    bare_write64(unit, at + 8, SPEC_FRCD_F);
}

SCENARIO(interrupts_refused, .what = "each reason to refuse an interrupt request", .kind = SCENARIO_RANDOM)
{
    start(&unit_modern, SPEC_IRTA_EIME);
    store(INDEX, entry_to(OLD_CPU), of_device);
    expect_fault(DEVICE, message(256), 0, SPEC_FAULT_IR_INDEX);
    expect_fault(DEVICE, message(200) | SPEC_MESSAGE_SHV, 100, SPEC_FAULT_IR_INDEX);
    expect_fault(DEVICE, message(INDEX) | SPEC_MESSAGE_SHV, 0x10000, SPEC_FAULT_IR_REQUEST_RESERVED);
    expect_fault(DEVICE, message(INDEX + 1), 0, SPEC_FAULT_IR_NOT_PRESENT);
    expect_fault(STRANGER, message(INDEX), 0, SPEC_FAULT_IR_SOURCE);
    expect_fault(DEVICE, 0xfee00000, VECTOR, SPEC_FAULT_IR_COMPATIBILITY);
    /* A disabled fault is not recorded: the next register stays empty. */
    store(INDEX + 1, SPEC_IRTE_FPD, 0);
    send_one(DEVICE, message(INDEX + 1), 0);
    expect_equal(bare_read32(unit, SPEC_FSTS) & SPEC_FSTS_PPF, 0);
}

SCENARIO(interrupt_sources, .what = "functions of one device and buses of one bridge pass by one entry",
         .kind = SCENARIO_RANDOM)
{
    start(&unit_modern, SPEC_IRTA_EIME);
    store(INDEX, entry_to(OLD_CPU), of_device | SPEC_IRTE_WITH_SQ(3));
    store(INDEX + 1, entry_to(OLD_CPU), SPEC_IRTE_WITH_SVT(SPEC_SVT_BUS) | 0x0102);
    send_one(DEVICE + 7, message(INDEX), 0);
    send_one(0x0118, message(INDEX + 1), 0);
    send_one(0x02f8, message(INDEX) | SPEC_MESSAGE_SHV, 1);
    expect_equal(unit->delivered_count, 3);
    expect_fault(DEVICE + 8, message(INDEX), 0, SPEC_FAULT_IR_SOURCE);
    expect_fault(0x0300, message(INDEX + 1), 0, SPEC_FAULT_IR_SOURCE);
    expect_fault(0x00f8, message(INDEX + 1), 0, SPEC_FAULT_IR_SOURCE);
}

SCENARIO(interrupt_to_xapic,
         .what = "without EIME a destination is 8 bits, and the old format passes where CFI lets it",
         .kind = SCENARIO_RANDOM)
{
    start(&unit_modern, 0);
    store(INDEX, entry_to(NEW_CPU << 8), of_device);
    expect_destination(NEW_CPU);
    expect_fault(DEVICE, 0xfee00000, VECTOR, SPEC_FAULT_IR_COMPATIBILITY);
}

/* --- wrong --- */

SCENARIO(interrupt_not_invalidated, .what = "an interrupt moves to another CPU, and nothing is invalidated",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_INTERRUPT)
{
    start(&unit_modern, SPEC_IRTA_EIME);
    store(INDEX, entry_to(OLD_CPU), of_device);
    send_one(DEVICE, message(INDEX), 0);
    store(INDEX, entry_to(NEW_CPU), of_device);
    expect_destination(NEW_CPU);
}

SCENARIO(interrupt_invalidation_not_awaited,
         .what = "an interrupt moves, and nobody waits for the invalidation", .kind = SCENARIO_WRONG,
         .expected = VIOLATION_INTERRUPT)
{
    start(&unit_modern, SPEC_IRTA_EIME);
    store(INDEX, entry_to(OLD_CPU), of_device);
    send_one(DEVICE, message(INDEX), 0);
    store(INDEX, entry_to(NEW_CPU), of_device);
    bare_submit(unit, SPEC_DESCRIPTOR_INTERRUPT, 0);
    expect_destination(NEW_CPU);
}

SCENARIO(other_interrupt_invalidated, .what = "the entry beside the one that moved is invalidated",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_INTERRUPT)
{
    start(&unit_modern, SPEC_IRTA_EIME);
    store(INDEX, entry_to(OLD_CPU), of_device);
    send_one(DEVICE, message(INDEX), 0);
    store(INDEX, entry_to(NEW_CPU), of_device);
    invalidate(INDEX + 1);
    expect_destination(NEW_CPU);
}

SCENARIO(absent_interrupt_cached, .what = "caching mode, and a new entry is not invalidated",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_EXPECTATION)
{
    start(&unit_caching_mode, SPEC_IRTA_EIME);
    send_one(DEVICE, message(INDEX), 0);
    store(INDEX, entry_to(NEW_CPU), of_device);
    expect_destination(NEW_CPU);
}

SCENARIO(interrupt_not_flushed, .what = "an entry stays in the CPU's cache, and the unit does not look there",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_EXPECTATION)
{
    start(&unit_incoherent, SPEC_IRTA_EIME);
    table[2 * INDEX + 1] = of_device;
    table[2 * INDEX] = entry_to(NEW_CPU);
    expect_destination(NEW_CPU);
}

static void send_as_stranger(void *context)
{
    (void)context;
    unit_interrupt(unit, STRANGER, message(INDEX), 0);
}

SCENARIO(present_half_first, .what = "the half with P is stored before the half that says whose entry it is",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_INTERRUPT)
{
    struct agent *device;

    start(&unit_modern, SPEC_IRTA_EIME);
    device = agent_start(AGENT_DEVICE, 0, "stranger", send_as_stranger, NULL);
    atomic_write(&table[2 * INDEX], entry_to(OLD_CPU));
    atomic_write(&table[2 * INDEX + 1], of_device);
    agent_join(device);
    if (unit->delivered_count)
        violation(VIOLATION_INTERRUPT, "a stranger's interrupt was delivered");
}

SCENARIO(interrupt_reserved_bits, .what = "an entry asks for posting, which the unit has not",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_RESERVED_BITS)
{
    start(&unit_modern, SPEC_IRTA_EIME);
    store(INDEX, entry_to(OLD_CPU) | SPEC_IRTE_IM, of_device);
    expect_destination(OLD_CPU);
}

SCENARIO(interrupt_to_x2apic_without_eime, .what = "a 32-bit destination in xAPIC mode",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_RESERVED_BITS)
{
    start(&unit_modern, 0);
    store(INDEX, entry_to(OLD_CPU), of_device);
    expect_destination(OLD_CPU);
}

SCENARIO(interrupt_table_freed, .what = "the interrupt table is freed while remapping is on",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_FREED_CACHED)
{
    start(&unit_modern, SPEC_IRTA_EIME);
    store(INDEX, entry_to(OLD_CPU), of_device);
    send_one(DEVICE, message(INDEX), 0);
    pages_free(table);
}

SCENARIO(interrupt_table_freed_and_read, .what = "the same, and an interrupt comes after",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_FREED_WALK)
{
    start(&unit_modern, SPEC_IRTA_EIME);
    pages_free(table);
    send_one(DEVICE, message(INDEX), 0);
}

SCENARIO(interrupts_without_table, .what = "IRTA is written and never latched", .kind = SCENARIO_WRONG,
         .expected = VIOLATION_REGISTER)
{
    unit = bare_start(&unit_modern, true);
    bare_write64(unit, SPEC_IRTA, virt_to_phys(bare_table(unit)) | TABLE_SIZE);
    bare_command(unit, SPEC_GCMD_IRE, true);
}

SCENARIO(interrupts_without_invalidation, .what = "remapping goes on with what is cached of an older table",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_REGISTER)
{
    unit = bare_start(&unit_incoherent, true);
    bare_write64(unit, SPEC_IRTA, virt_to_phys(bare_table(unit)) | TABLE_SIZE);
    bare_command(unit, SPEC_GCMD_SIRTP, true);
    bare_command(unit, SPEC_GCMD_IRE, true);
}

SCENARIO(compatibility_interrupt_let_in, .what = "with CFI a device reaches any vector of any CPU",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_INTERRUPT)
{
    start(&unit_modern, 0);
    bare_command(unit, SPEC_GCMD_CFI, true);
    send_one(DEVICE, 0xfee00000, 0xfe);
}
