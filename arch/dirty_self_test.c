/* SPDX-License-Identifier: BSD-2-Clause */
/* The self-test of dirty bits at boot. */
#include "arch/dirty_self_test.h"
#include "arch/devices/nvme_dma_source.h"
#include "iommu/iommu.h"
#include "lib/pci.h"
#include <stddef.h>

void dirty_self_test(void)
{
    const struct pci_function *function;

    for (unsigned n = 0; (function = pci_find_class(PCI_CLASS_NVME, n)) != NULL; n++) {
        struct nvme_dma_source source;

        nvme_dma_source_init(&source, function->address);
        iommu_self_test(&source.source);
    }
    iommu_self_test_end();
}
