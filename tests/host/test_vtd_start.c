/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver against fake units: how they come on, what is refused before that, and what is left when one
 * fails half-way. */
#include "iommu/iommu.h"
#include "iommu/vtd/regs.h"
#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "lib/units.h"
#include "tests/host/fake_vtd.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <string.h>

static struct fake_vtd fakes[2];

static int install(void **state)
{
    (void)state;
    fake_vtd_install(fakes, 2);
    host_set_time_ns(0);
    host_log_clear();
    return 0;
}

static int init_as(unsigned units, const char *oem_id)
{
    uint8_t table[256];
    size_t bytes = fake_vtd_dmar(table, units, oem_id);

    return iommu_init(table, bytes, &(struct iommu_config){0});
}

static int stop(void **state)
{
    (void)state;
    host_set_time_ns(0);
    iommu_shutdown();
    return fakes[0].broken_rules + fakes[1].broken_rules != 0;
}

static void assert_off(void)
{
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(fakes[i].gsts & (VTD_GSTS_TES | VTD_GSTS_QIES), 0);
}

/* An RMRR of nearly all that can be addressed, where no memory is: looked at in no time. */
static void an_rmrr_may_be_of_any_size(void **state)
{
    uint8_t table[256];
    size_t bytes = fake_vtd_dmar(table, 1, "BOCHS ");

    install(state);
    bytes = fake_vtd_add_reserved(table, bytes, 4 * GIB, 0xffffffffffff, 1, 3);
    assert_int_equal(iommu_init(table, bytes, &(struct iommu_config){0}), 0);
    assert_non_null(strstr(host_log(), "RMRR 0x100000000-0xffffffffffff does not lie in memory that"));
}

static void commands_may_take_their_time(void **state)
{
    install(state);
    fakes[0].command_reads = 50;
    fakes[1].command_reads = 3;
    assert_int_equal(init_as(2, "BOCHS "), 0);
    assert_int_equal(fakes[0].gsts & VTD_GSTS_TES, VTD_GSTS_TES);
    iommu_shutdown();
    assert_off();
}

static void a_unit_that_takes_no_command_leaves_none_half_on(void **state)
{
    install(state);
    fakes[1].commands_dead = true;
    host_set_time_ns(1);
    assert_int_equal(init_as(2, "BOCHS "), ERR_TIMEOUT);
    assert_non_null(strstr(host_log(), "vtd1: global command 0x4000000 is not carried out"));
    assert_off();
    /* It could come on as long as nobody has seen the command done. */
    assert_int_equal(init_as(2, "BOCHS "), ERR_BUSY);
    fakes[1].commands_dead = false;
    fakes[1].gsts = VTD_GSTS_QIES;
    iommu_shutdown();
    assert_off();
}

static void a_unit_whose_queue_is_dead_leaves_none_half_on(void **state)
{
    struct iommu_domain *domain;
    int error;

    install(state);
    fakes[1].queue_dead = true;
    host_set_time_ns(1);
    assert_int_equal(init_as(2, "BOCHS "), ERR_TIMEOUT);
    assert_int_equal(fakes[0].gsts & (VTD_GSTS_TES | VTD_GSTS_QIES), 0);
    assert_int_equal(fakes[1].gsts & VTD_GSTS_TES, 0);
    domain = iommu_domain_create("a", &error);
    assert_null(domain);
    assert_int_equal(error, ERR_UNSUPPORTED);
    fakes[1].queue_dead = false;
}

static void errors_that_an_earlier_user_left_are_not_the_queues(void **state)
{
    install(state);
    fakes[0].fsts = VTD_FSTS_IQE | VTD_FSTS_ITE | VTD_FSTS_ICE;
    host_set_time_ns(1);
    assert_int_equal(init_as(2, "BOCHS "), 0);
    assert_int_equal(fakes[0].fsts, 0);
    assert_int_equal(vtd_unit(0)->queue.stats.iqe, 0);
}

static void a_missing_capability_is_named(void **state)
{
    install(state);
    fakes[1].ecap &= ~VTD_ECAP_FSTS;
    fakes[1].cap &= ~0x1f00ull;
    assert_int_equal(init_as(2, "BOCHS "), ERR_UNSUPPORTED);
    assert_non_null(strstr(host_log(), "vtd1: lacks a stage of translation"));
    assert_off();
}

static void registers_that_nobody_answers_at_are_refused(void **state)
{
    install(state);
    fakes[0].ver = ~0u;
    assert_int_equal(init_as(1, "BOCHS "), ERR_HARDWARE);
    fakes[0].ver = 0;
    assert_int_equal(init_as(1, "BOCHS "), ERR_HARDWARE);
}

static void firmwares_protected_regions_go_when_translation_protects(void **state)
{
    install(state);
    fakes[0].cap |= VTD_CAP_PLMR;
    fakes[0].pmen = VTD_PMEN_EPM | VTD_PMEN_PRS;
    assert_int_equal(init_as(1, "BOCHS "), 0);
    assert_int_equal(fakes[0].pmen, 0);
    iommu_shutdown();
    assert_off();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_rmrr_may_be_of_any_size, install, stop),
        cmocka_unit_test_setup_teardown(commands_may_take_their_time, install, stop),
        cmocka_unit_test_setup_teardown(a_unit_that_takes_no_command_leaves_none_half_on, install, stop),
        cmocka_unit_test_setup_teardown(a_unit_whose_queue_is_dead_leaves_none_half_on, install, stop),
        cmocka_unit_test_setup_teardown(errors_that_an_earlier_user_left_are_not_the_queues, install, stop),
        cmocka_unit_test_setup_teardown(a_missing_capability_is_named, install, stop),
        cmocka_unit_test_setup_teardown(registers_that_nobody_answers_at_are_refused, install, stop),
        cmocka_unit_test_setup_teardown(firmwares_protected_regions_go_when_translation_protects, install,
                                        stop),
    };

    host_memory_init(16 * MIB);
    return cmocka_run_group_tests_name("vtd_start", tests, NULL, NULL);
}
