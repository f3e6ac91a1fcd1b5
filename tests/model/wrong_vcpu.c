/* SPDX-License-Identifier: BSD-2-Clause */
/* Hypervisors that do one thing wrong with a guest's tree, and are found out. The same programs with nothing
 * wrong are in scenario_vcpu.c. */
#include "lib/atomic.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/units.h"
#include "tests/model/bare_guest.h"
#include "tests/model/scenario.h"
#include "tests/model/spec_guest_tables.h"

#define ROUNDS 6

/* --- unmap: what was mapped stays allocated, so that it is the use of it that is called out --- */

static void write_and_leave(void *context)
{
    (void)context;
    for (unsigned i = 0; i < ROUNDS; i++) {
        guest_enter(&ept.guest);
        for (unsigned n = 0; n < 2 && !guest_is_kicked(&ept.guest); n++)
            ept_access(0, true);
        guest_leave(&ept.guest);
    }
}

/* A guest writes a page that is unmapped, and mapped to another one, meanwhile. */
static void unmap_wrongly(enum guest_mistake mistake)
{
    struct agent *guest;

    ept_make(4, mistake);
    guest = machine_cpu(1, "guest", write_and_leave, NULL);
    schedule_set_calm(false);
    for (unsigned i = 0; i < ROUNDS; i++) {
        ept_map(0);
        for (unsigned n = schedule_choose(4); n; n--)
            platform_relax();
        (void)ept_unmap(0);
    }
    agent_join(guest);
}

SCENARIO(vcpu_unmap_right, .kind = SCENARIO_RANDOM,
         .what = "a guest writes a page that is unmapped and mapped again, with every flush")
{
    unmap_wrongly(GUEST_RIGHT);
}

SCENARIO(vcpu_unmap_without_flush, .kind = SCENARIO_WRONG, .expected = VIOLATION_STALE,
         .what = "unmap flushes no CPU")
{
    unmap_wrongly(GUEST_FLUSHES_NOTHING);
}

SCENARIO(vcpu_kick_without_waiting, .kind = SCENARIO_WRONG, .expected = VIOLATION_STALE,
         .what = "unmap kicks the guest's CPU, and does not wait until it has left")
{
    unmap_wrongly(GUEST_WAITS_FOR_NOBODY);
}

SCENARIO(vcpu_flush_forgotten_where_it_ran, .kind = SCENARIO_WRONG, .expected = VIOLATION_STALE,
         .what = "unmap asks only CPUs that are in the guest to flush, not those that were")
{
    unmap_wrongly(GUEST_FORGETS_EARLIER_CPUS);
}

SCENARIO(vcpu_tests_before_in_guest, .kind = SCENARIO_WRONG, .expected = VIOLATION_STALE,
         .what = "a CPU tests for a request first, and then says that it is in the guest")
{
    unmap_wrongly(GUEST_TESTS_TOO_EARLY);
}

SCENARIO(vcpu_enters_without_fence, .kind = SCENARIO_WRONG, .expected = VIOLATION_STALE,
         .what = "no full fence between in_guest and the test for a request")
{
    unmap_wrongly(GUEST_ENTERS_WITHOUT_FENCE);
}

SCENARIO(vcpu_requests_without_fence, .kind = SCENARIO_WRONG, .expected = VIOLATION_STALE,
         .what = "no full fence between the request and the look at in_guest")
{
    unmap_wrongly(GUEST_REQUESTS_WITHOUT_FENCE);
}

/* --- tables and pages that go too early --- */

static bool touched, released; /* atomic */

/* Caches what it can of table 0, and then uses only table 1. */
static void touch_and_stay(void *context)
{
    (void)context;
    guest_enter(&vm.guest);
    vm_access(0, 0, true);
    atomic_write(&touched, true);
    while (!atomic_read(&released)) {
        if (guest_is_kicked(&vm.guest)) {
            guest_leave(&vm.guest);
            guest_enter(&vm.guest);
        }
        vm_access(1, 0, true);
        platform_relax();
    }
    guest_leave(&vm.guest);
}

static void free_table_beside(enum guest_mistake mistake)
{
    struct agent *guest;

    vm_start(4, mistake);
    vm_map(0, 0);
    vm_map(1, 0);
    vm.guest.cpus[1].vcpu.ahead_pages = 0;
    guest = machine_cpu(1, "guest", touch_and_stay, NULL);
    schedule_set_calm(false);
    while (!atomic_read(&touched))
        platform_relax();
    vm_unlink_table(0);
    rcu_barrier();
    atomic_write(&released, true);
    agent_join(guest);
}

SCENARIO(vcpu_table_freed_right, .kind = SCENARIO_RANDOM,
         .what = "a table that a vCPU caches goes after the flush and the grace period")
{
    free_table_beside(GUEST_RIGHT);
}

