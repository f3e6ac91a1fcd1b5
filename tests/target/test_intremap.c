/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupt remapping with real devices: what arrives, where, and what is blocked with which fault. */
#include "arch/cpu/cpu.h"
#include "arch/cpu/interrupt.h"
#include "arch/platform/msi.h"
#include "iommu/vtd/vtd.h"
#include "lib/atomic.h"
#include "lib/error.h"
#include "lib/pci.h"
#include "lib/tap.h"
#include "lib/units.h"
#include "tests/target/arrivals.h"
#include "tests/target/edu.h"
#include "tests/target/nvme.h"
#include <string.h>

#define NVME_IOVA (16 * MIB)

enum reason {
    REASON_NOT_PRESENT = 0x22,
    REASON_COMPATIBILITY = 0x25,
    REASON_SOURCE = 0x26,
};

struct bench {
    struct edu edu;
    struct arrivals arrivals;
    struct msi msi;
};

/* An edu whose MSI arrives here. */
static bool open_bench(struct bench *bench)
{
    int error;

    memset(bench, 0, sizeof(*bench));
    error = edu_open(&bench->edu, 0);
    if (error == ERR_NOT_FOUND) {
        tap_skip("there is no edu device");
        return false;
    }
    if (!error)
        error = msi_open(&bench->msi, bench->edu.function, 0, cpu_id(), arrivals_handler, &bench->arrivals);
    return tap_ok(!error, "edu with an MSI: %s", error_text(error));
}

static bool open_remapped(struct bench *bench)
{
    if (!open_bench(bench))
        return false;
    if (bench->msi.interrupt.remapped)
        return true;
    tap_skip("edu's unit remaps no interrupts");
    if (msi_close(&bench->msi) || edu_close(&bench->edu))
        tap_ok(false, "edu was not closed cleanly");
    return false;
}

static void close_edu(struct bench *bench)
{
    int error = edu_close(&bench->edu);

    tap_ok(!error, "edu is closed: %s", error_text(error));
}

static void close_bench(struct bench *bench)
{
    int error = msi_close(&bench->msi);

    tap_ok(!error, "its MSI goes: %s", error_text(error));
    close_edu(bench);
}

static void raise(struct edu *edu)
{
    edu_raise(edu);
    edu_acknowledge(edu);
}

static void check_arrives(struct bench *bench, unsigned cpu, const char *what)
{
    uint32_t before = arrivals_count(&bench->arrivals);

    raise(&bench->edu);
    tap_ok(arrivals_wait(&bench->arrivals, before, ARRIVAL_NS) && atomic_read(&bench->arrivals.cpu) == cpu,
           "%s arrives on CPU %u (%u of them, the newest on CPU %u)", what, cpu,
           arrivals_count(&bench->arrivals) - before, atomic_read(&bench->arrivals.cpu));
}

/* The newest fault names edu, the reason and, where that has one, the entry. */
static void check_blocked(struct bench *bench, enum reason reason, uint16_t index, const char *what)
{
    uint64_t faults = iommu_fault_count();
    uint32_t before = arrivals_count(&bench->arrivals);
    struct iommu_fault fault = {0};
    bool reported;

    raise(&bench->edu);
    tap_ok(!arrivals_wait(&bench->arrivals, before, SILENCE_NS), "%s does not arrive", what);
    reported = iommu_fault_count() > faults && iommu_faults(&fault, 1) == 1;
    tap_ok(reported && pci_address_equal(fault.device, bench->edu.function) && fault.reason == reason &&
               fault.request == IOMMU_REQUEST_INTERRUPT && fault.interrupt_index == index,
           "%s: the fault names edu, reason %#04x, entry %u (" PCI_FORMAT ", %#04x, %u)", what, reason, index,
           PCI_ARGS(fault.device), fault.reason, fault.interrupt_index);
}

TEST(intremap_msi)
{
    struct bench bench;

    if (!open_bench(&bench))
        return;
    tap_note("edu's MSI is %#lx, data %#x: %s", (unsigned long)bench.msi.interrupt.address,
             bench.msi.interrupt.data, bench.msi.interrupt.remapped ? "remapped" : "not remapped");
    check_arrives(&bench, cpu_id(), "an MSI");
    check_arrives(&bench, cpu_id(), "another one");
    close_bench(&bench);
}

TEST(intremap_moved)
{
    struct bench bench;
    unsigned here = cpu_id(), there = cpu_count() - 1;
    int error;

    if (cpu_count() == 1) {
        tap_skip("there is one CPU only");
        return;
    }
    if (!open_bench(&bench))
        return;
    check_arrives(&bench, here, "an MSI");
    error = msi_move(&bench.msi, there);
    tap_ok(!error, "it moves: %s", error_text(error));
    check_arrives(&bench, there, "one that has moved");
    error = msi_move(&bench.msi, here);
    tap_ok(!error, "it moves back: %s", error_text(error));
    check_arrives(&bench, here, "one that has come back");
    close_bench(&bench);
}

