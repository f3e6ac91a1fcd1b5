/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupt remapping (chapter 5): from a device's message by the interrupt-remapping table, or by what is
 * cached of it, to a vector and a destination. */
#include "tests/model/history.h"
#include "tests/model/machine.h"
#include "tests/model/schedule.h"
#include "tests/model/spec_interrupts.h"
#include "tests/model/spec_registers.h"
#include "tests/model/unit.h"
#include "tests/model/violation.h"

static bool has_index(const void *context, const void *entry)
{
    return ((const struct cached_interrupt *)entry)->index == *(const uint16_t *)context;
}

/* The unit reads an entry whole: software may change all 128 bits of one by one locked instruction (9.9). */
static void read_entry(struct unit *unit, struct cached_interrupt *entry)
{
    enum memory_view view = unit->config.ecap & SPEC_ECAP_C ? MEMORY_SNOOPED : MEMORY_UNSNOOPED;

    memory_read_pair(view, entry->at, entry->word, "interrupt remapping table entry");
    entry->present = entry->word[0] & SPEC_IRTE_P;
}

static void check_reserved(const struct unit *unit, const struct cached_interrupt *entry)
{
    uint64_t reserved = SPEC_IRTE_RESERVED;
    unsigned delivery = SPEC_IRTE_DLM(entry->word[0]);

    if (!(unit->interrupt_table & SPEC_IRTA_EIME))
        reserved |= SPEC_IRTE_RESERVED_XAPIC;
    if (!(unit->config.cap & SPEC_CAP_PI))
        reserved |= SPEC_IRTE_IM;
    if (entry->word[0] & reserved || entry->word[1] & SPEC_IRTE_RESERVED_1 || delivery == 3 ||
        delivery == 6 || SPEC_IRTE_SVT(entry->word[1]) == SPEC_SVT_RESERVED)
        violation(VIOLATION_RESERVED_BITS, "unit %u: interrupt entry %u at %#lx is %#lx %#lx", unit->index,
                  entry->index, (unsigned long)entry->at, (unsigned long)entry->word[0],
                  (unsigned long)entry->word[1]);
}

/* 6.2: entries that are not present are cached in caching mode only. */
static struct cached_interrupt find_entry(struct unit *unit, uint16_t index)
{
    struct cache *cache = &unit->caches.interrupts;
    const struct cached_interrupt *cached;
    struct cached_interrupt entry = {
        .index = index,
        .at = (unit->interrupt_table & SPEC_PAGE_ADDRESS) + 16ull * index,
    };

    caches_maybe_drop(&unit->caches);
    cached = cache_find(cache, has_index, &index);
    if (cached) {
        history("interrupt entry %lu from the cache: %#lx %#lx", index, cached->word[0], cached->word[1]);
        return *cached;
    }
    read_entry(unit, &entry);
    history("interrupt entry %lu read: %#lx %#lx", index, entry.word[0], entry.word[1]);
    if (entry.present)
        check_reserved(unit, &entry);
    /* Nobody ran since it was read, so it is not older than any invalidation that is complete. */
    if (entry.present || unit->config.cap & SPEC_CAP_CM)
        cache_add(&unit->caches, cache, &entry);
    return entry;
}

static bool source_valid(uint64_t word1, uint16_t source_id)
{
    static const uint16_t compared[] = {0xffff, 0xfffb, 0xfff9, 0xfff8};
    uint16_t sid = SPEC_IRTE_SID(word1);

    switch (SPEC_IRTE_SVT(word1)) {
    case SPEC_SVT_SID:
        return !((sid ^ source_id) & compared[SPEC_IRTE_SQ(word1)]);
    case SPEC_SVT_BUS:
        return source_id >> 8 >= sid >> 8 && source_id >> 8 <= (sid & 0xff);
    default:
        return true;
    }
}

static void deliver(struct unit *unit, uint16_t source_id, const struct cached_interrupt *entry)
{
    uint32_t destination = SPEC_IRTE_DESTINATION(entry->word[0]);
    struct unit_delivery delivery = {
        .source_id = source_id,
        .vector = SPEC_IRTE_VECTOR(entry->word[0]),
        .destination = unit->interrupt_table & SPEC_IRTA_EIME ? destination : destination >> 8 & 0xff,
    };

    history("interrupt of %#lx: vector %#lx to CPU %lu", source_id, delivery.vector, delivery.destination);
    if (unit->delivered_count < UNIT_DELIVERED_MAX)
        unit->delivered[unit->delivered_count++] = delivery;
}

static void remap(struct unit *unit, uint16_t source_id, uint64_t address, uint32_t data)
{
    uint32_t index = SPEC_MESSAGE_HANDLE(address);
    struct cached_interrupt entry;
    uint8_t reason = 0;

    if (address & SPEC_MESSAGE_SHV) {
        if (data >> 16) {
            unit_fault_interrupt_request(unit, source_id, 0, SPEC_FAULT_IR_REQUEST_RESERVED);
            return;
        }
        index += SPEC_MESSAGE_SUBHANDLE(data);
    }
    if (index >= SPEC_IRTA_ENTRIES(unit->interrupt_table)) {
        unit_fault_interrupt_request(unit, source_id, (uint16_t)index, SPEC_FAULT_IR_INDEX);
        return;
    }
    entry = find_entry(unit, (uint16_t)index);
    if (!entry.present)
        reason = SPEC_FAULT_IR_NOT_PRESENT;
    else if (!source_valid(entry.word[1], source_id))
        reason = SPEC_FAULT_IR_SOURCE;
    if (!reason)
        deliver(unit, source_id, &entry);
    else if (!(entry.word[0] & SPEC_IRTE_FPD))
        unit_fault_interrupt_request(unit, source_id, (uint16_t)index, reason);
}

void unit_interrupt(struct unit *unit, uint16_t source_id, uint64_t address, uint32_t data)
{
    schedule_point(POINT_HARDWARE, NULL);
    history("message of %#lx: %#lx, data %#lx", source_id, address, data);
    if (!SPEC_MESSAGE_RANGE(address))
        violation(VIOLATION_EXPECTATION, "%#lx is no address of an interrupt message",
                  (unsigned long)address);
    if (!(unit->gsts & SPEC_GSTS_IRES)) {
        machine_interrupt(address, data);
        return;
    }
    if (address & SPEC_MESSAGE_REMAPPABLE) {
        remap(unit, source_id, address, data);
        return;
    }
    /* 5.1.4: the compatibility format passes only where software says so, and never in x2APIC mode. */
    if (unit->interrupt_table & SPEC_IRTA_EIME || !(unit->gsts & SPEC_GSTS_CFIS))
        unit_fault_interrupt_request(unit, source_id, 0, SPEC_FAULT_IR_COMPATIBILITY);
    else
        machine_interrupt(address, data);
}
