/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest whose tree the engine makes, what may be done to it, and what its CPUs do. */
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/units.h"
#include "tests/model/bare_guest.h"
#include "tests/model/schedule.h"
#include "tests/model/violation.h"

#define SPAN           (2 * MIB) /* of a table of 4 KiB leaves */
#define SPAN_PAGES     (SPAN / PAGE_SIZE)
#define SPAN_PAGES_LG2 9
#define FIRST_GPA      (GIB - SPAN) /* so that the tables lie in two tables above */
#define RUNS           6
#define ACCESSES       8
#define CHANGES        6

struct vm vm;

static uint64_t table_gpa(unsigned table)
{
    return FIRST_GPA + table * SPAN;
}

uint64_t vm_gpa(unsigned table, unsigned page)
{
    return table_gpa(table) + page * PAGE_SIZE;
}

void vm_start(unsigned levels, enum guest_mistake mistake)
{
    rcu_cpu_online();
    vm.guest.mistake = mistake;
    guest_make_domain(&vm.guest, levels);
    vm.oracle = oracle_make(vm.guest.domain, FIRST_GPA, VM_TABLES * SPAN_PAGES);
    expect_equal(oracle_track(vm.oracle, IOMMU_TRACKING_DIRTY_BITS), 0);
}

/* --- changes --- */

static void *map(uint64_t gpa, unsigned order)
{
    void *memory = pages_alloc(order, PAGE_DMA);

    expect(memory);
    expect_equal(
        oracle_map(vm.oracle, gpa, gpa + (PAGE_SIZE << order) - 1, virt_to_phys(memory), PT_READ | PT_WRITE),
        0);
    return memory;
}

void vm_map(unsigned table, unsigned page)
{
    if (!vm.pages[table][page] && !vm.large[table])
        vm.pages[table][page] = map(vm_gpa(table, page), 0);
}

static void give_back(void **memory)
{
    if (*memory)
        pages_free(*memory);
    *memory = NULL;
}

static void vm_unmap(unsigned table, unsigned page)
{
    uint64_t gpa = vm_gpa(table, page);

    if (vm.large[table])
        return;
    expect_equal(oracle_unmap(vm.oracle, gpa, gpa + PAGE_SIZE - 1), 0);
    give_back(&vm.pages[table][page]);
}

void vm_unlink_table(unsigned table)
{
    uint64_t gpa = table_gpa(table);

    expect_equal(oracle_unmap(vm.oracle, gpa, gpa + SPAN - 1), 0);
}

void vm_unmap_table(unsigned table)
{
    vm_unlink_table(table);
    give_back(&vm.large[table]);
    for (unsigned page = 0; page < VM_PAGES; page++)
        give_back(&vm.pages[table][page]);
}

void vm_map_large(unsigned table)
{
    vm_unmap_table(table);
    vm.large[table] = map(table_gpa(table), SPAN_PAGES_LG2);
}

void vm_harvest(void)
{
    expect_equal(oracle_harvest(vm.oracle, FIRST_GPA, FIRST_GPA + VM_TABLES * SPAN - 1), 0);
}

/* --- programs --- */

void vm_access(unsigned table, unsigned page, bool write)
{
    uint64_t began = schedule_step(), hpa = 0, gpa = vm_gpa(table, page);
    bool done = vcpu_access(guest_vcpu(&vm.guest), gpa, write, &hpa);

    oracle_access(vm.oracle, gpa, hpa, write, !done, began);
}

static void run_once(void)
{
    unsigned accesses = schedule_choose(ACCESSES);

    guest_enter(&vm.guest);
    while (accesses-- && !guest_is_kicked(&vm.guest))
        vm_access(schedule_choose(VM_TABLES), schedule_choose(VM_PAGES), !schedule_chance(4));
    guest_leave(&vm.guest);
}

void vm_run(void *context)
{
    (void)context;
    for (unsigned i = 0; i < RUNS; i++) {
        run_once();
        rcu_quiescent();
    }
}

void vm_run_in_turn(void *context)
{
    (void)context;
    for (unsigned i = 0; i < RUNS; i++) {
        while (!spin_trylock(&vm.turn)) {
            rcu_quiescent();
            platform_relax();
        }
        run_once();
        spin_unlock(&vm.turn);
    }
}

static void change(unsigned table)
{
    unsigned page = schedule_choose(VM_PAGES);

    switch (schedule_choose(7)) {
    case 0:
        vm_unmap_table(table);
        break;
    case 1:
        vm_map_large(table);
        break;
    case 2:
    case 3:
        vm_unmap(table, page);
        break;
    default:
        vm_map(table, page);
        break;
    }
}

void vm_change(void *context)
{
    const unsigned *table = context;

    for (unsigned i = 0; i < CHANGES; i++) {
        change(*table);
        rcu_quiescent();
    }
}

void vm_finish(void)
{
    oracle_finish(vm.oracle);
    for (unsigned table = 0; table < VM_TABLES; table++)
        vm_unmap_table(table);
    rcu_barrier();
    expect_equal(iommu_domain_destroy(vm.guest.domain), 0);
}
