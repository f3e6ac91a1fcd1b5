/* SPDX-License-Identifier: BSD-2-Clause */
/* DMAR tables, one of each structure and those of real machines, cut off everywhere and changed in each byte:
 * read or refused, and nothing beyond them looked at. The address sanitizer and an unmapped page watch. */
#include "lib/error.h"
#include "lib/units.h"
#include "tests/host/dmar_sample.h"
#include "tests/host/fake_vtd.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define TABLE_BYTES_MAX PAGE_SIZE

/* Where real tables are, unless DMAR_TABLES in the environment says otherwise. */
#define REAL_TABLES "../shared/dmar"

static uint8_t *page; /* before one that is not mapped */

static struct {
    unsigned read, refused;
} counts;

static int map_page(void **state)
{
    (void)state;
    page = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED || mprotect(page + PAGE_SIZE, PAGE_SIZE, PROT_NONE);
}

static void assert_inside(const struct dmar_table *table, const void *first, size_t bytes)
{
    uintptr_t begin = (uintptr_t)table->bytes, at = (uintptr_t)first;

    assert_true(at >= begin + 48 && at + bytes <= begin + table->length);
}

/* All that a table leads to, is looked at, so that what lies outside is seen. */
static void look_at(const struct dmar_table *table)
{
    size_t end = 48;

    for (unsigned i = 0; i < table->count; i++) {
        const struct dmar_structure *structure = &table->structures[i];

        assert_int_equal(structure->offset, end);
        end += structure->length;
        if (structure->fault.rule) {
            assert_int_equal(structure->scopes.count, 0);
            assert_int_equal(structure->base, 0);
            assert_true(structure->fault.offset >= structure->offset && structure->fault.offset < end);
        }
        if (structure->object_name)
            assert_inside(table, structure->object_name, strlen(structure->object_name) + 1);
        for (unsigned n = 0; n < structure->scopes.count; n++) {
            const struct dmar_scope *scope = &structure->scopes.scopes[n];

            assert_inside(table, scope->path, 2u * scope->hops);
            assert_true(scope->offset >= structure->offset && scope->offset < end);
        }
    }
    assert_int_equal(end, table->length);
}

/* With its end at the end of the page. */
static void try(const uint8_t *bytes, size_t length)
{
    struct dmar_table table;
    struct dmar_fault fault;
    struct dmar dmar;
    uint8_t *copy = page + PAGE_SIZE - length;
    int error, parsed;

    memcpy(copy, bytes, length);
    error = dmar_table_read(copy, length, &table, &fault);
    parsed = dmar_parse(copy, length, &dmar);
    if (error) {
        assert_int_equal(error, ERR_MALFORMED);
        assert_int_equal(parsed, ERR_MALFORMED);
        assert_non_null(fault.rule);
        assert_true(fault.offset <= length);
        counts.refused++;
        return;
    }
    assert_null(fault.rule);
    look_at(&table);
    dmar_table_free(&table);
    if (!parsed) {
        assert_true(dmar.unit_count >= 1);
        dmar_free(&dmar);
    }
    counts.read++;
}

static void cut_off_everywhere(const uint8_t *bytes, size_t length)
{
    static uint8_t cut[TABLE_BYTES_MAX];

    for (size_t left = 0; left < length; left++) {
        try(bytes, left);
        if (left < 48)
            continue;
        /* Once more with the length and the checksum of a table that ends here. */
        memcpy(cut, bytes, left);
        fake_vtd_seal(cut, left);
        try(cut, left);
    }
}

static void change(const uint8_t *bytes, size_t length, size_t at, uint8_t value)
{
    static uint8_t changed[TABLE_BYTES_MAX];

    memcpy(changed, bytes, length);
    changed[at] = value;
    /* The length and the checksum themselves may be wrong. */
    if (at < 4 || at >= 10)
        fake_vtd_seal(changed, length);
    try(changed, length);
}

static void every_truncation_and_every_value_of_each_byte(void **state)
{
    const struct dmar_sample table = dmar_sample();

    (void)state;
    cut_off_everywhere(table.bytes, table.length);
    for (size_t at = 0; at < table.length; at++)
        for (unsigned value = 0; value < 256; value++)
            change(table.bytes, table.length, at, (uint8_t)value);
}

static size_t read_table(const char *folder, const char *name, uint8_t *bytes)
{
    char path[512];
    FILE *file;
    size_t length;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "rb");
    assert_non_null(file);
    length = fread(bytes, 1, TABLE_BYTES_MAX, file);
    fclose(file);
    return length;
}

/* As firmware made it: whole, or with a unit that is said to be at 0, and that one alone is what is wrong. */
static void check_as_it_is(const char *name, const uint8_t *bytes, size_t length)
{
    struct dmar_table table;
    struct dmar_fault fault;
    struct dmar dmar;
    bool at_zero = false;

    assert_int_equal(dmar_table_read(bytes, length, &table, &fault), 0);
    for (unsigned i = 0; i < table.count; i++) {
        assert_null(table.structures[i].fault.rule);
        at_zero = at_zero || (table.structures[i].type == DMAR_DRHD && !table.structures[i].base);
    }
    dmar_table_free(&table);
    host_log_clear();
    if (!at_zero) {
        assert_int_equal(dmar_parse(bytes, length, &dmar), 0);
        assert_int_equal(dmar.refused_count, 0);
        dmar_free(&dmar);
        return;
    }
    assert_int_equal(dmar_parse(bytes, length, &dmar), ERR_MALFORMED);
    assert_non_null(strstr(host_log(), "DRHD: registers where none can be"));
    printf("# %s has a unit at 0, which is not driven\n", name);
}

static void damage_real_table(const char *folder, const char *name)
{
    static uint8_t bytes[TABLE_BYTES_MAX];
    size_t length = read_table(folder, name, bytes);

    check_as_it_is(name, bytes, length);
    cut_off_everywhere(bytes, length);
    for (size_t at = 0; at < length; at++) {
        change(bytes, length, at, 0);
        change(bytes, length, at, 0xff);
        for (unsigned bit = 0; bit < 8; bit++)
            change(bytes, length, at, (uint8_t)(bytes[at] ^ 1u << bit));
    }
}

static void tables_of_real_machines_with_each_bit_flipped(void **state)
{
    const char *folder = getenv("DMAR_TABLES") ? getenv("DMAR_TABLES") : REAL_TABLES;
    DIR *directory = opendir(folder);
    const struct dirent *entry;
    unsigned tables = 0;

    (void)state;
    if (!directory)
        skip();
    counts.read = counts.refused = 0;
    while ((entry = readdir(directory))) {
        const char *end = strrchr(entry->d_name, '.');

        if (!end || strcmp(end, ".dmar"))
            continue;
        damage_real_table(folder, entry->d_name);
        tables++;
    }
    closedir(directory);
    printf("# %u tables; damaged, %u were read, %u refused\n", tables, counts.read, counts.refused);
    assert_true(tables > 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_truncation_and_every_value_of_each_byte),
        cmocka_unit_test(tables_of_real_machines_with_each_bit_flipped),
    };

    return cmocka_run_group_tests_name("dmar_damage", tests, map_page, NULL);
}
