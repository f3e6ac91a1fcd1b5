/* SPDX-License-Identifier: BSD-2-Clause */
/* Remapping units as a register file: enough of one to run commands and a queue, to record faults, and to
 * fail on request. */
#pragma once

#include "iommu/vtd/descriptor.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAKE_BASE       0xfed90000ull
#define FAKE_FAULTS     4
#define FAKE_LOG        1024
#define FAKE_DEVFN_NVME 0x18

/* What QEMU 10.0 reports, but for four fault registers. */
#define FAKE_CAP  (0x01d2008c222f0606ull | (FAKE_FAULTS - 1ull) << 40)
#define FAKE_ECAP 0x0000880000f00f4aull

struct fake_vtd {
    uint32_t ver;
    uint64_t cap, ecap;
    uint32_t gsts, fsts, fectl, fedata, feaddr, feuaddr, pmen, plmbase, plmlimit;
    uint32_t iectl, pectl, prs;
    uint64_t rtaddr, iqa, iqh, iqt, iqercd, irta, phmbase, phmlimit, pqh, pqt, pqa;
    uint64_t frcd[FAKE_FAULTS][2];

    /* How it behaves. */
    unsigned command_reads; /* so many reads of GSTS see the state from before a command */
    bool commands_dead;     /* commands are not carried out */
    bool queue_dead;        /* the queue is not read */
    bool queue_lazy; /* the queue is read one descriptor at each fake_vtd_step(), not when the tail is written
                      */
    unsigned refuse_type; /* the next descriptor of this type is refused (IQE) */
    bool (*refuses)(const struct vtd_descriptor *descriptor); /* and those that this says of; NULL: none */
    int time_out_in; /* after so many more descriptors a device does not answer (ITE); negative: never */
    uint16_t time_out_device; /* that it names then: 0 if it tells nobody's name */
    bool (*silent)(
        const struct vtd_descriptor *descriptor); /* device-TLB descriptors that end so; NULL: none */
    bool names_nobody;                            /* not even then */
    bool waits_held;                              /* waits are fetched and do not complete */
    bool gone;                                    /* every register reads as all ones */
    bool protection_dead;                         /* protected regions stay as they are */
    void (*on_step)(struct fake_vtd *unit); /* before each step of a lazy queue: changes what is above */
    void (*on_done)(const struct vtd_descriptor *descriptor); /* a descriptor was carried out */

    /* What it saw. */
    struct vtd_descriptor log[FAKE_LOG]; /* descriptors that it carried out */
    unsigned logged;
    unsigned held[FAKE_LOG]; /* waits fetched and held: their places in log */
    unsigned held_count;
    uint64_t root; /* RTADDR as the last SRTP found it; and what was not invalidated since */
    bool contexts_owed, iotlb_owed;
    bool translated_always;   /* translation did not go off */
    bool protected_in_gap;    /* regions were on when it did */
    bool ends_in_wait;        /* so does what the queue has carried out */
    uint64_t interrupt_table; /* IRTA as the last SIRTP found it */
    bool interrupts_owed;     /* no global invalidation of interrupt entries since then */
    unsigned pending_reads;
    uint32_t pending_gsts;
    unsigned broken_rules; /* registers written that must not be in that state */
};

/* count units at FAKE_BASE, FAKE_BASE + 64 KiB ... behind lib/platform.h, off and with QEMU's capabilities.
 */
void fake_vtd_install(struct fake_vtd *units, unsigned count);

/* The unit is found with translation on, by this root table and mode (RTADDR). The table's page is kept. */
void fake_vtd_found_translating(struct fake_vtd *unit, uint64_t rtaddr);

/* The unit is found with a queue of 4 KiB and count global context invalidations in it, for a narrow or a
 * wide one, not fetched yet. */
void fake_vtd_found_queue(struct fake_vtd *unit, void *ring, bool wide, unsigned count);

/* Adds an RMRR (8.4) for a function of bus 0, a bridge if scope is 2, an endpoint if it is 1; returns the
 * table's new length. */
size_t fake_vtd_add_reserved(uint8_t *table, size_t bytes, uint64_t hpa, uint64_t last, uint8_t scope,
                             unsigned device);

/* A DMAR table that names count units, the last of them for all devices that no other names, and 0000:00:03.0
 * for the first of several. Returns its bytes. */
size_t fake_vtd_dmar(uint8_t *table, unsigned count, const char *oem_id);

/* The length and the checksum of a DMAR table of so many bytes. */
void fake_vtd_seal(uint8_t *table, size_t bytes);

/* One descriptor of each lazy queue; what host_set_relax() takes. */
void fake_vtd_step(void);

/* Completes the waits that were held. */
void fake_vtd_release(struct fake_vtd *unit);

/* How many descriptors of a type have been carried out. */
unsigned fake_vtd_count(const struct fake_vtd *unit, unsigned type);

/* Records a fault as the unit does, in the register that comes next. */
void fake_vtd_fault(struct fake_vtd *unit, unsigned n, uint64_t low, uint64_t high);

/* From now on units that are not coherent see of memory what platform_cache_flush() was called for, and
 * nothing else. */
void fake_vtd_use_shadow(uint64_t memory_bytes);

/* Called after each flush to memory, to look at what the units see. NULL for nothing. */
void fake_vtd_on_flush(void (*look)(void));

/* Where a request of a device without PASID ends, by the tables in memory; false: blocked. */
bool fake_vtd_walk(const struct fake_vtd *unit, uint16_t source_id, uint64_t iova, uint64_t *hpa);

/* Where an interrupt message of a device ends, by the table in memory: 0, or the reason why it is blocked. */
struct fake_interrupt {
    uint32_t apic_id;
    uint8_t vector;
};

uint8_t fake_vtd_interrupt(const struct fake_vtd *unit, uint16_t source_id, uint64_t address, uint32_t data,
                           struct fake_interrupt *interrupt);
