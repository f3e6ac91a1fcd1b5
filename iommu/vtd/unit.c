/* SPDX-License-Identifier: BSD-2-Clause */
/* Switches a unit on and off: one global command at a time, each with a deadline. */
#include "iommu/vtd/unit.h"
#include "iommu/vtd/errata.h"
#include "iommu/vtd/flush.h"
#include "iommu/vtd/interrupt.h"
#include "iommu/vtd/reserved.h"
#include "iommu/vtd/take_over.h"
#include "lib/deadline.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/mutant.h"
#include "lib/page_alloc.h"
#include "lib/units.h"
#include <inttypes.h>
#include <string.h>

#define COMMAND_NS (1 * NS_PER_S)

/* Registers that every unit has lie in its first page. */
#define FIRST_BYTES PAGE_SIZE

static int map_registers(struct vtd_unit *unit, uint64_t bytes)
{
    unit->registers.base = platform_mmio_map(unit->drhd->registers, bytes);
    if (unit->registers.base)
        return 0;
    log_error("vtd%u: registers at %#" PRIx64 " cannot be mapped", unit->index, unit->drhd->registers);
    return ERR_NOMEM;
}

static int check_registers(const struct vtd_unit *unit)
{
    const struct vtd_cap *cap = &unit->cap;
    uint64_t faults_end = cap->fault_offset + 16ull * cap->fault_count;
    const char *missing = vtd_cap_missing(cap);

    if (missing) {
        log_error("vtd%u: lacks %s (CAP %#" PRIx64 ", ECAP %#" PRIx64 ")", unit->index, missing, cap->cap,
                  cap->ecap);
        return ERR_UNSUPPORTED;
    }
    /* Units before revision 4.0 of the specification do not tell their size, and it is a page then unless
     * they say that their fault registers lie further on; what they say is bounded by the fields (11.4.2: 16
     * KiB and 256 registers). */
    if (faults_end > unit->drhd->bytes && unit->drhd->bytes > FIRST_BYTES) {
        log_error("vtd%u: fault registers end at %#" PRIx64 ", the registers at %#" PRIx64, unit->index,
                  faults_end, unit->drhd->bytes);
        return ERR_HARDWARE;
    }
    return 0;
}

int vtd_unit_open(struct vtd_unit *unit, unsigned index, const struct dmar_unit *drhd, unsigned errata)
{
    uint64_t registers_end, cap, ecap;
    uint32_t ver;
    int error;

    *unit = (struct vtd_unit){.index = index, .drhd = drhd};
    error = map_registers(unit, FIRST_BYTES);
    if (error)
        return error;
    ver = vtd_read32(unit->registers, VTD_VER);
    if (ver == ~0u || VTD_VER_MAJOR(ver) == 0) {
        log_error("vtd%u: no unit answers at %#" PRIx64 " (VER %#x)", index, drhd->registers, ver);
        return ERR_HARDWARE;
    }
    cap = vtd_read64(unit->registers, VTD_CAP);
    ecap = vtd_read64(unit->registers, VTD_ECAP);
    vtd_errata_repair(errata, &cap, &ecap);
    vtd_cap_decode(&unit->cap, ver, cap, ecap);
    error = check_registers(unit);
    registers_end = align_up(unit->cap.fault_offset + 16ull * unit->cap.fault_count, PAGE_SIZE);
    if (!error && registers_end > FIRST_BYTES)
        error = map_registers(unit, registers_end);
    if (!error)
        vtd_take_over_look(unit);
    return error;
}

/* Whether the status bit of a command has come to what it should be. */
static bool status_is(const struct vtd_unit *unit, uint32_t bit, bool on)
{
    return !(vtd_read32(unit->registers, VTD_GSTS) & bit) == !on;
}

/* Whether the last command has been carried out by its deadline. */
static bool command_done(struct vtd_unit *unit)
{
    if (wait_until(status_is(unit, unit->command, unit->command_on), COMMAND_NS))
        return true;
    log_error("vtd%u: global command %#x is not carried out (GSTS %#x)", unit->index, unit->command,
              vtd_read32(unit->registers, VTD_GSTS));
    return false;
}

/* 11.4.4.1: the other commands keep their state, which GSTS tells, apart from those that are done once; one
 * bit changes at a time; and the next command waits until GSTS shows this one. */
int vtd_unit_command(struct vtd_unit *unit, uint32_t bit, bool on)
{
    uint32_t state;

    if (unit->command && !command_done(unit))
        return ERR_TIMEOUT;
    state = vtd_read32(unit->registers, VTD_GSTS) & ~VTD_GCMD_ONE_SHOT;
    unit->command = bit;
    unit->command_on = on;
    vtd_write32(unit->registers, VTD_GCMD, on ? state | bit : state & ~bit);
    return command_done(unit) ? 0 : ERR_TIMEOUT;
}

