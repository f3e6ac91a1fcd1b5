/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM without CPUs, copied while it is written. */
#include "tests/target/vm_copy.h"
#include "arch/cpu/cpu.h"
#include "arch/cpu/event.h"
#include "arch/cpu/parallel.h"
#include "lib/deadline.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/pci.h"
#include "lib/tap.h"
#include <string.h>

/* The tracker begins with the first GiB and grows to the second; the controller's own memory lies beyond. */
#define TRACKED_LAST (GIB - 1)
#define REPORT_LAST  (2 * GIB - 1)
#define NVME_IOVA    (4 * GIB)

#define VM_ORDER   9
#define READ_PAGES 8
#define FINISH_NS  (10 * NS_PER_S)

static int write_memory(void *context, uint64_t gpa, const void *data, size_t bytes)
{
    struct vm_copy *vm = context;

    if (gpa < VM_GPA || gpa + bytes - 1 > VM_LAST)
        return ERR_NOT_FOUND;
    memcpy(vm->memory + (gpa - VM_GPA), data, bytes);
    return 0;
}

static int make_tracker(struct vm_copy *vm)
{
    struct tracker_config config = {
        .name = "vm",
        .last = TRACKED_LAST,
        .write = write_memory,
        .run = parallel_run,
        .parts = 4 * cpu_count(),
        .context = vm,
    };
    int error;

    vm->report = tracker_bitmap_create(REPORT_LAST);
    if (!vm->report)
        return ERR_NOMEM;
    vm->tracker = tracker_create(&config, &error);
    if (!error)
        iommu_track_source_init(&vm->edu_source, vm->bench.domain, IOMMU_TRACKING_DIRTY_BITS);
    return error ? error : tracker_add_source(vm->tracker, &vm->edu_source.source);
}

static int map_memory(const struct vm_copy *vm, struct iommu_domain *domain)
{
    return iommu_map(domain, VM_GPA, VM_LAST, virt_to_phys(vm->memory), PT_READ | PT_WRITE);
}

static int make_nvme(struct vm_copy *vm)
{
    const struct pci_function *function = pci_find_class(PCI_CLASS_NVME, 0);
    int error;

    if (!function)
        return 0;
    vm->nvme_domain = iommu_domain_create("nvme", &error);
    if (!vm->nvme_domain)
        return error;
    error = map_memory(vm, vm->nvme_domain);
    if (!error)
        error = nvme_open(&vm->nvme, function->address, vm->nvme_domain, NVME_IOVA, 1);
    vm->has_nvme = !error;
    iommu_track_source_init(&vm->nvme_source, vm->nvme_domain, IOMMU_TRACKING_DIRTY_BITS);
    return error;
}

static int make(struct vm_copy *vm)
{
    int error;

    vm->random = random_seeded(1);
    vm->memory = pages_alloc(VM_ORDER, PAGE_DMA);
    vm->copy = pages_alloc(VM_ORDER, PAGE_HYPERVISOR);
    error = vm->memory && vm->copy ? map_memory(vm, vm->bench.domain) : ERR_NOMEM;
    if (!error)
        error = make_nvme(vm);
    return error ? error : make_tracker(vm);
}

/* Whether edu's domain is one that can be tracked; if not, that is said. */
static bool tracks_dirty(struct iommu_domain *domain)
{
    struct iommu_domain_info info;

    iommu_domain_info(domain, &info);
    if (!info.tracks_dirty)
        tap_skip("the units keep no dirty bits");
    return info.tracks_dirty;
}

bool vm_copy_open(struct vm_copy *vm)
{
    int error;

    memset(vm, 0, sizeof(*vm));
    if (!edu_bench_open(&vm->bench))
        return false;
    if (!tracks_dirty(vm->bench.domain)) {
        edu_bench_close(&vm->bench);
        return false;
    }
    error = make(vm);
    if (!error)
        return true;
    tap_ok(false, "a VM that is copied: %s", error_text(error));
    vm_copy_close(vm);
    return false;
}

static int unmake_nvme(struct vm_copy *vm)
{
    int error = vm->has_nvme ? nvme_close(&vm->nvme) : 0;

    return error || !vm->nvme_domain ? error : iommu_domain_destroy(vm->nvme_domain);
}

void vm_copy_close(struct vm_copy *vm)
{
    int error = vm->tracker ? tracker_destroy(vm->tracker) : 0;

    if (!error)
        error = unmake_nvme(vm);
    if (!error)
        error = iommu_unmap(vm->bench.domain, VM_GPA, VM_LAST, NULL);
    if (error)
        tap_ok(false, "take the VM down: %s", error_text(error));
    else if (vm->memory)
        pages_free(vm->memory);
    if (vm->copy)
        pages_free(vm->copy);
    tracker_bitmap_destroy(vm->report);
    edu_bench_close(&vm->bench);
}

static uint64_t any_page(struct vm_copy *vm)
{
    vm->told++;
    return VM_GPA + random_below(&vm->random, VM_PAGES) * PAGE_SIZE;
}

static int read_disk(struct vm_copy *vm)
{
    uint64_t iovas[READ_PAGES];

    for (unsigned i = 0; i < READ_PAGES; i++)
        iovas[i] = any_page(vm);
    return nvme_read(&vm->nvme, 0, random_below(&vm->random, (uint32_t)vm->nvme.pages - READ_PAGES), iovas,
                     READ_PAGES);
}

int vm_copy_write(struct vm_copy *vm)
{
    int error = vm->has_nvme ? read_disk(vm) : 0;

    for (unsigned i = 0; !error && i < 4; i++) {
        uint64_t value = random_next(&vm->random);

        error = tracker_write(vm->tracker, any_page(vm) + 8 * i, &value, sizeof(value));
    }
    if (!error && !edu_busy(&vm->bench.edu))
        error = edu_write_start(&vm->bench.edu, any_page(vm), PAGE_SIZE);
    return error;
}

int vm_copy_quiet(struct vm_copy *vm)
{
    return wait_until((event_step(), !edu_busy(&vm->bench.edu)), FINISH_NS) ? 0 : ERR_TIMEOUT;
}

static void copy_reported(struct vm_copy *vm)
{
    uint64_t *words = vm->report->pages.words;

    for (unsigned page = 0; page < VM_PAGES; page++) {
        if (!bitmap_test(words, VM_GPA / PAGE_SIZE + page))
            continue;
        memcpy(vm->copy + page * PAGE_SIZE, vm->memory + page * PAGE_SIZE, PAGE_SIZE);
        vm->copied++;
    }
    tracker_bitmap_clear(vm->report);
}

int vm_copy_pass(struct vm_copy *vm, bool final)
{
    int error = final ? tracker_finish(vm->tracker, &vm->report->pages, FINISH_NS, &vm->pass)
                      : tracker_pass(vm->tracker, &vm->report->pages, 0, &vm->pass);

    if (!error)
        copy_reported(vm);
    return error;
}

unsigned vm_copy_differs(const struct vm_copy *vm)
{
    unsigned count = 0;

    for (unsigned page = 0; page < VM_PAGES; page++)
        count += memcmp(vm->copy + page * PAGE_SIZE, vm->memory + page * PAGE_SIZE, PAGE_SIZE) != 0;
    return count;
}
