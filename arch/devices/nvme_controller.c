/* SPDX-License-Identifier: BSD-2-Clause */
/* NVMe: bringing a controller up and down. */
#include "arch/devices/nvme_controller.h"
#include "arch/platform/pci.h"
#include "lib/deadline.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/pci.h"
#include "lib/platform.h"
#include <string.h>

#define ADMIN_DEPTH         16
#define SHUTDOWN_TIMEOUT_NS (10 * NS_PER_S)

/* What a controller says could be more than an hour. */
#define SHUTDOWN_MAX_NS (60 * NS_PER_S)

/* Pages of the window. */
enum {
    PAGE_COMMANDS,
    PAGE_COMPLETIONS,
    PAGE_DATA,
};

static uint32_t get(const struct nvme_controller *controller, enum nvme_register offset)
{
    return platform_mmio_read32((const volatile char *)controller->registers + offset);
}

static void set(struct nvme_controller *controller, enum nvme_register offset, uint32_t value)
{
    platform_mmio_write32((volatile char *)controller->registers + offset, value);
}

static void set64(struct nvme_controller *controller, enum nvme_register offset, uint64_t value)
{
    platform_mmio_write64((volatile char *)controller->registers + offset, value);
}

static void *window_page(const struct nvme_controller *controller, unsigned page)
{
    return (char *)controller->memory.address + page * PAGE_SIZE;
}

void *nvme_controller_data(const struct nvme_controller *controller)
{
    return window_page(controller, PAGE_DATA);
}

uint64_t nvme_controller_data_iova(const struct nvme_controller *controller)
{
    return dma_memory_iova(&controller->memory, nvme_controller_data(controller));
}

/* True when RDY is as wanted; false when that does not come, when a controller that is to get ready reports a
 * fatal status, or when it is gone. */
static bool wait_ready(struct nvme_controller *controller, bool ready)
{
    uint32_t csts;
    bool ended = wait_until((csts = get(controller, NVME_CSTS), csts == NVME_CSTS_GONE ||
                                                                    (ready && csts & NVME_CSTS_CFS) ||
                                                                    !!(csts & NVME_CSTS_RDY) == ready),
                            controller->ready_timeout_ns);

    return ended && csts != NVME_CSTS_GONE && !!(csts & NVME_CSTS_RDY) == ready;
}

/* A controller that firmware left on, or just about to come on, is let come on first: EN may change only once
 * RDY has followed [3.1.5]. */
static int disable(struct nvme_controller *controller)
{
    uint32_t cc = get(controller, NVME_CC);

    if (cc & NVME_CC_EN) {
        if (!wait_ready(controller, true))
            log_warn("nvme: was on without getting ready");
        set(controller, NVME_CC, cc & ~NVME_CC_EN);
    }
    if (wait_ready(controller, false))
        return 0;
    log_error("nvme: does not stop (status %#x)", get(controller, NVME_CSTS));
    return ERR_TIMEOUT;
}

static int check_capabilities(struct nvme_controller *controller)
{
    if (controller->register_bytes < NVME_DOORBELLS + 2 * sizeof(uint32_t)) {
        log_error("nvme: BAR 0 has %llu bytes only", (unsigned long long)controller->register_bytes);
        return ERR_UNSUPPORTED;
    }
    controller->cap = platform_mmio_read64((const volatile char *)controller->registers + NVME_CAP);
    controller->ready_timeout_ns = (NVME_CAP_TO(controller->cap) + 1) * 500 * NS_PER_MS;
    controller->shutdown_timeout_ns = SHUTDOWN_TIMEOUT_NS;
    if (get(controller, NVME_CSTS) == NVME_CSTS_GONE) {
        log_error("nvme: registers read as all ones");
        return ERR_HARDWARE;
    }
    if (nvme_doorbells_end(controller->cap, 0) > controller->register_bytes) {
        log_error("nvme: doorbells 2^%u bytes apart are beyond BAR 0 (%llu bytes)",
                  2 + NVME_CAP_DSTRD(controller->cap), (unsigned long long)controller->register_bytes);
        return ERR_UNSUPPORTED;
    }
    if (NVME_CAP_MPSMIN(controller->cap) != 0) {
        log_error("nvme: no 4 KiB pages (CAP.MPSMIN %u)", NVME_CAP_MPSMIN(controller->cap));
        return ERR_UNSUPPORTED;
    }
    if (!(controller->cap & (NVME_CAP_CSS_NVM | NVME_CAP_CSS_SEVERAL))) {
        log_error("nvme: no NVM command set (CAP.CSS)");
        return ERR_UNSUPPORTED;
    }
    return 0;
}

/* Switches it on, with empty queues; it fetches commands at iova. */
static int enable(struct nvme_controller *controller, void *commands, uint64_t iova)
{
    uint32_t cc = NVME_CC_EN | NVME_CC_IOSQES_64 | NVME_CC_IOCQES_16;
    void *completions = window_page(controller, PAGE_COMPLETIONS);

    cc |= controller->cap & NVME_CAP_CSS_NVM ? NVME_CC_CSS_NVM : NVME_CC_CSS_SEVERAL;
    memset(completions, 0, PAGE_SIZE); /* the phase bit begins at 0 [4.6] */
    nvme_queue_init(&controller->admin, 0, ADMIN_DEPTH, commands, completions, controller->registers,
                    NVME_CAP_DSTRD(controller->cap));
    set(controller, NVME_INTMS, ~0u); /* polled */
    set(controller, NVME_AQA, NVME_AQA_SIZES(ADMIN_DEPTH));
    set64(controller, NVME_ASQ, iova);
    set64(controller, NVME_ACQ, dma_memory_iova(&controller->memory, completions));
    set(controller, NVME_CC, cc);
    if (wait_ready(controller, true))
        return 0;
    log_error("nvme: does not get ready within %llu ms (status %#x)",
              controller->ready_timeout_ns / NS_PER_MS, get(controller, NVME_CSTS));
    return get(controller, NVME_CSTS) & NVME_CSTS_CFS ? ERR_HARDWARE : ERR_TIMEOUT;
}

