/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtio entropy device: modern PCI transport, one queue. */
#include "tests/target/virtio_rng.h"
#include "arch/cpu/event.h"
#include "arch/platform/pci.h"
#include "lib/atomic.h"
#include "lib/deadline.h"
#include "lib/error.h"
#include "lib/pci.h"
#include "lib/units.h"

/* Capabilities that say where registers are (4.1.4): vendor-specific ones, with a type, a BAR and an offset.
 */
enum {
    CAPABILITY_VENDOR = 0x09,
    CAPABILITY_TYPE = 3,
    CAPABILITY_BAR = 4,
    CAPABILITY_OFFSET = 8,
    CAPABILITY_MULTIPLIER = 16,
    TYPE_COMMON = 1,
    TYPE_NOTIFY = 2,
    CAPABILITIES_MAX = 48,
};

/* Registers (4.1.4.3). */
enum {
    FEATURE_SELECT = 0x08, /* the driver's, as the next one; the device's are at 0x00 and 0x04 */
    FEATURES = 0x0c,
    STATUS = 0x14,
    QUEUE_SELECT = 0x16,
    QUEUE_SIZE = 0x18,
    QUEUE_ENABLE = 0x1c,
    QUEUE_NOTIFY = 0x1e,
    QUEUE_DESCRIPTORS = 0x20,
    QUEUE_AVAILABLE = 0x28,
    QUEUE_USED = 0x30,
};

enum {
    STATUS_ACKNOWLEDGE = 1,
    STATUS_DRIVER = 2,
    STATUS_DRIVER_OK = 4,
    STATUS_FEATURES_OK = 8,
    FEATURES_HIGH = 3, /* VERSION_1 and ACCESS_PLATFORM: bits 32 and 33 */
    ENTRIES = 4,
    DESCRIPTOR_WRITE = 2,
};

#define RESET_NS   (1 * NS_PER_S)
#define REQUEST_NS (1 * NS_PER_S)

/* The queue (2.7), all in one page. */
struct ring {
    struct {
        uint64_t iova;
        uint32_t bytes;
        uint16_t flags;
        uint16_t next;
    } descriptors[ENTRIES];
    struct {
        uint16_t flags;
        uint16_t index;
        uint16_t ring[ENTRIES];
    } available;
    struct {
        uint16_t flags;
        uint16_t index;
        struct {
            uint32_t descriptor;
            uint32_t bytes;
        } ring[ENTRIES];
    } used __attribute__((aligned(4)));
};

_Static_assert(sizeof(struct ring) <= PAGE_SIZE, "it is in one page");

static void set8(volatile uint8_t *at, uint8_t value)
{
    *at = value;
}

static void set16(volatile uint8_t *at, uint16_t value)
{
    *(volatile uint16_t *)(volatile void *)at = value;
}

static uint16_t get16(const volatile uint8_t *at)
{
    return *(const volatile uint16_t *)(const volatile void *)at;
}

static void set32(volatile uint8_t *at, uint32_t value)
{
    platform_mmio_write32(at, value);
}

static void set64(volatile uint8_t *at, uint64_t value)
{
    set32(at, (uint32_t)value);
    set32(at + 4, (uint32_t)(value >> 32));
}

static int map_registers(struct virtio_rng *rng, unsigned capability)
{
    unsigned type = pci_read8(rng->function, capability + CAPABILITY_TYPE);
    uint32_t offset = platform_pci_read32(rng->function, capability + CAPABILITY_OFFSET);
    volatile void *bar;
    uint64_t bytes;
    int error;

    if (type != TYPE_COMMON && type != TYPE_NOTIFY)
        return 0;
    error = pci_bar_map(rng->function, pci_read8(rng->function, capability + CAPABILITY_BAR), &bar, &bytes);
    if (error)
        return error;
    if (offset >= bytes || bytes - offset < PAGE_SIZE / 16)
        return ERR_NOT_FOUND;
    if (type == TYPE_COMMON) {
        rng->common = (volatile uint8_t *)bar + offset;
    } else {
        rng->notify = (volatile uint8_t *)bar + offset;
        rng->notify_multiplier = platform_pci_read32(rng->function, capability + CAPABILITY_MULTIPLIER);
    }
    return 0;
}