SCENARIO(vcpu_table_freed_without_flush, .kind = SCENARIO_WRONG, .expected = VIOLATION_FREED_CACHED,
         .what = "a grace period alone frees a table that a vCPU caches, since the guest is quiescent")
{
    free_table_beside(GUEST_FREES_BEFORE_FLUSH);
}

SCENARIO(vcpu_table_freed_under_walk, .kind = SCENARIO_WRONG, .expected = VIOLATION_FREED_WALK,
         .what = "a table is freed while a vCPU that caches nothing walks it")
{
    struct agent *guest;

    ept_make(4, GUEST_RIGHT);
    ept_map(0);
    ept.guest.cpus[1].vcpu.caches.temper = 1;
    guest = machine_cpu(1, "guest", write_and_leave, NULL);
    schedule_set_calm(false);
    pages_free(phys_to_virt(align_down(virt_to_phys(ept.slots[0]), PAGE_SIZE)));
    agent_join(guest);
}

SCENARIO(vcpu_page_freed_while_mapped, .kind = SCENARIO_WRONG, .expected = VIOLATION_FREED_CACHED,
         .what = "a page is freed that the guest's tree still maps")
{
    ept_make(4, GUEST_RIGHT);
    ept_map(0);
    guest_enter(&ept.guest);
    ept_access(0, true);
    guest_leave(&ept.guest);
    pages_free(ept.pages[0]);
    guest_enter(&ept.guest);
}

/* --- harvest --- */

static void harvest_wrongly(enum guest_mistake mistake)
{
    struct agent *guest;

    ept_make(4, mistake);
    for (unsigned page = 0; page < EPT_PAGES; page++)
        ept_map(page);
    guest = machine_cpu(1, "guest", ept_run, NULL);
    schedule_set_calm(false);
    for (unsigned i = 0; i < 4; i++)
        ept_harvest();
    agent_join(guest);
    ept_finish();
}

SCENARIO(vcpu_harvest_right, .kind = SCENARIO_RANDOM,
         .what = "a guest writes pages that are harvested and copied, each after the flush")
{
    harvest_wrongly(GUEST_RIGHT);
}

SCENARIO(vcpu_harvest_without_flush, .kind = SCENARIO_WRONG, .expected = VIOLATION_LOST_WRITE,
         .what = "a harvest clears dirty bits and flushes no CPU")
{
    harvest_wrongly(GUEST_HARVEST_FLUSHES_NOTHING);
}

SCENARIO(vcpu_harvest_copies_before_flush, .kind = SCENARIO_WRONG, .expected = VIOLATION_LOST_WRITE,
         .what = "what a harvest reports is copied before its flush is done")
{
    harvest_wrongly(GUEST_HARVEST_COPIES_BEFORE_FLUSH);
}

SCENARIO(vcpu_harvest_stores_accessed, .kind = SCENARIO_WRONG, .expected = VIOLATION_LOST_WRITE,
         .what = "a plain store clears accessed, and a dirty bit that was set meanwhile")
{
    harvest_wrongly(GUEST_HARVEST_STORES_ACCESSED);
}

SCENARIO(vcpu_harvest_retracts, .kind = SCENARIO_WRONG, .expected = VIOLATION_SPURIOUS_FAULT,
         .what = "a harvest takes an entry out for a moment, and the guest finds nothing there")
{
    harvest_wrongly(GUEST_HARVEST_RETRACTS);
}

static void unmap_first(void *context)
{
    (void)context;
    (void)ept_unmap(0);
}

SCENARIO(vcpu_harvest_stores, .kind = SCENARIO_WRONG, .expected = VIOLATION_STALE,
         .what = "a plain store clears dirty, and brings back an entry that was unmapped meanwhile")
{
    struct agent *guest, *unmapper;

    ept_make(4, GUEST_HARVEST_STORES);
    ept_map(0);
    guest = machine_cpu(1, "guest", write_and_leave, NULL);
    unmapper = machine_cpu(2, "unmapper", unmap_first, NULL);
    schedule_set_calm(false);
    for (unsigned i = 0; i < 4; i++)
        ept_harvest();
    agent_join(guest);
    agent_join(unmapper);
}

/* --- entries --- */

/* The guest of CPU 0 writes by way of this leaf. */
static void write_through(uint64_t leaf)
{
    ept_make(4, GUEST_RIGHT);
    ept_map(0);
    atomic_write(ept.slots[0], leaf | virt_to_phys(ept.pages[0]));
    guest_enter(&ept.guest);
    ept_access(0, true);
    guest_leave(&ept.guest);
}

