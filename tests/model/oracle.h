/* SPDX-License-Identifier: BSD-2-Clause */
/* Knows every write, and which accesses a domain's history allows. A scenario maps, unmaps, harvests,
 * attaches and detaches through it, and the devices (and vCPUs) that it watches report to it. */
#pragma once

#include "iommu/iommu.h"
#include "tests/model/device.h"
#include <stdint.h>

#define ORACLE_PAGES_MAX 4096

struct oracle;

/* Watches [iova, iova + pages * 4 KiB) of a domain, in which nothing is mapped. */
struct oracle *oracle_make(struct iommu_domain *domain, uint64_t iova, unsigned pages);

/* Watches a device that is in no domain yet; attaching it does so too. */
void oracle_watch(struct oracle *oracle, struct device *device);

/* Has the domain tracked, or no more. Writes that land after a start has returned are to be reported. What is
 * unmapped is reported to the oracle, beside the bitmap of each unmap. */
int oracle_track(struct oracle *oracle, enum iommu_tracking how);

/* As the functions of iommu.h; their results are returned. Ranges may reach beyond the window, but for a
 * harvest's. */
int oracle_map(struct oracle *oracle, uint64_t iova, uint64_t last, uint64_t hpa, unsigned prot);
int oracle_unmap(struct oracle *oracle, uint64_t iova, uint64_t last);
int oracle_harvest(struct oracle *oracle, uint64_t iova, uint64_t last);
void oracle_prune(struct oracle *oracle, bool on); /* whether harvests from now on are pruned */
int oracle_split(struct oracle *oracle, uint64_t iova, uint64_t last, unsigned level);
int oracle_merge(struct oracle *oracle, uint64_t iova, uint64_t last);
int oracle_release(struct oracle *oracle);                       /* iommu_domain_release_quarantine() */
int oracle_attach(struct oracle *oracle, struct device *device); /* its owner then makes it bus master */
int oracle_detach(struct oracle *oracle, struct device *device);

/* Takes what was reported as unmapped so far, as a tracker does, and copies these pages at once: what lands
 * in them after that must be reported once more. */
void oracle_take_unmapped(struct oracle *oracle);

/* The calls that these stand for are made by somebody else (a driver that has no domain): what comes before
 * the call, and after it with its result. dirty is the call's bitmap, from the window's first page on; NULL
 * if there is none. tracked: writes are to be reported. alone: a harvest says that no merge was beside
 * it. */
struct oracle *oracle_make_bare(uint64_t iova, unsigned pages, bool tracked);
void oracle_map_begins(struct oracle *oracle, uint64_t iova, uint64_t last, uint64_t hpa, unsigned prot);
void oracle_map_ends(struct oracle *oracle, uint64_t iova, uint64_t last, int error);
void oracle_unmap_begins(struct oracle *oracle, uint64_t iova, uint64_t last);
void oracle_unmap_ends(struct oracle *oracle, uint64_t iova, uint64_t last, const uint64_t *dirty, int error);
unsigned oracle_harvest_begins(struct oracle *oracle, uint64_t iova, uint64_t last);
void oracle_harvest_ends(struct oracle *oracle, unsigned harvest, const uint64_t *dirty, int error,
                         bool alone);
void oracle_attach_begins(struct oracle *oracle, struct device *device);
void oracle_attach_ends(struct oracle *oracle, struct device *device, int error);
void oracle_detach_begins(struct oracle *oracle, struct device *device);
void oracle_detach_ends(struct oracle *oracle, struct device *device, int error);

/* Who writes is quiet and drained: two harvests, after which every write must have been reported. */
void oracle_finish(struct oracle *oracle);

/* A write or read of a page of the tree by an agent that is no device (a vCPU): began at that step, ends now.
 * refused: it found no translation. */
void oracle_access(struct oracle *oracle, uint64_t iova, uint64_t hpa, bool write, bool refused,
                   uint64_t began_step);
