/* SPDX-License-Identifier: BSD-2-Clause */
/* A device that goes from one domain to another is reset in between, so that it does not do for the new one
 * what the old one told it, nor tell what it knows of the old one. */
#pragma once

#include "iommu/group.h"
#include "lib/compiler.h"
#include <stdbool.h>
#include <stdint.h>

/* Nobody has had any device of the table yet: the first domain gets it as firmware left it. With
 * without_reset functions that cannot be reset are handed on as they are. Once, by iommu_init(), when no
 * device is attached. ERR_NOMEM. */
int group_reset_init(bool without_reset) MUST_CHECK;

/* The number of a domain of the hypervisor's own, whose devices are nobody's afterwards. */
#define GROUP_RESET_NOBODY 0ull

/* Makes a group ready for the domain with this number: resets its functions unless no domain but that one has
 * had any of them since their last reset. The group is blocked, and its entry on the list of iommu/device.c
 * keeps others from it. shared: it is in a domain by another PASID at this time, and so is only noted.
 * Functions that pci_scan() did not find are left alone. ERR_UNSUPPORTED: a function cannot be reset (the log
 * names it); and as pci_reset(): then the next call tries again. */
int group_reset_for(const struct iommu_group *group, uint64_t domain_number, bool shared) MUST_CHECK;
