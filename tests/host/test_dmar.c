/* SPDX-License-Identifier: BSD-2-Clause */
/* The DMAR parser: a table with every structure, and each rule broken in turn. */
#include "lib/error.h"
#include "lib/units.h"
#include "tests/host/dmar_sample.h"
#include "tests/host/fake_vtd.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <stdio.h>
#include <string.h>

static void what_the_driver_needs_is_taken_over(void **state)
{
    struct dmar_sample table = dmar_sample();
    struct dmar dmar;

    (void)state;
    assert_int_equal(dmar_parse_exactly(table.bytes, table.length, &dmar), 0);
    assert_true(dmar.interrupt_remapping);
    assert_true(dmar.x2apic_opt_out);
    assert_int_equal(dmar.unit_count, 2);
    assert_int_equal(dmar.units[0].registers, 0xfed90000);
    assert_int_equal(dmar.units[0].bytes, 0x2000);
    assert_false(dmar.units[0].include_all);
    assert_int_equal(dmar.units[0].devices.count, 2);
    assert_int_equal(dmar.units[0].devices.scopes[1].hops, 2);
    assert_int_equal(dmar.units[1].registers, 0xfedb1000);
    assert_true(dmar.units[1].include_all);
    assert_int_equal(dmar.units[1].devices.count, 0);
    assert_int_equal(dmar.reserved_count, 1);
    assert_int_equal(dmar.reserved[0].hpa, 0x7c800000);
    assert_int_equal(dmar.reserved[0].last, 0x7cffffff);
    assert_int_equal(dmar.other_count, 5);
    assert_int_equal(dmar.refused_count, 0);
    dmar_free(&dmar);
}

static void every_structure_is_listed_with_its_offset_and_fields(void **state)
{
    static const size_t offsets[] = {AT_DRHD, AT_DRHD_ALL, AT_RMRR, AT_ATSR,   AT_RHSA,
                                     AT_ANDD, AT_SATC,     AT_SIDP, AT_UNKNOWN};
    struct dmar_sample sample = dmar_sample();
    struct dmar_table table;
    struct dmar_fault fault;

    (void)state;
    assert_int_equal(dmar_table_read(sample.bytes, sample.length, &table, &fault), 0);
    assert_string_equal(table.oem_id, "LULL  ");
    assert_string_equal(table.oem_table_id, "SAMPLE  ");
    assert_int_equal(table.host_width_lg2, 39);
    assert_int_equal(table.count, ARRAY_SIZE(offsets));
    for (unsigned i = 0; i < table.count; i++) {
        assert_int_equal(table.structures[i].offset, offsets[i]);
        assert_null(table.structures[i].fault.rule);
    }
    assert_int_equal(table.structures[0].size_lg2, 1);
    assert_int_equal(table.structures[0].scopes.scopes[0].offset, AT_DRHD + 16);
    assert_int_equal(table.structures[3].scopes.scopes[0].type, DMAR_SCOPE_BRIDGE);
    assert_int_equal(table.structures[4].base, 0xfed90000);
    assert_int_equal(table.structures[4].proximity_domain, 0x107);
    assert_int_equal(table.structures[5].device_number, 1);
    assert_string_equal(table.structures[5].object_name, "I2C0");
    assert_int_equal(table.structures[6].flags, DMAR_SATC_ATC_REQUIRED);
    assert_int_equal(table.structures[6].segment, 2);
    assert_int_equal(table.structures[7].scopes.scopes[0].flags, 28);
    assert_int_equal(table.structures[8].type, 9);
    assert_int_equal(table.structures[8].length, 8);
    dmar_table_free(&table);
}

/* A byte of the sample, what it becomes, and what the log says: the offset of what is wrong, and the rule. */
struct damage {
    size_t offset;
    uint8_t value;
    size_t found_at;
    const char *rule;
};

static void assert_log_has(size_t offset, const char *reason)
{
    char expected[160];

    snprintf(expected, sizeof expected, "DMAR: offset %#zx: %s", offset, reason);
    if (!strstr(host_log(), expected))
        fail_msg("\"%s\" is not in: %s", expected, host_log());
}

static void assert_refused(struct dmar_sample *table, size_t offset, const char *reason)
{
    struct dmar dmar;

    fake_vtd_seal(table->bytes, table->length);
    host_log_clear();
    assert_int_equal(dmar_parse_exactly(table->bytes, table->length, &dmar), ERR_MALFORMED);
    assert_null(dmar.units);
    assert_null(dmar.table.bytes);
    assert_log_has(offset, reason);
}

