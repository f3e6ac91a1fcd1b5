/* SPDX-License-Identifier: BSD-2-Clause */
/* vCPUs on trees that are mapped, unmapped and harvested while they run, with everything done right. */
#include "lib/atomic.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/units.h"
#include "tests/model/bare_guest.h"
#include "tests/model/scenario.h"
#include "tests/model/spec_guest_tables.h"

#define HARVESTS 5

/* The tables that vm_change() is told. */
static unsigned first_table = 0, second_table = 1;

/* CPU 0 harvests, and waits until the others are done. */
static void harvest_beside(void (*harvest)(void), struct agent *const *others, unsigned count)
{
    schedule_set_calm(false);
    for (unsigned i = 0; i < HARVESTS; i++) {
        for (unsigned n = schedule_choose(8); n; n--)
            platform_relax();
        harvest();
    }
    for (unsigned i = 0; i < count; i++)
        agent_join(others[i]);
    schedule_set_calm(true);
}

/* --- the engine's trees --- */

SCENARIO(vcpu_beside_map_unmap_harvest, .kind = SCENARIO_RANDOM,
         .what = "a guest writes while one CPU maps and unmaps and another one harvests")
{
    struct agent *others[2];

    vm_start(4, GUEST_RIGHT);
    others[0] = machine_cpu(1, "guest", vm_run, NULL);
    others[1] = machine_cpu(2, "mapper", vm_change, &first_table);
    harvest_beside(vm_harvest, others, 2);
    vm_finish();
}

SCENARIO(vcpu_five_levels_two_mappers, .kind = SCENARIO_RANDOM,
         .what = "the same with five levels and two mappers")
{
    struct agent *others[3];

    vm_start(5, GUEST_RIGHT);
    others[0] = machine_cpu(1, "guest", vm_run, NULL);
    others[1] = machine_cpu(2, "first mapper", vm_change, &first_table);
    others[2] = machine_cpu(3, "second mapper", vm_change, &second_table);
    harvest_beside(vm_harvest, others, 3);
    vm_finish();
}

SCENARIO(vcpu_moves_between_cpus, .kind = SCENARIO_RANDOM,
         .what = "a guest runs on two CPUs in turn, and each may hold what it cached before")
{
    struct agent *others[3];

    vm_start(4, GUEST_RIGHT);
    others[0] = machine_cpu(1, "first CPU", vm_run_in_turn, NULL);
    others[1] = machine_cpu(2, "second CPU", vm_run_in_turn, NULL);
    others[2] = machine_cpu(3, "mapper", vm_change, &first_table);
    harvest_beside(vm_harvest, others, 3);
    vm_finish();
}

SCENARIO(vcpus_two_at_once, .kind = SCENARIO_RANDOM, .what = "two vCPUs of one guest run at once")
{
    struct agent *others[3];

    vm_start(4, GUEST_RIGHT);
    others[0] = machine_cpu(1, "first vCPU", vm_run, NULL);
    others[1] = machine_cpu(2, "second vCPU", vm_run, NULL);
    others[2] = machine_cpu(3, "mapper", vm_change, &first_table);
    harvest_beside(vm_harvest, others, 3);
    vm_finish();
}

/* The guest's CPU changes the tree itself between two runs, as for a balloon: its callbacks are handed over
 * when it enters. */
static void change_and_run(void *context)
{
    vm_change(context);
    vm_run(NULL);
    vm_change(context);
    vm_run(NULL);
}

SCENARIO(vcpu_cpu_unmaps_itself, .kind = SCENARIO_RANDOM,
         .what = "a CPU maps and unmaps between two runs of its guest")
{
    struct agent *others[2];

    vm_start(4, GUEST_RIGHT);
    others[0] = machine_cpu(1, "guest and mapper", change_and_run, &first_table);
    others[1] = machine_cpu(2, "guest", vm_run, NULL);
    harvest_beside(vm_harvest, others, 2);
    vm_finish();
}

/* --- grace periods --- */

static bool released; /* atomic */

/* Leaves the guest only when it is kicked. */
static void run_until_released(void *context)
{
    (void)context;
    guest_enter(&vm.guest);
    while (!atomic_read(&released)) {
        if (guest_is_kicked(&vm.guest)) {
            guest_leave(&vm.guest);
            guest_enter(&vm.guest);
        }
        vm_access(schedule_choose(VM_TABLES), schedule_choose(VM_PAGES), true);
        platform_relax();
    }
    guest_leave(&vm.guest);
}

