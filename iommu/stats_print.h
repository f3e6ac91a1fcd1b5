/* SPDX-License-Identifier: BSD-2-Clause */
/* What `iommu stats` shows: the statistics of iommu/stats.h, for people and as JSON. */
#pragma once

/* Tables for people. */
void iommu_stats_print(void);

/* The same for programs, a JSON object for each unit and each domain, and one for all: {"unit":0, ...},
 * {"domain":"guest", ...}, {"total":true, ...}. */
void iommu_stats_print_json(void);