static int make_root(struct vtd_unit *unit)
{
    unit->root = pages_alloc(0, PAGE_HYPERVISOR);
    if (!unit->root) {
        log_error("vtd%u: no memory for the root table", unit->index);
        return ERR_NOMEM;
    }
    vtd_unit_sync_table(unit, unit->root, PAGE_SIZE);
    return 0;
}

static int set_root(struct vtd_unit *unit)
{
    vtd_write64(unit->registers, VTD_RTADDR,
                virt_to_phys(unit->root) |
                    (unit->scalable ? VTD_RTADDR_TTM_SCALABLE : VTD_RTADDR_TTM_LEGACY));
    return vtd_unit_command(unit, VTD_GCMD_SRTP, true);
}

static int start_queue(struct vtd_unit *unit)
{
    /* Units without scalable mode know no descriptors of 256 bits. */
    bool wide = unit->scalable || vtd_take_over_needs_wide_queue(unit);
    int error = vtd_queue_init(&unit->queue, unit->registers, unit->index, wide);

    if (error)
        return error;
    vtd_write64(unit->registers, VTD_IQT, 0);
    vtd_write64(unit->registers, VTD_IQA, vtd_queue_iqa(&unit->queue));
    return vtd_unit_command(unit, VTD_GCMD_QIE, true);
}

/* Nothing is known of what the unit has cached of older tables, 0 included (6.6). */
static int put_root_in_force(struct vtd_unit *unit)
{
    int error = set_root(unit);

    unit->root_in_force = true;
    if (!error)
        error = vtd_flush_unit(unit, 0);
    if (!error)
        error = vtd_take_over_page_requests(unit);
    if (error || vtd_read32(unit->registers, VTD_GSTS) & VTD_GSTS_TES)
        return error;
    return vtd_unit_command(unit, VTD_GCMD_TE, true);
}

int vtd_unit_start(struct vtd_unit *unit)
{
    int error = make_root(unit);

    vtd_take_over_silence(unit);
    unit->on = unit->root != NULL; /* even if a command fails: vtd_unit_stop() finds out */
    if (!error && !mutant(RESERVED_LATE))
        error = vtd_reserved_attach(unit);
    /* The queue comes before the root table: scalable mode knows descriptors of 256 bits only (6.5.2). */
    if (!error)
        error = vtd_take_over_queue(unit);
    if (!error)
        error = start_queue(unit);
    if (!error)
        error = vtd_take_over_open_gap(unit);
    if (!error)
        error = put_root_in_force(unit);
    if (!error && mutant(RESERVED_LATE))
        error = vtd_reserved_attach(unit);
    if (!error)
        error = vtd_interrupt_start(unit);
    return error ? error : vtd_take_over_end(unit);
}

/* Off if GSTS says on. Reports whether it is off then. */
static bool switch_off(struct vtd_unit *unit, uint32_t bit)
{
    return !(vtd_read32(unit->registers, VTD_GSTS) & bit) || vtd_unit_command(unit, bit, false) == 0;
}

/* The queue must have run dry before it goes (6.5.2): its last descriptor is a wait. The one before that is
 * of a kind that a unit knows in every mode: the root table may never have been set. */
static bool stop_queue(struct vtd_unit *unit)
{
    const struct vtd_descriptor last = vtd_descriptor_context_global();

    /* Without a ring of ours it is firmware's that is on. */
    if (!unit->queue.ring || !(vtd_read32(unit->registers, VTD_GSTS) & VTD_GSTS_QIES))
        return true;
    return vtd_queue_run(&unit->queue, &last, 1) == 0 && switch_off(unit, VTD_GSTS_QIES);
}

void vtd_unit_stop(struct vtd_unit *unit)
{
    if (!unit->root)
        return; /* nothing was switched on */
    /* What a late command switches on cannot be switched off before it is. */
    unit->on = unit->command && !command_done(unit);
    /* Translation first, so that nothing makes new work for the queue. Firmware's tables protect for longer
     * than bus mastering that may not be off. */
    if (!unit->on && unit->root_in_force)
        unit->on = !switch_off(unit, VTD_GSTS_TES);
    unit->root_in_force = unit->root_in_force && unit->on;
    if (!unit->on)
        unit->on = !vtd_interrupt_stop(unit);
    if (!unit->on)
        unit->on = !stop_queue(unit);
    if (unit->on)
        log_error("vtd%u: does not switch off", unit->index);
}

void vtd_unit_sync_table(const struct vtd_unit *unit, const void *table, size_t bytes)
{
    if (!unit->cap.coherent_tables)
        platform_cache_flush(table, bytes);
}
