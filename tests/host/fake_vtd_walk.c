/* SPDX-License-Identifier: BSD-2-Clause */
/* What remapping units make of the tables in memory, as far as they see it. */
#include "iommu/vtd/regs.h"
#include "lib/units.h"
#include "tests/host/fake_vtd.h"
#include "tests/host/host.h"
#include <stdlib.h>
#include <string.h>

#define FIRST_MEMORY GIB
#define LINE         64ull

static uint8_t *shadow;
static uint64_t shadow_bytes;
static void (*on_flush)(void);

static void flush_to_shadow(const void *address, size_t bytes)
{
    uint64_t first = align_down(virt_to_phys(address), LINE);
    uint64_t end = align_up(virt_to_phys(address) + bytes, LINE);

    memcpy(shadow + (first - FIRST_MEMORY), phys_to_virt(first), end - first);
    if (on_flush)
        on_flush();
}

void fake_vtd_use_shadow(uint64_t memory_bytes)
{
    shadow_bytes = memory_bytes;
    shadow = calloc(1, memory_bytes);
    host_set_cache_flush(flush_to_shadow);
}

void fake_vtd_on_flush(void (*look)(void))
{
    on_flush = look;
}

/* What the unit sees of a page of tables. Outside of memory it would read anything at all. */
static const uint64_t *page_seen(const struct fake_vtd *unit, uint64_t hpa)
{
    if (!shadow)
        return phys_to_virt(hpa);
    if (hpa < FIRST_MEMORY || hpa >= FIRST_MEMORY + shadow_bytes)
        abort();
    return unit->ecap & VTD_ECAP_C ? phys_to_virt(hpa) : (const void *)(shadow + (hpa - FIRST_MEMORY));
}

static const uint64_t *next_table(const struct fake_vtd *unit, uint64_t entry)
{
    return entry & 1 ? page_seen(unit, entry & 0x000ffffffffff000ull) : NULL;
}

bool fake_vtd_walk(const struct fake_vtd *unit, uint16_t source_id, uint64_t iova, uint64_t *hpa)
{
    unsigned devfn = source_id & 0xff;
    const uint64_t *table, *entry;

    if (!(unit->gsts & VTD_GSTS_TES))
        return false;
    table = page_seen(unit, unit->rtaddr & VTD_PAGE_ADDRESS);
    table = next_table(unit, table[(source_id >> 8) * 2 + devfn / 128]);
    if (!table)
        return false;
    entry = next_table(unit, table[devfn % 128 * 4]); /* the PASID directory */
    entry = entry ? next_table(unit, entry[0]) : NULL;
    if (!entry || !(entry[0] & 1) || (entry[0] >> 6 & 7) != 1)
        return false;
    table = page_seen(unit, entry[2] & VTD_PAGE_ADDRESS);
    for (int level = 3; table; level--) {
        uint64_t found = table[iova >> (12 + 9 * level) & 511];
        uint64_t mask = (1ull << (12 + 9 * level)) - 1;

        if (level == 0 || found & 1 << 7) {
            *hpa = (found & 0x000ffffffffff000ull & ~mask) | (iova & mask);
            return found & 1;
        }
        table = next_table(unit, found);
    }
    return false;
}

static bool source_matches(uint64_t word1, uint16_t source_id)
{
    uint16_t sid = (uint16_t)word1;
    unsigned bus = source_id >> 8;

    if ((word1 >> 18 & 3) == 2)
        return bus >= sid >> 8 && bus <= (sid & 0xffu);
    return (word1 >> 16 & 3) == 3 ? sid >> 3 == source_id >> 3 : sid == source_id;
}

/* 5.1.4, without a cache. */
uint8_t fake_vtd_interrupt(const struct fake_vtd *unit, uint16_t source_id, uint64_t address, uint32_t data,
                           struct fake_interrupt *interrupt)
{
    uint64_t index = (address >> 5 & 0x7fff) | (address >> 2 & 1) << 15;
    uint64_t table = unit->interrupt_table & VTD_PAGE_ADDRESS;
    const uint64_t *entry;

    if (!(address & 1 << 4))
        return 0x25;
    if (address & 1 << 3)
        index += data & 0xffff;
    if (index >= 2ull << (unit->interrupt_table & 0xf))
        return 0x21;
    entry = page_seen(unit, table + index / 256 * PAGE_SIZE) + index % 256 * 2;
    if (!(entry[0] & 1))
        return 0x22;
    if (!source_matches(entry[1], source_id))
        return 0x26;
    interrupt->vector = (uint8_t)(entry[0] >> 16);
    interrupt->apic_id = (uint32_t)(entry[0] >> (unit->interrupt_table & VTD_IRTA_EIME ? 32 : 40));
    return 0;
}
