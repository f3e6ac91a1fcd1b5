/* SPDX-License-Identifier: BSD-2-Clause */
/* Trackers over domains: the loop by which a VM is migrated, and what it is made of. */
#include "lib/error.h"
#include "lib/tap.h"
#include "lib/units.h"
#include "tests/target/vm_copy.h"

#define ROUNDS 12u

static unsigned leaf_level(const struct vm_copy *vm)
{
    struct pt_leaf leaf = {.level = PT_LEAF_LEVELS};

    (void)!iommu_lookup(vm->bench.domain, VM_GPA + PAGE_SIZE, &leaf);
    return leaf.level;
}

/* Passes and copies while it is written; halfway the range grows. */
static int rounds(struct vm_copy *vm)
{
    int error = 0;

    for (unsigned round = 0; !error && round < ROUNDS; round++) {
        error = vm_copy_write(vm);
        if (!error && round == ROUNDS / 2)
            error = tracker_resize(vm->tracker, 2 * GIB - 1);
        if (!error)
            error = vm_copy_pass(vm, false);
        if (!error && round % 4 == 3)
            error = vm_copy_quiet(vm);
    }
    return error;
}

static int migrate(struct vm_copy *vm)
{
    int error = tracker_start(vm->tracker, 0, TRACKER_ALL_DIRTY), stopped;

    if (error)
        return error;
    error = rounds(vm);
    if (!error)
        error = vm_copy_quiet(vm);
    if (!error)
        error = vm_copy_pass(vm, true);
    stopped = tracker_stop(vm->tracker);
    return error ? error : stopped;
}

static int add_nvme(struct vm_copy *vm)
{
    return vm->has_nvme ? tracker_add_source(vm->tracker, &vm->nvme_source.source) : 0;
}

TEST(track_migration)
{
    struct vm_copy vm;
    unsigned before;
    int error;

    if (!vm_copy_open(&vm))
        return;
    before = leaf_level(&vm);
    error = add_nvme(&vm);
    if (!error)
        error = migrate(&vm);
    tap_ok(!error && vm_copy_differs(&vm) == 0,
           "%u pages of the copy differ after %llu passes; %llu pages told, %llu copied (%s)",
           vm_copy_differs(&vm), (unsigned long long)vm.pass.number, (unsigned long long)vm.told,
           (unsigned long long)vm.copied, error_text(error));
    tap_ok(vm.copied >= VM_PAGES && vm.copied <= VM_PAGES + vm.told, "no more is copied than was written");
    tap_ok(leaf_level(&vm) == before, "leaves are as they were (level %u, and %u before)", leaf_level(&vm),
           before);
    vm_copy_close(&vm);
}

/* The check above can fail: what NVMe writes is found by nobody. */
TEST(track_without_a_source)
{
    struct vm_copy vm;
    int error;

    if (!vm_copy_open(&vm))
        return;
    if (vm.has_nvme) {
        error = migrate(&vm);
        tap_ok(!error && vm_copy_differs(&vm) > 0,
               "without the NVMe's domain %u pages of the copy differ (%s)", vm_copy_differs(&vm),
               error_text(error));
    } else {
        tap_skip("there is no NVMe controller");
    }
    vm_copy_close(&vm);
}

static void check_pass(struct vm_copy *vm, uint64_t pages, const char *what)
{
    int error = vm_copy_pass(vm, false);

    tap_ok(!error && vm->pass.reported == pages, "%s: %llu pages (%llu, %s)", what, (unsigned long long)pages,
           (unsigned long long)vm->pass.reported, error_text(error));
}

static void check_steps(struct vm_copy *vm)
{
    uint64_t value = 1;
    struct pt_leaf leaf;

    tap_ok(leaf_level(vm) == 0, "leaves are split (level %u)", leaf_level(vm));
    check_pass(vm, 0, "nothing is written");
    tap_ok(!edu_write(&vm->bench.edu, VM_GPA + 5 * PAGE_SIZE, 16), "edu writes");
    check_pass(vm, 1, "after a write by edu");
    tap_ok(!tracker_write(vm->tracker, VM_GPA + 7 * PAGE_SIZE, &value, sizeof(value)), "we write");
    check_pass(vm, 1, "after one of our own");
    tap_ok(!edu_write(&vm->bench.edu, VM_GPA + 9 * PAGE_SIZE, 16), "edu writes again");
    tap_ok(!iommu_unmap(vm->bench.domain, VM_GPA + 8 * PAGE_SIZE, VM_GPA + 12 * PAGE_SIZE - 1, NULL),
           "four pages are unmapped, with nobody told which are dirty");
    check_pass(vm, 1, "the tracker was");
    tap_ok(!iommu_lookup(vm->bench.domain, VM_GPA + 9 * PAGE_SIZE, &leaf), "they are gone");
}

TEST(track_step_by_step)
{
    struct vm_copy vm;
    int error;

    if (!vm_copy_open(&vm))
        return;
    error = tracker_start(vm.tracker, 0, TRACKER_NONE_DIRTY);
    if (tap_ok(!error, "start (%s)", error_text(error))) {
        check_steps(&vm);
        error = tracker_stop(vm.tracker);
        tap_ok(!error, "stop (%s)", error_text(error));
        error = tracker_pass(vm.tracker, &vm.report->pages, 0, NULL);
        tap_ok(error == ERR_INVALID, "no pass after that (%s)", error_text(error));
    }
    vm_copy_close(&vm);
}
