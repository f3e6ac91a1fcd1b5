/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices that change hands: when they are reset in between, and when that is refused. */
#include "iommu/group_reset.h"
#include "lib/error.h"
#include "lib/pci.h"
#include "tests/host/fake_pci.h"
#include "tests/host/host.h"
#include "tests/host/reset_functions.h"
#include "tests/host/unit.h"
#include <string.h>

#define ENDPOINT 0

static int give(const struct fake_function *fake, uint64_t domain_number, bool shared)
{
    struct iommu_group group;
    int error = iommu_group_find(fake->address, &group);

    assert_int_equal(error, 0);
    error = group_reset_for(&group, domain_number, shared);
    iommu_group_free(&group);
    return error;
}

static void who_goes_to_another_domain_is_reset(void **state)
{
    struct fake_function *fake = reset_add(0, 1, true, RESET_FLR);

    (void)state;
    fake->written = reset_by_flr;
    reset_scan();
    assert_int_equal(group_reset_init(false), 0);
    assert_int_equal(give(fake, 1, false), 0); /* as firmware left it */
    assert_int_equal(give(fake, 1, false), 0);
    assert_int_equal(reset_seen.resets, 0);
    assert_int_equal(fake->space[PCI_COMMAND], PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    assert_int_equal(give(fake, 2, false), 0);
    assert_int_equal(reset_seen.resets, 1);
    reset_assert_back(fake);
    assert_int_equal(give(fake, 2, false), 0);
    assert_int_equal(reset_seen.resets, 1);
    assert_int_equal(give(fake, 3, true), 0); /* by a PASID, beside the second */
    assert_int_equal(reset_seen.resets, 1);
    assert_int_equal(give(fake, 3, false), 0); /* which it is not alone in */
    assert_int_equal(reset_seen.resets, 2);
}

static void who_cannot_be_reset_stays_unless_it_is_allowed(void **state)
{
    struct fake_function *fake = reset_add(0, 1, true, 0);

    (void)state;
    reset_scan();
    assert_int_equal(group_reset_init(false), 0);
    assert_int_equal(give(fake, 1, false), 0);
    assert_int_equal(give(fake, 2, false), ERR_UNSUPPORTED);
    assert_non_null(strstr(host_log(),
                           "0000:00:01.0 has been in another domain, and there is no way to reset "
                           "it; \"reset = none\" in lull.cfg would let it go as it is"));
    assert_int_equal(give(fake, 1, false), 0);
    assert_int_equal(group_reset_init(true), 0);
    assert_int_equal(give(fake, 1, false), 0);
    assert_int_equal(give(fake, 2, false), 0);
    assert_int_equal(fake->space[PCI_COMMAND], PCI_COMMAND_MEMORY); /* stopped all the same */
}

static void a_group_is_reset_as_a_whole_or_not_at_all(void **state)
{
    struct fake_function *one = reset_add(0, 1, true, RESET_FLR), *two = fake_pci_add(0, 1, 1, 2);

    (void)state;
    one->space[PCI_HEADER_TYPE] = 0x80;
    one->written = reset_by_flr;
    fake_pci_make_express(two, ENDPOINT);
    reset_scan();
    assert_int_equal(group_reset_init(false), 0);
    assert_int_equal(give(two, 1, false), 0);
    assert_int_equal(give(one, 2, false), ERR_UNSUPPORTED);
    assert_int_equal(reset_seen.resets, 0);
    fake_pci_put32(two, RESET_EXPRESS_CAP, RESET_FLR);
    two->written = reset_by_flr;
    assert_int_equal(give(one, 2, false), 0);
    assert_int_equal(reset_seen.resets, 2);
}

static void who_did_not_come_back_is_tried_again(void **state)
{
    struct fake_function *fake = reset_add(0, 1, true, RESET_FLR);

    (void)state;
    fake->written = reset_change_id;
    reset_id_after = 0xffff0001;
    reset_scan();
    assert_int_equal(group_reset_init(false), 0);
    assert_int_equal(give(fake, 1, false), 0);
    assert_int_equal(give(fake, 2, false), ERR_TIMEOUT);
    fake_pci_put32(fake, PCI_ID, 0x00018086);
    fake->written = reset_by_flr;
    assert_int_equal(give(fake, 2, false), 0);
    assert_int_equal(reset_seen.resets, 1);
}

static void one_with_transactions_pending_does_not_change_hands(void **state)
{
    struct fake_function *fake = reset_add(0, 1, true, RESET_FLR);

    (void)state;
    fake->written = reset_stay_pending;
    reset_scan();
    assert_int_equal(group_reset_init(false), 0);
    assert_int_equal(give(fake, 1, false), 0);
    assert_int_equal(give(fake, 2, false), ERR_TIMEOUT);
    assert_int_equal(give(fake, 2, false), ERR_TIMEOUT);
    assert_int_equal(reset_seen.resets, 2);
    fake->written = reset_by_flr;
    assert_int_equal(give(fake, 2, false), 0);
    assert_int_equal(reset_seen.resets, 3);
}

static void not_even_where_it_goes_as_it_is(void **state)
{
    struct fake_function *fake = reset_add(0, 1, true, 0);

    (void)state;
    fake->pending_reads = FAKE_FOREVER;
    reset_scan();
    assert_int_equal(group_reset_init(true), 0);
    assert_int_equal(give(fake, 1, false), 0);
    assert_int_equal(give(fake, 2, false), ERR_TIMEOUT);
    assert_non_null(strstr(host_log(),
                           "0000:00:01.0: stays blocked, since it has transactions pending long after "
                           "it was stopped, and no reset to end them"));
    fake->pending_reads = 0;
    assert_int_equal(give(fake, 2, false), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_goes_to_another_domain_is_reset, reset_begin, reset_end),
        cmocka_unit_test_setup_teardown(who_cannot_be_reset_stays_unless_it_is_allowed, reset_begin,
                                        reset_end),
        cmocka_unit_test_setup_teardown(a_group_is_reset_as_a_whole_or_not_at_all, reset_begin, reset_end),
        cmocka_unit_test_setup_teardown(who_did_not_come_back_is_tried_again, reset_begin, reset_end),
        cmocka_unit_test_setup_teardown(one_with_transactions_pending_does_not_change_hands, reset_begin,
                                        reset_end),
        cmocka_unit_test_setup_teardown(not_even_where_it_goes_as_it_is, reset_begin, reset_end),
    };

    return cmocka_run_group_tests_name("group_reset", tests, NULL, NULL);
}