int nvme_controller_move_queue(struct nvme_controller *controller, void *commands, uint64_t iova)
{
    int error = disable(controller);

    if (error)
        return error;
    if (commands)
        return enable(controller, commands, iova);
    return enable(controller, window_page(controller, PAGE_COMMANDS), controller->memory.iova);
}

int nvme_controller_identify(struct nvme_controller *controller, enum nvme_cns cns, uint32_t nsid,
                             uint64_t iova)
{
    struct nvme_command command = {.cdw0 = NVME_IDENTIFY, .nsid = nsid, .prp1 = iova, .cdw10 = cns};

    return nvme_queue_run(&controller->admin, &command, NULL);
}

/* Text in these fields is padded with blanks, and a device may put anything there: what does not print
 * becomes '?'. */
static void copy_text(char *text, const void *page, unsigned offset, unsigned bytes)
{
    const volatile uint8_t *field = (const volatile uint8_t *)page + offset;
    unsigned end = 0;

    for (unsigned i = 0; i < bytes; i++) {
        uint8_t c = field[i];

        text[i] = (char)(c < ' ' || c > '~' ? '?' : c);
        if (c > ' ')
            end = i + 1;
    }
    text[end] = 0;
}

static int ask_who_it_is(struct nvme_controller *controller)
{
    const void *data = nvme_controller_data(controller);
    int error =
        nvme_controller_identify(controller, NVME_CNS_CONTROLLER, 0, nvme_controller_data_iova(controller));
    uint64_t shutdown_ns;

    if (error)
        return error;
    copy_text(controller->model, data, NVME_ID_MODEL, NVME_ID_MODEL_BYTES);
    copy_text(controller->serial, data, NVME_ID_SERIAL, NVME_ID_SERIAL_BYTES);
    controller->transfer_pages_lg2 = ((const volatile uint8_t *)data)[NVME_ID_MDTS];
    shutdown_ns = ((const volatile uint32_t *)data)[NVME_ID_RTD3E / 4] * NS_PER_US;
    if (shutdown_ns > controller->shutdown_timeout_ns)
        controller->shutdown_timeout_ns = shutdown_ns < SHUTDOWN_MAX_NS ? shutdown_ns : SHUTDOWN_MAX_NS;
    return 0;
}

/* With the controller attached and its window mapped. */
static int start(struct nvme_controller *controller)
{
    int error = pci_bus_master_set(controller->function, true);

    if (!error)
        error = enable(controller, window_page(controller, PAGE_COMMANDS), controller->memory.iova);
    return error ? error : ask_who_it_is(controller);
}

int nvme_controller_open(struct nvme_controller *controller, struct pci_address function,
                         struct iommu_domain *domain, uint64_t iova)
{
    int error;

    memset(controller, 0, sizeof *controller);
    controller->function = function;
    controller->domain = domain;
    error = pci_bar_map(function, 0, &controller->registers, &controller->register_bytes);
    if (!error)
        error = check_capabilities(controller);
    if (!error)
        error = disable(controller);
    if (!error)
        error = iommu_attach(domain, function, IOMMU_NO_PASID);
    if (error)
        return error;
    error = dma_memory_map(&controller->memory, domain, iova, NVME_CONTROLLER_ORDER);
    if (!error)
        error = start(controller);
    if (error && nvme_controller_close(controller))
        log_warn("nvme: not closed cleanly after it failed to open");
    return error;
}

/* Tells the controller that power may go, so that it writes back what it holds [7.6.2]. */
static int shut_down(struct nvme_controller *controller)
{
    uint32_t cc = get(controller, NVME_CC);

    if (!(cc & NVME_CC_EN) || !(get(controller, NVME_CSTS) & NVME_CSTS_RDY))
        return 0;
    set(controller, NVME_CC, (cc & ~NVME_CC_SHN_MASK) | NVME_CC_SHN_NORMAL);
    if (wait_until((get(controller, NVME_CSTS) & NVME_CSTS_SHST_MASK) == NVME_CSTS_SHST_DONE,
                   controller->shutdown_timeout_ns))
        return 0;
    log_error("nvme: does not shut down in time");
    return ERR_TIMEOUT;
}

int nvme_controller_close(struct nvme_controller *controller)
{
    int first = shut_down(controller);
    int error = disable(controller);

    first = first ? first : error;
    error = pci_bus_master_set(controller->function, false);
    first = first ? first : error;
    /* Detached its DMA is blocked whatever the controller does: only now may the window's pages be somebody
     * else's. */
    error = iommu_detach(controller->domain, controller->function, IOMMU_NO_PASID);
    if (error)
        return first ? first : error;
    error = dma_memory_unmap(&controller->memory);
    return first ? first : error;
}