static bool runs_undisturbed(void *context)
{
    const struct guest_cpu *cpu = context;

    /* Not atomic: a look is no step of the schedule. */
    return cpu->vcpu.in_guest && !cpu->kicked;
}

SCENARIO(vcpu_outlasts_grace_periods, .kind = SCENARIO_RANDOM,
         .what = "tables go while a guest runs on: their grace period neither waits for it nor disturbs it")
{
    struct agent *guest;
    struct guest_cpu *cpu = &vm.guest.cpus[1];

    vm_start(4, GUEST_RIGHT);
    vm_map(0, 0);
    vm_map(1, 0);
    guest = machine_cpu(1, "guest", run_until_released, NULL);
    schedule_set_calm(false);
    schedule_wait(runs_undisturbed, cpu, "waits for the guest");
    vm_unmap_table(0);
    atomic_fence_full(); /* the kick has arrived: it is the last */
    schedule_wait(runs_undisturbed, cpu, "waits for the guest");
    rcu_barrier();
    expect(runs_undisturbed(cpu));
    atomic_write(&released, true);
    agent_join(guest);
    schedule_set_calm(true);
    vm_finish();
}

/* --- EPT --- */

static void ept_beside(unsigned levels)
{
    struct agent *others[2];

    ept_make(levels, GUEST_RIGHT);
    for (unsigned page = 0; page < EPT_PAGES / 2; page++)
        ept_map(page);
    others[0] = machine_cpu(1, "guest", ept_run, NULL);
    others[1] = machine_cpu(2, "mapper", ept_change, NULL);
    harvest_beside(ept_harvest, others, 2);
    ept_finish();
}

SCENARIO(ept_beside_map_unmap_harvest, .kind = SCENARIO_RANDOM,
         .what = "a guest writes through EPT while one CPU maps and unmaps and another one harvests")
{
    ept_beside(4);
}

SCENARIO(ept_five_levels, .kind = SCENARIO_RANDOM, .what = "the same with five levels")
{
    ept_beside(5);
}

/* --- what entries mean --- */

static bool has(const uint64_t *entry, uint64_t mask, uint64_t value)
{
    return (atomic_read(entry) & mask) == value;
}

static bool may_access(struct guest *guest, uint64_t gpa, bool write)
{
    uint64_t hpa;

    return vcpu_access(guest_vcpu(guest), gpa, write, &hpa);
}

SCENARIO(ept_accessed_and_dirty, .kind = SCENARIO_RANDOM,
         .what = "reads set accessed, writes dirty too, and what is refused sets nothing")
{
    const uint64_t both = EPT_ACCESSED | EPT_DIRTY;

    ept_make(4, GUEST_RIGHT);
    ept_map(0);
    ept_map(1);
    atomic_fetch_and(ept.slots[1], ~EPT_WRITE);
    guest_enter(&ept.guest);
    expect(may_access(&ept.guest, ept_gpa(0), false));
    expect(has(ept.slots[0], both, EPT_ACCESSED));
    expect(may_access(&ept.guest, ept_gpa(0), true));
    expect(has(ept.slots[0], both, both));
    expect(!may_access(&ept.guest, ept_gpa(1), true));
    expect(has(ept.slots[1], both, 0));
    expect(may_access(&ept.guest, ept_gpa(1), false));
    expect(has(ept.slots[1], both, EPT_ACCESSED));
    expect(!may_access(&ept.guest, ept_gpa(2), false));
    guest_leave(&ept.guest);
}

SCENARIO(ept_without_accessed_dirty, .kind = SCENARIO_RANDOM,
         .what = "with bit 6 of the EPTP clear neither accessed nor dirty is set")
{
    ept_make(4, GUEST_RIGHT);
    ept_map(0);
    ept.guest.cpus[0].vcpu.accessed_dirty = false;
    guest_enter(&ept.guest);
    expect(may_access(&ept.guest, ept_gpa(0), true));
    expect(has(ept.slots[0], EPT_ACCESSED | EPT_DIRTY, 0));
    guest_leave(&ept.guest);
}

