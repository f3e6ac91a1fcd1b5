/* SPDX-License-Identifier: BSD-2-Clause */
/* The self-test of accessed and dirty bits: whether what harvests report is what a device did. For iommu/
 * itself; others start it by iommu_self_test(). */
#pragma once

#include "iommu/iommu.h"
#include <stdbool.h>
#include <stddef.h>

enum iommu_self_test_verdict {
    IOMMU_NOT_TESTED,
    IOMMU_PASSED,
    IOMMU_FAILED,
};

struct iommu_self_test {
    enum iommu_self_test_verdict verdict;
    const char *what;    /* failed: the step, "a page that ..."; not tested: why not */
    const char *problem; /* failed: what was wrong with it, "is not reported" */
    bool has_device;
    struct pci_address device; /* the source */
    bool large;                /* leaves of 2 MiB were tested too */
    bool reads_count;          /* a page that was only read was reported, which an erratum allows */
};

/* Makes a domain, lets the source write and read pages of it, and compares each harvest with that. Takes back
 * all that it made. Not tested: the domain keeps no dirty bits, there is no memory, or the source fails.
 * Failed: a page that was written is not reported, one that was not is, or the unit does not confirm a
 * harvest. */
void iommu_self_test_run(struct iommu_dma_source *source, struct iommu_self_test *result);

/* "passed by ...", "failed by ..." or "not tested: ...", cut to bytes. */
#define IOMMU_SELF_TEST_TEXT 192
void iommu_self_test_text(const struct iommu_self_test *result, char *text, size_t bytes);
