/* SPDX-License-Identifier: BSD-2-Clause */
/* Driver for QEMU's edu device. */

#include "tests/target/edu.h"
#include "arch/cpu/event.h"
#include "arch/devices/dma_memory.h"
#include "arch/platform/pci.h"
#include "lib/atomic.h"
#include "lib/deadline.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/pci.h"
#include "lib/platform.h"
#include "lib/units.h"

enum edu_register {
    EDU_ID = 0x00,        /* major version << 24 | minor << 16 | 0xed */
    EDU_LIVENESS = 0x04,  /* reads as the complement of what was written */
    EDU_FACTORIAL = 0x08, /* written n, reads n! once it is computed */
    EDU_STATUS = 0x20,
    EDU_RAISE = 0x60, /* sets bits of the interrupt status; an MSI for each write, or a level */
    EDU_ACKNOWLEDGE = 0x64,
    EDU_DMA_SOURCE = 0x80,
    EDU_DMA_TARGET = 0x88,
    EDU_DMA_BYTES = 0x90,
    EDU_DMA_COMMAND = 0x98,
};

#define EDU_ID_MASK          0xffu
#define EDU_ID_EDU           0xedu
#define EDU_STATUS_COMPUTING 1u
#define EDU_COMMAND_RUN      1u
#define EDU_COMMAND_WRITE    2u /* buffer to memory; else memory to buffer */

/* Where the device's own buffer lies in the addresses of its DMA engine. */
#define EDU_BUFFER 0x40000

/* A transfer takes 100 ms of QEMU's virtual time; a busy machine stretches that. */
#define EDU_TIMEOUT_NS (5 * NS_PER_S)

/* Two addresses that are the same once they are cut to 37 bits or fewer. */
#define MASK_LOW_IOVA (16 * MIB)
#define MASK_FAR_IOVA (MASK_LOW_IOVA | 1ull << 37)

static uint32_t edu_get(const struct edu *edu, enum edu_register offset)
{
    return platform_mmio_read32((const volatile char *)edu->registers + offset);
}

static void edu_set(struct edu *edu, enum edu_register offset, uint32_t value)
{
    platform_mmio_write32((volatile char *)edu->registers + offset, value);
}

static void edu_set64(struct edu *edu, enum edu_register offset, uint64_t value)
{
    platform_mmio_write64((volatile char *)edu->registers + offset, value);
}

static int edu_check_alive(struct edu *edu)
{
    uint32_t factorial;

    if ((edu_get(edu, EDU_ID) & EDU_ID_MASK) != EDU_ID_EDU) {
        log_error("edu: the identification register reads %#x", edu_get(edu, EDU_ID));
        return ERR_HARDWARE;
    }
    edu_set(edu, EDU_LIVENESS, 0x12345678);
    if (edu_get(edu, EDU_LIVENESS) != ~0x12345678u) {
        log_error("edu: the liveness register does not invert");
        return ERR_HARDWARE;
    }
    edu_set(edu, EDU_FACTORIAL, 10);
    if (!wait_until(!(edu_get(edu, EDU_STATUS) & EDU_STATUS_COMPUTING), EDU_TIMEOUT_NS)) {
        log_error("edu: no factorial in time");
        return ERR_TIMEOUT;
    }
    factorial = edu_get(edu, EDU_FACTORIAL);
    if (factorial != 3628800) {
        log_error("edu: 10! is not %u", factorial);
        return ERR_HARDWARE;
    }
    return 0;
}

int edu_open(struct edu *edu, unsigned nth)
{
    const struct pci_function *function = pci_find_id(EDU_VENDOR, EDU_DEVICE, nth);
    int error;

    if (!function)
        return ERR_NOT_FOUND;
    edu->function = function->address;
    error = pci_bar_map(edu->function, 0, &edu->registers, NULL);
    if (error)
        return error;
    error = edu_check_alive(edu);
    if (error)
        return error;
    return pci_bus_master_set(edu->function, true);
}

int edu_attach(struct edu *edu, struct iommu_domain *domain)
{
    int error = iommu_attach(domain, edu->function, IOMMU_NO_PASID);

    if (error)
        return error;
    error = pci_bus_master_set(edu->function, true);
    if (error && iommu_detach(domain, edu->function, IOMMU_NO_PASID))
        log_warn("edu: is still in domain, though it cannot be used there");
    return error;
}

static int edu_wait(struct edu *edu)
{
    if (wait_until((event_step(), !edu_busy(edu)), EDU_TIMEOUT_NS))
        return 0;
    log_error("edu: a transfer did not end in time");
    return ERR_TIMEOUT;
}

int edu_close(struct edu *edu)
{
    int ended = edu_wait(edu);
    int error = pci_bus_master_set(edu->function, false);

    return ended ? ended : error;
}

void edu_raise(struct edu *edu)
{
    edu_set(edu, EDU_RAISE, 1);
}

void edu_acknowledge(struct edu *edu)
{
    edu_set(edu, EDU_ACKNOWLEDGE, 1);
}

static int edu_start(struct edu *edu, uint64_t source, uint64_t target, uint32_t bytes, uint32_t command)
{
    if (edu_busy(edu))
        return ERR_BUSY;
    edu_set64(edu, EDU_DMA_SOURCE, source);
    edu_set64(edu, EDU_DMA_TARGET, target);
    edu_set64(edu, EDU_DMA_BYTES, bytes);
    /* What the CPU stored before is in memory before the device can look: on x86 stores and uncached writes
     * keep their order. */
    compiler_barrier();
    edu_set64(edu, EDU_DMA_COMMAND, command | EDU_COMMAND_RUN);
    return 0;
}

int edu_write_start(struct edu *edu, uint64_t iova, uint32_t bytes)
{
    return edu_start(edu, EDU_BUFFER, iova, bytes, EDU_COMMAND_WRITE);
}

int edu_read_start(struct edu *edu, uint64_t iova, uint32_t bytes)
{
    return edu_start(edu, iova, EDU_BUFFER, bytes, 0);
}

bool edu_busy(const struct edu *edu)
{
    return edu_get(edu, EDU_DMA_COMMAND) & EDU_COMMAND_RUN;
}

int edu_write(struct edu *edu, uint64_t iova, uint32_t bytes)
{
    int error = edu_write_start(edu, iova, bytes);

    return error ? error : edu_wait(edu);
}

int edu_read(struct edu *edu, uint64_t iova, uint32_t bytes)
{
    int error = edu_read_start(edu, iova, bytes);

    return error ? error : edu_wait(edu);
}

/* The low page holds the time, which the device's buffer cannot. */
static int write_far(struct edu *edu, uint64_t *low)
{
    uint64_t mark = platform_time_ns();
    int error;

    atomic_write(low, mark);
    error = edu_write(edu, MASK_FAR_IOVA, sizeof(*low));
    if (error || atomic_read(low) == mark)
        return error;
    log_warn("edu: cuts addresses; start QEMU with -device edu,dma_mask=0xffffffffffffffff");
    return ERR_UNSUPPORTED;
}

int edu_check_mask(struct edu *edu, struct iommu_domain *domain)
{
    struct dma_memory low, far = {0};
    int error = dma_memory_map(&low, domain, MASK_LOW_IOVA, 0);
    int far_unmapped, low_unmapped;

    if (!error)
        error = dma_memory_map(&far, domain, MASK_FAR_IOVA, 0);
    if (!error)
        error = write_far(edu, low.address);
    far_unmapped = dma_memory_unmap(&far);
    low_unmapped = dma_memory_unmap(&low);
    if (error)
        return error;
    return far_unmapped ? far_unmapped : low_unmapped;
}
