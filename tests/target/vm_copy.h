/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM without CPUs, copied while it is written: 2 MiB of memory that edu and NVMe, each in a domain of its
 * own, and the hypervisor write; and a second 2 MiB that what the tracker reports is copied to. */
#pragma once

#include "iommu/track_source.h"
#include "lib/compiler.h"
#include "lib/tracker.h"
#include "lib/tracker_bitmap.h"
#include "tests/target/edu_bench.h"
#include "tests/target/nvme.h"
#include "tests/target/random.h"
#include <stdbool.h>

#define VM_GPA   BENCH_IOVA
#define VM_PAGES 512u
#define VM_BYTES (VM_PAGES * PAGE_SIZE)
#define VM_LAST  (VM_GPA + VM_BYTES - 1)

struct vm_copy {
    struct edu_bench bench; /* with a domain, as the first source */
    struct iommu_track_source edu_source;
    bool has_nvme;
    struct nvme nvme;
    struct iommu_domain *nvme_domain;
    struct iommu_track_source nvme_source;
    char *memory, *copy; /* the VM's, and ours */
    struct tracker *tracker;
    struct tracker_bitmap *report;
    struct tracker_pass pass; /* the newest */
    struct random random;
    uint64_t told;   /* pages that somebody was told to write */
    uint64_t copied; /* pages */
};

/* Makes all of it; nothing is tracked yet. Without an NVMe controller there is none. False: it cannot be, and
 * the test has said so; nothing is left then. */
bool vm_copy_open(struct vm_copy *vm) MUST_CHECK;

/* Takes all down; what does not work is a failed check. Nothing is tracked. */
void vm_copy_close(struct vm_copy *vm);

/* Has each of the three write some pages. edu goes on when this returns, the others are through: the data of
 * a read of QEMU's NVMe may come after the translation that made the page dirty, and a pass in between would
 * report the page too early. The first error. */
int vm_copy_write(struct vm_copy *vm) MUST_CHECK;

/* Waits until edu is through too. */
int vm_copy_quiet(struct vm_copy *vm) MUST_CHECK;

/* A pass, or the last ones, and copies what is reported. */
int vm_copy_pass(struct vm_copy *vm, bool final) MUST_CHECK;

/* How many pages of the copy are not what the memory is. */
unsigned vm_copy_differs(const struct vm_copy *vm);
