/* SPDX-License-Identifier: BSD-2-Clause */
/* The self-test of dirty bits at boot: which devices do it. */
#pragma once

/* Tests each unit by the first NVMe controller behind it that answers. Once, on the boot CPU, after
 * iommu_init(), while nobody uses a device. The log has the results. */
void dirty_self_test(void);
