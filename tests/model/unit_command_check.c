/* SPDX-License-Identifier: BSD-2-Clause */
/* In which state of the unit software may give which command (11.4.4.1, 6.5.2, 6.6). */
#include "tests/model/spec_registers.h"
#include "tests/model/unit_command.h"
#include "tests/model/violation.h"

const char *command_name(uint32_t bit)
{
    static const char *const names[] = {"TE", "SRTP", "SFL", "EAFL", "WBF", "QIE", "IRE", "SIRTP", "CFI"};
    unsigned n = (unsigned)__builtin_clz(bit);

    return n < sizeof names / sizeof *names ? names[n] : "a reserved bit";
}

static void check_available(const struct unit *unit, uint32_t bit)
{
    bool available =
        bit & (SPEC_GCMD_TE | SPEC_GCMD_SRTP | SPEC_GCMD_WBF) ||
        (bit & SPEC_GCMD_QIE && unit->config.ecap & SPEC_ECAP_QI) ||
        (bit & (SPEC_GCMD_IRE | SPEC_GCMD_SIRTP | SPEC_GCMD_CFI) && unit->config.ecap & SPEC_ECAP_IR);

    /* No unit here has an advanced fault log (CAP.AFL), nor what SFL and EAFL do. */
    if (!available)
        violation(VIOLATION_REGISTER, "unit %u: GCMD.%s, which the unit has not", unit->index,
                  command_name(bit));
}

static bool queue_is_wide(const struct unit *unit)
{
    return unit->iqa & SPEC_IQA_DW;
}

/* 11.4.5, 6.5.2: in scalable mode descriptors are of 256 bits. The mode may change under translation only
 * where the unit drops all caches with it (CAP.ESRTPS). */
static void check_root(const struct unit *unit)
{
    unsigned mode = SPEC_RTADDR_TTM(unit->rtaddr);

    if (mode == SPEC_TTM_RESERVED || (mode == SPEC_TTM_SCALABLE && !(unit->config.ecap & SPEC_ECAP_SMTS)) ||
        (mode == SPEC_TTM_ABORT && !(unit->config.ecap & SPEC_ECAP_ADMS)))
        violation(VIOLATION_REGISTER, "unit %u: SRTP with RTADDR.TTM %u, which the unit has not", unit->index,
                  mode);
    if (unit->gsts & SPEC_GSTS_TES && mode != SPEC_RTADDR_TTM(unit->root) &&
        !(unit->config.cap & SPEC_CAP_ESRTPS))
        violation(VIOLATION_REGISTER, "unit %u: SRTP changes RTADDR.TTM from %u to %u while it translates",
                  unit->index, SPEC_RTADDR_TTM(unit->root), mode);
    if (mode == SPEC_TTM_SCALABLE && !queue_is_wide(unit))
        violation(VIOLATION_REGISTER,
                  "unit %u: SRTP to scalable mode, and the queue is not set up for 256-bit descriptors",
                  unit->index);
    if (mode != SPEC_TTM_ABORT)
        memory_check_table(unit->rtaddr & SPEC_PAGE_ADDRESS, 0, "root table set by SRTP");
}

static void check_translation(const struct unit *unit, bool on)
{
    if (!on)
        return;
    /* 11.4.4.1, SRTP: before translation is enabled, and again before it is enabled again. */
    if (!unit->root_set)
        violation(VIOLATION_REGISTER, "unit %u: TE is set, and no SRTP came since translation was off",
                  unit->index);
    /* 6.6: what was cached under the old root would go on. */
    if (unit->owed & (UNIT_OWES_CONTEXTS | UNIT_OWES_PASIDS | UNIT_OWES_IOTLB))
        violation(VIOLATION_REGISTER,
                  "unit %u: TE is set, and after SRTP these caches were not invalidated globally:%s%s%s",
                  unit->index, unit->owed & UNIT_OWES_CONTEXTS ? " contexts" : "",
                  unit->owed & UNIT_OWES_PASIDS ? " PASIDs" : "",
                  unit->owed & UNIT_OWES_IOTLB ? " IOTLB" : "");
}

static unsigned not_completed(const struct unit *unit)
{
    unsigned count = 0;

    for (unsigned i = 0; i < unit->pending_count; i++)
        count += !unit->pending[i].done;
    return count;
}

/* 6.5.2: the head is 0 when the queue is off, so the tail has to be when it goes on; and it goes off only
 * when it ran dry. */
static void check_queue(const struct unit *unit, bool on)
{
    if (!on && (unit->iqh != unit->iqt || not_completed(unit)))
        violation(VIOLATION_REGISTER,
                  "unit %u: QIE is cleared with IQH %#lx, IQT %#lx, and %u descriptors not completed",
                  unit->index, (unsigned long)unit->iqh, (unsigned long)unit->iqt, not_completed(unit));
    if (!on && !unit->ends_in_wait)
        violation(VIOLATION_REGISTER, "unit %u: QIE is cleared, and no wait was the last descriptor",
                  unit->index);
    if (!on)
        return;
    if (unit->iqt != 0)
        violation(VIOLATION_REGISTER, "unit %u: QIE is set with IQT %#lx", unit->index,
                  (unsigned long)unit->iqt);
    for (uint64_t at = 0; at < SPEC_IQA_BYTES(unit->iqa); at += 0x1000)
        memory_check_table((unit->iqa & SPEC_PAGE_ADDRESS) + at, 0, "invalidation queue switched on");
    if (unit->root_set && SPEC_RTADDR_TTM(unit->root) == SPEC_TTM_SCALABLE && !queue_is_wide(unit))
        violation(VIOLATION_REGISTER, "unit %u: QIE is set in scalable mode with 128-bit descriptors",
                  unit->index);
}

static void check_interrupts(const struct unit *unit, bool on)
{
    if (!on)
        return;
    if (!unit->interrupt_table_set)
        violation(VIOLATION_REGISTER, "unit %u: IRE is set, and no SIRTP came since remapping was off",
                  unit->index);
    if (unit->owed & UNIT_OWES_INTERRUPTS)
        violation(
            VIOLATION_REGISTER,
            "unit %u: IRE is set, and after SIRTP the interrupt entry cache was not invalidated globally",
            unit->index);
}

static void check_interrupt_table(const struct unit *unit)
{
    uint64_t bytes = 16ull * SPEC_IRTA_ENTRIES(unit->irta);

    for (uint64_t at = 0; at < bytes; at += 0x1000)
        memory_check_table((unit->irta & SPEC_PAGE_ADDRESS) + at, 0, "interrupt table set by SIRTP");
}

void command_check(const struct unit *unit, uint32_t bit, bool on)
{
    check_available(unit, bit);
    switch (bit) {
    case SPEC_GCMD_SRTP:
        check_root(unit);
        break;
    case SPEC_GCMD_TE:
        check_translation(unit, on);
        break;
    case SPEC_GCMD_QIE:
        check_queue(unit, on);
        break;
    case SPEC_GCMD_IRE:
        check_interrupts(unit, on);
        break;
    case SPEC_GCMD_SIRTP:
        check_interrupt_table(unit);
        break;
    default:
        break;
    }
}
