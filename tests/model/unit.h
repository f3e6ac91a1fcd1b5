/* SPDX-License-Identifier: BSD-2-Clause */
/* One remapping unit. What it may do is said by its version, CAP and ECAP alone; where they leave it a choice
 * it asks schedule_choose(), and tends to what hurts. unit_*.c have a concern each. */
#pragma once

#include "tests/model/cache.h"
#include "tests/model/memory.h"
#include "tests/model/request.h"
#include <stdbool.h>
#include <stdint.h>

#define UNITS_MAX          4
#define UNIT_BASE          0xfed90000ull /* registers of unit 0; each has UNIT_STRIDE bytes */
#define UNIT_STRIDE        0x10000ull
#define UNIT_FAULTS_MAX    8
#define UNIT_PENDING_MAX   32 /* descriptors fetched and not carried out yet */
#define UNIT_DELIVERED_MAX 16

struct unit_config {
    const char *name;
    uint32_t ver;
    uint64_t cap;
    uint64_t ecap;
    bool names_nobody; /* IQERCD.ITESID stays 0: it does not tell which device does not answer (11.4.9.9) */
};

/* A descriptor that was fetched. */
struct unit_pending {
    uint64_t word[4];
    unsigned slot;              /* byte offset in the queue, for reports */
    unsigned epoch;             /* waits fetched before it: a wait covers its own epoch only */
    bool done;                  /* carried out: what it covers is dropped and drained */
    bool awaits_device;         /* a device TLB has to answer */
    unsigned tag;               /* of the request sent to the device */
    uint64_t status_generation; /* of the page that a wait writes its status to, when it was submitted */
};

/* An interrupt that was remapped. */
struct unit_delivery {
    uint16_t source_id;
    uint8_t vector;
    uint32_t destination;
};

struct unit {
    unsigned index;
    struct unit_config config;

    /* Registers. 32-bit command and status; what is latched when a command is carried out is apart from what
     * software last wrote. */
    uint32_t gcmd;        /* as last written */
    uint32_t gsts;        /* what is in force, */
    uint32_t gsts_shown;  /* and what the register shows: a command shows some time after it is in force */
    bool command_pending; /* the command below is not shown yet */
    uint32_t command;     /* its bit in GCMD */
    uint64_t register_writes; /* of software */
    uint64_t rtaddr, root;    /* the register; and what SRTP latched, with its TTM */
    bool root_set;            /* since translation was last off */
    uint64_t irta, interrupt_table;
    bool interrupt_table_set; /* the same of SIRTP and interrupt remapping */
    uint32_t owed;            /* UNIT_OWES_*: global invalidations that setting a table left to software */
    uint64_t iqh, iqt, iqa, iqercd;
    uint32_t fsts, fectl, fedata, feaddr, feuaddr;
    uint32_t iectl, iedata, ieaddr, ieuaddr, ics;
    uint32_t pmen;
    uint64_t plmbase, plmlimit, phmbase, phmlimit;
    uint64_t frcd[UNIT_FAULTS_MAX][2];
    unsigned fault_next;
    bool fault_condition;    /* some status in FSTS is up: another is no new event */
    bool fault_message;      /* FECTL.IP is up, and the message is on its way */
    bool completion_message; /* the same of IECTL */
    struct unit_delivery delivered[UNIT_DELIVERED_MAX]; /* the first remapped interrupts */
    unsigned delivered_count;

    /* The queue's. */
    struct unit_pending pending[UNIT_PENDING_MAX];
    unsigned pending_count;
    unsigned next_tag; /* of a request to a device: 32 may be under way (PCI Express, 10.3.1) */
    unsigned fetch_epoch;
    bool ends_in_wait; /* so does what was fetched since the queue came on */

    struct unit_caches caches;
    struct list requests; /* struct request under way, oldest first */

    /* Failures to come, set by scenarios: 0 for none. */
    unsigned inject_iqe_in; /* the n-th descriptor from now is refused though it is right */
    /* What else is refused though it is right; NULL: nothing. */
    bool (*refuses)(const struct unit_pending *descriptor);
    bool silent_commands; /* commands are never carried out */
    bool silent_queue;    /* the queue is never read */
};

/* --- unit.c --- */

/* Makes the unit and starts its agents. */
void unit_make(struct unit *unit, unsigned index, const struct unit_config *config);

/* --- unit_registers.c: register accesses of software, at an offset; width 4 or 8 bytes. */
uint64_t unit_register_read(struct unit *unit, unsigned offset, unsigned width);
void unit_register_write(struct unit *unit, unsigned offset, unsigned width, uint64_t value);

/* --- unit_command.c: software wrote GCMD. */
void unit_command_written(struct unit *unit, uint32_t value);

