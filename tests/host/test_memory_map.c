/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions to the memory map: what is memory, what may be read. */
#include "arch/platform/memory_map.c"
#include "tests/host/unit.h"

static struct boot_memory ranges[] = {
    {0x0000, 0x1000, BOOT_MEMORY_RESERVED}, {0x1000, 0x5000, BOOT_MEMORY_FREE},
    {0x5000, 0x6000, BOOT_MEMORY_ACPI},     {0x8000, 0x9000, BOOT_MEMORY_RUNTIME_MMIO},
    {0x9000, 0xa000, BOOT_MEMORY_RUNTIME},
};

static int begin(void **state)
{
    struct boot_info info = {.memory = (uintptr_t)ranges - platform_direct_map,
                             .memory_count = ARRAY_SIZE(ranges)};

    (void)state;
    memory_map_init(&info);
    return 0;
}

static void what_is_listed_can_be_read(void **state)
{
    (void)state;
    assert_true(memory_map_is_readable(0x5000, 0x1000));
    assert_true(memory_map_is_readable(0x9ff0, 0x10));
    assert_true(memory_map_is_readable(0x0800, 0x5000)); /* across types */
}

static void holes_and_registers_cannot(void **state)
{
    (void)state;
    assert_false(memory_map_is_readable(0x5000, 0x1001));
    assert_false(memory_map_is_readable(0x6000, 1));
    assert_false(memory_map_is_readable(0x8000, 0x10));
    assert_false(memory_map_is_readable(0x8ff0, 0x20));
    assert_false(memory_map_is_readable(0x9000, 0x1001));
    assert_false(memory_map_is_readable(0x5000, UINT64_MAX - 0x4000));
}

static void registers_over_memory_are_found(void **state)
{
    (void)state;
    assert_true(memory_map_is_memory(0x4fff, 1));
    assert_true(memory_map_is_memory(0x6000, UINT64_MAX));
    assert_true(memory_map_is_memory(0x8000, 0x1001));
    assert_false(memory_map_is_memory(0x6000, 0x3000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_listed_can_be_read, begin),
        cmocka_unit_test_setup(holes_and_registers_cannot, begin),
        cmocka_unit_test_setup(registers_over_memory_are_found, begin),
    };

    return cmocka_run_group_tests_name("memory_map", tests, NULL, NULL);
}
