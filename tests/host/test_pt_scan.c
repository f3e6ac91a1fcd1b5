/* SPDX-License-Identifier: BSD-2-Clause */
/* The two ways to scan a table find the same, and leave vector registers alone. */
#include "lib/pt/pt.h"
#include "lib/pt/scan.h"
#include "lib/units.h"
#include "tests/host/unit.h"
#include "tests/target/vector.h"
#include <string.h>

#define ROUNDS 20000u

static uint64_t tables[3][PT_ENTRIES] __attribute__((aligned(4096)));
static uint64_t *const table = tables[1];
static uint64_t random_state = 0x9e3779b97f4a7c15ull;

static uint64_t random_word(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static uint64_t scan(enum pt_scan how, uint64_t mask)
{
    pt_scan_select(how);
    return pt_scan_lines(table, mask);
}

/* Entry by entry. */
static uint64_t expected(uint64_t mask)
{
    uint64_t lines = 0;

    for (unsigned i = 0; i < PT_ENTRIES; i++)
        if (table[i] & mask)
            lines |= 1ull << i / PT_LINE_ENTRIES;
    return lines;
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

static void check(uint64_t mask)
{
    assert_true(scan(PT_SCAN_PLAIN, mask) == expected(mask));
    if (has_avx2())
        assert_true(scan(PT_SCAN_AVX2, mask) == expected(mask));
}

static void each_entry_is_seen_and_nothing_beside_the_table(void **state)
{
    (void)state;
    memset(tables, 0xff, sizeof tables);
    memset(table, 0, sizeof tables[1]);
    check(~0ull);
    for (unsigned i = 0; i < PT_ENTRIES; i++)
        for (unsigned bit = 0; bit < 64; bit += 9) {
            table[i] = 1ull << bit;
            check(1ull << bit);
            check(~(1ull << bit));
            table[i] = 0;
        }
}

static void random_tables_are_seen_alike(void **state)
{
    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned count = (unsigned)random_word() % 40;

        memset(table, 0, sizeof tables[1]);
        for (unsigned i = 0; i < count; i++)
            table[random_word() % PT_ENTRIES] |= 1ull << random_word() % 64;
        check(1ull << random_word() % 64 | 1ull << random_word() % 64);
    }
}

static void vector_registers_are_as_before(void **state)
{
    struct vectors before, values;

    (void)state;
    if (!has_avx2())
        skip();
    for (unsigned i = 0; i < sizeof before; i++)
        ((unsigned char *)&before)[i] = (unsigned char)random_word();
    memset(table, 0x11, sizeof tables[1]);
    values = before;
    pt_scan_select(PT_SCAN_AVX2);
    assert_true(vectors_around(&values, pt_scan_lines, table, 1) == ~0ull);
    assert_memory_equal(&values, &before, sizeof values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_entry_is_seen_and_nothing_beside_the_table),
        cmocka_unit_test(random_tables_are_seen_alike),
        cmocka_unit_test(vector_registers_are_as_before),
    };

    return cmocka_run_group_tests_name("pt_scan", tests, NULL, NULL);
}
