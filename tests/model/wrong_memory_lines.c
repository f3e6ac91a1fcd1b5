/* SPDX-License-Identifier: BSD-2-Clause */
/* Cache lines of the model's memory: what a walk sees that does not snoop. */
#include "lib/atomic.h"
#include "lib/compiler.h"
#include "lib/platform.h"
#include "lib/units.h"
#include "tests/model/memory.h"
#include "tests/model/scenario.h"

/* A table, which hardware reads. */
static uint64_t *table;

static struct agent *start_walker(void (*main)(void *))
{
    schedule_set_calm(false);
    return agent_start(AGENT_DEVICE, 0, "walker", main, NULL);
}

#define PRESENT 1u

/* An entry of two words, whose first one says whether the second counts; read without snooping. */
static void read_entry(void *context)
{
    uint64_t hpa = virt_to_phys(table);
    uint64_t low, high;

    (void)context;
    low = memory_read(MEMORY_UNSNOOPED, hpa, "test entry");
    high = memory_read(MEMORY_UNSNOOPED, hpa + 8, "test entry");
    if (low & PRESENT)
        expect_equal(high, 5);
}

static void write_entry(bool flush_table, bool present_last)
{
    struct agent *walker;

    table = pages_alloc(0, PAGE_HYPERVISOR);
    if (flush_table)
        platform_cache_flush(table, PAGE_SIZE);
    walker = start_walker(read_entry);
    if (!present_last)
        atomic_write(&table[0], (uint64_t)PRESENT);
    atomic_write(&table[1], 5ull);
    if (present_last)
        atomic_write(&table[0], (uint64_t)PRESENT);
    agent_join(walker);
}

SCENARIO(table_not_flushed, .kind = SCENARIO_WRONG, .expected = VIOLATION_EXPECTATION,
         .what = "a walk that does not snoop sees what was in memory before the table")
{
    write_entry(false, true);
}

SCENARIO(entry_present_first, .kind = SCENARIO_WRONG, .expected = VIOLATION_EXPECTATION,
         .what = "a line is evicted between the two stores of an entry")
{
    write_entry(true, false);
}

SCENARIO(entry_present_last, .kind = SCENARIO_RANDOM,
         .what = "an entry whose present bit is stored last is whole whenever its line is evicted")
{
    write_entry(true, true);
}

static void read_flushed(void *context)
{
    (void)context;
    expect_equal(memory_read(MEMORY_UNSNOOPED, virt_to_phys(table), "test entry"), 5);
}

static void write_and_tell(bool flush)
{
    table = pages_alloc(0, PAGE_HYPERVISOR);
    schedule_set_calm(false);
    atomic_write(&table[0], 5ull);
    if (flush)
        platform_cache_flush(table, sizeof *table);
    agent_join(start_walker(read_flushed));
}

SCENARIO(entry_not_flushed, .kind = SCENARIO_WRONG, .expected = VIOLATION_EXPECTATION,
         .what = "hardware is told of an entry whose line was not flushed")
{
    write_and_tell(false);
}

SCENARIO(entry_flushed, .kind = SCENARIO_RANDOM, .what = "hardware is told of an entry that was flushed")
{
    write_and_tell(true);
}

#define LINE_WORDS (CACHE_LINE / sizeof(uint64_t))
#define LINES      40 /* so many, each stored to twice, that the caches evict some by themselves */

static void count_up(void)
{
    table = pages_alloc(0, PAGE_HYPERVISOR);
    platform_cache_flush(table, PAGE_SIZE);
    for (uint64_t value = 1; value <= 3; value++)
        for (unsigned line = 0; line < LINES; line++)
            atomic_write(&table[line * LINE_WORDS], value);
}

static void read_old_moment(void *context)
{
    (void)context;
    expect(memory_read(MEMORY_UNSNOOPED, virt_to_phys(table), "test entry") != 2);
}

SCENARIO(line_evicted_long_ago, .kind = SCENARIO_WRONG, .expected = VIOLATION_EXPECTATION,
         .what = "a walk sees a line as it was between two stores, long after both")
{
    count_up();
    agent_join(start_walker(read_old_moment));
}

static void read_lines_twice(void *context)
{
    (void)context;
    for (unsigned line = 0; line < LINES; line++) {
        uint64_t hpa = virt_to_phys(&table[line * LINE_WORDS]);
        uint64_t first = memory_read(MEMORY_UNSNOOPED, hpa, "test entry");

        expect(first <= 3);
        expect(memory_read(MEMORY_UNSNOOPED, hpa, "test entry") >= first);
    }
}

SCENARIO(lines_go_forward, .kind = SCENARIO_RANDOM,
         .what = "what is in memory of a line is never older than what was there before")
{
    struct agent *walker;

    schedule_set_calm(false);
    count_up();
    walker = start_walker(read_lines_twice);
    for (unsigned line = 0; line < LINES; line++)
        platform_cache_flush(&table[line * LINE_WORDS], 1);
    agent_join(walker);
}
