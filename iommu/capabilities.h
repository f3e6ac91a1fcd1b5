/* SPDX-License-Identifier: BSD-2-Clause */
/* What the IOMMU can do, to be asked before something is refused: for the machine, and for one device.
 *
 * Any CPU that runs events, outside RCU read sections, not in an interrupt handler; between iommu_init() and
 * iommu_shutdown() or iommu_hand_over(). The answers stay the same meanwhile, but for the dirty bits, which
 * a unit may lose by a self-test, and for ATS, which is on for no longer than a device is attached. Strings
 * live for ever. */
#pragma once

#include "iommu/iommu.h"
#include "lib/compiler.h"
#include "lib/pci_address.h"
#include <stdbool.h>
#include <stdint.h>

/* What each domain can do that iommu_domain_create() makes: the same for all, and on all units. */
struct iommu_capabilities {
    unsigned units;                     /* remapping units of the machine */
    unsigned units_without;             /* of them, those whose devices cannot be in such a domain */
    enum iommu_translation translation; /* what is in use; never IOMMU_TRANSLATION_AUTO */
    const char *format;                 /* of the tables, as in struct iommu_domain_info */
    unsigned levels;                    /* of tables */
    unsigned address_lg2;               /* IOVAs are below 2^this */
    uint64_t page_sizes;                /* bit n: leaves of 2^n bytes; iommu_map() takes the largest */
    uint32_t domains;                   /* that can be there at once; firmware may have one of them */
    bool tracks_dirty;                  /* iommu_domain_track() by dirty bits works */
    const char *why_not_dirty;          /* else, in words; NULL where it works */
    bool snoops;                        /* DMA sees the CPUs' caches, whatever devices ask for */
    bool flushes_tables;                /* units do not: each change of a table is written back to memory */
    bool map_invalidates; /* a unit keeps that nothing was mapped: iommu_map() waits for it (caching mode) */
};

/* ERR_UNSUPPORTED: no unit is on; *capabilities is as it was. */
int iommu_capabilities(struct iommu_capabilities *capabilities) MUST_CHECK;

/* What a device can do, by the unit that its requests go through. */
struct iommu_device_capabilities {
    unsigned unit;                /* its number, as in the log */
    bool attaches;                /* nothing keeps iommu_attach() from taking it into a domain, */
    const char *why_not_attached; /* or what does, in words; NULL */
    bool passes_through;          /* the same for a domain of iommu_domain_create_pass_through() */
    uint32_t pasids;              /* a PASID is below this; 0: it is attached by IOMMU_NO_PASID alone */
    bool snoops;                  /* the unit can make its DMA see the CPUs' caches */
    bool remaps_interrupts;       /* it raises no interrupt but those that were allocated for it */
    const char *why_no_remapping; /* else, in words; NULL where it does */
    uint32_t apic_id_max;         /* of the CPUs that its interrupts reach */
    bool has_ats;                 /* by its own word it can keep translations itself (ATS), */
    bool ats;                     /* and it does so now; */
    const char *why_no_ats;       /* or why not, in words; NULL where it does */
};

/* ERR_NOT_FOUND: no unit that is on covers the device; ERR_NOMEM; *capabilities is as it was then. The device
 * need not be there. */
int iommu_device_capabilities(struct pci_address device, struct iommu_device_capabilities *capabilities)
    MUST_CHECK;

enum iommu_reserved_kind {
    IOMMU_RESERVED_INTERRUPTS, /* writes there are interrupts: nothing can be mapped (3.14) */
    IOMMU_RESERVED_FIRMWARE,   /* an RMRR: firmware has the device use this memory, at this address (8.4) */
    IOMMU_RESERVED_BEYOND,     /* what tables cannot translate */
};

/* IOVAs of a device that are not its owner's to give away; inclusive. */
struct iommu_reserved_range {
    uint64_t iova;
    uint64_t last;
    enum iommu_reserved_kind kind;
};

/* Calls visit for each such range, in no order and without a lock; they may overlap. iommu_map() refuses two
 * kinds of them with ERR_RANGE: interrupts, and what is beyond. Of the third kind Lull has mapped what it
 * trusts, in a domain of its own that the device stays in. ERR_NOT_FOUND: no unit that is on covers the
 * device; visit was not called. */
int iommu_reserved_visit(struct pci_address device,
                         void (*visit)(void *context, const struct iommu_reserved_range *range),
                         void *context) MUST_CHECK;
