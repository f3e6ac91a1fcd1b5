/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI's tables, good and damaged: every truncation and every change of a byte is parsed or refused without
 * an access beyond the table (which the address sanitizer would see: each table is a heap block of its own
 * size). */
#include "arch/platform/acpi_tables.h"
#include "lib/error.h"
#include "lib/log.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <stdlib.h>
#include <string.h>

/* The parsers belong to arch/, which is not in the library that tests link with. */
#include "arch/platform/acpi_power.c"
#include "arch/platform/acpi_tables.c"

static uint8_t bytes[512];
static uint32_t length;

static void put(uint32_t offset, uint64_t value, unsigned size)
{
    memcpy(bytes + offset, &value, size);
    if (length < offset + size)
        length = offset + size;
}

static void mend_checksum(void)
{
    bytes[9] = 0;
    bytes[9] = (uint8_t)-sum(bytes, length);
}

static void begin(const char *signature, uint32_t fixed_bytes)
{
    memset(bytes, 0, sizeof(bytes));
    length = fixed_bytes;
    memcpy(bytes, signature, 4);
    host_log_clear();
}

static struct acpi_table finish(void)
{
    put(4, length, 4);
    mend_checksum();
    return (struct acpi_table){bytes, length};
}

static void add_local_apic(uint8_t apic_id, uint32_t flags)
{
    put(length, 0x0800, 2);
    put(length, 0, 1);
    put(length, apic_id, 1);
    put(length, flags, 4);
}

static void add_x2apic(uint32_t apic_id, uint32_t flags)
{
    put(length, 0x1009, 2);
    put(length, 0, 2);
    put(length, apic_id, 4);
    put(length, flags, 4);
    put(length, 0, 4);
}

static struct acpi_table sample_madt(void)
{
    begin("APIC", 44);
    add_local_apic(0, 1);
    add_local_apic(2, 1);
    add_local_apic(9, 0);
    add_local_apic(4, 2);
    put(length, 0x0c01, 2); /* an I/O APIC */
    put(length, 7, 2);
    put(length, 0xfec00000, 4);
    put(length, 24, 4);
    add_x2apic(300, 1);
    return finish();
}

static struct acpi_table sample_fadt(void)
{
    begin("FACP", 276);
    put(40, 0x1000, 4);
    put(64, 0x604, 4);
    put(76, 0x608, 4);
    put(112, 1 << 10, 4);
    put(116, 0x0801, 2);
    put(120, 0xcf9, 8);
    put(128, 0x0f, 1);
    put(140, 0x2000, 8);
    return finish();
}

static struct acpi_table sample_mcfg(void)
{
    begin("MCFG", 44);
    put(length, 0xb0000000, 8);
    put(length, 0xff000000, 8); /* segment 0, buses 0 to 255 */
    return finish();
}

static struct acpi_table sample_spcr(void)
{
    begin("SPCR", 80);
    put(40, 0x0801, 2);
    put(44, 0x2f8, 8);
    return finish();
}

static struct acpi_table sample_dsdt(void)
{
    static const uint8_t s5[] = {0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a, 0x05, 0x01, 0x00, 0x00};

    begin("DSDT", 60);
    memcpy(bytes + 40, "_S5_", 4); /* a mention of it that is no definition */
    memcpy(bytes + length, s5, sizeof(s5));
    length += (uint32_t)sizeof(s5);
    return finish();
}

static void madt_lists_the_cpus_that_are_there(void **state)
{
    struct acpi_table madt = sample_madt();
    struct acpi_madt found = {0};

    (void)state;
    assert_true(acpi_table_valid(&madt, "APIC"));
    acpi_parse_madt(&madt, &found);
    assert_int_equal(found.count, 3);
    assert_int_equal(found.apic_ids[0], 0);
    assert_int_equal(found.apic_ids[1], 2);
    assert_int_equal(found.apic_ids[2], 300);
    assert_int_equal(found.pluggable, 1);
    assert_int_equal(found.io_apic_count, 1);
    assert_int_equal(found.io_apics[0].address, 0xfec00000);
    assert_int_equal(found.io_apics[0].id, 7);
    assert_int_equal(found.io_apics[0].first_gsi, 24);
}

static void madt_refuses_an_id_that_comes_twice(void **state)
{
    struct acpi_madt found = {0};
    struct acpi_table madt;

    (void)state;
    begin("APIC", 44);
    add_local_apic(3, 1);
    add_x2apic(3, 1);
    madt = finish();
    acpi_parse_madt(&madt, &found);
    assert_int_equal(found.count, 1);
    assert_non_null(strstr(host_log(), "MADT: offset 0x34: APIC id 3 was there before"));
}

static void madt_keeps_what_comes_before_a_broken_entry(void **state)
{
    struct acpi_madt found = {0};
    struct acpi_table madt;

    (void)state;
    begin("APIC", 44);
    add_local_apic(3, 1);
    put(length, 0, 2); /* an entry of no bytes: would go on for ever */
    add_local_apic(4, 1);
    madt = finish();
    acpi_parse_madt(&madt, &found);
    assert_int_equal(found.count, 1);
    assert_non_null(strstr(host_log(), "MADT: offset 0x34: entry of type 0 has 0 bytes"));
}

