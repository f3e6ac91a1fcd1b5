/* SPDX-License-Identifier: BSD-2-Clause */
/* A hypervisor that has taken iommu/ and lib/ in, as small as can be: it starts them, gives a device to a
 * guest, sees where its DMA goes, and stops. docs/embedding.md shows what stands between "guide:" and "guide
 * end", and what this prints. */
#include "iommu/capabilities.h"
#include "iommu/iommu.h"
#include "iommu/stats.h"
#include "lib/atomic.h"
#include "lib/error.h"
#include "lib/event_queue.h"
#include "lib/page_alloc.h"
#include "lib/pci.h"
#include "lib/platform.h"
#include "lib/rcu.h"
#include "lib/rcu_pages.h"
#include "lib/units.h"
#include "tests/embed/hypervisor.h"
#include "tests/embed/machine.h"
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_NS (5 * NS_PER_S)

static const struct pci_address device = {0, 0, MACHINE_DEVFN};
static bool stopping;           /* atomic */
static unsigned faults_told;    /* atomic */
static unsigned interrupts_had; /* atomic */

/* A step that has to work. */
static void must(int error, const char *what)
{
    if (!error)
        return;
    printf("%s: %s\n", what, error_text(error));
    exit(1);
}

/* What has to be so. */
static void expect(bool so, const char *what)
{
    if (so)
        return;
    printf("not so: %s\n", what);
    exit(1);
}

/* --- CPUs --- */

/* guide: loop */
/* One turn of a CPU's loop. At its top the CPU holds nothing that RCU protects. */
static bool cpu_step(void)
{
    rcu_quiescent();
    return event_queue_run();
}

static void *cpu_loop(void *number)
{
    cpu_set((unsigned)(uintptr_t)number);
    rcu_cpu_online();
    while (!atomic_read_acquire(&stopping)) {
        if (cpu_step())
            continue;
        /* Refused while callbacks wait on this CPU: it goes round then. */
        if (rcu_extended_enter()) {
            cpu_sleep();
            rcu_extended_exit();
        }
    }
    rcu_cpu_offline();
    return NULL;
}
/* guide end */

/* CPU 0, which runs the program below, takes part while it waits. */
static bool wait_for(const unsigned *number, unsigned value)
{
    uint64_t end_ns = platform_time_ns() + WAIT_NS;

    while (atomic_read_acquire(number) < value && platform_time_ns() < end_ns)
        if (!cpu_step())
            cpu_sleep();
    return atomic_read_acquire(number) >= value;
}

/* --- the start --- */

/* guide: boot */
static void boot(void)
{
    static const uint16_t segments[] = {0};
    const uint8_t *dmar;
    size_t bytes = machine_dmar(&dmar);
    struct iommu_config config = {.x2apic = false};

    platform_direct_map = (uintptr_t)machine_memory();
    must(page_alloc_add(LULL_HPA, LULL_END), "memory");
    page_alloc_set_reclaim(rcu_pages_reclaim);
    cpu_set(0);
    rcu_cpu_online();
    must(pci_scan(segments, ARRAY_SIZE(segments)), "PCI");
    must(iommu_init(dmar, bytes, &config), "VT-d");
}
/* guide end */

/* guide: ask */
static void print_range(void *context, const struct iommu_reserved_range *range)
{
    static const char *const kinds[] = {"interrupts", "firmware", "beyond the tables"};

    (void)context;
    printf("  %#" PRIx64 " to %#" PRIx64 ": %s\n", range->iova, range->last, kinds[range->kind]);
}

static void ask(void)
{
    struct iommu_device_capabilities of_device;
    struct iommu_capabilities all;

    must(iommu_capabilities(&all), "capabilities");
    printf("domains: %s, %u levels, %u bits, dirty pages: %s\n", all.format, all.levels, all.address_lg2,
           all.tracks_dirty ? "yes" : all.why_not_dirty);
    must(iommu_device_capabilities(device, &of_device), "device");
    printf("device " PCI_FORMAT ": %s; interrupts: %s\n", PCI_ARGS(device),
           of_device.attaches ? "may be attached" : of_device.why_not_attached,
           of_device.remaps_interrupts ? "remapped" : of_device.why_no_remapping);
    must(iommu_reserved_visit(device, print_range, NULL), "reserved ranges");
}
/* guide end */

/* --- a guest with a device --- */

/* guide: fault */
/* By an event, on any CPU that runs them. */
static void tell_guest(void *context, const struct iommu_fault *fault)
{
    char text[160];

    iommu_fault_text(fault, text, sizeof text);
    printf("fault told to %s: %s\n", (const char *)context, text);
    atomic_fetch_add(&faults_told, 1u);
}
/* guide end */

