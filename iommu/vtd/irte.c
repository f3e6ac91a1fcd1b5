/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupt-remapping table entries: made, written whole, given to one owner at a time. */
#include "iommu/vtd/irte.h"
#include "lib/atomic.h"
#include "lib/error.h"
#include "lib/mutant.h"
#include "lib/page_alloc.h"
#include "lib/units.h"
#include <stdlib.h>

#define TABLE_ORDER (VTD_IRT_ENTRIES_LG2 + 4 - PAGE_LG2)

_Static_assert(VTD_IRT_ENTRIES * sizeof(struct vtd_irte) == PAGE_SIZE << TABLE_ORDER, "a block of pages");

/* What an entry has for owner that nobody owns and nobody may have. No serial number reaches it. */
#define OWNER_NONE_YET (~0ull)

/* Over all tables there ever are, so that a handle outlives neither its entry nor its table. */
static uint64_t newest_serial;

static uint64_t source_word(const struct iommu_interrupt_source *source)
{
    uint16_t id = pci_source_id(source->device);

    if (mutant(INTERRUPT_SOURCE_UNCHECKED))
        return 0;
    switch (source->match) {
    case IOMMU_SOURCE_DEVICE:
        return VTD_IRTE_SVT_SID | VTD_IRTE_SQ_FUNCTIONS | VTD_IRTE_SID(id);
    case IOMMU_SOURCE_BUSES:
        return VTD_IRTE_SVT_BUS | VTD_IRTE_BUSES(source->device.bus, source->last_bus);
    default:
        return VTD_IRTE_SVT_SID | VTD_IRTE_SID(id);
    }
}

struct vtd_irte vtd_irte_make(const struct iommu_interrupt_source *source,
                              const struct iommu_interrupt_target *target, bool extended)
{
    return (struct vtd_irte){{
        VTD_IRTE_P | (target->level ? VTD_IRTE_TM_LEVEL : 0) | VTD_IRTE_VECTOR(target->vector) |
            (extended ? VTD_IRTE_DST_X2APIC(target->apic_id) : VTD_IRTE_DST_XAPIC(target->apic_id)),
        source_word(source),
    }};
}

void vtd_irte_write(struct vtd_irte *entry, struct vtd_irte value)
{
    struct vtd_irte old = *entry;

    if (mutant(INTERRUPT_IN_HALVES)) {
        atomic_write(&entry->word[0], value.word[0]);
        atomic_write(&entry->word[1], value.word[1]);
        return;
    }
    /* Nobody but the lock's holder writes entries, so once is enough; the loop is what an exchange of 16
     * bytes looks like on a machine that has only a compare-and-swap of them. */
    while (!atomic_compare_exchange_pair(entry->word, old.word, value.word))
        ;
}

int vtd_irt_init(struct vtd_irt *table)
{
    *table = (struct vtd_irt){.entries = pages_alloc(TABLE_ORDER, PAGE_HYPERVISOR),
                              .owners = calloc(VTD_IRT_ENTRIES, sizeof *table->owners)};
    if (table->entries && table->owners)
        return 0;
    vtd_irt_destroy(table);
    return ERR_NOMEM;
}

void vtd_irt_destroy(struct vtd_irt *table)
{
    if (table->entries)
        pages_free(table->entries);
    free(table->owners);
    table->entries = NULL;
    table->owners = NULL;
}

int vtd_irt_take(struct vtd_irt *table, uint16_t *index, uint64_t *serial)
{
    unsigned tried = 0;

    while (tried < VTD_IRT_ENTRIES && table->owners[(table->next + tried) % VTD_IRT_ENTRIES])
        tried++;
    if (tried == VTD_IRT_ENTRIES)
        return ERR_NOMEM;
    *index = (uint16_t)((table->next + tried) % VTD_IRT_ENTRIES);
    *serial = atomic_fetch_add(&newest_serial, 1ull) + 1;
    table->owners[*index] = *serial;
    table->next = *index + 1u;
    table->used++;
    return 0;
}

bool vtd_irt_owns(const struct vtd_irt *table, uint16_t index, uint64_t serial)
{
    return index < VTD_IRT_ENTRIES && serial && table->owners[index] == serial;
}

void vtd_irt_disown(struct vtd_irt *table, uint16_t index)
{
    table->owners[index] = OWNER_NONE_YET;
}

void vtd_irt_release(struct vtd_irt *table, uint16_t index, bool lost)
{
    table->used--;
    table->lost += lost;
    if (!lost)
        table->owners[index] = 0;
}
