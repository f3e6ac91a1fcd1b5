/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers accessed as the specification forbids, a wrong driver each; and next to them a right one. */
#include "lib/deadline.h"
#include "lib/platform.h"
#include "lib/units.h"
#include "tests/model/bare.h"
#include "tests/model/configs.h"
#include "tests/model/scenario.h"
#include "tests/model/spec_descriptors.h"
#include "tests/model/spec_registers.h"

#define WAIT_NS (10 * NS_PER_MS)

/* --- accesses --- */

SCENARIO(read_only_register_written, .what = "GSTS is written", .kind = SCENARIO_WRONG,
         .expected = VIOLATION_REGISTER)
{
    bare_write32(bare_make(&unit_modern), SPEC_GSTS, 0);
}

SCENARIO(write_only_register_read, .what = "GCMD is read, as if it told the state", .kind = SCENARIO_WRONG,
         .expected = VIOLATION_REGISTER)
{
    bare_read32(bare_make(&unit_modern), SPEC_GCMD);
}

SCENARIO(no_register_there, .what = "a register is read that the unit has not", .kind = SCENARIO_WRONG,
         .expected = VIOLATION_REGISTER)
{
    bare_read32(bare_make(&unit_incoherent), SPEC_PMEN);
}

SCENARIO(access_too_wide, .what = "two 32-bit registers are read as one of 64", .kind = SCENARIO_WRONG,
         .expected = VIOLATION_REGISTER)
{
    bare_read64(bare_make(&unit_modern), SPEC_FECTL);
}

SCENARIO(fault_status_reserved_bits, .what = "all of FSTS is cleared by writing ones", .kind = SCENARIO_WRONG,
         .expected = VIOLATION_REGISTER)
{
    bare_write32(bare_make(&unit_modern), SPEC_FSTS, ~0u);
}

SCENARIO(root_address_reserved_bits, .what = "RTADDR gets bits below the table's address",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_REGISTER)
{
    struct unit *unit = bare_make(&unit_modern);

    bare_set_root(unit, bare_scalable_root(unit) | 1);
}

SCENARIO(upper_message_address_without_eim,
         .what = "an interrupt above 4 GiB, and the unit has 32 bits for it", .kind = SCENARIO_WRONG,
         .expected = VIOLATION_REGISTER)
{
    bare_write32(bare_make(&unit_old), SPEC_FEUADDR, 1);
}

/* --- the queue --- */

SCENARIO(queue_too_narrow, .what = "128-bit descriptors in scalable mode", .kind = SCENARIO_WRONG,
         .expected = VIOLATION_REGISTER)
{
    struct unit *unit = bare_make(&unit_modern);

    bare_set_root(unit, bare_scalable_root(unit));
    bare_start_queue(unit, false);
}

SCENARIO(scalable_root_with_narrow_queue, .what = "scalable mode is set under a queue of 128-bit descriptors",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_REGISTER)
{
    struct unit *unit = bare_make(&unit_modern);

    bare_start_queue(unit, false);
    bare_set_root(unit, bare_scalable_root(unit));
}

SCENARIO(queue_width_not_there, .what = "256-bit descriptors on a unit without scalable mode",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_REGISTER)
{
    bare_start_queue(bare_make(&unit_old), true);
}

SCENARIO(queue_started_behind_its_head, .what = "the queue is switched on with a tail from before",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_REGISTER)
{
    struct unit *unit = bare_make(&unit_modern);

    bare_write64(unit, SPEC_IQT, 0x40);
    bare_write64(unit, SPEC_IQA, bare_table_hpa(unit) | SPEC_IQA_DW);
    bare_command(unit, SPEC_GCMD_QIE, true);
}

SCENARIO(queue_address_changed_while_on, .what = "IQA is written while the queue is on",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_REGISTER)
{
    struct unit *unit = bare_start(&unit_modern, true);

    bare_write64(unit, SPEC_IQA, bare_table_hpa(unit) | SPEC_IQA_DW);
}

SCENARIO(tail_beyond_the_queue, .what = "IQT is set to the queue's end", .kind = SCENARIO_WRONG,
         .expected = VIOLATION_REGISTER)
{
    bare_write64(bare_start(&unit_modern, true), SPEC_IQT, PAGE_SIZE);
}

SCENARIO(tail_within_a_descriptor, .what = "IQT is moved as if descriptors had 128 bits",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_REGISTER)
{
    bare_write64(bare_start(&unit_modern, true), SPEC_IQT, 0x10);
}

SCENARIO(queue_off_while_it_runs, .what = "the queue is switched off and nobody waited for it",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_REGISTER)
{
    struct unit *unit = bare_start(&unit_modern, true);

    bare_command(unit, SPEC_GCMD_TE, false);
    bare_submit(unit, SPEC_DESCRIPTOR_CONTEXT | SPEC_DESCRIPTOR_WITH_G(SPEC_CONTEXT_GLOBAL), 0);
    bare_command(unit, SPEC_GCMD_QIE, false);
}