SCENARIO(ept_upgrade_needs_no_flush, .kind = SCENARIO_RANDOM,
         .what = "a read-only translation that is cached refuses one write after the entry allows more")
{
    ept_make(4, GUEST_RIGHT);
    ept_map(0);
    ept.guest.cpus[0].vcpu.caches.temper = 0;
    atomic_fetch_and(ept.slots[0], ~EPT_WRITE);
    guest_enter(&ept.guest);
    expect(may_access(&ept.guest, ept_gpa(0), false));
    atomic_fetch_or(ept.slots[0], EPT_WRITE);
    expect(!may_access(&ept.guest, ept_gpa(0), true));
    expect(may_access(&ept.guest, ept_gpa(0), true));
    guest_leave(&ept.guest);
}

/* The slot of a GPA at level 0, by a walk in software. */
static uint64_t *nested_slot(uint64_t gpa)
{
    uint64_t *table = vm.guest.domain->pt.root;

    for (unsigned level = vm.guest.levels - 1; level > 0; level--)
        table = phys_to_virt(table[gpa >> (PAGE_LG2 + 9 * level) & 511] & GUEST_ADDRESS);
    return &table[gpa >> PAGE_LG2 & 511];
}

SCENARIO(nested_entries, .kind = SCENARIO_RANDOM,
         .what = "a nested walk is a user's, sets accessed and dirty, and sees at once what allows more")
{
    const uint64_t both = NESTED_ACCESSED | NESTED_DIRTY;
    uint64_t gpa = vm_gpa(0, 0), *slot;

    vm_start(4, GUEST_RIGHT);
    vm_map(0, 0);
    slot = nested_slot(gpa);
    atomic_fetch_and(slot, ~(NESTED_USER | NESTED_WRITE));
    guest_enter(&vm.guest);
    expect(!may_access(&vm.guest, gpa, false));
    atomic_fetch_or(slot, NESTED_USER);
    expect(may_access(&vm.guest, gpa, false));
    expect(has(slot, both, NESTED_ACCESSED));
    expect(!may_access(&vm.guest, gpa, true));
    atomic_fetch_or(slot, NESTED_WRITE);
    expect(may_access(&vm.guest, gpa, true));
    expect(has(slot, both, both));
    guest_leave(&vm.guest);
}

SCENARIO(nested_large_leaf, .kind = SCENARIO_RANDOM,
         .what = "any page of a large leaf is reached where it lies, and makes all of it dirty")
{
    struct pt_leaf leaf;
    uint64_t hpa;

    vm_start(5, GUEST_RIGHT);
    vm_map_large(1);
    guest_enter(&vm.guest);
    expect(vcpu_access(guest_vcpu(&vm.guest), vm_gpa(1, 3) + 8, true, &hpa));
    guest_leave(&vm.guest);
    expect_equal(hpa, virt_to_phys(vm.large[1]) + 3 * PAGE_SIZE + 8);
    expect(iommu_lookup(vm.guest.domain, vm_gpa(1, 0), &leaf));
    expect_equal(leaf.level, 1);
    expect(leaf.accessed && leaf.dirty);
}

/* --- every schedule --- */

static void write_twice(void *context)
{
    (void)context;
    for (unsigned i = 0; i < 2; i++) {
        guest_enter(&ept.guest);
        if (!guest_is_kicked(&ept.guest))
            ept_access(0, true);
        guest_leave(&ept.guest);
    }
}

static void race_with_guest(void (*change)(void))
{
    struct agent *guest;

    ept_make(4, GUEST_RIGHT);
    ept.guest.cpus[1].vcpu.ahead_pages = 0;
    ept_map(0);
    guest = machine_cpu(1, "guest", write_twice, NULL);
    schedule_set_calm(false);
    change();
    agent_join(guest);
    schedule_set_calm(true);
    ept_finish();
}

static void unmap_one(void)
{
    pages_free(ept_unmap(0));
}

SCENARIO(vcpu_enters_against_unmap, .kind = SCENARIO_EXHAUSTIVE, .deviations = 4,
         .what = "a guest enters, writes and leaves, twice, against an unmap with its flush")
{
    race_with_guest(unmap_one);
}

SCENARIO(vcpu_enters_against_harvest, .kind = SCENARIO_EXHAUSTIVE, .deviations = 4,
         .what = "a guest enters, writes and leaves, twice, against a harvest with its flush")
{
    race_with_guest(ept_harvest);
}