static int find_registers(struct virtio_rng *rng)
{
    unsigned at = pci_read8(rng->function, PCI_CAPABILITIES) & ~3u;
    int error = 0;

    for (unsigned i = 0; at && i < CAPABILITIES_MAX && !error; i++) {
        if (pci_read8(rng->function, at) == CAPABILITY_VENDOR)
            error = map_registers(rng, at);
        at = pci_read8(rng->function, at + 1) & ~3u;
    }
    if (!error && !(rng->common && rng->notify))
        error = ERR_NOT_FOUND;
    return error;
}

static int reset(struct virtio_rng *rng)
{
    set8(rng->common + STATUS, 0);
    return wait_until(rng->common[STATUS] == 0, RESET_NS) ? 0 : ERR_TIMEOUT;
}

static void set_queue(struct virtio_rng *rng)
{
    const struct ring *ring = rng->ring.address;

    set16(rng->common + QUEUE_SELECT, 0);
    set16(rng->common + QUEUE_SIZE, ENTRIES);
    set64(rng->common + QUEUE_DESCRIPTORS, dma_memory_iova(&rng->ring, &ring->descriptors));
    set64(rng->common + QUEUE_AVAILABLE, dma_memory_iova(&rng->ring, &ring->available));
    set64(rng->common + QUEUE_USED, dma_memory_iova(&rng->ring, &ring->used));
    set16(rng->common + QUEUE_ENABLE, 1);
}

/* 3.1.1 */
static int start(struct virtio_rng *rng)
{
    int error = pci_bus_master_set(rng->function, true);

    if (!error)
        error = reset(rng);
    if (error)
        return error;
    set8(rng->common + STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
    set32(rng->common + FEATURE_SELECT, 0);
    set32(rng->common + FEATURES, 0);
    set32(rng->common + FEATURE_SELECT, 1);
    set32(rng->common + FEATURES, FEATURES_HIGH);
    set8(rng->common + STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
    if (!(rng->common[STATUS] & STATUS_FEATURES_OK))
        return ERR_UNSUPPORTED;
    set_queue(rng);
    set8(rng->common + STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK);
    return 0;
}

int virtio_rng_open(struct virtio_rng *rng, struct pci_address function, struct iommu_domain *domain,
                    uint64_t iova)
{
    int error, left;

    *rng = (struct virtio_rng){.function = function, .domain = domain};
    error = find_registers(rng);
    if (!error)
        error = iommu_attach(domain, function, IOMMU_NO_PASID);
    if (error)
        return error;
    error = dma_memory_map(&rng->ring, domain, iova, 0);
    if (!error)
        error = start(rng);
    if (!error)
        return 0;
    left = virtio_rng_close(rng);
    return left ? left : error;
}

int virtio_rng_read(struct virtio_rng *rng, uint64_t iova, uint32_t bytes)
{
    struct ring *ring = rng->ring.address;
    unsigned slot = rng->requests % ENTRIES;

    ring->descriptors[slot].iova = iova;
    ring->descriptors[slot].bytes = bytes;
    ring->descriptors[slot].flags = DESCRIPTOR_WRITE;
    ring->available.ring[slot] = (uint16_t)slot;
    /* The index is what makes the device read the rest. */
    atomic_write_release(&ring->available.index, ++rng->requests);
    set16(rng->common + QUEUE_SELECT, 0);
    set16(rng->notify + get16(rng->common + QUEUE_NOTIFY) * rng->notify_multiplier, 0);
    return wait_until((event_step(), atomic_read_acquire(&ring->used.index) == rng->requests), REQUEST_NS)
               ? 0
               : ERR_TIMEOUT;
}

int virtio_rng_close(struct virtio_rng *rng)
{
    int error = reset(rng), result;

    result = pci_bus_master_set(rng->function, false);
    error = error ? error : result;
    result = iommu_detach(rng->domain, rng->function, IOMMU_NO_PASID);
    error = error ? error : result;
    result = dma_memory_unmap(&rng->ring);
    return error ? error : result;
}
