/* SPDX-License-Identifier: BSD-2-Clause */
/* A DMAR table with a structure of each type, for tests to damage. */
#pragma once

#include "iommu/vtd/dmar.h"

struct dmar_sample {
    uint8_t bytes[512];
    size_t length;
};

/* Offsets in it. */
enum {
    AT_DRHD = 48,
    AT_PATH = AT_DRHD + 16 + 6,
    AT_DRHD_ALL = 48 + 34,
    AT_RMRR = AT_DRHD_ALL + 16,
    AT_RMRR_LIMIT = AT_RMRR + 16,
    AT_ATSR = AT_RMRR + 32,
    AT_RHSA = AT_ATSR + 16,
    AT_ANDD = AT_RHSA + 20,
    AT_ANDD_NAME = AT_ANDD + 8,
    AT_SATC = AT_ANDD + 14,
    AT_SIDP = AT_SATC + 16,
    AT_UNKNOWN = AT_SIDP + 16,
};

/* Its checksum is right; fake_vtd_seal() makes it so again after a change. */
struct dmar_sample dmar_sample(void);

/* dmar_parse() of a copy in memory of exactly so many bytes, so that a read beyond them is seen. */
int dmar_parse_exactly(const uint8_t *bytes, size_t length, struct dmar *dmar) MUST_CHECK;
