/* SPDX-License-Identifier: BSD-2-Clause */
/* The area where device registers and firmware's tables are mapped, on demand and for good. */
#include "arch/cpu/cpu.h"
#include "arch/cpu/layout.h"
#include "arch/cpu/paging.h"
#include "lib/atomic.h"
#include "lib/log.h"
#include "lib/page_alloc.h"
#include "lib/units.h"
#include <stdlib.h>

#define AREA_BYTES (512 * GIB) /* what one entry of level 3 covers, which the loader makes */

/* One mapping of whole pages. Never changed or removed once it is on the list. */
struct mapping {
    struct mapping *next;
    uint64_t hpa;
    uint64_t bytes;
    unsigned rights;
    uintptr_t address;
};

static struct mapping *mappings;       /* newest first; atomic */
static uint64_t area_used = PAGE_SIZE; /* atomic; an area starts and ends with a page that faults */

static struct mapping *find(uint64_t hpa, uint64_t bytes, unsigned rights)
{
    struct mapping *m = atomic_read_acquire(&mappings);

    while (m && !(m->rights == rights && hpa >= m->hpa && hpa - m->hpa <= m->bytes &&
                  bytes <= m->bytes - (hpa - m->hpa)))
        m = m->next;
    return m;
}

static void publish(struct mapping *m)
{
    m->next = atomic_read(&mappings);
    while (!atomic_compare_exchange(&mappings, &m->next, m))
        ;
}

/* Takes addresses for bytes from hpa on, such that large pages fit where both agree. 0 when the area is used
 * up. */
static uintptr_t take_addresses(uint64_t hpa, uint64_t bytes)
{
    uint64_t unit = bytes >= 2 * MIB ? 2 * MIB : PAGE_SIZE;
    uint64_t used = atomic_read(&area_used);
    uint64_t start, end;

    do {
        start = align_up(used, unit) + (hpa & (unit - 1));
        end = start + bytes + PAGE_SIZE;
        if (bytes > AREA_BYTES || end > AREA_BYTES)
            return 0;
    } while (!atomic_compare_exchange(&area_used, &used, end));
    return MMIO_BASE + start;
}

static struct mapping *map(uint64_t hpa, uint64_t bytes, unsigned rights)
{
    struct mapping *m = malloc(sizeof(*m));
    uintptr_t address = m ? take_addresses(hpa, bytes) : 0;

    if (!address || !paging_map(address, hpa, bytes, rights)) {
        log_error("paging: no room to map 0x%lx bytes at 0x%lx", (unsigned long)bytes, (unsigned long)hpa);
        free(m);
        return NULL;
    }
    *m = (struct mapping){.hpa = hpa, .bytes = bytes, .rights = rights, .address = address};
    publish(m);
    return m;
}

static void *find_or_map(uint64_t hpa, size_t bytes, unsigned rights)
{
    uint64_t end = 1ull << cpu_features.physical_bits;
    uint64_t first = align_down(hpa, PAGE_SIZE);
    struct mapping *m;

    if (bytes == 0 || hpa >= end || bytes > end - hpa) {
        log_error("paging: 0x%lx bytes at 0x%lx are not physical addresses", (unsigned long)bytes,
                  (unsigned long)hpa);
        return NULL;
    }
    bytes = align_up(hpa + bytes, PAGE_SIZE) - first;
    m = find(first, bytes, rights);
    if (!m)
        m = map(first, bytes, rights);
    return m ? (void *)(m->address + (hpa - m->hpa)) : NULL;
}

volatile void *paging_map_mmio(uint64_t hpa, size_t bytes)
{
    /* One memory under two cache policies is undefined (SDM volume 3, 12.12.4), and registers are never
     * there. */
    if (hpa < 1ull << cpu_features.physical_bits && page_of(phys_to_virt(hpa))) {
        log_error("paging: registers said to be at 0x%lx, which is memory", (unsigned long)hpa);
        return NULL;
    }
    return find_or_map(hpa, bytes, PAGING_WRITE | PAGING_UNCACHED);
}

void *paging_map_reserved(uint64_t hpa, size_t bytes)
{
    return find_or_map(hpa, bytes, PAGING_WRITE);
}

const void *paging_map_firmware(uint64_t hpa, size_t bytes)
{
    return find_or_map(hpa, bytes, 0);
}
