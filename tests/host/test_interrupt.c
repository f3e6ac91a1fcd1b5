/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupt remapping against fake units: how it comes on, entries and messages byte by byte, entries that
 * are moved, freed, used again and used up, and what is refused. */
#include "iommu/iommu.h"
#include "iommu/vtd/regs.h"
#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "lib/units.h"
#include "tests/host/fake_vtd.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <string.h>

static struct fake_vtd fakes[2];

static const struct iommu_interrupt_source nvme = {.device = {0, 0, FAKE_DEVFN_NVME}};
static const struct iommu_interrupt_source other = {.device = {0, 1, 0x0b}};
static const struct iommu_interrupt_target target = {.apic_id = 3, .vector = 0x41};

static int start_with(const struct iommu_config *config, unsigned flags)
{
    uint8_t table[256];
    size_t bytes = fake_vtd_dmar(table, 2, "LULL  ");

    table[37] = (uint8_t)flags;
    fake_vtd_seal(table, bytes);
    host_log_clear();
    return iommu_init(table, bytes, config);
}

static int start(void **state)
{
    (void)state;
    fake_vtd_install(fakes, 2);
    return start_with(&(struct iommu_config){0}, 1);
}

/* Installed and not started. */
static int install(void **state)
{
    (void)state;
    fake_vtd_install(fakes, 2);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    host_set_time_ns(0);
    iommu_shutdown();
    return fakes[0].broken_rules + fakes[1].broken_rules != 0;
}

static const struct vtd_irte *entry_of(const struct iommu_interrupt *interrupt)
{
    return &vtd_unit(interrupt->unit)->interrupts.table.entries[interrupt->index];
}

static struct iommu_interrupt alloc(const struct iommu_interrupt_source *source)
{
    struct iommu_interrupt interrupt;

    assert_int_equal(iommu_interrupt_alloc(source, &target, &interrupt), 0);
    return interrupt;
}

/* Where it arrives when this source raises it; the reason if it does not. */
static uint8_t raise(const struct iommu_interrupt *interrupt, const struct iommu_interrupt_source *source,
                     struct fake_interrupt *arrived)
{
    return fake_vtd_interrupt(&fakes[interrupt->unit], pci_source_id(source->device), interrupt->address,
                              interrupt->data, arrived);
}

static unsigned invalidations(unsigned unit)
{
    return fake_vtd_count(&fakes[unit], VTD_DESCRIPTOR_INTERRUPT);
}

/* --- on and off --- */

static void remapping_is_on_with_a_table_and_without_the_compatibility_format(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(fakes[i].gsts & (VTD_GSTS_IRES | VTD_GSTS_CFIS), VTD_GSTS_IRES);
        assert_int_equal(fakes[i].interrupt_table & 0xfff, VTD_IRT_ENTRIES_LG2 - 1);
        assert_int_equal(fakes[i].interrupt_table & VTD_PAGE_ADDRESS,
                         virt_to_phys(vtd_unit(i)->interrupts.table.entries));
    }
    iommu_shutdown();
    assert_int_equal((fakes[0].gsts | fakes[1].gsts) & (VTD_GSTS_IRES | VTD_GSTS_QIES | VTD_GSTS_TES), 0);
}

static void x2apic_mode_is_set_where_cpus_and_unit_have_it(void **state)
{
    static const struct iommu_config x2apic = {.x2apic = true};
    struct iommu_interrupt interrupt;
    struct iommu_interrupt_target far = {.apic_id = 0x12345, .vector = 0x41};
    struct fake_interrupt arrived;

    install(state);
    fakes[0].ecap |= VTD_ECAP_EIM;
    assert_int_equal(start_with(&x2apic, 1), 0);
    assert_true(fakes[0].interrupt_table & VTD_IRTA_EIME);
    assert_false(fakes[1].interrupt_table & VTD_IRTA_EIME);
    assert_non_null(strstr(host_log(), "vtd1: interrupts reach APIC ids up to 254"));
    assert_int_equal(iommu_interrupt_alloc(&nvme, &far, &interrupt), 0);
    assert_int_equal(entry_of(&interrupt)->word[0], 0x0001234500410001);
    assert_int_equal(raise(&interrupt, &nvme, &arrived), 0);
    assert_int_equal(arrived.apic_id, 0x12345);
    far.apic_id = ~0u; /* all CPUs */
    assert_int_equal(iommu_interrupt_alloc(&nvme, &far, &interrupt), ERR_RANGE);
    far.apic_id = 255;
    assert_int_equal(iommu_interrupt_alloc(&other, &far, &interrupt), ERR_RANGE);
}