static void madt_takes_no_more_cpus_than_there_is_room_for(void **state)
{
    static uint8_t large[44 + 300 * 16];
    struct acpi_table madt = {large, sizeof(large)};
    struct acpi_madt found = {0};

    (void)state;
    for (uint32_t i = 0; i < 300; i++) {
        uint32_t entry[4] = {0x1009, i, 1, i};

        memcpy(large + 44 + i * 16, entry, sizeof(entry));
    }
    acpi_parse_madt(&madt, &found);
    assert_int_equal(found.count, PLATFORM_CPUS_MAX);
    assert_non_null(strstr(host_log(), "more than 256 CPUs"));
}

static void fadt_names_registers(void **state)
{
    struct acpi_table fadt = sample_fadt();
    struct acpi_power power = {0};
    uint64_t dsdt;

    (void)state;
    acpi_parse_fadt(&fadt, &power, &dsdt);
    assert_int_equal(power.reset.space, ACPI_SPACE_IO);
    assert_int_equal(power.reset.address, 0xcf9);
    assert_int_equal(power.reset_value, 0x0f);
    assert_int_equal(power.pm1a_control.address, 0x604);
    assert_int_equal(power.pm1b_control.address, 0);
    assert_int_equal(power.pm_timer_port, 0x608);
    assert_int_equal(dsdt, 0x2000);
}

static void an_old_short_fadt_will_do(void **state)
{
    struct acpi_power power = {0};
    struct acpi_table fadt;
    uint64_t dsdt;

    (void)state;
    begin("FACP", 116);
    put(40, 0x1000, 4);
    put(76, 0x408, 4);
    fadt = finish();
    acpi_parse_fadt(&fadt, &power, &dsdt);
    assert_int_equal(power.pm_timer_port, 0x408);
    assert_int_equal(power.reset.address, 0);
    assert_int_equal(dsdt, 0x1000);
}

static void dsdt_has_the_sleep_types_of_s5(void **state)
{
    struct acpi_table dsdt = sample_dsdt();
    struct acpi_power power = {0};

    (void)state;
    acpi_parse_dsdt(&dsdt, &power);
    assert_true(power.has_s5);
    assert_int_equal(power.s5_type_a, 5);
    assert_int_equal(power.s5_type_b, 1);
}

static void mcfg_names_windows_and_refuses_nonsense(void **state)
{
    static const uint64_t bad[][2] = {
        {0, 0xff000001},          /* no address */
        {0xb0000800, 0xff000001}, /* no whole MiB */
        {0xc0000000, 0x00010001}, /* buses 1 to 0 */
        {0xc0000000, 0x20100000}, /* there before */
    };
    struct acpi_info info = {0};
    struct acpi_table mcfg = sample_mcfg();

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        put(length, bad[i][0], 8);
        put(length, bad[i][1], 8);
    }
    mcfg = finish();
    acpi_parse_mcfg(&mcfg, &info);
    assert_int_equal(info.ecam_count, 1);
    assert_int_equal(info.ecam[0].base, 0xb0000000);
    assert_int_equal(info.ecam[0].first_bus, 0);
    assert_int_equal(info.ecam[0].last_bus, 255);
    assert_non_null(strstr(host_log(), "MCFG: offset 0x3c: address cannot be"));
    assert_non_null(strstr(host_log(), "MCFG: offset 0x4c: address cannot be"));
    assert_non_null(strstr(host_log(), "MCFG: offset 0x5c: first bus is above the last"));
    assert_non_null(strstr(host_log(), "MCFG: offset 0x6c: buses were there before"));
}

static void spcr_names_a_uart(void **state)
{
    struct acpi_console console = {0};
    struct acpi_table spcr = sample_spcr();

    (void)state;
    acpi_parse_spcr(&spcr, &console);
    assert_int_equal(console.registers.address, 0x2f8);
    assert_int_equal(console.stride, 1);
}

static void spcr_of_another_kind_is_not_used(void **state)
{
    struct acpi_console console = {0};
    struct acpi_table spcr;

    (void)state;
    (void)sample_spcr();
    put(36, 3, 1); /* a PL011 */
    spcr = finish();
    acpi_parse_spcr(&spcr, &console);
    assert_int_equal(console.registers.address, 0);
}

static void a_wrong_checksum_is_refused(void **state)
{
    struct acpi_table madt = sample_madt();

    (void)state;
    bytes[50] ^= 1;
    assert_false(acpi_table_valid(&madt, "APIC"));
    assert_non_null(strstr(host_log(), "ACPI APIC: offset 0x9: checksum is wrong"));
}

