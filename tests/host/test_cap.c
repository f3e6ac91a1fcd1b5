/* SPDX-License-Identifier: BSD-2-Clause */
/* Capabilities: what is decoded, what is missing by name, and what several units have in common. */
#include "iommu/vtd/cap.h"
#include "iommu/vtd/errata.h"
#include "iommu/vtd/regs.h"
#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "tests/host/fake_vtd.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <string.h>

static void qemu_is_decoded(void **state)
{
    struct vtd_cap cap;

    (void)state;
    vtd_cap_decode(&cap, 0x10, 0x01d2008c222f0606ull, FAKE_ECAP);
    assert_int_equal(cap.version_major, 1);
    assert_int_equal(cap.version_minor, 0);
    assert_int_equal(cap.domain_ids, 65536);
    assert_int_equal(cap.guest_width_lg2, 48);
    assert_int_equal(cap.mask_max, 18);
    assert_int_equal(cap.fault_offset, 0x220);
    assert_int_equal(cap.fault_count, 1);
    assert_false(cap.coherent_tables);
    assert_false(cap.coherent_walks);
    assert_false(cap.snoop_control);
    assert_true(cap.page_selective);
    assert_true(cap.first_stage_1g);
    assert_true(cap.scalable && cap.first_stage && !cap.second_stage);
    assert_int_equal(cap.second_levels, 1 << 3 | 1 << 4);
    assert_int_equal(cap.second_leaves, 7);
    assert_false(cap.extended_interrupts);
    assert_null(vtd_cap_missing(&cap));
}

