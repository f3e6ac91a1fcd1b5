/* SPDX-License-Identifier: BSD-2-Clause */
/* A device that faults in a loop: the console, the other CPUs and other devices' faults do not suffer. edu's
 * own DMA is far too slow for that, but its interrupt is a write to whatever address its MSI capability has,
 * and comes as fast as a CPU asks for it. */
#include "arch/cpu/cpu.h"
#include "arch/cpu/event.h"
#include "iommu/fault_devices.h"
#include "iommu/vtd/fault_mute.h"
#include "iommu/vtd/vtd.h"
#include "lib/deadline.h"
#include "lib/error.h"
#include "lib/pci.h"
#include "lib/platform.h"
#include "lib/tap.h"
#include "tests/target/edu_bench.h"
#include "tests/target/job.h"

#define STORM_NS (2 * NS_PER_S)

/* With so many in that time, one of the three seconds that it meets has a storm's. */
#define MUTED_AFTER (3 * FAULT_DEVICE_STORM)

/* An MSI capability with 64-bit addresses (PCI 3.0, 6.8.1), and edu's registers that raise and acknowledge.
 */
#define PCI_CAPABILITY_MSI 0x05
#define MSI_ENABLE         (1u << 16)
#define MSI_ADDRESS        4
#define MSI_ADDRESS_UPPER  8
#define EDU_RAISE          0x60
#define EDU_ACKNOWLEDGE    0x64

struct storm {
    struct edu *edu;
    uint64_t end_ns;
    uint64_t raised;
};

static void raise_once(struct storm *storm)
{
    volatile char *registers = storm->edu->registers;

    platform_mmio_write32(registers + EDU_RAISE, 1);
    platform_mmio_write32(registers + EDU_ACKNOWLEDGE, 1);
    storm->raised++;
}

static void raise_all(void *context)
{
    struct storm *storm = context;

    while (platform_time_ns() < storm->end_ns)
        raise_once(storm);
}

/* Points edu's interrupts at an address that its domain does not map. */
static bool aim(const struct edu *edu, bool on)
{
    unsigned at = pci_capability(edu->function, PCI_CAPABILITY_MSI);
    uint32_t control = at ? platform_pci_read32(edu->function, at) : 0;

    if (!at)
        return tap_ok(false, "edu has no MSI capability");
    platform_pci_write32(edu->function, at + MSI_ADDRESS, BENCH_IOVA);
    platform_pci_write32(edu->function, at + MSI_ADDRESS_UPPER, 0);
    platform_pci_write32(edu->function, at, on ? control | MSI_ENABLE : control & ~MSI_ENABLE);
    return true;
}

static bool faults_of(struct pci_address address, struct iommu_fault_device *device)
{
    for (unsigned n = 0; iommu_fault_device(n, device); n++)
        if (!device->others && pci_address_equal(device->device, address))
            return true;
    return false;
}

/* The second edu is in no domain: each of its transfers is a fault. Its transfers take 100 ms each. */
static void fault_beside(struct edu *second, const struct storm *storm)
{
    struct iommu_fault_device device = {.faults = 0};
    uint64_t before = faults_of(second->function, &device) ? device.faults : 0;
    unsigned transfers = 0;

    while (platform_time_ns() < storm->end_ns && !edu_read(second, BENCH_IOVA, 64))
        transfers++;
    if (faults_of(second->function, &device))
        tap_ok(transfers && device.faults - before >= transfers / 2,
               "%llu of %u faults of another device come through",
               (unsigned long long)(device.faults - before), transfers);
    else
        tap_ok(false, "none of %u faults of another device came through", transfers);
}

/* What this CPU gets done meanwhile: events, as the console's are. */
static void be_console(const struct storm *storm)
{
    uint64_t last = platform_time_ns(), longest = 0, now;

    while ((now = platform_time_ns()) < storm->end_ns) {
        event_step();
        if (now - last > longest)
            longest = now - last;
        last = now;
    }
    /* Without bounds it would be all of the storm; a host that is busy with others takes some of it too. */
    tap_ok(longest < NS_PER_S, "this CPU's loop was held up for at most %llu us",
           (unsigned long long)(longest / NS_PER_US));
}

static void check_storm(const struct edu *edu, const struct storm *storm, uint64_t faults_before)
{
    struct iommu_fault_device device;
    struct vtd_unit *unit = vtd_unit_of(edu->function);
    uint64_t faults;

    tap_ok(storm->raised > 1000, "edu faulted %llu times in 2 s", (unsigned long long)storm->raised);
    if (!tap_ok(faults_of(edu->function, &device), "its faults are counted"))
        return;
    tap_ok(device.newest.iova == BENCH_IOVA && device.newest.write, "they are writes to the address");
    tap_ok(device.skipped > 0, "%llu of %llu were only counted", (unsigned long long)device.skipped,
           (unsigned long long)device.faults);
    faults = iommu_fault_count() - faults_before;
    if (unit->fault_mutes == 0 && faults < MUTED_AFTER)
        tap_skip("%llu faults in 2 s are no storm: this machine is too slow for one",
                 (unsigned long long)faults);
    else
        tap_ok(unit->fault_mutes > 0, "it was muted %llu times, after %llu faults of all",
               (unsigned long long)unit->fault_mutes, (unsigned long long)faults);
}

static void run_storm(struct edu *edu, struct edu *second)
{
    struct storm storm = {.edu = edu, .end_ns = platform_time_ns() + STORM_NS};
    uint64_t before = iommu_fault_count();
    struct job job;

    job_start(&job, 1, raise_all, &storm);
    if (second)
        fault_beside(second, &storm);
    else
        be_console(&storm);
    job_wait(&job);
    check_storm(edu, &storm, before);
}

/* What comes after this test wants edu's faults recorded: a device's share is of a second. */
static void wait_for_share(void)
{
    uint64_t end = platform_time_ns() + NS_PER_S;

    tap_ok(wait_until((event_step(), platform_time_ns() > end && !vtd_fault_any_muted()), 5 * NS_PER_S),
           "nobody is muted any more");
}

TEST(vtd_fault_storm)
{
    struct edu_bench bench;
    struct edu second;
    int error;

    if (cpu_count() < 2) {
        tap_skip("one CPU cannot both raise a storm and be there for others");
        return;
    }
    if (!edu_bench_open(&bench))
        return;
    if (aim(&bench.edu, true)) {
        run_storm(&bench.edu, NULL);
        error = edu_open(&second, 1);
        if (error == ERR_NOT_FOUND)
            tap_note("there is no second edu, whose faults could come through");
        else if (tap_ok(!error, "a second edu: %s", error_text(error)))
            run_storm(&bench.edu, &second);
        if (!error)
            tap_ok(!edu_close(&second), "stop the second edu");
        aim(&bench.edu, false);
    }
    edu_bench_close(&bench);
    wait_for_share();
}