static void lengths_that_cannot_be_are_refused(void **state)
{
    (void)state;
    begin("APIC", 44);
    put(4, 35, 4);
    assert_int_equal(acpi_header_length(bytes), 0);
    put(4, 0x80000000, 4);
    assert_int_equal(acpi_header_length(bytes), 0);
    put(4, 44, 4);
    assert_int_equal(acpi_header_length(bytes), 44);
}

static void make_rsdp(uint8_t *rsdp, uint8_t revision)
{
    static const uint64_t xsdt = 0x7fe0000000;

    memset(rsdp, 0, ACPI_RSDP_BYTES);
    memcpy(rsdp, "RSD PTR ", 8);
    rsdp[15] = revision;
    rsdp[17] = 0x10; /* RSDT at 0x1000 */
    rsdp[8] = (uint8_t)-sum(rsdp, 20);
    rsdp[20] = ACPI_RSDP_BYTES;
    memcpy(rsdp + 24, &xsdt, 8);
    rsdp[32] = (uint8_t)-sum(rsdp, ACPI_RSDP_BYTES);
}

static void rsdp_names_both_roots(void **state)
{
    uint8_t rsdp[ACPI_RSDP_BYTES];
    uint64_t rsdt, xsdt;

    (void)state;
    make_rsdp(rsdp, 2);
    assert_int_equal(acpi_parse_rsdp(rsdp, &rsdt, &xsdt), 0);
    assert_int_equal(rsdt, 0x1000);
    assert_int_equal(xsdt, 0x7fe0000000);
    rsdp[33] ^= 1; /* the later part is damaged: the older root is left */
    assert_int_equal(acpi_parse_rsdp(rsdp, &rsdt, &xsdt), 0);
    assert_int_equal(rsdt, 0x1000);
    assert_int_equal(xsdt, 0);
    make_rsdp(rsdp, 0);
    assert_int_equal(acpi_parse_rsdp(rsdp, &rsdt, &xsdt), 0);
    assert_int_equal(xsdt, 0);
    rsdp[10] ^= 1;
    assert_int_equal(acpi_parse_rsdp(rsdp, &rsdt, &xsdt), ERR_MALFORMED);
    rsdp[0] = 'X';
    assert_int_equal(acpi_parse_rsdp(rsdp, &rsdt, &xsdt), ERR_MALFORMED);
}

static void parse_all(const uint8_t *table_bytes, uint32_t table_length)
{
    uint8_t *copy = malloc(table_length);
    struct acpi_table table = {copy, table_length};
    struct acpi_info info = {0};
    uint64_t dsdt;

    memcpy(copy, table_bytes, table_length);
    acpi_parse_madt(&table, &info.madt);
    acpi_parse_fadt(&table, &info.power, &dsdt);
    acpi_parse_dsdt(&table, &info.power);
    acpi_parse_mcfg(&table, &info);
    acpi_parse_spcr(&table, &info.console);
    free(copy);
}

/* Whatever a table says, each parser stays inside it and comes to an end. */
static void no_damage_leads_out_of_a_table(void **state)
{
    struct acpi_table (*const samples[])(void) = {sample_madt, sample_fadt, sample_mcfg, sample_spcr,
                                                  sample_dsdt};
    static const uint8_t changes[] = {0x00, 0x01, 0x02, 0x7f, 0x80, 0xff};

    (void)state;
    log_set_console_level(LOG_ERROR);
    for (size_t s = 0; s < ARRAY_SIZE(samples); s++) {
        struct acpi_table table = samples[s]();

        for (uint32_t cut = ACPI_HEADER_BYTES; cut <= table.length; cut++)
            parse_all(bytes, cut);
        for (uint32_t at = ACPI_HEADER_BYTES; at < table.length; at++) {
            uint8_t good = bytes[at];

            for (size_t i = 0; i < sizeof(changes); i++) {
                bytes[at] = changes[i];
                parse_all(bytes, table.length);
            }
            bytes[at] = good;
        }
    }
    log_set_console_level(LOG_INFO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(madt_lists_the_cpus_that_are_there),
        cmocka_unit_test(madt_refuses_an_id_that_comes_twice),
        cmocka_unit_test(madt_keeps_what_comes_before_a_broken_entry),
        cmocka_unit_test(madt_takes_no_more_cpus_than_there_is_room_for),
        cmocka_unit_test(fadt_names_registers),
        cmocka_unit_test(an_old_short_fadt_will_do),
        cmocka_unit_test(dsdt_has_the_sleep_types_of_s5),
        cmocka_unit_test(mcfg_names_windows_and_refuses_nonsense),
        cmocka_unit_test(spcr_names_a_uart),
        cmocka_unit_test(spcr_of_another_kind_is_not_used),
        cmocka_unit_test(a_wrong_checksum_is_refused),
        cmocka_unit_test(lengths_that_cannot_be_are_refused),
        cmocka_unit_test(rsdp_names_both_roots),
        cmocka_unit_test(no_damage_leads_out_of_a_table),
    };

    return cmocka_run_group_tests_name("acpi", tests, NULL, NULL);
}