static void damage_of_the_table_or_a_unit_refuses_the_table(void **state)
{
    static const struct damage cases[] = {
        {36, 10, 36, "a host address width that no machine has (8.1)"},
        {36, 52, 36, "a host address width that no machine has (8.1)"},
        {AT_DRHD + 2, 3, AT_DRHD, "a structure shorter than its own header (8.2)"},
        {AT_DRHD_ALL + 3, 16, AT_DRHD_ALL, "a structure reaches beyond the table (8.2)"},
        {AT_SIDP + 2, 22, AT_SIDP + 22, "the last structure is cut off (8.2)"},
        {AT_DRHD + 8, 1, AT_DRHD, "DRHD: registers that are not aligned to their size (8.3)"},
        {AT_DRHD + 9, 16, AT_DRHD, "DRHD: registers that are not aligned to their size (8.3)"},
        {AT_DRHD + 15, 1, AT_DRHD, "DRHD: registers where none can be"},
        {AT_DRHD + 16 + 1, 6, AT_DRHD + 16, "DRHD: a device scope without a whole path (8.3.1)"},
        {AT_DRHD + 16 + 1, 9, AT_DRHD + 16, "DRHD: a device scope without a whole path (8.3.1)"},
        {AT_DRHD + 24 + 1, 12, AT_DRHD + 24, "DRHD: a device scope reaches beyond its structure (8.3.1)"},
        {AT_PATH, 32, AT_DRHD + 16, "DRHD: a path with a device above 31 or a function above 7 (8.3.1)"},
        {AT_PATH + 1, 8, AT_DRHD + 16, "DRHD: a path with a device above 31 or a function above 7 (8.3.1)"},
        {AT_DRHD + 4, 1, AT_DRHD_ALL, "DRHD: two units of one segment that both take all devices (8.3)"},
        {AT_DRHD_ALL + 10, 0xd9, AT_DRHD_ALL, "DRHD: two units with the same registers (8.3)"},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct dmar_sample table = dmar_sample();

        table.bytes[cases[i].offset] = cases[i].value;
        assert_refused(&table, cases[i].found_at, cases[i].rule);
    }
}

static void a_table_without_its_header_is_refused(void **state)
{
    struct dmar_sample table = dmar_sample();
    struct dmar dmar;

    (void)state;
    host_log_clear();
    assert_int_equal(dmar_parse_exactly(table.bytes, 47, &dmar), ERR_MALFORMED);
    assert_log_has(0, "the table is shorter than its header (8.1)");
    table.bytes[AT_DRHD] ^= 1;
    assert_int_equal(dmar_parse_exactly(table.bytes, table.length, &dmar), ERR_MALFORMED);
    assert_log_has(0, "the checksum is wrong (8.1)");
    table.bytes[0] = 'X';
    assert_int_equal(dmar_parse_exactly(table.bytes, table.length, &dmar), ERR_MALFORMED);
    assert_log_has(0, "the signature is not DMAR (8.1)");
    table = dmar_sample();
    assert_int_equal(dmar_parse_exactly(table.bytes, table.length - 1, &dmar), ERR_MALFORMED);
    assert_log_has(4, "the table's length is not that of a table here (8.1)");
    table.length = 48;
    assert_refused(&table, 48, "no DRHD, so no unit (8.1)");
    table = dmar_sample();
    memmove(table.bytes + AT_DRHD, table.bytes + AT_RMRR, table.length - AT_RMRR);
    table.length -= AT_RMRR - AT_DRHD;
    assert_refused(&table, 48, "no DRHD, so no unit (8.1)");
}

static void a_scope_may_not_be_cut_off(void **state)
{
    struct dmar_sample table = dmar_sample();

    (void)state;
    table.length = AT_DRHD + 18;
    table.bytes[AT_DRHD + 2] = 18;
    assert_refused(&table, AT_DRHD + 16, "DRHD: a device scope is cut off (8.3.1)");
}

static void a_unit_at_zero_is_well_formed_and_not_driven(void **state)
{
    struct dmar_sample table = dmar_sample();
    struct dmar_table read;
    struct dmar_fault fault;

    (void)state;
    memset(table.bytes + AT_DRHD_ALL + 8, 0, 8);
    assert_refused(&table, AT_DRHD_ALL, "DRHD: registers where none can be");
    assert_int_equal(dmar_table_read(table.bytes, table.length, &read, &fault), 0);
    assert_null(read.structures[1].fault.rule);
    assert_non_null(dmar_refusal(&read, &read.structures[1]));
    assert_null(dmar_refusal(&read, &read.structures[0]));
    dmar_table_free(&read);
}

