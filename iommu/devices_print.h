/* SPDX-License-Identifier: BSD-2-Clause */
/* What `iommu devices` shows: what each PCI function can do (iommu/capabilities.h), for people and as JSON.
 */
#pragma once

/* A table for people, and under each function what it cannot do and why. */
void iommu_devices_print(void);

/* The same for programs, a JSON object for each function: {"device":"0000:01:00.0", "unit":0, ...}; of one
 * that cannot be asked about {"device":"0000:01:00.0", "error":"..."}. */
void iommu_devices_print_json(void);