static void what_is_missing_is_named(void **state)
{
    static const struct {
        uint64_t cap, ecap;
        const char *missing;
    } cases[] = {
        {FAKE_CAP, FAKE_ECAP & ~VTD_ECAP_QI, "ECAP.QI"},
        {FAKE_CAP & ~0x1f00ull, FAKE_ECAP & ~VTD_ECAP_SMTS, "CAP.SAGAW"},
        {FAKE_CAP & ~0x1f00ull, FAKE_ECAP & ~VTD_ECAP_FSTS, "CAP.SAGAW"},
        {FAKE_CAP | VTD_CAP_RWBF, FAKE_ECAP, "CAP.RWBF"},
        {FAKE_CAP | 7, FAKE_ECAP, "CAP.ND"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct vtd_cap cap;

        vtd_cap_decode(&cap, 0x10, cases[i].cap, cases[i].ecap);
        assert_non_null(vtd_cap_missing(&cap));
        assert_non_null(strstr(vtd_cap_missing(&cap), cases[i].missing));
    }
}

static void names_are_those_of_set_bits(void **state)
{
    struct vtd_cap cap;

    (void)state;
    vtd_cap_decode(&cap, 0x10, VTD_CAP_PSI, VTD_ECAP_QI | VTD_ECAP_FSTS);
    assert_string_equal(vtd_cap_name(&cap, 0), "PSI");
    assert_string_equal(vtd_cap_name(&cap, 1), "QI");
    assert_string_equal(vtd_cap_name(&cap, 2), "FSTS");
    assert_null(vtd_cap_name(&cap, 3));
}

static void decode(struct vtd_unit *unit, uint64_t cap, uint64_t ecap, bool scalable)
{
    vtd_cap_decode(&unit->cap, 0x10, cap, ecap);
    unit->scalable = scalable;
}

static void units_have_in_common_the_least(void **state)
{
    static struct vtd_unit units[2];
    struct vtd_limits limits;

    (void)state;
    decode(&units[0], FAKE_CAP, FAKE_ECAP, true);
    decode(&units[1], FAKE_CAP & ~(7ull | 0x3full << 48), FAKE_ECAP, true);
    vtd_limits_of(units, 1, &limits);
    assert_int_equal(limits.mask_max, 18);
    assert_true(limits.page_selective);
    assert_false(limits.caching_mode);
    vtd_limits_of(units, 2, &limits);
    assert_int_equal(limits.mask_max, 0);
    assert_int_equal(limits.domain_ids, 16);
    decode(&units[1], (FAKE_CAP & ~VTD_CAP_PSI) | VTD_CAP_CM, FAKE_ECAP, true);
    vtd_limits_of(units, 2, &limits);
    assert_false(limits.page_selective);
    assert_true(limits.caching_mode);
}

/* A unit with both stages, and one that lacks something. */
static void stages_have_in_common_the_least(void **state)
{
    static const uint64_t both = FAKE_ECAP | VTD_ECAP_SMPWC | VTD_ECAP_C | VTD_ECAP_SSTS | VTD_ECAP_SSADS;
    static struct vtd_unit units[2];
    struct vtd_stage_limits first, second;

    (void)state;
    decode(&units[0], FAKE_CAP | VTD_CAP_FS5LP, both | VTD_ECAP_SC, true);
    vtd_stage_limits_of(units, 1, VTD_FIRST_STAGE, &first);
    vtd_stage_limits_of(units, 1, VTD_SECOND_STAGE, &second);
    assert_int_equal(first.levels, 1 << 4 | 1 << 5);
    assert_int_equal(second.levels, 1 << 3 | 1 << 4);
    assert_true(first.leaves == 7 && second.leaves == 7 && first.snoop && second.snoop);
    assert_true(first.coherent && second.coherent && first.keeps_dirty && second.keeps_dirty);
    assert_true(first.units == 1 && second.units == 1 && first.width == 48);
    decode(&units[1], FAKE_CAP & ~(VTD_CAP_FS1GP | VTD_CAP_SSLPS_1G),
           both & ~(VTD_ECAP_SSADS | VTD_ECAP_SMPWC), true);
    vtd_stage_limits_of(units, 2, VTD_FIRST_STAGE, &first);
    vtd_stage_limits_of(units, 2, VTD_SECOND_STAGE, &second);
    assert_int_equal(first.levels, 1 << 4);
    assert_true(first.leaves == 3 && second.leaves == 3 && !first.snoop && !second.snoop);
    assert_false(first.coherent || second.coherent || first.keeps_dirty || second.keeps_dirty);
    /* In legacy mode it has no first stage, and its walks go by ECAP.C. */
    units[1].scalable = false;
    vtd_stage_limits_of(units, 2, VTD_FIRST_STAGE, &first);
    vtd_stage_limits_of(units, 2, VTD_SECOND_STAGE, &second);
    assert_true(first.units == 1 && first.coherent && first.keeps_dirty);
    assert_true(second.units == 2 && second.coherent && !second.keeps_dirty);
}

#define QEMU_ERRATA                                                                                          \
    (VTD_ERRATUM_ACCESSED_IS_DIRTY | VTD_ERRATUM_DIRTY_WITHOUT_COHERENCE | VTD_ERRATUM_WIDTH_FROM_AW)

static uint32_t bridge_id = ~0u, bridge_revision;

static uint32_t read_bridge(void *context, struct pci_address function, unsigned offset)
{
    (void)context;
    if (pci_source_id(function) || function.segment)
        return ~0u;
    return offset == 0 ? bridge_id : offset == 8 ? 0x06000000 | bridge_revision : 0;
}

static unsigned errata_of_bridge(uint32_t id, uint8_t revision)
{
    host_set_pci(&(struct host_pci_ops){.read32 = read_bridge});
    bridge_id = id;
    bridge_revision = revision;
    return vtd_errata_find("INTEL ");
}

static void errata_are_found_by_oem_id(void **state)
{
    (void)state;
    assert_int_equal(vtd_errata_find("BOCHS "), QEMU_ERRATA);
    assert_int_equal(vtd_errata_find("INTEL "), 0);
    assert_null(vtd_errata_name(0, 0));
    assert_null(vtd_errata_source(0, 0));
    assert_non_null(vtd_errata_name(VTD_ERRATUM_DIRTY_WITHOUT_COHERENCE, 0));
    assert_non_null(strstr(vtd_errata_source(QEMU_ERRATA, 0), "vtd_set_flag_in_pte()"));
}

static void errata_are_found_by_host_bridge(void **state)
{
    (void)state;
    assert_int_equal(errata_of_bridge(0x2a408086, 7), VTD_ERRATUM_NEEDS_WRITE_BUFFER_FLUSH);
    assert_int_equal(errata_of_bridge(0x2a401234, 7), 0);
    assert_int_equal(errata_of_bridge(0x00008086, 7), 0);
    assert_int_equal(errata_of_bridge(0x34038086, 0x13), VTD_ERRATUM_NO_INTERRUPT_REMAPPING);
    assert_int_equal(errata_of_bridge(0x34038086, 0x14), 0);
    assert_int_equal(errata_of_bridge(0x34038086, 0x22), 0);
    assert_int_equal(errata_of_bridge(0x34058086, 0x22), VTD_ERRATUM_NO_INTERRUPT_REMAPPING);
    assert_int_equal(errata_of_bridge(0xffffffff, 0xff), 0);
}

static void errata_correct_what_registers_say(void **state)
{
    uint64_t cap = 0, ecap = VTD_ECAP_IR | VTD_ECAP_QI;

    (void)state;
    vtd_errata_repair(QEMU_ERRATA, &cap, &ecap);
    assert_int_equal(cap, 0);
    assert_int_equal(ecap, VTD_ECAP_IR | VTD_ECAP_QI);
    vtd_errata_repair(VTD_ERRATUM_NEEDS_WRITE_BUFFER_FLUSH | VTD_ERRATUM_NO_INTERRUPT_REMAPPING, &cap, &ecap);
    assert_int_equal(cap, VTD_CAP_RWBF);
    assert_int_equal(ecap, VTD_ECAP_QI);
}

static void errata_are_switched_off_by_name(void **state)
{
    unsigned flags = QEMU_ERRATA;

    (void)state;
    assert_int_equal(vtd_errata_switch_off(NULL, &flags), 0);
    assert_int_equal(vtd_errata_switch_off("", &flags), 0);
    assert_int_equal(flags, QEMU_ERRATA);
    assert_int_equal(vtd_errata_switch_off("accessed-is-dirty, width-from-aw", &flags), 0);
    assert_int_equal(flags, VTD_ERRATUM_DIRTY_WITHOUT_COHERENCE);
    /* One that does not apply here is fine. */
    assert_int_equal(vtd_errata_switch_off("no-interrupt-remapping", &flags), 0);
    assert_int_equal(flags, VTD_ERRATUM_DIRTY_WITHOUT_COHERENCE);
    assert_int_equal(vtd_errata_switch_off("all", &flags), 0);
    assert_int_equal(flags, 0);
}

static void errata_of_unknown_names_are_refused(void **state)
{
    static const char *const wrong[] = {"width-from-a", "width-from-aw,none", "al", "all;", ",all"};
    unsigned flags = QEMU_ERRATA;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        assert_int_equal(vtd_errata_switch_off(wrong[i], &flags), ERR_INVALID);
        assert_int_equal(flags, QEMU_ERRATA);
    }
    host_log_clear();
    assert_int_equal(vtd_errata_switch_off("width-from-aw,none", &flags), ERR_INVALID);
    assert_non_null(strstr(host_log(), "no erratum is called \"none\""));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(qemu_is_decoded),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(names_are_those_of_set_bits),
        cmocka_unit_test(units_have_in_common_the_least),
        cmocka_unit_test(stages_have_in_common_the_least),
        cmocka_unit_test(errata_are_found_by_oem_id),
        cmocka_unit_test(errata_are_found_by_host_bridge),
        cmocka_unit_test(errata_correct_what_registers_say),
        cmocka_unit_test(errata_are_switched_off_by_name),
        cmocka_unit_test(errata_of_unknown_names_are_refused),
    };

    return cmocka_run_group_tests_name("cap", tests, NULL, NULL);
}