static void why_it_is_off_is_said(void **state)
{
    static const struct {
        struct iommu_config config;
        unsigned flags;
        uint64_t ecap_set, ecap_clear;
        const char *why;
    } cases[] = {
        {{.no_interrupt_remapping = true}, 1, 0, 0, "vtd0: no interrupt remapping: switched off"},
        {{0}, 1, 0, VTD_ECAP_IR, "vtd0: no interrupt remapping: the unit has none (ECAP.IR)"},
        {{0}, 0, 0, 0, "vtd0: no interrupt remapping: the DMAR table"},
        {{0}, 1, VTD_ECAP_EIM | VTD_ECAP_EIMER, 0, "vtd0: no interrupt remapping: the unit asks for x2APIC"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct iommu_interrupt interrupt;

        install(state);
        fakes[0].ecap = (fakes[0].ecap | cases[i].ecap_set) & ~cases[i].ecap_clear;
        assert_int_equal(start_with(&cases[i].config, cases[i].flags), 0);
        assert_non_null(strstr(host_log(), cases[i].why));
        assert_false(fakes[0].gsts & VTD_GSTS_IRES);
        interrupt = alloc(&nvme);
        assert_false(interrupt.remapped);
        assert_int_equal(interrupt.address, 0xfee03000);
        assert_int_equal(interrupt.data, 0x41);
        assert_int_equal(iommu_interrupt_change(&interrupt, &(struct iommu_interrupt_target){5, 0x42, false}),
                         0);
        assert_int_equal(interrupt.address, 0xfee05000);
        assert_int_equal(interrupt.data, 0x42);
        assert_int_equal(iommu_interrupt_free(&interrupt), 0);
        iommu_shutdown();
        assert_int_equal(fakes[0].broken_rules + fakes[1].broken_rules, 0);
    }
}

static void a_unit_that_asks_for_x2apic_gets_it(void **state)
{
    install(state);
    fakes[0].ecap |= VTD_ECAP_EIM | VTD_ECAP_EIMER;
    assert_int_equal(start_with(&(struct iommu_config){.x2apic = true}, 1), 0);
    assert_true(fakes[0].gsts & VTD_GSTS_IRES);
    assert_true(fakes[0].interrupt_table & VTD_IRTA_EIME);
}

static void the_compatibility_format_that_firmware_allowed_is_switched_off_first(void **state)
{
    install(state);
    fakes[0].gsts = VTD_GSTS_CFIS;
    assert_int_equal(start_with(&(struct iommu_config){0}, 1), 0);
    assert_int_equal(fakes[0].gsts & (VTD_GSTS_IRES | VTD_GSTS_CFIS), VTD_GSTS_IRES);
}

static void opting_out_of_x2apic_needs_both_flags(void **state)
{
    uint8_t table[256];
    size_t bytes = fake_vtd_dmar(table, 1, "LULL  ");

    (void)state;
    for (unsigned flags = 0; flags < 8; flags++) {
        table[37] = (uint8_t)flags;
        assert_int_equal(iommu_x2apic_opt_out(table, bytes), (flags & 3) == 3);
        assert_false(iommu_x2apic_opt_out(table, 37));
    }
}

/* --- entries --- */

static void an_entry_and_its_message_have_their_bits(void **state)
{
    struct iommu_interrupt interrupt = alloc(&nvme);
    const uint8_t *bytes = (const uint8_t *)entry_of(&interrupt)->word;
    /* P; vector; APIC id in bits 47:40; SID; SVT = 01b, SQ = 00b (9.9). */
    static const uint8_t expected[16] = {0x01, 0, 0x41, 0, 0, 0x03, 0, 0, FAKE_DEVFN_NVME, 0, 0x04};

    (void)state;
    assert_int_equal(interrupt.unit, 0);
    assert_true(interrupt.remapped);
    assert_memory_equal(bytes, expected, sizeof expected);
    /* Remappable, SHV, the index in bits 19:5 (5.1.5.2). */
    assert_int_equal(interrupt.address, 0xfee00018 | (uint64_t)interrupt.index << 5);
    assert_int_equal(interrupt.data, 0);
    assert_int_equal(iommu_interrupt_free(&interrupt), 0);
}

static void a_level_is_in_the_entry(void **state)
{
    struct iommu_interrupt_target level = target;
    struct iommu_interrupt interrupt;

    (void)state;
    level.level = true;
    assert_int_equal(iommu_interrupt_alloc(&nvme, &level, &interrupt), 0);
    assert_int_equal(entry_of(&interrupt)->word[0], 0x0000030000410011);
    assert_int_equal(iommu_interrupt_free(&interrupt), 0);
}

static void only_the_source_gets_through(void **state)
{
    struct iommu_interrupt_source device = nvme, buses = {.device = {0, 5, 0}, .match = IOMMU_SOURCE_BUSES};
    struct iommu_interrupt_source neighbour = nvme, on_bus = {.device = {0, 7, 0xff}};
    struct iommu_interrupt interrupt = alloc(&nvme);
    struct fake_interrupt arrived;

    (void)state;
    neighbour.device.devfn++;
    assert_int_equal(raise(&interrupt, &nvme, &arrived), 0);
    assert_int_equal(arrived.apic_id, 3);
    assert_int_equal(arrived.vector, 0x41);
    assert_int_equal(raise(&interrupt, &neighbour, &arrived), 0x26);

    device.match = IOMMU_SOURCE_DEVICE;
    interrupt = alloc(&device);
    assert_int_equal(entry_of(&interrupt)->word[1], 0x70000 | FAKE_DEVFN_NVME);
    assert_int_equal(raise(&interrupt, &neighbour, &arrived), 0);
    neighbour.device.devfn += 8;
    assert_int_equal(raise(&interrupt, &neighbour, &arrived), 0x26);

    buses.last_bus = 7;
    interrupt = alloc(&buses);
    assert_int_equal(entry_of(&interrupt)->word[1], 0x80507); /* 9.9: the first bus in the upper byte */
    assert_int_equal(raise(&interrupt, &on_bus, &arrived), 0);
    on_bus.device.bus = 8;
    assert_int_equal(raise(&interrupt, &on_bus, &arrived), 0x26);
    on_bus.device.bus = 4;
    assert_int_equal(raise(&interrupt, &on_bus, &arrived), 0x26);
}

static void an_interrupt_moves_and_keeps_its_message(void **state)
{
    struct iommu_interrupt interrupt = alloc(&nvme), before = interrupt;
    unsigned count = invalidations(0);
    struct fake_interrupt arrived;

    (void)state;
    assert_int_equal(iommu_interrupt_change(&interrupt, &(struct iommu_interrupt_target){7, 0x99, false}), 0);
    assert_memory_equal(&interrupt, &before, sizeof before);
    assert_int_equal(raise(&interrupt, &nvme, &arrived), 0);
    assert_int_equal(arrived.apic_id, 7);
    assert_int_equal(arrived.vector, 0x99);
    assert_int_equal(raise(&interrupt, &other, &arrived), 0x26);
    assert_int_equal(invalidations(0), count + 1);
    /* By index: type 4, G, IIDX (6.5.2.7). */
    assert_int_equal(fakes[0].log[fakes[0].logged - 2].word[0], 0x14 | (uint64_t)interrupt.index << 32);
    assert_int_equal(invalidations(1), 1); /* of its start */
}

static void what_was_freed_is_gone(void **state)
{
    struct iommu_interrupt interrupt = alloc(&nvme);
    unsigned count = invalidations(0);
    struct fake_interrupt arrived;

    (void)state;
    assert_int_equal(iommu_interrupt_free(&interrupt), 0);
    assert_int_equal(raise(&interrupt, &nvme, &arrived), 0x22);
    assert_int_equal(invalidations(0), count + 1);
    assert_int_equal(iommu_interrupt_free(&interrupt), ERR_NOT_FOUND);
    assert_int_equal(iommu_interrupt_change(&interrupt, &target), ERR_NOT_FOUND);
    assert_int_equal(raise(&interrupt, &nvme, &arrived), 0x22);
    assert_int_equal(invalidations(0), count + 1);
}

static void a_full_table_is_refused_and_freed_entries_come_back(void **state)
{
    static struct iommu_interrupt all[VTD_IRT_ENTRIES];
    struct iommu_interrupt one_more = {.data = 0xabc};
    struct fake_interrupt arrived;

    (void)state;
    for (unsigned i = 0; i < VTD_IRT_ENTRIES; i++)
        all[i] = alloc(&nvme);
    assert_int_equal(iommu_interrupt_alloc(&nvme, &target, &one_more), ERR_NOMEM);
    assert_int_equal(one_more.data, 0xabc);
    assert_non_null(strstr(host_log(), "vtd0: all 4096 interrupt entries are in use"));
    assert_int_equal(vtd_unit(0)->interrupts.table.used, VTD_IRT_ENTRIES);
    /* The other unit's table is another one. */
    one_more = alloc(&other);
    assert_int_equal(one_more.unit, 1);
    assert_int_equal(iommu_interrupt_free(&all[77]), 0);
    one_more = alloc(&nvme);
    assert_int_equal(one_more.index, all[77].index);
    /* Who had the entry before has nothing to say about it. */
    assert_int_equal(iommu_interrupt_free(&all[77]), ERR_NOT_FOUND);
    assert_int_equal(raise(&one_more, &nvme, &arrived), 0);
}

static void a_large_index_is_split_over_the_address(void **state)
{
    struct iommu_interrupt interrupt = alloc(&nvme);

    (void)state;
    while (interrupt.index != VTD_IRT_ENTRIES - 1)
        interrupt = alloc(&nvme);
    assert_int_equal(interrupt.address, 0xfee1fff8);
}

static void bad_arguments_change_nothing(void **state)
{
    struct iommu_interrupt_source nowhere = nvme, odd = nvme, backwards = other;
    struct iommu_interrupt interrupt = {.data = 0xabc}, real = alloc(&nvme);
    const struct vtd_irte before = *entry_of(&real);
    struct iommu_interrupt_target bad = target;

    (void)state;
    nowhere.device.segment = 3;
    odd.match = 17;
    backwards.match = IOMMU_SOURCE_BUSES;
    assert_int_equal(iommu_interrupt_alloc(&nowhere, &target, &interrupt), ERR_NOT_FOUND);
    assert_int_equal(iommu_interrupt_alloc(&odd, &target, &interrupt), ERR_INVALID);
    assert_int_equal(iommu_interrupt_alloc(&backwards, &target, &interrupt), ERR_INVALID);
    assert_int_equal(iommu_interrupt_alloc_ioapic(9, &target, &interrupt), ERR_NOT_FOUND);
    bad.vector = 15;
    assert_int_equal(iommu_interrupt_alloc(&nvme, &bad, &interrupt), ERR_INVALID);
    assert_int_equal(iommu_interrupt_change(&real, &bad), ERR_INVALID);
    bad = (struct iommu_interrupt_target){.apic_id = 255, .vector = 0x41};
    assert_int_equal(iommu_interrupt_alloc(&nvme, &bad, &interrupt), ERR_RANGE);
    assert_int_equal(iommu_interrupt_change(&real, &bad), ERR_RANGE);
    assert_int_equal(interrupt.data, 0xabc);
    assert_memory_equal(entry_of(&real), &before, sizeof before);
    assert_int_equal(vtd_unit(0)->interrupts.table.used, 1);
    interrupt = real;
    interrupt.index = 0xffff;
    assert_int_equal(iommu_interrupt_free(&interrupt), ERR_NOT_FOUND);
    interrupt.unit = 9;
    assert_int_equal(iommu_interrupt_free(&interrupt), ERR_NOT_FOUND);
    assert_int_equal(iommu_interrupt_free(&(struct iommu_interrupt){.remapped = true}), ERR_NOT_FOUND);
    assert_int_equal(iommu_interrupt_free(&(struct iommu_interrupt){0}), ERR_NOT_FOUND);
    iommu_shutdown();
    assert_int_equal(iommu_interrupt_alloc(&nvme, &target, &interrupt), ERR_NOT_FOUND);
    assert_int_equal(iommu_interrupt_free(&real), ERR_NOT_FOUND);
}

static void a_handle_does_not_outlive_its_table(void **state)
{
    struct iommu_interrupt old = alloc(&nvme), young;

    (void)state;
    iommu_shutdown();
    assert_int_equal(start_with(&(struct iommu_config){0}, 1), 0);
    young = alloc(&nvme);
    assert_int_equal(young.index, old.index);
    assert_int_equal(iommu_interrupt_free(&old), ERR_NOT_FOUND);
    assert_int_equal(iommu_interrupt_free(&young), 0);
}

static void an_entry_that_the_unit_does_not_give_back_is_lost(void **state)
{
    struct iommu_interrupt interrupt = alloc(&nvme);
    uint16_t index = interrupt.index;
    struct fake_interrupt arrived;

    (void)state;
    fakes[0].refuse_type = VTD_DESCRIPTOR_INTERRUPT;
    assert_int_equal(iommu_interrupt_change(&interrupt, &(struct iommu_interrupt_target){7, 0x99, false}),
                     ERR_HARDWARE);
    fakes[0].refuse_type = VTD_DESCRIPTOR_INTERRUPT;
    assert_int_equal(iommu_interrupt_free(&interrupt), ERR_HARDWARE);
    assert_int_equal(raise(&interrupt, &nvme, &arrived), 0x22);
    assert_non_null(strstr(host_log(), "is not used again"));
    assert_int_equal(vtd_unit(0)->interrupts.table.lost, 1);
    assert_int_equal(vtd_unit(0)->interrupts.table.used, 0);
    assert_int_equal(iommu_interrupt_free(&interrupt), ERR_NOT_FOUND);
    for (unsigned i = 1; i < VTD_IRT_ENTRIES; i++)
        assert_int_not_equal(alloc(&nvme).index, index);
    assert_int_equal(iommu_interrupt_alloc(&nvme, &target, &interrupt), ERR_NOMEM);
}

static void in_caching_mode_a_new_entry_is_invalidated(void **state)
{
    struct iommu_interrupt interrupt = {.data = 0xabc};
    unsigned count;

    install(state);
    fakes[0].cap |= VTD_CAP_CM;
    assert_int_equal(start_with(&(struct iommu_config){0}, 1), 0);
    count = invalidations(0);
    assert_int_equal(iommu_interrupt_alloc(&nvme, &target, &interrupt), 0);
    assert_int_equal(invalidations(0), count + 1);
    /* One that the unit does not confirm is not there, and its place is free again. */
    interrupt.data = 0xabc;
    fakes[0].refuse_type = VTD_DESCRIPTOR_INTERRUPT;
    assert_int_equal(iommu_interrupt_alloc(&nvme, &target, &interrupt), ERR_HARDWARE);
    assert_int_equal(interrupt.data, 0xabc);
    assert_int_equal(vtd_unit(0)->interrupts.table.used, 1);
    assert_int_equal(vtd_unit(0)->interrupts.table.lost, 0);
}

static void a_unit_that_does_not_snoop_sees_each_change(void **state)
{
    struct iommu_interrupt interrupt;
    struct fake_interrupt arrived;

    install(state);
    fake_vtd_use_shadow(16 * MIB);
    assert_int_equal(start_with(&(struct iommu_config){0}, 1), 0);
    interrupt = alloc(&nvme);
    assert_int_equal(raise(&interrupt, &nvme, &arrived), 0);
    assert_int_equal(iommu_interrupt_change(&interrupt, &(struct iommu_interrupt_target){7, 0x99, false}), 0);
    assert_int_equal(raise(&interrupt, &nvme, &arrived), 0);
    assert_int_equal(arrived.apic_id, 7);
    assert_int_equal(iommu_interrupt_free(&interrupt), 0);
    assert_int_equal(raise(&interrupt, &nvme, &arrived), 0x22);
}

/* A DRHD that names an I/O APIC with id 2, as bus 0xff, device 0, function 1. */
static void an_ioapic_sends_under_the_id_that_the_dmar_table_gives(void **state)
{
    static const uint8_t scope[] = {3, 8, 0, 0, 2, 0xff, 0, 1};
    struct iommu_interrupt_source ioapic = {.device = {0, 0xff, 1}};
    struct iommu_interrupt interrupt;
    struct fake_interrupt arrived;
    uint8_t table[256];
    size_t bytes;

    install(state);
    bytes = fake_vtd_dmar(table, 1, "LULL  ");
    memcpy(table + bytes, scope, sizeof scope);
    table[48 + 2] += (uint8_t)sizeof scope;
    bytes += sizeof scope;
    fake_vtd_seal(table, bytes);
    assert_int_equal(iommu_init(table, bytes, &(struct iommu_config){0}), 0);
    assert_int_equal(iommu_interrupt_alloc_ioapic(3, &target, &interrupt), ERR_NOT_FOUND);
    assert_int_equal(iommu_interrupt_alloc_ioapic(2, &target, &interrupt), 0);
    assert_int_equal(entry_of(&interrupt)->word[1], 0x4ff01);
    assert_int_equal(raise(&interrupt, &ioapic, &arrived), 0);
    assert_int_equal(raise(&interrupt, &nvme, &arrived), 0x26);
}

static void without_memory_for_the_table_nothing_comes_on(void **state)
{
    install(state);
    host_leave_pages(12);
    assert_int_equal(start_with(&(struct iommu_config){0}, 1), ERR_NOMEM);
    host_release_pages();
    assert_non_null(strstr(host_log(), "no memory for the interrupt-remapping table"));
    assert_int_equal((fakes[0].gsts | fakes[1].gsts) & (VTD_GSTS_IRES | VTD_GSTS_QIES | VTD_GSTS_TES), 0);
}

static void a_unit_that_keeps_an_older_table_cached_does_not_come_on(void **state)
{
    install(state);
    fakes[1].refuse_type = VTD_DESCRIPTOR_INTERRUPT;
    assert_int_equal(start_with(&(struct iommu_config){0}, 1), ERR_HARDWARE);
    assert_int_equal((fakes[0].gsts | fakes[1].gsts) & (VTD_GSTS_IRES | VTD_GSTS_QIES | VTD_GSTS_TES), 0);
    /* And comes on when it has come to itself. */
    assert_int_equal(start_with(&(struct iommu_config){0}, 1), 0);
}

#define CASE(name, setup) cmocka_unit_test_setup_teardown(name, setup, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(remapping_is_on_with_a_table_and_without_the_compatibility_format, start),
        CASE(x2apic_mode_is_set_where_cpus_and_unit_have_it, NULL),
        CASE(why_it_is_off_is_said, NULL),
        CASE(a_unit_that_asks_for_x2apic_gets_it, NULL),
        CASE(the_compatibility_format_that_firmware_allowed_is_switched_off_first, NULL),
        CASE(opting_out_of_x2apic_needs_both_flags, NULL),
        CASE(an_entry_and_its_message_have_their_bits, start),
        CASE(a_level_is_in_the_entry, start),
        CASE(only_the_source_gets_through, start),
        CASE(an_interrupt_moves_and_keeps_its_message, start),
        CASE(what_was_freed_is_gone, start),
        CASE(a_full_table_is_refused_and_freed_entries_come_back, start),
        CASE(a_large_index_is_split_over_the_address, start),
        CASE(bad_arguments_change_nothing, start),
        CASE(a_handle_does_not_outlive_its_table, start),
        CASE(an_entry_that_the_unit_does_not_give_back_is_lost, start),
        CASE(in_caching_mode_a_new_entry_is_invalidated, NULL),
        CASE(an_ioapic_sends_under_the_id_that_the_dmar_table_gives, NULL),
        CASE(without_memory_for_the_table_nothing_comes_on, NULL),
        CASE(a_unit_that_keeps_an_older_table_cached_does_not_come_on, NULL),
        CASE(a_unit_that_does_not_snoop_sees_each_change, NULL),
    };

    host_memory_init(16 * MIB);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
