/* SPDX-License-Identifier: BSD-2-Clause */
/* The way of a request and of an interrupt through the unit, by the tables in memory, and the faults on it.
 * Sections are those of the VT-d specification. */
#include "tests/embed/unit.h"
#include "tests/embed/machine.h"
#include <string.h>

#define ADDRESS 0x000ffffffffff000ull

/* 7.3, Table 31: why a request was refused. */
enum {
    ROOT_NOT_PRESENT = 0x39,
    CONTEXT_NOT_PRESENT = 0x41,
    DIRECTORY_NOT_PRESENT = 0x51,
    PASID_NOT_PRESENT = 0x59,
    NO_PERMISSION = 0x79,
    COMPATIBILITY_FORMAT = 0x25,
    BEYOND_TABLE = 0x21,
    INTERRUPT_NOT_PRESENT = 0x22,
    WRONG_SOURCE = 0x26,
};

struct unit unit;

/* 7.2: into the register, and the event; or an overflow, while it is full. low: the page, or the index. */
static bool refuse(uint16_t source_id, unsigned reason, uint64_t low, bool read)
{
    if (unit.fsts & 2) {
        unit.fsts |= 1;
        return false;
    }
    unit.fault[0] = low;
    unit.fault[1] = 1ull << 63 | (uint64_t)read << 62 | (uint64_t)reason << 32 | source_id;
    unit.fsts |= 2;
    unit.fault_event = (struct unit_message){true, (uint64_t)unit.feuaddr << 32 | unit.feaddr, unit.fedata};
    return false;
}

struct unit_message unit_take_fault_event(void)
{
    struct unit_message message = unit.fault_event;

    if (!message.there || unit.fectl >> 31)
        return (struct unit_message){.there = false};
    unit.fault_event.there = false;
    return message;
}

static uint64_t *entry_at(uint64_t table, uint64_t offset)
{
    return (uint64_t *)(void *)(machine_memory() + (table & ADDRESS) + offset);
}

static uint64_t get(const uint64_t *entry)
{
    return __atomic_load_n(entry, __ATOMIC_ACQUIRE);
}

/* 9.2, 9.4 to 9.6: the root entry of the bus, the context entry, the PASID directory, the PASID table. */
static const uint64_t *find_pasid_entry(uint16_t source_id, unsigned *reason)
{
    uint64_t devfn = source_id & 0xff;
    uint64_t root = get(entry_at(unit.rtaddr, (source_id >> 8) * 16ull + devfn / 128 * 8));
    const uint64_t *context = entry_at(root, devfn % 128 * 32);
    uint64_t pasid = root & 1 && get(context) & 1 ? context[1] & 0xfffff : 0; /* RID_PASID */
    uint64_t directory;

    *reason = !(root & 1) ? ROOT_NOT_PRESENT : CONTEXT_NOT_PRESENT;
    if (!(root & 1) || !(get(context) & 1))
        return NULL;
    *reason = DIRECTORY_NOT_PRESENT;
    directory = get(entry_at(get(context), pasid / 64 * 8));
    return directory & 1 ? entry_at(directory, pasid % 64 * 64) : NULL;
}

/* 3.7: a second-stage walk; sets accessed on its way, and dirty in the leaf, as SSADE asks. */
static bool walk(uint64_t root, uint64_t iova, bool write, uint64_t *hpa)
{
    uint64_t table = root;

    for (int level = 3; level >= 0; level--) {
        uint64_t *entry = entry_at(table, (iova >> (12 + 9 * level) & 511) * 8);
        uint64_t mask = (1ull << (12 + 9 * level)) - 1;
        uint64_t found = get(entry);
        bool leaf = level == 0 || found & 1 << 7;

        if (!(found & (write ? 2 : 1)))
            return false;
        __atomic_fetch_or(entry, 1ull << 8 | (leaf && write ? 1ull << 9 : 0), __ATOMIC_SEQ_CST);
        if (leaf) {
            *hpa = (found & ADDRESS & ~mask) | (iova & mask);
            return true;
        }
        table = found;
    }
    return false;
}

bool unit_translate(uint16_t source_id, uint64_t iova, bool write, uint64_t *hpa)
{
    const uint64_t *pasid_entry;
    unsigned reason;

    *hpa = iova;
    if (!(unit.gsts >> 31))
        return true;
    pasid_entry = find_pasid_entry(source_id, &reason);
    if (!pasid_entry)
        return refuse(source_id, reason, iova & ADDRESS, !write);
    /* PGTT 2: second stage. */
    if (!(get(pasid_entry) & 1) || (get(pasid_entry) >> 6 & 7) != 2)
        return refuse(source_id, PASID_NOT_PRESENT, iova & ADDRESS, !write);
    if (iova >> 48 || !walk(get(pasid_entry), iova, write, hpa))
        return refuse(source_id, NO_PERMISSION, iova & ADDRESS, !write);
    return true;
}

/* 5.1.4. */
bool unit_remap(uint16_t source_id, uint64_t address, uint32_t data, struct unit_message *message)
{
    uint64_t index = (address >> 5 & 0x7fff) | (address >> 2 & 1) << 15;
    const uint64_t *entry;

    *message = (struct unit_message){true, address, data};
    if (!(unit.gsts & 1u << 25))
        return true;
    if (address & 1 << 3)
        index += data & 0xffff;
    if (!(address & 1 << 4))
        return refuse(source_id, COMPATIBILITY_FORMAT, 0, false);
    if (index >= 2ull << (unit.irta & 0xf))
        return refuse(source_id, BEYOND_TABLE, index << 48, false);
    entry = entry_at(unit.irta & ADDRESS, 0) + index * 2;
    if (!(get(entry) & 1))
        return refuse(source_id, INTERRUPT_NOT_PRESENT, index << 48, false);
    if ((uint16_t)entry[1] != source_id)
        return refuse(source_id, WRONG_SOURCE, index << 48, false);
    /* xAPIC: the CPU's id is in bits 47:40 of the entry, and in 19:12 of the message. */
    *message = (struct unit_message){true, 0xfee00000 | (get(entry) >> 40 & 0xff) << 12,
                                     (uint32_t)(get(entry) >> 16 & 0xff)};
    return true;
}
