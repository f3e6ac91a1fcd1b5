/* SPDX-License-Identifier: BSD-2-Clause */
/* NVMe: what a controller says of the size of reads, and its first namespace of itself. */
#include "tests/target/nvme_identify.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/platform.h"

static int identify(struct nvme *nvme, enum nvme_cns cns, uint32_t nsid)
{
    return nvme_controller_identify(&nvme->controller, cns, nsid,
                                    nvme_controller_data_iova(&nvme->controller));
}

static uint8_t byte_at(const void *page, unsigned offset)
{
    return ((const volatile uint8_t *)page)[offset];
}

static uint32_t word_at(const void *page, unsigned offset)
{
    return ((const volatile uint32_t *)page)[offset / 4];
}

/* Controllers before version 1.1 number their namespaces from 1 and have no list. */
static int find_namespace(struct nvme *nvme)
{
    const void *page = nvme_controller_data(&nvme->controller);
    uint32_t version = platform_mmio_read32((const volatile char *)nvme->controller.registers + NVME_VS);
    int error;

    nvme->nsid = 1;
    if (version < NVME_VS_1_1)
        return 0;
    error = identify(nvme, NVME_CNS_ACTIVE_LIST, 0);
    if (error)
        return error;
    nvme->nsid = word_at(page, 0);
    if (nvme->nsid)
        return 0;
    log_error("nvme: no active namespace");
    return ERR_NOT_FOUND;
}

static int identify_namespace(struct nvme *nvme)
{
    const void *page = nvme_controller_data(&nvme->controller);
    int error = identify(nvme, NVME_CNS_NAMESPACE, nvme->nsid);
    uint32_t lbaf, lbads;
    uint64_t blocks;

    if (error)
        return error;
    lbaf = word_at(page, NVME_NS_LBAF + 4 * NVME_FLBAS_FORMAT(byte_at(page, NVME_NS_FLBAS)));
    lbads = NVME_LBAF_LBADS(lbaf);
    if (lbads < 9 || lbads > PAGE_LG2 || NVME_LBAF_MS(lbaf) != 0) {
        log_error("nvme: blocks of 2^%u bytes with %u of metadata are not for this driver", lbads,
                  NVME_LBAF_MS(lbaf));
        return ERR_UNSUPPORTED;
    }
    blocks = word_at(page, NVME_NS_NSZE) | (uint64_t)word_at(page, NVME_NS_NSZE + 4) << 32;
    nvme->blocks_per_page_lg2 = PAGE_LG2 - lbads;
    nvme->pages = blocks >> nvme->blocks_per_page_lg2;
    if (nvme->pages)
        return 0;
    log_error("nvme: the namespace is smaller than a page");
    return ERR_UNSUPPORTED;
}

/* MDTS counts in pages of CAP.MPSMIN, which is 4 KiB here. */
int nvme_identify(struct nvme *nvme)
{
    uint8_t lg2 = nvme->controller.transfer_pages_lg2;
    int error = find_namespace(nvme);

    nvme->read_pages = lg2 && lg2 < 7 ? 1u << lg2 : NVME_READ_PAGES_MAX;
    return error ? error : identify_namespace(nvme);
}
