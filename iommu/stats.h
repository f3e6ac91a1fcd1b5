/* SPDX-License-Identifier: BSD-2-Clause */
/* What `iommu stats` shows: what units have invalidated and domains have mapped. */
#pragma once

/* Tables for people. */
void iommu_stats_print(void);

/* The same for programs, a JSON object for each unit and each domain, and one for all: {"unit":0, ...},
 * {"domain":"guest", ...}, {"total":true, ...}. */
void iommu_stats_print_json(void);
