/* SPDX-License-Identifier: BSD-2-Clause */
/* What a write of software to each register does, and when it is not allowed (11.4). */
#include "tests/model/spec_registers.h"
#include "tests/model/unit_registers.h"
#include "tests/model/violation.h"

NORETURN void register_refuse(const struct unit *unit, const char *name, uint64_t value, const char *why)
{
    violation(VIOLATION_REGISTER, "unit %u: %s = %#lx %s (GSTS %#x, GCMD %#x)", unit->index, name,
              (unsigned long)value, why, unit->gsts_shown, unit->gcmd);
}

void register_write_gcmd(struct unit *unit, uint64_t value)
{
    unit_command_written(unit, (uint32_t)value);
}

static bool command_under_way(const struct unit *unit, uint32_t bit)
{
    return unit->command_pending && unit->command == bit;
}

void register_write_rtaddr(struct unit *unit, uint64_t value)
{
    if (command_under_way(unit, SPEC_GCMD_SRTP))
        register_refuse(unit, "RTADDR", value, "while SRTP is under way");
    unit->rtaddr = value;
}

void register_write_irta(struct unit *unit, uint64_t value)
{
    if (command_under_way(unit, SPEC_GCMD_SIRTP))
        register_refuse(unit, "IRTA", value, "while SIRTP is under way");
    if (value & SPEC_IRTA_EIME && !(unit->config.ecap & SPEC_ECAP_EIM))
        register_refuse(unit, "IRTA", value, "sets EIME, and the unit has no ECAP.EIM");
    if (unit->gsts & SPEC_GSTS_IRES && (value ^ unit->interrupt_table) & SPEC_IRTA_EIME)
        register_refuse(unit, "IRTA", value, "changes EIME while interrupts are remapped");
    unit->irta = value;
}

void register_write_fsts(struct unit *unit, uint64_t value)
{
    uint32_t cleared = unit->fsts & (uint32_t)value & (SPEC_FSTS_PFO | SPEC_FSTS_QUEUE);

    unit->fsts &= ~cleared;
    if (cleared & SPEC_FSTS_QUEUE)
        unit_queue_errors_cleared(unit, cleared & SPEC_FSTS_QUEUE);
    unit_fault_registers_written(unit);
}

void register_write_fectl(struct unit *unit, uint64_t value)
{
    unit->fectl = (unit->fectl & SPEC_EVENT_IP) | ((uint32_t)value & SPEC_EVENT_IM);
    unit_fault_registers_written(unit);
}

/* 11.4.9.5, IP: also goes when software serves the event. */
void register_write_ics(struct unit *unit, uint64_t value)
{
    if (!(value & SPEC_ICS_IWC))
        return;
    unit->ics &= ~SPEC_ICS_IWC;
    unit->iectl &= ~SPEC_EVENT_IP;
    unit->completion_message = false;
}

void register_write_iectl(struct unit *unit, uint64_t value)
{
    unit->iectl = (unit->iectl & SPEC_EVENT_IP) | ((uint32_t)value & SPEC_EVENT_IM);
}

static void write_upper(struct unit *unit, const char *name, uint32_t *member, uint64_t value)
{
    if (value && !(unit->config.ecap & SPEC_ECAP_EIM))
        register_refuse(unit, name, value, "and the unit has no ECAP.EIM");
    *member = (uint32_t)value;
}

void register_write_feuaddr(struct unit *unit, uint64_t value)
{
    write_upper(unit, "FEUADDR", &unit->feuaddr, value);
}

void register_write_ieuaddr(struct unit *unit, uint64_t value)
{
    write_upper(unit, "IEUADDR", &unit->ieuaddr, value);
}

/* EPM: PRS follows later (unit_command.c), and until then EPM stays as it is. */
void register_write_pmen(struct unit *unit, uint64_t value)
{
    bool under_way = !(unit->pmen & SPEC_PMEN_EPM) != !(unit->pmen & SPEC_PMEN_PRS);

    if (under_way && (value ^ unit->pmen) & SPEC_PMEN_EPM)
        register_refuse(unit, "PMEN", value, "changes EPM before PRS shows the last change");
    unit->pmen = (unit->pmen & SPEC_PMEN_PRS) | ((uint32_t)value & SPEC_PMEN_EPM);
}

/* 11.4.8.2 to 11.4.8.5: not while protection is on, or on its way. */
static void check_protection_off(const struct unit *unit, const char *name, uint64_t value)
{
    if (unit->pmen & (SPEC_PMEN_EPM | SPEC_PMEN_PRS))
        register_refuse(unit, name, value, "while protected memory is on (PMEN)");
}

void register_write_plmbase(struct unit *unit, uint64_t value)
{
    check_protection_off(unit, "PLMBASE", value);
    unit->plmbase = value & PROTECTED_LOW;
}

void register_write_plmlimit(struct unit *unit, uint64_t value)
{
    check_protection_off(unit, "PLMLIMIT", value);
    unit->plmlimit = value & PROTECTED_LOW;
}

void register_write_phmbase(struct unit *unit, uint64_t value)
{
    check_protection_off(unit, "PHMBASE", value);
    unit->phmbase = value & PROTECTED_HIGH;
}

void register_write_phmlimit(struct unit *unit, uint64_t value)
{
    check_protection_off(unit, "PHMLIMIT", value);
    unit->phmlimit = value & PROTECTED_HIGH;
}

static bool queue_on(const struct unit *unit)
{
    return (unit->gsts | unit->gsts_shown) & SPEC_GSTS_QIES || command_under_way(unit, SPEC_GCMD_QIE);
}

void register_write_iqa(struct unit *unit, uint64_t value)
{
    if (queue_on(unit))
        register_refuse(unit, "IQA", value, "while the queue is on");
    if (value & SPEC_IQA_DW && !(unit->config.ecap & SPEC_ECAP_SMTS))
        register_refuse(unit, "IQA", value, "sets DW, and the unit has no ECAP.SMTS");
    unit->iqa = value;
}

void register_write_iqt(struct unit *unit, uint64_t value)
{
    uint64_t before = unit->iqt;

    unit->iqt = value;
    if (!queue_on(unit))
        return;
    if (value >= SPEC_IQA_BYTES(unit->iqa))
        register_refuse(unit, "IQT", value, "is beyond the queue's end");
    if (unit->iqa & SPEC_IQA_DW && value & 0x10)
        register_refuse(unit, "IQT", value, "is in the middle of a 256-bit descriptor");
    unit_queue_tail_moved(unit, before);
}