TEST(intremap_freed)
{
    struct bench bench;
    int error;

    if (!open_remapped(&bench))
        return;
    check_arrives(&bench, cpu_id(), "an MSI");
    error = iommu_interrupt_free(&bench.msi.interrupt);
    tap_ok(!error, "its entry goes, and the device is not told: %s", error_text(error));
    check_blocked(&bench, REASON_NOT_PRESENT, bench.msi.interrupt.index, "an MSI without its entry");
    tap_ok(msi_close(&bench.msi) == ERR_NOT_FOUND, "the entry is not freed twice");
    interrupt_free(bench.msi.vector);
    close_edu(&bench);
}

/* An entry that belongs to another function of the same unit. */
static bool alloc_others(const struct bench *bench, struct iommu_interrupt *interrupt)
{
    const struct iommu_interrupt_target target = {.apic_id = cpu_apic_id(cpu_id()),
                                                  .vector = bench->msi.vector};
    const struct pci_function *function;

    for (unsigned i = 0; (function = pci_function(i)); i++) {
        const struct iommu_interrupt_source source = {.device = function->address};

        if (!pci_address_equal(function->address, bench->edu.function) &&
            iommu_interrupt_alloc(&source, &target, interrupt) == 0)
            return tap_ok(interrupt->unit == bench->msi.interrupt.unit, "an entry of " PCI_FORMAT,
                          PCI_ARGS(function->address));
    }
    return tap_ok(false, "an entry of another function");
}

TEST(intremap_forged)
{
    struct iommu_interrupt interrupt;
    struct bench bench;

    if (!open_remapped(&bench))
        return;
    if (alloc_others(&bench, &interrupt)) {
        msi_write(&bench.msi, interrupt.address, interrupt.data);
        check_blocked(&bench, REASON_SOURCE, interrupt.index, "an MSI by another's entry");
        msi_write(&bench.msi, bench.msi.interrupt.address, bench.msi.interrupt.data);
        check_arrives(&bench, cpu_id(), "an MSI by its own entry");
        tap_ok(!iommu_interrupt_free(&interrupt), "the other's entry goes");
    }
    close_bench(&bench);
}

TEST(intremap_compatibility)
{
    struct bench bench;

    if (!open_remapped(&bench))
        return;
    msi_write(&bench.msi, 0xfee00000 | cpu_apic_id(cpu_id()) << 12, bench.msi.vector);
    /* QEMU's IRE has no CFI: it passes compatibility format on (hw/i386/intel_iommu.c, 10.0 and 10.2). */
    if (strncmp(vtd_dmar()->table.oem_id, "BOCHS", 5) == 0)
        tap_skip("this emulator lets the compatibility format through");
    else
        check_blocked(&bench, REASON_COMPATIBILITY, 0, "an MSI in compatibility format");
    close_bench(&bench);
}

/* The driver polls: that its commands also end with an interrupt is no business of its own. */
static void check_nvme(const struct pci_function *function, struct iommu_domain *domain,
                       struct arrivals *arrivals)
{
    struct nvme nvme;
    int error = nvme_open(&nvme, function->address, domain, NVME_IOVA, 1);

    if (!tap_ok(!error, "NVMe starts: %s", error_text(error)))
        return;
    tap_ok(arrivals_wait(arrivals, 0, ARRIVAL_NS), "the ends of commands arrive (%u)",
           arrivals_count(arrivals));
    error = nvme_close(&nvme);
    tap_ok(!error, "NVMe is closed: %s", error_text(error));
}

/* A controller that comes from another domain is reset, and its MSI-X table with that. */
static int give(const struct pci_function *function, struct iommu_domain *domain)
{
    int error = iommu_attach(domain, function->address, IOMMU_NO_PASID);

    return error ? error : iommu_detach(domain, function->address, IOMMU_NO_PASID);
}

static void with_domain(const struct pci_function *function, struct iommu_domain *domain)
{
    struct arrivals arrivals = {0};
    struct msi msi;
    int error = give(function, domain);

    if (!tap_ok(!error, "the domain gets the controller: %s", error_text(error)))
        return;
    /* Before the controller makes its queues, which belong to interrupts. */
    error = msi_open(&msi, function->address, 0, cpu_id(), arrivals_handler, &arrivals);
    if (!tap_ok(!error && msi.message, "entry 0 of its MSI-X table: %s", error_text(error)))
        return;
    check_nvme(function, domain, &arrivals);
    error = msi_close(&msi);
    tap_ok(!error, "its interrupt goes: %s", error_text(error));
}

TEST(intremap_msix)
{
    const struct pci_function *function = pci_find_class(PCI_CLASS_NVME, 0);
    struct arrivals arrivals = {0};
    struct iommu_domain *domain;
    struct msi none;
    int error;

    if (!function) {
        tap_skip("there is no NVMe controller");
        return;
    }
    error = msi_open(&none, function->address, 2048, cpu_id(), arrivals_handler, &arrivals);
    tap_ok(error == ERR_RANGE, "an entry beyond the function's table: %s", error_text(error));
    domain = iommu_domain_create("test", &error);
    if (!tap_ok(domain != NULL, "a domain: %s", error_text(error)))
        return;
    with_domain(function, domain);
    tap_ok(!iommu_domain_destroy(domain), "the domain goes");
}
