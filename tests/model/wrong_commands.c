/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands given as the specification forbids, a wrong driver each; and next to them right ones that give
 * them all. */
#include "lib/deadline.h"
#include "lib/platform.h"
#include "lib/units.h"
#include "tests/model/bare.h"
#include "tests/model/configs.h"
#include "tests/model/scenario.h"
#include "tests/model/spec_descriptors.h"
#include "tests/model/spec_registers.h"

/* --- how they are written --- */

SCENARIO(two_commands_at_once, .what = "the queue and translation are switched on by one write",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_COMMAND)
{
    struct unit *unit = bare_make(&unit_modern);

    bare_write64(unit, SPEC_IQA, bare_table_hpa(unit) | SPEC_IQA_DW);
    bare_set_root(unit, bare_scalable_root(unit));
    bare_write32(unit, SPEC_GCMD, SPEC_GCMD_QIE | SPEC_GCMD_TE);
}

SCENARIO(command_forgets_the_others,
         .what = "translation is switched on by its bit alone, and the queue goes off",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_COMMAND)
{
    struct unit *unit = bare_make(&unit_modern);

    bare_start_queue(unit, true);
    bare_set_root(unit, bare_scalable_root(unit));
    bare_write32(unit, SPEC_GCMD, SPEC_GCMD_TE);
}

SCENARIO(one_shots_not_masked, .what = "the next command is made of GSTS with RTPS in it",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_COMMAND)
{
    struct unit *unit = bare_make(&unit_modern);

    bare_write64(unit, SPEC_IQA, bare_table_hpa(unit) | SPEC_IQA_DW);
    bare_set_root(unit, bare_scalable_root(unit));
    bare_write32(unit, SPEC_GCMD, bare_read32(unit, SPEC_GSTS) | SPEC_GCMD_QIE);
}

SCENARIO(command_before_the_last_shows, .what = "a command is written while the one before is under way",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_COMMAND)
{
    struct unit *unit = bare_make(&unit_modern);

    bare_write64(unit, SPEC_IQA, bare_table_hpa(unit) | SPEC_IQA_DW);
    bare_write64(unit, SPEC_RTADDR, bare_scalable_root(unit));
    bare_write32(unit, SPEC_GCMD, SPEC_GCMD_SRTP);
    bare_write32(unit, SPEC_GCMD, SPEC_GCMD_QIE);
}

SCENARIO(command_reserved_bits, .what = "GCMD gets a reserved bit", .kind = SCENARIO_WRONG,
         .expected = VIOLATION_REGISTER)
{
    bare_write32(bare_make(&unit_modern), SPEC_GCMD, 1);
}

SCENARIO(command_of_another_unit, .what = "an advanced fault log is switched on where there is none",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_REGISTER)
{
    bare_write32(bare_make(&unit_modern), SPEC_GCMD, SPEC_GCMD_EAFL);
}

/* --- translation --- */

SCENARIO(translation_without_root, .what = "RTADDR is written and never latched", .kind = SCENARIO_WRONG,
         .expected = VIOLATION_REGISTER)
{
    struct unit *unit = bare_make(&unit_modern);

    bare_write64(unit, SPEC_RTADDR, bare_scalable_root(unit));
    bare_command(unit, SPEC_GCMD_TE, true);
}

SCENARIO(translation_again_without_root, .what = "translation goes off and on with the old root table",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_REGISTER)
{
    struct unit *unit = bare_start(&unit_modern, true);

    bare_command(unit, SPEC_GCMD_TE, false);
    bare_command(unit, SPEC_GCMD_TE, true);
}

SCENARIO(root_without_invalidation, .what = "no cache is invalidated after a new root table",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_REGISTER)
{
    struct unit *unit = bare_make(&unit_incoherent);

    bare_start_queue(unit, true);
    bare_set_root(unit, bare_scalable_root(unit));
    bare_command(unit, SPEC_GCMD_TE, true);
}

SCENARIO(root_changed_under_way, .what = "RTADDR is written while SRTP is under way", .kind = SCENARIO_WRONG,
         .expected = VIOLATION_REGISTER)
{
    struct unit *unit = bare_make(&unit_modern);

    bare_write64(unit, SPEC_RTADDR, bare_scalable_root(unit));
    bare_write32(unit, SPEC_GCMD, SPEC_GCMD_SRTP);
    bare_write64(unit, SPEC_RTADDR, bare_scalable_root(unit));
}