/* --- protected memory --- */

SCENARIO(protection_moved_while_on, .what = "a protected region is changed while it protects",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_REGISTER)
{
    struct unit *unit = bare_make(&unit_modern);

    bare_write32(unit, SPEC_PMEN, SPEC_PMEN_EPM);
    bare_write32(unit, SPEC_PLMBASE, 0x200000);
}

SCENARIO(protection_off_not_awaited, .what = "a protected region is changed before PRS says that it is off",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_REGISTER)
{
    struct unit *unit = bare_make(&unit_modern);
    bool on;

    bare_write32(unit, SPEC_PMEN, SPEC_PMEN_EPM);
    on = wait_until(bare_read32(unit, SPEC_PMEN) & SPEC_PMEN_PRS, WAIT_NS);
    expect(on);
    bare_write32(unit, SPEC_PMEN, 0);
    bare_write32(unit, SPEC_PLMBASE, 0x200000);
}

SCENARIO(protection_changed_under_way, .what = "protection goes off before PRS says that it is on",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_REGISTER)
{
    struct unit *unit = bare_make(&unit_modern);

    bare_write32(unit, SPEC_PMEN, SPEC_PMEN_EPM);
    bare_write32(unit, SPEC_PMEN, 0);
}

/* --- interrupt remapping --- */

static void set_interrupt_table(struct unit *unit)
{
    bare_write64(unit, SPEC_IRTA, bare_table_hpa(unit) | 7);
    bare_write32(unit, SPEC_GCMD, SPEC_GCMD_SIRTP);
}

SCENARIO(interrupt_table_changed_under_way, .what = "IRTA is written while SIRTP is under way",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_REGISTER)
{
    struct unit *unit = bare_make(&unit_modern);

    set_interrupt_table(unit);
    bare_write64(unit, SPEC_IRTA, bare_table_hpa(unit) | 7);
}

SCENARIO(x2apic_mode_not_there, .what = "IRTA.EIME on a unit without x2APIC support", .kind = SCENARIO_WRONG,
         .expected = VIOLATION_REGISTER)
{
    struct unit *unit = bare_make(&unit_old);

    bare_write64(unit, SPEC_IRTA, bare_table_hpa(unit) | SPEC_IRTA_EIME | 7);
}

SCENARIO(x2apic_mode_changed, .what = "EIME is set while interrupts are remapped", .kind = SCENARIO_WRONG,
         .expected = VIOLATION_REGISTER)
{
    struct unit *unit = bare_make(&unit_modern);
    uint64_t table = bare_table_hpa(unit) | 7;

    bare_write64(unit, SPEC_IRTA, table);
    bare_command(unit, SPEC_GCMD_SIRTP, true);
    bare_command(unit, SPEC_GCMD_IRE, true);
    bare_write64(unit, SPEC_IRTA, table | SPEC_IRTA_EIME);
}

/* --- all of it, right --- */

static void protect_and_release(struct unit *unit)
{
    bool done;

    bare_write32(unit, SPEC_PLMBASE, 0x200000);
    bare_write32(unit, SPEC_PLMLIMIT, 0x3fffff);
    bare_write64(unit, SPEC_PHMBASE, 0x140000000);
    bare_write64(unit, SPEC_PHMLIMIT, 0x1ffffffff);
    expect_equal(bare_read32(unit, SPEC_PLMLIMIT), 0x200000);
    bare_write32(unit, SPEC_PMEN, SPEC_PMEN_EPM);
    done = wait_until(bare_read32(unit, SPEC_PMEN) & SPEC_PMEN_PRS, WAIT_NS);
    expect(done);
    bare_write32(unit, SPEC_PMEN, 0);
    done = wait_until(!(bare_read32(unit, SPEC_PMEN) & SPEC_PMEN_PRS), WAIT_NS);
    expect(done);
}

SCENARIO(registers_right, .what = "each register is written by the rules, 64-bit ones in halves too",
         .kind = SCENARIO_RANDOM)
{
    struct unit *unit = bare_make(&unit_modern);
    uint64_t root = bare_scalable_root(unit);

    protect_and_release(unit);
    bare_write32(unit, SPEC_RTADDR, (uint32_t)root);
    bare_write32(unit, SPEC_RTADDR + 4, (uint32_t)(root >> 32));
    expect_equal(bare_read64(unit, SPEC_RTADDR), root);
    expect_equal(bare_read32(unit, SPEC_RTADDR + 4), root >> 32);
    bare_write32(unit, SPEC_FECTL, 0);
    expect_equal(bare_read32(unit, SPEC_FECTL), 0);
    bare_write32(unit, SPEC_FSTS, bare_read32(unit, SPEC_FSTS));
    expect_equal(bare_read32(unit, SPEC_VER), unit_modern.ver);
    expect_equal(bare_read32(unit, SPEC_ECAP + 4), unit_modern.ecap >> 32);
}
