/* SPDX-License-Identifier: BSD-2-Clause */
/* What a unit can do: VER, CAP and ECAP decoded once. */
#pragma once

#include "lib/compiler.h"
#include <stdbool.h>
#include <stdint.h>

struct vtd_cap {
    uint64_t cap;  /* as read, */
    uint64_t ecap; /* for what is only shown */
    uint8_t version_major;
    uint8_t version_minor;
    uint32_t domain_ids;      /* how many the unit knows, 0 included */
    uint8_t guest_width_lg2;  /* input addresses have at most so many bits (MGAW) */
    uint8_t mask_max;         /* largest address mask of an invalidation: 2^this pages (MAMV) */
    uint16_t fault_offset;    /* of the first fault recording register, in bytes */
    uint16_t fault_count;     /* fault recording registers */
    bool caching_mode;        /* what is not present is cached too (CAP.CM) */
    bool coherent_tables;     /* root, context and PASID tables are read through the caches (ECAP.C) */
    bool coherent_walks;      /* and so are page tables of scalable mode, if PWSNP asks for it (ECAP.SMPWC) */
    bool snoop_control;       /* PGSNP may be set, SNP in second-stage leaves of legacy mode (ECAP.SC) */
    bool scalable;            /* scalable mode, and a stage to use it for (ECAP.SMTS) */
    bool first_stage;         /* in scalable mode (ECAP.FSTS) */
    bool first_stage_5;       /* of 5 levels too (CAP.FS5LP) */
    bool first_stage_1g;      /* with 1 GiB leaves (CAP.FS1GP) */
    bool second_stage;        /* in scalable mode; AW of a PASID entry is reserved without (ECAP.SSTS) */
    bool second_stage_dirty;  /* which keeps accessed and dirty bits (ECAP.SSADS) */
    uint8_t second_levels;    /* of second-stage tables, in either mode: bit n for n levels (CAP.SAGAW) */
    uint8_t second_leaves;    /* levels that their leaves may be at: bit n for level n (CAP.SSLPS) */
    bool pass_through;        /* (ECAP.PT) */
    uint8_t pasid_lg2;        /* PASIDs are below 2^this; 0 if requests have none (ECAP.PASID, PSS) */
    bool page_selective;      /* a range can be invalidated (CAP.PSI) */
    bool write_buffer;        /* what was written to tables must be flushed from a buffer (CAP.RWBF) */
    bool interrupt_remapping; /* ECAP.IR */
    bool extended_interrupts; /* APIC ids, and so MSI addresses, of more than 8 bits (ECAP.EIM) */
    bool x2apic_required;     /* and no others (ECAP.EIMER) */
    bool protected_low;       /* a region below 4 GiB can be kept from all DMA (CAP.PLMR) */
    bool protected_high;      /* and one above (CAP.PHMR) */
    bool live_mode_change;    /* the table mode may change while translation is on (CAP.ESRTPS) */
    bool device_tlb;          /* translations for device TLBs, and their invalidation (ECAP.DT) */
    bool device_tlb_throttle; /* which wants to know the physical function (ECAP.DIT) */
    bool page_requests;       /* devices can ask for pages (ECAP.PRS), */
    bool page_request_drain;  /* and a wait can be told to wait for that (ECAP.PDS) */
};

void vtd_cap_decode(struct vtd_cap *decoded, uint32_t ver, uint64_t cap, uint64_t ecap);

/* The first thing that this driver needs and the unit lacks, in words; NULL if there is none. */
const char *vtd_cap_missing(const struct vtd_cap *cap);

/* The spec's name of the unit's n-th one-bit capability, NULL after the last. */
const char *vtd_cap_name(const struct vtd_cap *cap, unsigned n);
