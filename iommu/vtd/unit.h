/* SPDX-License-Identifier: BSD-2-Clause */
/* One remapping unit: its registers, tables and queue; switched on and off. */
#pragma once

#include "iommu/self_test.h"
#include "iommu/vtd/cap.h"
#include "iommu/vtd/dmar.h"
#include "iommu/vtd/irte.h"
#include "iommu/vtd/queue.h"
#include "iommu/vtd/regs.h"
#include "lib/compiler.h"
#include "lib/list.h"
#include <stdbool.h>
#include <stdint.h>

/* A root entry points to the context tables of a bus: in scalable mode of devices 0 to 15, and 16 to 31
 * (9.2); in legacy mode the first is of all, and the second is reserved (9.1). */
struct vtd_root_entry {
    uint64_t table[2];
};

_Static_assert(sizeof(struct vtd_root_entry) == 16, "128 bits (9.2)");

/* Interrupt remapping (interrupt.h). */
struct vtd_interrupts {
    bool wanted;         /* it is to be on while the unit is */
    bool extended;       /* with APIC ids of 32 bits (IRTA.EIME) */
    bool on;             /* it is */
    const char *why_not; /* where it is not wanted, in words */
    struct vtd_irt table;
};

struct vtd_unit {
    unsigned index;
    const struct dmar_unit *drhd; /* what it is for, and where */
    struct vtd_registers registers;
    struct vtd_cap cap;
    bool scalable;               /* table mode, else legacy; set before it is started */
    uint32_t found_on;           /* bits of GSTS: what was on when it was opened */
    uint64_t found_root;         /* RTADDR then, if translation was on */
    uint64_t found_table;        /* IRTA then, if interrupts were remapped */
    struct vtd_root_entry *root; /* 256 buses */
    bool root_in_force;          /* the unit goes by it: before that it has cached nothing of it */
    struct vtd_queue queue;
    struct vtd_interrupts interrupts;
    /* Of the fault registers (fault.c). */
    struct list fault_link;         /* on its list, when the interrupt is set up, */
    bool fault_event;               /* as this says too */
    bool fault_masked;              /* until an event has read what a storm left */
    unsigned fault_looks;           /* left in the period, */
    uint64_t fault_period_ns;       /* which began then */
    uint64_t fault_storms;          /* times that the looks did not do */
    uint64_t fault_mutes;           /* times that a device was muted for it */
    uint64_t fault_storm_ns;        /* the last time */
    uint64_t fault_overflows;       /* times that the unit had no register left for a fault, */
    uint64_t fault_overflow_bursts; /* each of a row of them with less than a second in between */
    uint64_t fault_overflow_ns;
    struct iommu_self_test self_test; /* of accessed and dirty bits (self_test.c) */
    bool self_test_wanted;            /* a device behind it may do it still */
    uint64_t widened;  /* invalidations that failed, and were completed by a wider one (atomic) */
    uint64_t cut_offs; /* devices cut off since it did not confirm (atomic; cut_off.h) */
    /* Of device_tlb.c (atomic): */
    uint32_t tlb_batches;    /* CPUs with invalidations of devices' TLBs under way */
    uint32_t tlb_asks_alone; /* a device is asked while no such is, or is about to be */
    uint32_t command;        /* the bit of GSTS that the last global command changes, */
    bool command_on;         /* and to what: it may come after its deadline, and no other one before it */
    bool on;                 /* it may be reading its tables and its queue */
};

/* Maps the registers and decodes the capabilities, as the platform's errata (enum vtd_erratum) correct them,
 * and notes what is on; writes nothing. ERR_UNSUPPORTED: something needed is missing; the log names it.
 * ERR_HARDWARE: no unit answers. ERR_NOMEM. */
int vtd_unit_open(struct vtd_unit *unit, unsigned index, const struct dmar_unit *drhd, unsigned errata)
    MUST_CHECK;

/* Switches translation on, or over, to tables in which every device is blocked that firmware does not need
 * (reserved.h), and interrupt remapping if it is wanted. ERR_NOMEM, ERR_TIMEOUT, ERR_HARDWARE;
 * ERR_UNSUPPORTED: it cannot be taken over without a gap (take_over.h). */
int vtd_unit_start(struct vtd_unit *unit) MUST_CHECK;

/* Switches translation, interrupt remapping and the queue off again, as far as they are on. With bus
 * mastering off. What firmware had on, and its own tables have not replaced, stays as it was found. The
 * tables and the queue's memory stay, since other CPUs may be about to use them: they get ERR_TIMEOUT from
 * the queue. May be tried again while unit->on. */
void vtd_unit_stop(struct vtd_unit *unit);

/* One global command (11.4.4.1): sets or clears a bit of GCMD and waits for its status. For interrupt.c.
 * ERR_TIMEOUT: it, or the one before it, is not carried out in time. */
int vtd_unit_command(struct vtd_unit *unit, uint32_t bit, bool on) MUST_CHECK;

/* Makes what was written to a table visible to the unit, where its reads of tables do not snoop (ECAP.C). */
void vtd_unit_sync_table(const struct vtd_unit *unit, const void *table, size_t bytes);
