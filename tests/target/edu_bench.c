/* SPDX-License-Identifier: BSD-2-Clause */
/* What tests of VT-d start from. */

#include "tests/target/edu_bench.h"
#include "arch/cpu/event.h"
#include "iommu/vtd/vtd.h"
#include "lib/deadline.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/tap.h"
#include "tests/target/refusal.h"
#include <string.h>

#define PATTERN_IOVA (16 * MIB)

/* A fault is reported by an interrupt, whose handler queues work. */
#define FAULT_WAIT_NS (2 * NS_PER_S)

static int prepare(struct edu_bench *bench)
{
    uint8_t *bytes;
    int error = edu_attach(&bench->edu, bench->domain);

    bench->attached = !error;
    if (!error)
        error = edu_check_mask(&bench->edu, bench->domain);
    if (!error)
        error = dma_memory_map(&bench->pattern, bench->domain, PATTERN_IOVA, 0);
    if (error)
        return error;
    bytes = bench->pattern.address;
    for (unsigned i = 0; i < PAGE_SIZE; i++)
        bytes[i] = (uint8_t)(i * 7 + (i >> 8) + 1);
    return edu_read(&bench->edu, PATTERN_IOVA, PAGE_SIZE);
}

bool edu_bench_open(struct edu_bench *bench)
{
    int error;

    memset(bench, 0, sizeof(*bench));
    error = edu_open(&bench->edu, 0);
    if (error == ERR_NOT_FOUND) {
        tap_skip("there is no edu device");
        return false;
    }
    if (error) {
        tap_ok(false, "edu: %s", error_text(error));
        return false;
    }
    bench->domain = iommu_domain_create("test", &error);
    if (bench->domain) {
        error = prepare(bench);
        if (!error)
            return true;
    }
    if (error == ERR_UNSUPPORTED && bench->attached)
        tap_skip("edu cuts addresses: QEMU was started without dma_mask=0xffffffffffffffff for it");
    else
        tap_ok(false, "a domain with edu in it: %s", error_text(error));
    edu_bench_close(bench);
    return false;
}

void edu_bench_detach(struct edu_bench *bench)
{
    int error = bench->attached ? iommu_detach(bench->domain, bench->edu.function, IOMMU_NO_PASID) : 0;

    bench->attached = false;
    if (error)
        tap_ok(false, "detach edu: %s", error_text(error));
}

void edu_bench_close(struct edu_bench *bench)
{
    int error = edu_close(&bench->edu);

    if (error)
        tap_ok(false, "stop edu: %s", error_text(error));
    edu_bench_detach(bench);
    error = dma_memory_unmap(&bench->pattern);
    if (!error && bench->domain)
        error = iommu_domain_destroy(bench->domain);
    if (error)
        tap_ok(false, "destroy the test's domain: %s", error_text(error));
}

static int transfer(struct edu_bench *bench, uint64_t iova, uint32_t bytes, bool write)
{
    return write ? edu_write(&bench->edu, iova, bytes) : edu_read(&bench->edu, iova, bytes);
}

/* Some faults are still on their way when the transfer is over. */
static bool newest_fault(uint64_t count_before, struct iommu_fault *fault)
{
    return wait_until((event_step(), iommu_fault_count() > count_before), FAULT_WAIT_NS) &&
           iommu_faults(fault, 1) == 1;
}

static enum refusal expected_refusal(const struct edu_bench *bench, uint64_t iova)
{
    struct pt_leaf leaf;

    if (!bench->attached)
        return REFUSAL_BLOCKED;
    if (iova >> vtd_stage_width(vtd_stage()))
        return REFUSAL_BEYOND;
    return iommu_lookup(bench->domain, iova, &leaf) ? REFUSAL_NOT_PERMITTED : REFUSAL_NOT_MAPPED;
}

static void check_blocked(struct edu_bench *bench, uint64_t iova, uint32_t bytes, bool write,
                          const char *what)
{
    uint64_t before = iommu_fault_count();
    int error = transfer(bench, iova, bytes, write);
    struct iommu_fault fault;

    if (error) {
        tap_ok(false, "%s: %s", what, error_text(error));
        return;
    }
    if (!tap_ok(newest_fault(before, &fault), "%s: a fault is reported", what))
        return;
    tap_ok(pci_address_equal(fault.device, bench->edu.function) &&
               fault.iova == align_down(iova, PAGE_SIZE) && fault.write == write,
           "%s: it names " PCI_FORMAT ", %#llx, %s (" PCI_FORMAT ", %#llx, %s: %s)", what,
           PCI_ARGS(bench->edu.function), (unsigned long long)iova, write ? "write" : "read",
           PCI_ARGS(fault.device), (unsigned long long)fault.iova, fault.write ? "write" : "read",
           fault.text);
    tap_ok(refusal_has_reason(vtd_unit_of(bench->edu.function), expected_refusal(bench, iova), write,
                              fault.reason),
           "%s: it gives a reason that fits (%#04x)", what, fault.reason);
}

void edu_bench_write_blocked(struct edu_bench *bench, uint64_t iova, uint32_t bytes, const char *what)
{
    check_blocked(bench, iova, bytes, true, what);
}

void edu_bench_read_blocked(struct edu_bench *bench, uint64_t iova, uint32_t bytes, const char *what)
{
    check_blocked(bench, iova, bytes, false, what);
}

void edu_bench_write_passes(struct edu_bench *bench, uint64_t iova, uint32_t bytes, const char *what)
{
    uint64_t before = iommu_fault_count();
    int error = transfer(bench, iova, bytes, true);

    tap_ok(!error && iommu_fault_count() == before, "%s: no fault (%s, %llu faults)", what, error_text(error),
           (unsigned long long)(iommu_fault_count() - before));
}

bool bench_is_filled(const void *address, int value, uint64_t bytes)
{
    const volatile uint8_t *at = address;

    for (uint64_t i = 0; i < bytes; i++) {
        if (at[i] != (uint8_t)value)
            return false;
    }
    return true;
}

bool edu_bench_is_pattern(const struct edu_bench *bench, const void *address, uint64_t bytes)
{
    return memcmp(address, bench->pattern.address, bytes) == 0;
}
