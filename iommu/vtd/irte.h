/* SPDX-License-Identifier: BSD-2-Clause */
/* The interrupt-remapping table of a unit (5.1.3): entries in the remapped format (9.9), and who has which.
 */
#pragma once

#include "iommu/iommu.h"
#include "lib/compiler.h"
#include "lib/spinlock.h"
#include <stdbool.h>
#include <stdint.h>

/* Software may change an entry that is in use only as a whole, since the unit reads it as a whole (9.9). */
struct vtd_irte {
    _Alignas(16) uint64_t word[2];
};

_Static_assert(sizeof(struct vtd_irte) == 16, "128 bits (9.9)");

/* Word 0. Delivery mode fixed, destination mode physical, no redirection hint: all 0. */
#define VTD_IRTE_P             (1ull << 0)
#define VTD_IRTE_TM_LEVEL      (1ull << 4)
#define VTD_IRTE_VECTOR(v)     ((uint64_t)(v) << 16)
#define VTD_IRTE_DST_X2APIC(i) ((uint64_t)(i) << 32) /* with IRTA.EIME, */
#define VTD_IRTE_DST_XAPIC(i)  ((uint64_t)(i) << 40) /* and without */

/* Word 1: whose interrupts the entry takes. */
#define VTD_IRTE_SID(id)      ((uint64_t)(id))
#define VTD_IRTE_SQ_FUNCTIONS (3ull << 16) /* the three low bits of the id do not count */
#define VTD_IRTE_SVT_SID      (1ull << 18) /* the id, as SQ says */
#define VTD_IRTE_SVT_BUS      (2ull << 18) /* its bus lies between the two bytes of SID, */
#define VTD_IRTE_BUSES(low, high)                                                                            \
    ((uint64_t)(low) << 8 | (uint64_t)(high)) /* the lower bound in the upper one */

/* 64 KiB. A unit takes up to 65536; few machines have as many interrupts as this in all. */
#define VTD_IRT_ENTRIES_LG2 12
#define VTD_IRT_ENTRIES     (1u << VTD_IRT_ENTRIES_LG2)

struct vtd_irt {
    struct vtd_irte *entries; /* what the unit reads; NULL: no table */
    uint64_t *owners;         /* of each entry: a serial number, 0 for nobody */
    struct spinlock lock;     /* over owners, counts and entries; never held while hardware is waited for */
    unsigned next;            /* where the search for a free one begins */
    unsigned used;
    unsigned lost; /* entries that the unit may hold still, since an invalidation failed: not used again */
};

/* The entry for a source that was checked, to a target that was checked; extended: IRTA.EIME is set. */
struct vtd_irte vtd_irte_make(const struct iommu_interrupt_source *source,
                              const struct iommu_interrupt_target *target, bool extended);

/* Writes an entry by one compare-and-swap of 16 bytes. Making it visible to a unit that does not snoop, and
 * the invalidation, are the caller's. Under the table's lock. */
void vtd_irte_write(struct vtd_irte *entry, struct vtd_irte value);

/* Makes an empty table; and gives it back, when no unit will read it any more. ERR_NOMEM. */
int vtd_irt_init(struct vtd_irt *table) MUST_CHECK;
void vtd_irt_destroy(struct vtd_irt *table);

/* Takes an entry for nobody else: its index, and the serial number that tells its owner from earlier ones.
 * The search goes on where the last one ended, so that an index rests as long as can be. ERR_NOMEM: all are
 * in use. Under the lock, as the next two. */
int vtd_irt_take(struct vtd_irt *table, uint16_t *index, uint64_t *serial) MUST_CHECK;

/* Whether index has this owner still. */
bool vtd_irt_owns(const struct vtd_irt *table, uint16_t index, uint64_t serial);

/* Takes an entry from its owner; nobody gets it before vtd_irt_release(). */
void vtd_irt_disown(struct vtd_irt *table, uint16_t index);

/* Ends what vtd_irt_disown() began: the entry is free, or lost when the unit may hold it still. */
void vtd_irt_release(struct vtd_irt *table, uint16_t index, bool lost);
