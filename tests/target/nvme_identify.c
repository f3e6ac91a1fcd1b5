/* SPDX-License-Identifier: BSD-2-Clause */
/* NVMe: what a controller and its first namespace say about themselves. */

#include "tests/target/nvme_identify.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/platform.h"
#include <string.h>

/* What a controller says could be more than an hour. */
#define SHUTDOWN_MAX_NS (60 * NS_PER_S)

static int identify(struct nvme *nvme, enum nvme_cns cns, uint32_t nsid, const void *page)
{
    struct nvme_command command = {.cdw0 = NVME_IDENTIFY, .nsid = nsid, .cdw10 = cns};

    command.prp1 = dma_memory_iova(&nvme->memory, page);
    return nvme_queue_run(&nvme->admin, &command, NULL);
}

static uint8_t byte_at(const void *page, unsigned offset)
{
    return ((const volatile uint8_t *)page)[offset];
}

static uint32_t word_at(const void *page, unsigned offset)
{
    return ((const volatile uint32_t *)page)[offset / 4];
}

/* Text in these fields is padded with blanks, and a device may put anything there: what does not print
 * becomes '?'. */
static void copy_text(char *text, const void *page, unsigned offset, unsigned bytes)
{
    unsigned end = 0;

    for (unsigned i = 0; i < bytes; i++) {
        uint8_t c = byte_at(page, offset + i);

        text[i] = (char)(c < ' ' || c > '~' ? '?' : c);
        if (c > ' ')
            end = i + 1;
    }
    text[end] = 0;
}

/* MDTS counts in pages of CAP.MPSMIN, which is 4 KiB here; 0 is no limit. */
static int identify_controller(struct nvme *nvme, const void *page)
{
    int error = identify(nvme, NVME_CNS_CONTROLLER, 0, page);
    uint8_t mdts;
    uint64_t shutdown_ns;

    if (error)
        return error;
    copy_text(nvme->model, page, NVME_ID_MODEL, NVME_ID_MODEL_BYTES);
    copy_text(nvme->serial, page, NVME_ID_SERIAL, NVME_ID_SERIAL_BYTES);
    mdts = byte_at(page, NVME_ID_MDTS);
    nvme->read_pages = mdts && mdts < 7 ? 1u << mdts : NVME_READ_PAGES_MAX;
    shutdown_ns = word_at(page, NVME_ID_RTD3E) * NS_PER_US;
    if (shutdown_ns > nvme->shutdown_timeout_ns)
        nvme->shutdown_timeout_ns = shutdown_ns < SHUTDOWN_MAX_NS ? shutdown_ns : SHUTDOWN_MAX_NS;
    return 0;
}

/* Controllers before version 1.1 number their namespaces from 1 and have no list. */
static int find_namespace(struct nvme *nvme, const void *page)
{
    uint32_t version = platform_mmio_read32((const volatile char *)nvme->registers + NVME_VS);
    int error;

    nvme->nsid = 1;
    if (version < NVME_VS_1_1)
        return 0;
    error = identify(nvme, NVME_CNS_ACTIVE_LIST, 0, page);
    if (error)
        return error;
    nvme->nsid = word_at(page, 0);
    if (nvme->nsid)
        return 0;
    log_error("nvme: no active namespace");
    return ERR_NOT_FOUND;
}

static int identify_namespace(struct nvme *nvme, const void *page)
{
    int error = identify(nvme, NVME_CNS_NAMESPACE, nvme->nsid, page);
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

int nvme_identify(struct nvme *nvme, const void *page)
{
    int error = identify_controller(nvme, page);

    if (!error)
        error = find_namespace(nvme, page);
    if (!error)
        error = identify_namespace(nvme, page);
    return error;
}
