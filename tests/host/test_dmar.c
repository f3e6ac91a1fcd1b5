/* SPDX-License-Identifier: BSD-2-Clause */
/* The DMAR parser: a table with every structure, the same damaged in every way, and tables of real machines.
 */
#include "iommu/vtd/dmar.h"
#include "lib/error.h"
#include "tests/host/fake_vtd.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REAL_TABLES "../shared/dmar"

struct table {
    uint8_t bytes[512];
    size_t length;
};

static void append(struct table *table, const uint8_t *bytes, size_t length)
{
    memcpy(table->bytes + table->length, bytes, length);
    table->length += length;
}

/* Offsets in sample(). */
enum {
    AT_DRHD = 48,
    AT_PATH = AT_DRHD + 16 + 6,
    AT_DRHD_ALL = 48 + 34,
    AT_RMRR = AT_DRHD_ALL + 16,
    AT_RMRR_LIMIT = AT_RMRR + 16,
    AT_ANDD_NAME = AT_RMRR + 32 + 16 + 20 + 8,
};

static struct table sample(void)
{
    static const uint8_t header[48] = {'D', 'M', 'A', 'R', 0,   0,   0,   0,   1,   0,   'L', 'U', 'L',
                                       'L', ' ', ' ', 'S', 'A', 'M', 'P', 'L', 'E', ' ', ' ', 0,   0,
                                       0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   38,  3};
    static const uint8_t drhd[] = {0,    0,    34, 0, 0, 1, 0,  0, 0, 0,
                                   0xd9, 0xfe, 0,  0, 0, 0,               /* two pages of registers */
                                   1,    8,    0,  0, 0, 0, 2,  0,        /* 00:02.0 */
                                   1,    10,   0,  0, 0, 0, 28, 0, 4, 1}; /* 00:1c.0, below it 04.1 */
    static const uint8_t drhd_all[] = {0, 0, 16, 0, 1, 0, 0, 0, 0, 0x10, 0xdb, 0xfe, 0, 0, 0, 0};
    static const uint8_t rmrr[] = {1,    0,    32,   0,    0, 0, 0, 0, 0, 0, 0x80, 0x7c, 0, 0, 0, 0,
                                   0xff, 0xff, 0xff, 0x7c, 0, 0, 0, 0, 1, 8, 0,    0,    0, 0, 2, 0};
    static const uint8_t atsr[] = {2, 0, 16, 0, 0, 0, 0, 0, 2, 8, 0, 0, 0, 0, 28, 0};
    static const uint8_t rhsa[] = {3, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0xd9, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t andd[] = {4, 0, 14, 0, 0, 0, 0, 1, 'I', '2', 'C', '0', 0, 0};
    static const uint8_t satc[] = {5, 0, 16, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0, 2, 0};
    static const uint8_t sidp[] = {6, 0, 16, 0, 0, 0, 0, 0, 1, 8, 0, 0, 0, 0, 2, 0};
    static const uint8_t unknown[] = {9, 0, 8, 0, 1, 2, 3, 4};
    struct table table = {.length = 0};

    append(&table, header, sizeof header);
    append(&table, drhd, sizeof drhd);
    append(&table, drhd_all, sizeof drhd_all);
    append(&table, rmrr, sizeof rmrr);
    append(&table, atsr, sizeof atsr);
    append(&table, rhsa, sizeof rhsa);
    append(&table, andd, sizeof andd);
    append(&table, satc, sizeof satc);
    append(&table, sidp, sizeof sidp);
    append(&table, unknown, sizeof unknown);
    fake_vtd_seal(table.bytes, table.length);
    return table;
}

/* Parses a copy in memory of exactly so many bytes, so that a read beyond them is seen. */
static int parse_exactly(const uint8_t *bytes, size_t length, struct dmar *dmar)
{
    uint8_t *copy = malloc(length ? length : 1);
    int error;

    memcpy(copy, bytes, length);
    error = dmar_parse(copy, length, dmar);
    free(copy);
    return error;
}

static void every_structure_is_parsed(void **state)
{
    struct table table = sample();
    struct dmar dmar;

    (void)state;
    assert_int_equal(parse_exactly(table.bytes, table.length, &dmar), 0);
    assert_string_equal(dmar.oem_id, "LULL  ");
    assert_string_equal(dmar.oem_table_id, "SAMPLE  ");
    assert_int_equal(dmar.host_width_lg2, 39);
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

/* A bridge at 00:1c.0 whose bus is 5; nothing else answers. */
static uint32_t bridge_read32(void *context, struct pci_address function, unsigned offset)
{
    uint32_t numbers = *(const uint32_t *)context;

    if (function.bus != 0 || function.devfn != 28 << 3)
        return ~0u;
    return offset == 0x0c ? 0x00010000 : offset == 0x18 ? numbers : 0;
}

static void paths_lead_through_bridges(void **state)
{
    struct table table = sample();
    uint32_t numbers = 0x00080500; /* secondary 5, subordinate 8 */
    const struct host_pci_ops pci = {.read32 = bridge_read32, .context = &numbers};
    const struct host_pci_ops none = {0};
    struct dmar_scope below = {.type = DMAR_SCOPE_BRIDGE};
    struct dmar_scopes scopes = {&below, 1};
    static const uint8_t bridge_path[] = {28, 0};
    struct pci_address device = {0, 5, 4 << 3 | 1};
    struct dmar dmar;

    (void)state;
    host_set_pci(&pci);
    assert_int_equal(parse_exactly(table.bytes, table.length, &dmar), 0);
    assert_true(dmar_scopes_cover(&dmar.units[0].devices, 0, device));
    assert_true(dmar_scopes_cover(&dmar.units[0].devices, 0, (struct pci_address){0, 0, 2 << 3}));
    assert_false(dmar_scopes_cover(&dmar.units[0].devices, 0, (struct pci_address){0, 5, 4 << 3}));
    assert_false(dmar_scopes_cover(&dmar.units[0].devices, 0, (struct pci_address){1, 5, 4 << 3 | 1}));
    below.hops = 1;
    below.path = bridge_path;
    assert_true(dmar_scopes_cover(&scopes, 0, (struct pci_address){0, 8, 0}));
    assert_false(dmar_scopes_cover(&scopes, 0, (struct pci_address){0, 9, 0}));
    numbers = 0; /* firmware gave the bridge no bus */
    assert_false(dmar_scopes_cover(&dmar.units[0].devices, 0, device));
    host_set_pci(&none);
    dmar_free(&dmar);
}

static void assert_refused(const struct table *table, const char *reason)
{
    struct dmar dmar;

    host_log_clear();
    assert_int_equal(parse_exactly(table->bytes, table->length, &dmar), ERR_MALFORMED);
    assert_non_null(strstr(host_log(), "DMAR: offset 0"));
    if (!strstr(host_log(), reason))
        fail_msg("\"%s\" is not in: %s", reason, host_log());
}

static void damage_is_refused_with_a_reason(void **state)
{
    struct table table = sample();

    (void)state;
    table.bytes[AT_DRHD] ^= 1;
    assert_refused(&table, "checksum");
    table = sample();
    table.bytes[0] = 'X';
    assert_refused(&table, "signature");
    table = sample();
    table.bytes[AT_DRHD + 2] = 3;
    fake_vtd_seal(table.bytes, table.length);
    assert_refused(&table, "shorter than its own header");
    table.bytes[AT_DRHD + 2] = 12;
    fake_vtd_seal(table.bytes, table.length);
    assert_refused(&table, "too short");
    table = sample();
    table.bytes[AT_DRHD_ALL + 3] = 0x10;
    fake_vtd_seal(table.bytes, table.length);
    assert_refused(&table, "beyond the table");
    table = sample();
    table.bytes[AT_PATH] = 32;
    fake_vtd_seal(table.bytes, table.length);
    assert_refused(&table, "device above 31");
    table = sample();
    table.bytes[AT_DRHD + 17] = 7;
    fake_vtd_seal(table.bytes, table.length);
    assert_refused(&table, "without a whole path");
    table = sample();
    table.length = AT_DRHD + 18;
    table.bytes[AT_DRHD + 2] = 18;
    fake_vtd_seal(table.bytes, table.length);
    assert_refused(&table, "scope is cut off");
    table = sample();
    memcpy(table.bytes + AT_DRHD_ALL + 8, table.bytes + AT_DRHD + 8, 8);
    fake_vtd_seal(table.bytes, table.length);
    assert_refused(&table, "two units with the same registers");
    table = sample();
    table.length = 48;
    fake_vtd_seal(table.bytes, table.length);
    assert_refused(&table, "no DRHD");
}

static void a_name_without_an_end_is_left_out(void **state)
{
    struct table table = sample();
    struct dmar dmar;

    (void)state;
    memset(table.bytes + AT_ANDD_NAME, 'X', 6);
    fake_vtd_seal(table.bytes, table.length);
    assert_int_equal(parse_exactly(table.bytes, table.length, &dmar), 0);
    assert_int_equal(dmar.other_count, 4);
    assert_int_equal(dmar.refused_count, 1);
    dmar_free(&dmar);
}

static void a_bad_rmrr_is_left_out_and_the_rest_goes_on(void **state)
{
    struct table table = sample();
    struct dmar dmar;

    (void)state;
    memset(table.bytes + AT_RMRR_LIMIT, 0, 8);
    fake_vtd_seal(table.bytes, table.length);
    host_log_clear();
    assert_int_equal(parse_exactly(table.bytes, table.length, &dmar), 0);
    assert_int_equal(dmar.unit_count, 2);
    assert_int_equal(dmar.reserved_count, 0);
    assert_int_equal(dmar.refused_count, 1);
    assert_non_null(strstr(host_log(), "RMRR"));
    dmar_free(&dmar);
}

static void every_truncation_is_survived(void **state)
{
    struct table table = sample();

    (void)state;
    for (size_t length = 0; length < table.length; length++) {
        struct table cut = table;
        struct dmar dmar;

        assert_int_equal(parse_exactly(table.bytes, length, &dmar), ERR_MALFORMED);
        if (length < 48)
            continue;
        fake_vtd_seal(cut.bytes, length);
        if (parse_exactly(cut.bytes, length, &dmar) == 0)
            dmar_free(&dmar);
    }
}

static void every_change_of_a_byte_is_survived(void **state)
{
    const struct table table = sample();

    (void)state;
    for (size_t at = 0; at < table.length; at++)
        for (unsigned value = 0; value < 256; value++) {
            struct table changed = table;
            struct dmar dmar;

            changed.bytes[at] = (uint8_t)value;
            if (at < 4 || at >= 10)
                fake_vtd_seal(changed.bytes, changed.length);
            if (parse_exactly(changed.bytes, changed.length, &dmar) == 0) {
                assert_true(dmar.unit_count >= 1);
                dmar_free(&dmar);
            }
        }
}

static size_t read_table(const char *name, uint8_t *bytes, size_t most)
{
    char path[512];
    FILE *file;
    size_t length;

    snprintf(path, sizeof path, REAL_TABLES "/%s", name);
    file = fopen(path, "rb");
    assert_non_null(file);
    length = fread(bytes, 1, most, file);
    fclose(file);
    return length;
}

/* Seen on a notebook: the unit for all other devices is said to be at 0. Its devices cannot be kept in check.
 */
static bool has_unit_at_zero(const uint8_t *bytes, size_t length)
{
    static const uint8_t zero[8];

    for (size_t at = 48; at + 16 <= length; at += bytes[at + 2] | (size_t)bytes[at + 3] << 8)
        if (!bytes[at] && !bytes[at + 1] && !memcmp(bytes + at + 8, zero, sizeof zero))
            return true;
    return false;
}

/* As firmware made it, and then with each byte in turn made what damage likes best. */
static void check_real_table(const char *name)
{
    static const uint8_t likely[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    static uint8_t bytes[4096], changed[4096];
    size_t length = read_table(name, bytes, sizeof bytes);
    struct dmar dmar;

    if (parse_exactly(bytes, length, &dmar)) {
        if (!has_unit_at_zero(bytes, length))
            fail_msg("%s is refused: %s", name, host_log());
        printf("# %s has a unit at 0: %s", name, host_log());
    } else {
        assert_int_equal(dmar.refused_count, 0);
        dmar_free(&dmar);
    }
    for (size_t at = 10; at < length; at++) {
        memcpy(changed, bytes, length);
        changed[at] = likely[at % sizeof likely];
        fake_vtd_seal(changed, length);
        if (parse_exactly(changed, length, &dmar) == 0)
            dmar_free(&dmar);
    }
}

static void tables_of_real_machines_are_parsed(void **state)
{
    DIR *directory = opendir(REAL_TABLES);
    const struct dirent *entry;
    unsigned count = 0;

    (void)state;
    if (!directory)
        skip();
    while ((entry = readdir(directory))) {
        const char *end = strrchr(entry->d_name, '.');

        if (!end || strcmp(end, ".dmar"))
            continue;
        host_log_clear();
        check_real_table(entry->d_name);
        count++;
    }
    closedir(directory);
    printf("# %u tables\n", count);
    assert_true(count > 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_structure_is_parsed),
        cmocka_unit_test(paths_lead_through_bridges),
        cmocka_unit_test(damage_is_refused_with_a_reason),
        cmocka_unit_test(a_name_without_an_end_is_left_out),
        cmocka_unit_test(a_bad_rmrr_is_left_out_and_the_rest_goes_on),
        cmocka_unit_test(every_truncation_is_survived),
        cmocka_unit_test(every_change_of_a_byte_is_survived),
        cmocka_unit_test(tables_of_real_machines_are_parsed),
    };

    return cmocka_run_group_tests_name("dmar", tests, NULL, NULL);
}