/* guide: give */
static struct iommu_domain *give_device(void)
{
    static char guest[] = "guest 1";
    struct pt_leaf leaf;
    int error;
    struct iommu_domain *domain = iommu_domain_create(guest, &error);

    must(error, "domain");
    must(iommu_domain_set_fault_handler(domain, tell_guest, guest), "fault handler");
    /* IOVA 0 on is the guest's memory. A leaf has one dirty bit, whatever its size, so the first 2 MiB are
     * mapped page by page; the others are one leaf. */
    for (uint64_t iova = 0; iova < 2 * MIB; iova += PAGE_SIZE)
        must(iommu_map(domain, iova, iova + PAGE_SIZE - 1, GUEST_HPA + iova, PT_READ | PT_WRITE), "map");
    must(iommu_map(domain, 2 * MIB, GUEST_LAST, GUEST_HPA + 2 * MIB, PT_READ | PT_WRITE), "map");
    must(iommu_attach(domain, device, IOMMU_NO_PASID), "attach");
    /* iommu_init() has switched it off everywhere. */
    must(pci_bus_master_set(device, true), "bus mastering");

    expect(iommu_lookup(domain, 3 * MIB + 5, &leaf), "what was mapped is found");
    printf("IOVA %#" PRIx64 " goes to %#" PRIx64 ", in a leaf of %llu KiB\n", leaf.iova, leaf.hpa,
           PT_ENTRY_SIZE(leaf.level) / KIB);
    return domain;
}
/* guide end */

static void device_reaches_the_guest_alone(void)
{
    const char sent[] = "by DMA";
    char got[sizeof sent];

    expect(machine_device_write(3 * MIB, sent, sizeof sent), "the device reaches what is mapped");
    expect(!memcmp(machine_memory() + GUEST_HPA + 3 * MIB, sent, sizeof sent), "its bytes are there");
    expect(machine_device_read(3 * MIB, got, sizeof got) && !memcmp(got, sent, sizeof sent),
           "it reads them back");
    printf("the device wrote 3 MiB into the guest: \"%s\"\n", got);
    expect(!machine_device_write(GUEST_BYTES, sent, sizeof sent), "it does not reach what is not mapped");
    expect(wait_for(&faults_told, 1), "that fault is told");
}

static void refuse_bad_maps(struct iommu_domain *domain)
{
    uint64_t own = virt_to_phys(pages_alloc(0, PAGE_HYPERVISOR));
    int error = iommu_map(domain, GUEST_BYTES, GUEST_BYTES + PAGE_SIZE - 1, own, PT_READ);

    printf("a page of Lull's own, mapped: %s\n", error_text(error));
    expect(error == ERR_FORBIDDEN, "no device gets a page of Lull's own");
    pages_free(phys_to_virt(own));
    expect(iommu_map(domain, GUEST_BYTES, GUEST_BYTES + PAGE_SIZE - 1, GUEST_END, PT_READ) == ERR_FORBIDDEN,
           "nor what is no guest's");
}

/* guide: track */
/* A leaf has one dirty bit, whatever its size: from here on maps make none above 4 KiB, and those that are
 * there are split. What is unmapped meanwhile is reported to `unmapped`, whoever unmaps it. */
static void start_tracking(struct iommu_domain *domain, struct dirty_bitmap *unmapped)
{
    const struct iommu_track bits = {.how = IOMMU_TRACKING_DIRTY_BITS, .level = 0, .unmapped = unmapped};
    const struct iommu_track all = {.how = IOMMU_TRACKING_ALL_WRITABLE, .level = 0, .unmapped = unmapped};
    int error = iommu_domain_track(domain, &bits);

    if (error == ERR_UNSUPPORTED)
        error = iommu_domain_track(domain, &all); /* the log says why; each pass is then a whole copy */
    must(error, "track");
    must(iommu_split(domain, 0, GUEST_LAST, 0), "split");
}

static void stop_tracking(struct iommu_domain *domain)
{
    must(iommu_merge(domain, 0, GUEST_LAST), "merge");
    must(iommu_domain_track(domain, &(struct iommu_track){.how = IOMMU_TRACKING_OFF}), "stop");
}
/* guide end */

/* guide: harvest */
/* Pages that were written since the last pass; what they hold is newer than what was cleared. */
static unsigned pass(struct iommu_domain *domain, unsigned flags)
{
    static uint64_t words[GUEST_BYTES / PAGE_SIZE / 64];
    struct dirty_bitmap bitmap = {.words = words, .iova = 0, .last = GUEST_LAST};
    unsigned dirty = 0;

    memset(words, 0, sizeof words);
    must(iommu_harvest(domain, 0, GUEST_LAST, &bitmap, flags, NULL), "harvest");
    for (uint64_t page = 0; page < GUEST_BYTES / PAGE_SIZE; page++)
        dirty += bitmap_test(words, page);
    return dirty;
}
/* guide end */

