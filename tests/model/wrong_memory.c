/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages of the model's memory: what was freed, and what hardware writes. */
#include "lib/atomic.h"
#include "lib/platform.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/model/memory.h"
#include "tests/model/scenario.h"

/* A table of one word that matters, which someone on another CPU, or hardware, looks at. */
static uint64_t *table;

static uint64_t *new_page(void)
{
    uint64_t *page = pages_alloc(0, PAGE_HYPERVISOR);

    expect(page != NULL);
    return page;
}

/* Another agent, at once with what the scenario goes on to do. */
static struct agent *start_reader(enum agent_kind kind, void (*main)(void *))
{
    struct agent *reader = agent_start(kind, 1, "reader", main, NULL);

    schedule_set_calm(false);
    return reader;
}

/* --- pages that were freed --- */

SCENARIO(free_then_read, .kind = SCENARIO_WRONG, .expected = VIOLATION_FREED_SOFTWARE,
         .what = "software reads a page that it freed")
{
    table = new_page();
    pages_free(table);
    (void)atomic_read(&table[7]);
}

SCENARIO(read_then_free, .kind = SCENARIO_RANDOM, .what = "software reads a page and then frees it")
{
    table = new_page();
    expect_equal(atomic_read(&table[7]), 0);
    pages_free(table);
    expect(memory_use(virt_to_phys(table)) == PAGE_FREE);
}

SCENARIO(free_twice, .kind = SCENARIO_WRONG, .expected = VIOLATION_PANIC,
         .what = "software frees a page that is free")
{
    table = new_page();
    pages_free(table);
    pages_free(table);
}

/* Goes from word to word of the page. */
static void read_under_rcu(void *context)
{
    (void)context;
    rcu_cpu_online();
    rcu_read_lock();
    for (const uint64_t *word = rcu_dereference(&table); word;)
        word = (const uint64_t *)(uintptr_t)atomic_read(word);
    rcu_read_unlock();
    rcu_cpu_offline();
}

static void unlink_and_free(void (*wait)(void))
{
    uint64_t *page = new_page();
    struct agent *reader;

    rcu_cpu_online();
    table = page;
    for (unsigned i = 0; i < 4; i++)
        page[i] = (uintptr_t)&page[i + 1];
    reader = start_reader(AGENT_CPU, read_under_rcu);
    rcu_assign_pointer(&table, NULL);
    wait();
    pages_free(page);
    agent_join(reader);
}

static void do_not_wait(void)
{
}

SCENARIO(free_under_a_reader, .kind = SCENARIO_WRONG, .expected = VIOLATION_FREED_SOFTWARE,
         .what = "a page is freed without a grace period, while a reader may be on it")
{
    unlink_and_free(do_not_wait);
}

SCENARIO(free_after_readers, .kind = SCENARIO_RANDOM,
         .what = "a page is freed a grace period after it was unlinked")
{
    unlink_and_free(synchronize_rcu);
}

/* --- hardware's tables --- */

static void walk_the_page(void *generation)
{
    uint64_t hpa = virt_to_phys(table);

    memory_check_table(hpa, *(const uint64_t *)generation, "test entry");
    (void)memory_read(MEMORY_SNOOPED, hpa, "test entry");
}

static void walk_and_wait(enum page_use use, bool free_first, bool reuse)
{
    static uint64_t generation;

    table = pages_alloc(0, use);
    generation = memory_generation(virt_to_phys(table));
    if (free_first)
        pages_free(table);
    if (reuse)
        table = pages_alloc(0, use);
    agent_join(agent_start(AGENT_DEVICE, 0, "walker", walk_the_page, &generation));
}

SCENARIO(walk_into_a_table, .kind = SCENARIO_RANDOM, .what = "hardware walks through a table")
{
    walk_and_wait(PAGE_HYPERVISOR, false, false);
}

SCENARIO(walk_into_a_freed_page, .kind = SCENARIO_WRONG, .expected = VIOLATION_FREED_WALK,
         .what = "hardware walks into a page that was freed")
{
    walk_and_wait(PAGE_HYPERVISOR, true, false);
}

SCENARIO(walk_into_a_reused_page, .kind = SCENARIO_WRONG, .expected = VIOLATION_FREED_WALK,
         .what = "hardware walks on into a page that is another one meanwhile")
{
    walk_and_wait(PAGE_HYPERVISOR, true, true);
}

SCENARIO(walk_into_device_memory, .kind = SCENARIO_WRONG, .expected = VIOLATION_FORBIDDEN,
         .what = "hardware walks through a table in memory that devices may be given")
{
    walk_and_wait(PAGE_DMA, false, false);
}

/* --- what hardware writes --- */

#define PRESENT 0x1u
#define DIRTY   0x40u

static void set_dirty(void *context)
{
    uint64_t hpa = virt_to_phys(table);
    uint64_t entry = memory_read(MEMORY_SNOOPED, hpa, "test entry");

    (void)context;
    while (!memory_update(hpa, &entry, entry | DIRTY, "test entry"))
        expect(!(entry & DIRTY));
}

SCENARIO(plain_change_beside_dirty, .kind = SCENARIO_WRONG, .expected = VIOLATION_EXPECTATION,
         .what = "an entry that hardware may write is read, changed and stored, and a dirty bit is lost")
{
    struct agent *reader;

    table = new_page();
    reader = start_reader(AGENT_DEVICE, set_dirty);
    atomic_write(table, atomic_read(table) | PRESENT);
    agent_join(reader);
    expect_equal(*table, DIRTY | PRESENT);
}

SCENARIO(atomic_change_beside_dirty, .kind = SCENARIO_RANDOM,
         .what = "an entry that hardware may write is changed atomically, and holds both changes")
{
    struct agent *reader;

    table = new_page();
    reader = start_reader(AGENT_DEVICE, set_dirty);
    atomic_fetch_or(table, (uint64_t)PRESENT);
    agent_join(reader);
    expect_equal(*table, DIRTY | PRESENT);
}

static void report_free(void *freed, uint64_t hpa, uint64_t last)
{
    expect_equal(last - hpa + 1, 2 * PAGE_SIZE);
    *(uint64_t *)freed = hpa;
}

SCENARIO(free_is_looked_at, .kind = SCENARIO_RANDOM,
         .what = "who caches entries is told of each block before it goes")
{
    uint64_t freed = 0;

    memory_on_free(report_free, &freed);
    table = pages_alloc(1, PAGE_DMA);
    pages_free(table);
    expect_equal(freed, virt_to_phys(table));
}