/* Carries out a pending command, some time later, and what else registers start: the body of the unit's
 * register agent. */
void unit_command_agent(void *unit);

static inline bool unit_translates(const struct unit *unit)
{
    return unit->gsts >> 31;
}

/* What a set table pointer leaves software to invalidate globally (6.6); the invalidation clears its bit. */
#define UNIT_OWES_CONTEXTS   1u
#define UNIT_OWES_PASIDS     2u
#define UNIT_OWES_IOTLB      4u
#define UNIT_OWES_INTERRUPTS 8u

/* Between a root table that was set and the invalidations of what was cached of the one before, entries of
 * both are in use (6.6), and one domain id may stand for something in each. */
static inline bool unit_has_two_roots(const struct unit *unit)
{
    return unit->owed & (UNIT_OWES_CONTEXTS | UNIT_OWES_PASIDS);
}

/* --- unit_fault.c: records a fault of a request (7.2), and raises the interrupt. */
void unit_fault(struct unit *unit, const struct request *request, uint8_t reason);
void unit_fault_interrupt_request(struct unit *unit, uint16_t source_id, uint16_t index, uint8_t reason);

/* FSTS, FECTL or FRCD changed, by software or (FSTS, IQE, ICE, ITE) by the queue: raises what is new, or
 * drops what is over. */
void unit_fault_registers_written(struct unit *unit);

/* A wait descriptor asked for an interrupt (ICS, IECTL). */
void unit_completion_event(struct unit *unit);

/* Messages that are held back and may go now: called by the register agent. */
bool unit_message_ready(const struct unit *unit);
void unit_messages_send(struct unit *unit);

/* --- unit_queue.c: fetches descriptors and carries them out: the body of the unit's queue agent. */
void unit_queue_agent(void *unit);

/* Software wrote IQT (the register has it already; what it was before is handed in). */
void unit_queue_tail_moved(struct unit *unit, uint64_t before);

/* The error bits that FSTS has for the queue were cleared by software: it goes on. */
void unit_queue_errors_cleared(struct unit *unit, uint32_t cleared);

/* QIE was switched on or off. */
void unit_queue_switched(struct unit *unit, bool on);

/* A device answers the invalidation with this tag, in time or not. */
void unit_queue_answer(struct unit *unit, unsigned tag, uint16_t source_id);

/* Whether the unit waits for the answer with this tag still. */
bool unit_queue_awaits(const struct unit *unit, unsigned tag);

/* --- unit_invalidate.c: what each kind of invalidation drops, which requests it waits for. Each returns when
 * the invalidation is complete. */
void unit_invalidate(struct unit *unit, struct unit_pending *descriptor);

/* Drops everything at once (ESRTPS). */
void unit_invalidate_everything(struct unit *unit);

/* --- unit_translate.c: takes a request through root, context, PASID tables and page tables. On return it is
 * POSTED (untranslated and translated requests), answered (a translation request: POSTED) or REFUSED, with
 * its fault recorded. The caller is the device's agent. */
void unit_translate(struct unit *unit, struct request *request);

/* Takes the request off the unit's list: it is over. */
void unit_request_end(struct unit *unit, struct request *request);

/* A request that is POSTED reaches memory now. Also called by an invalidation that has to drain it. */
void unit_request_land(struct unit *unit, struct request *request);

/* --- unit_context.c: which tree a request goes by. */
enum unit_route {
    ROUTE_REFUSED, /* *reason says why */
    ROUTE_PASS_THROUGH,
    ROUTE_FIRST_STAGE,
    ROUTE_SECOND_STAGE,
};

struct unit_walk {
    enum unit_route route;
    uint64_t root; /* of the tree */
    unsigned levels;
    uint16_t did;
    uint32_t pasid;        /* first stage: tag */
    enum memory_view view; /* of page tables */
    bool accessed_dirty;   /* hardware keeps accessed and dirty bits in these tables */
    bool scalable;
    bool silent; /* what is refused is not recorded (FPD) */
};

/* Fills in *walk; refused requests get *reason (a fault reason code of the spec). */
void unit_route(struct unit *unit, struct request *request, struct unit_walk *walk, uint8_t *reason);

/* Software has no change of context or PASID entries under way: calls out those that are cached otherwise
 * than they are in memory, SSADE included. */
void unit_check_entries(struct unit *unit);

/* --- unit_walk.c: finds the translation, in the IOTLB or by a walk of the tree. False when refused, with
 * *reason. */
bool unit_walk(struct unit *unit, struct request *request, const struct unit_walk *walk,
               struct cached_translation *result, uint8_t *reason);

/* --- unit_interrupt.c: an interrupt message of a device (address in 0xfeexxxxx). */
void unit_interrupt(struct unit *unit, uint16_t source_id, uint64_t address, uint32_t data);