static void track(struct iommu_domain *domain)
{
    static uint64_t words[GUEST_BYTES / PAGE_SIZE / 64];
    struct dirty_bitmap unmapped = {.words = words, .iova = 0, .last = GUEST_LAST};
    unsigned first, second, third;

    start_tracking(domain, &unmapped);
    first = pass(domain, 0);
    second = pass(domain, HARVEST_PRUNED(1));
    expect(machine_device_write(5 * PAGE_SIZE, "x", 1), "the device writes again");
    expect(machine_device_write(3 * MIB, "x", 1), "and where a leaf was large");
    third = pass(domain, 0);
    printf("dirty pages, pass by pass: %u, %u, %u\n", first, second, third);
    expect(first == 512 && second == 0 && third == 2, "each write is in one pass");
    stop_tracking(domain);
}

static void count_interrupt(void *context)
{
    (void)context;
    atomic_fetch_add(&interrupts_had, 1u);
}

/* guide: interrupt */
/* address and data go into the device's MSI or MSI-X registers. */
static void give_interrupt(struct iommu_interrupt *interrupt)
{
    const struct iommu_interrupt_source source = {.device = device, .match = IOMMU_SOURCE_FUNCTION};
    const struct iommu_interrupt_target target = {.apic_id = 0,
                                                  .vector = vector_alloc(count_interrupt, NULL)};

    must(iommu_interrupt_alloc(&source, &target, interrupt), "interrupt");
}
/* guide end */

static void raise_interrupts(void)
{
    struct iommu_interrupt interrupt;

    give_interrupt(&interrupt);
    expect(machine_device_interrupt(interrupt.address, interrupt.data), "the device raises its interrupt");
    expect(wait_for(&interrupts_had, 1), "it arrives");
    must(iommu_interrupt_free(&interrupt), "interrupt");
    expect(!machine_device_interrupt(interrupt.address, interrupt.data), "and not when it was taken back");
    expect(wait_for(&faults_told, 2), "which is a fault");
    expect(atomic_read(&interrupts_had) == 1, "it came once");
}

/* guide: take */
static void take_device(struct iommu_domain *domain)
{
    must(pci_bus_master_set(device, false), "bus mastering");
    must(iommu_detach(domain, device, IOMMU_NO_PASID), "detach");
    must(iommu_unmap(domain, 0, GUEST_LAST, NULL), "unmap");
    /* No device reaches the guest's memory any more: it may go to somebody else. */
    must(iommu_domain_destroy(domain), "destroy");
}
/* guide end */

static void unmap_while_the_device_runs(struct iommu_domain *domain)
{
    must(iommu_unmap(domain, 2 * MIB, GUEST_LAST, NULL), "unmap");
    expect(!machine_device_write(3 * MIB, "x", 1), "what was unmapped is out of reach");
    expect(machine_device_write(1 * MIB, "x", 1), "and the rest is not");
    expect(wait_for(&faults_told, 3), "that fault is told too");
}

/* guide: stats */
static void print_stats(void)
{
    struct iommu_unit_stats unit;
    struct iommu_stats all;

    iommu_stats(&all);
    printf("%u domains, %" PRIu64 " faults, %" PRIu64 " tables wait\n", all.domains, all.faults,
           all.tables_waiting);
    for (unsigned n = 0; iommu_unit_stats(n, &unit); n++)
        printf("unit %u: %" PRIu64 " batches, %" PRIu64 " completed, %" PRIu64 " under way\n", n,
               unit.queue.batches, unit.queue.completed, unit.under_way);
}
/* guide end */

int main(void)
{
    struct iommu_domain *domain;
    pthread_t other;

    machine_make(vector_raise);
    boot();
    expect(!pthread_create(&other, NULL, cpu_loop, (void *)1), "CPU 1 starts");
    ask();
    domain = give_device();
    device_reaches_the_guest_alone();
    refuse_bad_maps(domain);
    track(domain);
    must(migrate(domain), "migrate");
    raise_interrupts();
    unmap_while_the_device_runs(domain);
    take_device(domain);
    rcu_barrier();
    print_stats();
    iommu_shutdown();
    atomic_write_release(&stopping, true);
    expect(!pthread_join(other, NULL), "CPU 1 stops");
    printf("done\n");
    return 0;
}