SCENARIO(vcpu_ept_write_only, .kind = SCENARIO_WRONG, .expected = VIOLATION_RESERVED_BITS,
         .what = "an EPT entry allows writing and not reading")
{
    write_through(EPT_WRITE | EPT_TYPE_WB);
}

SCENARIO(vcpu_ept_memory_type, .kind = SCENARIO_WRONG, .expected = VIOLATION_RESERVED_BITS,
         .what = "an EPT leaf has a memory type that is reserved")
{
    write_through(EPT_READ | EPT_WRITE | 3ull << EPT_TYPE_SHIFT);
}

SCENARIO(vcpu_ept_address_width, .kind = SCENARIO_WRONG, .expected = VIOLATION_RESERVED_BITS,
         .what = "an EPT leaf has an address beyond what the CPU can address")
{
    write_through(EPT_READ | EPT_WRITE | EPT_TYPE_WB | 1ull << 47);
}

/* The entry at that level on the path of a GPA, by a walk in software. */
static uint64_t *find_entry(const struct vcpu *vcpu, uint64_t gpa, unsigned level)
{
    uint64_t *table = phys_to_virt(vcpu->root);

    for (unsigned at = vcpu->levels - 1; at > level; at--)
        table = phys_to_virt(table[gpa >> (PAGE_LG2 + 9 * at) & 511] & GUEST_ADDRESS);
    return &table[gpa >> (PAGE_LG2 + 9 * level) & 511];
}

/* The guest of CPU 0 writes, with these bits set in the entry at that level: EPT, and nested paging. */
static void write_with(unsigned level, uint64_t bits)
{
    ept_make(4, GUEST_RIGHT);
    ept_map(0);
    atomic_fetch_or(find_entry(guest_vcpu(&ept.guest), ept_gpa(0), level), bits);
    guest_enter(&ept.guest);
    ept_access(0, true);
    guest_leave(&ept.guest);
}

static void write_nested_with(unsigned level, uint64_t bits)
{
    vm_start(4, GUEST_RIGHT);
    vm_map(0, 0);
    atomic_fetch_or(find_entry(guest_vcpu(&vm.guest), vm_gpa(0, 0), level), bits);
    guest_enter(&vm.guest);
    vm_access(0, 0, true);
    guest_leave(&vm.guest);
}

SCENARIO(vcpu_ept_table_bits, .kind = SCENARIO_WRONG, .expected = VIOLATION_RESERVED_BITS,
         .what = "an EPT entry that points to a table has a memory type")
{
    write_with(2, EPT_TYPE_WB);
}

SCENARIO(vcpu_ept_large_not_aligned, .kind = SCENARIO_WRONG, .expected = VIOLATION_RESERVED_BITS,
         .what = "an entry that points to a table is made large as it is")
{
    write_with(1, GUEST_LARGE | EPT_TYPE_WB | PAGE_SIZE);
}

SCENARIO(vcpu_ept_large_too_high, .kind = SCENARIO_WRONG, .expected = VIOLATION_RESERVED_BITS,
         .what = "an entry of level 3 is large")
{
    write_with(3, GUEST_LARGE);
}

SCENARIO(vcpu_nested_table_bits, .kind = SCENARIO_WRONG, .expected = VIOLATION_RESERVED_BITS,
         .what = "a nested entry of level 2 points to a table and has bit 8 set")
{
    write_nested_with(2, NESTED_TABLE_8);
}

SCENARIO(vcpu_nested_large_not_aligned, .kind = SCENARIO_WRONG, .expected = VIOLATION_RESERVED_BITS,
         .what = "a nested entry that points to a table is made large as it is")
{
    write_nested_with(1, GUEST_LARGE | 1ull << 13);
}

SCENARIO(vcpu_nested_address_width, .kind = SCENARIO_WRONG, .expected = VIOLATION_RESERVED_BITS,
         .what = "a nested leaf has an address beyond what the CPU can address")
{
    write_nested_with(0, 1ull << 51);
}

SCENARIO(vcpu_reaches_hypervisor, .kind = SCENARIO_WRONG, .expected = VIOLATION_FORBIDDEN,
         .what = "a page of the hypervisor is mapped into a guest")
{
    ept_make(4, GUEST_RIGHT);
    ept_map(0);
    atomic_write(ept.slots[0], guest_vcpu(&ept.guest)->root | EPT_READ | EPT_WRITE | EPT_TYPE_WB);
    guest_enter(&ept.guest);
    ept_access(0, true);
}

SCENARIO(vcpu_flushes_in_guest, .kind = SCENARIO_WRONG, .expected = VIOLATION_EXPECTATION,
         .what = "a flush is tried while the guest runs")
{
    ept_make(4, GUEST_RIGHT);
    guest_enter(&ept.guest);
    vcpu_flush(guest_vcpu(&ept.guest));
}