static void a_damaged_range_is_left_out(void **state)
{
    static const struct damage cases[] = {
        {AT_RMRR + 8, 1, AT_RMRR, "RMRR: not whole pages (8.4)"},
        {AT_RMRR_LIMIT, 0, AT_RMRR, "RMRR: not whole pages (8.4)"},
        {AT_RMRR_LIMIT + 3, 0, AT_RMRR, "RMRR: a limit that is not above its base (8.4)"},
        {AT_RMRR_LIMIT + 7, 1, AT_RMRR, "RMRR: memory beyond what DMA reaches"},
        {AT_RMRR + 24 + 6, 40, AT_RMRR + 24, "RMRR: a path with a device above 31"},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct dmar_sample table = dmar_sample();
        struct dmar dmar;

        table.bytes[cases[i].offset] = cases[i].value;
        fake_vtd_seal(table.bytes, table.length);
        host_log_clear();
        assert_int_equal(dmar_parse_exactly(table.bytes, table.length, &dmar), 0);
        assert_log_has(cases[i].found_at, cases[i].rule);
        assert_int_equal(dmar.unit_count, 2);
        assert_int_equal(dmar.reserved_count, 0);
        assert_int_equal(dmar.refused_count, 1);
        dmar_free(&dmar);
    }
}

/* The last structure of the table, a byte shorter than its type is. */
static void structures_may_not_be_shorter_than_their_type(void **state)
{
    static const struct {
        uint8_t bytes;
        const char *rule;
    } types[] = {
        [DMAR_DRHD] = {16, "DRHD: too short, 16 bytes come before its scopes (8.3)"},
        [DMAR_RMRR] = {24, "RMRR: too short, 24 bytes come before its scopes (8.4)"},
        [DMAR_ATSR] = {8, "ATSR: too short, 8 bytes come before its scopes (8.5)"},
        [DMAR_RHSA] = {20, "RHSA: too short, it has 20 bytes (8.6)"},
        [DMAR_ANDD] = {8, "ANDD: too short, 8 bytes come before its name (8.7)"},
        [DMAR_SATC] = {8, "SATC: too short, 8 bytes come before its scopes (8.8)"},
        [DMAR_SIDP] = {8, "SIDP: too short, 8 bytes come before its scopes (8.9)"},
    };

    (void)state;
    for (unsigned type = 0; type < DMAR_TYPES; type++) {
        struct dmar_sample table = dmar_sample();
        struct dmar dmar;
        size_t at = table.length;

        table.length += types[type].bytes - 1u;
        table.bytes[at] = (uint8_t)type;
        table.bytes[at + 2] = (uint8_t)(types[type].bytes - 1);
        if (type == DMAR_DRHD) {
            assert_refused(&table, at, types[type].rule);
            continue;
        }
        fake_vtd_seal(table.bytes, table.length);
        host_log_clear();
        assert_int_equal(dmar_parse_exactly(table.bytes, table.length, &dmar), 0);
        assert_log_has(at, types[type].rule);
        assert_int_equal(dmar.refused_count, 1);
        dmar_free(&dmar);
    }
}

static void a_name_without_an_end_is_left_out(void **state)
{
    struct dmar_sample table = dmar_sample();
    struct dmar dmar;

    (void)state;
    memset(table.bytes + AT_ANDD_NAME, 'X', 6);
    fake_vtd_seal(table.bytes, table.length);
    host_log_clear();
    assert_int_equal(dmar_parse_exactly(table.bytes, table.length, &dmar), 0);
    assert_log_has(AT_ANDD, "ANDD: a name without an end (8.7)");
    assert_int_equal(dmar.other_count, 4);
    assert_int_equal(dmar.refused_count, 1);
    dmar_free(&dmar);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_driver_needs_is_taken_over),
        cmocka_unit_test(every_structure_is_listed_with_its_offset_and_fields),
        cmocka_unit_test(damage_of_the_table_or_a_unit_refuses_the_table),
        cmocka_unit_test(a_table_without_its_header_is_refused),
        cmocka_unit_test(a_scope_may_not_be_cut_off),
        cmocka_unit_test(a_unit_at_zero_is_well_formed_and_not_driven),
        cmocka_unit_test(a_damaged_range_is_left_out),
        cmocka_unit_test(structures_may_not_be_shorter_than_their_type),
        cmocka_unit_test(a_name_without_an_end_is_left_out),
    };

    return cmocka_run_group_tests_name("dmar", tests, NULL, NULL);
}