SCENARIO(root_table_in_free_memory, .what = "the root table's page was freed", .kind = SCENARIO_WRONG,
         .expected = VIOLATION_FREED_WALK)
{
    struct unit *unit = bare_make(&unit_modern);
    uint64_t *table = bare_table(unit);

    pages_free(table);
    bare_set_root(unit, virt_to_phys(table));
}

SCENARIO(queue_in_free_memory, .what = "the queue is switched on, and its memory was freed",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_FREED_WALK)
{
    struct unit *unit = bare_make(&unit_modern);
    uint64_t *ring = bare_table(unit);

    pages_free(ring);
    bare_write64(unit, SPEC_IQA, virt_to_phys(ring) | SPEC_IQA_DW);
    bare_command(unit, SPEC_GCMD_QIE, true);
}

SCENARIO(scalable_mode_not_there, .what = "a root table of scalable mode on a unit without it",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_REGISTER)
{
    struct unit *unit = bare_make(&unit_old);

    bare_set_root(unit, bare_scalable_root(unit));
}

SCENARIO(table_mode_changed_while_translating,
         .what = "legacy to scalable mode under translation, and the unit keeps its caches",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_REGISTER)
{
    struct unit *unit = bare_make(&unit_incoherent);

    bare_set_root(unit, bare_table_hpa(unit));
    bare_start_queue(unit, true);
    bare_invalidate_all(unit);
    bare_command(unit, SPEC_GCMD_TE, true);
    bare_set_root(unit, bare_scalable_root(unit));
}

/* --- right --- */

SCENARIO(commands_right, .what = "everything goes on, off and on again; the table mode changes where it may",
         .kind = SCENARIO_RANDOM)
{
    struct unit *unit = bare_make(&unit_modern);

    bare_set_root(unit, bare_table_hpa(unit));
    bare_start_queue(unit, true);
    bare_command(unit, SPEC_GCMD_TE, true);
    bare_set_root(unit, bare_scalable_root(unit));
    bare_write64(unit, SPEC_IRTA, bare_table_hpa(unit) | SPEC_IRTA_EIME | 7);
    bare_command(unit, SPEC_GCMD_SIRTP, true);
    bare_command(unit, SPEC_GCMD_IRE, true);
    bare_command(unit, SPEC_GCMD_CFI, true);
    expect_equal(bare_read32(unit, SPEC_GSTS), SPEC_GSTS_TES | SPEC_GSTS_RTPS | SPEC_GSTS_QIES |
                                                   SPEC_GSTS_IRES | SPEC_GSTS_IRTPS | SPEC_GSTS_CFIS);
    bare_invalidate_all(unit);
    bare_command(unit, SPEC_GCMD_CFI, false);
    bare_command(unit, SPEC_GCMD_IRE, false);
    bare_command(unit, SPEC_GCMD_TE, false);
    bare_command(unit, SPEC_GCMD_QIE, false);
    expect_equal(bare_read64(unit, SPEC_IQH), 0);
    bare_set_root(unit, bare_scalable_root(unit));
    bare_start_queue(unit, true);
    bare_command(unit, SPEC_GCMD_TE, true);
}

SCENARIO(commands_right_old,
         .what = "a unit without ESRTPS: what it caches is invalidated before it translates",
         .kind = SCENARIO_RANDOM)
{
    struct unit *unit = bare_make(&unit_old);

    bare_set_root(unit, bare_table_hpa(unit));
    bare_start_queue(unit, false);
    bare_invalidate_all(unit);
    bare_command(unit, SPEC_GCMD_TE, true);
    bare_command(unit, SPEC_GCMD_WBF, true);
    bare_command(unit, SPEC_GCMD_TE, false);
    bare_set_root(unit, bare_table_hpa(unit));
    bare_invalidate_all(unit);
    bare_command(unit, SPEC_GCMD_TE, true);
}

SCENARIO(queue_off_without_wait,
         .what = "the queue is empty and goes off, and its last descriptor was no wait",
         .kind = SCENARIO_WRONG, .expected = VIOLATION_REGISTER)
{
    struct unit *unit = bare_make(&unit_modern);
    bool empty;

    bare_start_queue(unit, true);
    bare_submit(unit, SPEC_DESCRIPTOR_INTERRUPT, 0);
    empty = wait_until(bare_read64(unit, SPEC_IQH) == bare_read64(unit, SPEC_IQT), NS_PER_S);
    expect(empty);
    bare_command(unit, SPEC_GCMD_QIE, false);
}
