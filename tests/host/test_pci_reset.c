/* SPDX-License-Identifier: BSD-2-Clause */
/* Resets of made-up functions that behave, and of some that do not. */
#include "lib/error.h"
#include "lib/pci.h"
#include "lib/pci_reset.h"
#include "lib/units.h"
#include "tests/host/fake_pci.h"
#include "tests/host/host.h"
#include "tests/host/reset_functions.h"
#include "tests/host/unit.h"
#include <string.h>

#define MSI            0xa0u
#define BRIDGE_CONTROL 0x3e
#define ROOT_PORT      4

static int reset(const struct fake_function *fake)
{
    return pci_reset(&fake->address, 1);
}

static enum pci_reset_method method(const struct fake_function *fake)
{
    return pci_reset_method(fake->address, &fake->address, 1);
}

static void flr_comes_first_and_all_is_put_back(void **state)
{
    struct fake_function *fake = reset_add(0, 1, true, RESET_FLR);

    (void)state;
    fake->written = reset_by_flr;
    fake_pci_put32(fake, FAKE_EXPRESS, fake_pci_get32(fake, FAKE_EXPRESS) | MSI << 8);
    fake_pci_put32(fake, MSI, 1u << 16 | RESET_POWER << 8 | 5); /* enabled, and FLR leaves it so */
    fake_pci_put32(fake, RESET_POWER, 1);
    fake_pci_make_acs(fake, 0x0c);
    reset_scan();
    assert_int_equal(method(fake), PCI_RESET_FLR);
    assert_int_equal(reset(fake), 0);
    assert_int_equal(reset_seen.resets, 1);
    assert_int_equal(reset_seen.command, PCI_COMMAND_NO_INTX);
    assert_true(platform_time_ns() - reset_seen.began_ns >= 100 * NS_PER_MS);
    reset_assert_back(fake);
    assert_int_equal(fake->space[RESET_EXPRESS_CONTROL], 0x2f);
    assert_int_equal(fake->space[MSI + 2] & 1, 0);
    assert_int_equal(fake->space[FAKE_ACS + 6], 0x0c);
}

static void af_flr_wants_both_its_bits(void **state)
{
    struct fake_function *fake = reset_add(0, 1, false, 0);

    (void)state;
    fake->written = reset_by_features;
    fake_pci_put32(fake, RESET_AF, 0x03060013);
    reset_scan();
    assert_int_equal(method(fake), PCI_RESET_AF_FLR);
    assert_int_equal(reset(fake), 0);
    assert_int_equal(reset_seen.resets, 1);
    reset_assert_back(fake);
    fake_pci_put32(fake, RESET_AF, 0x02060013); /* pending transactions are not to be seen */
    assert_int_equal(method(fake), PCI_RESET_NONE);
}

static void a_trip_to_d3hot_resets_what_does_not_keep_its_state(void **state)
{
    struct fake_function *fake = reset_add(0, 1, false, 0);

    (void)state;
    fake->written = reset_by_power;
    fake->space[PCI_CAPABILITIES] = RESET_POWER;
    fake_pci_put32(fake, RESET_POWER, 1);
    fake_pci_put32(fake, RESET_POWER + 4, 1u << 15); /* an event, which is not to be cleared */
    reset_scan();
    assert_int_equal(method(fake), PCI_RESET_PM);
    assert_int_equal(reset(fake), 0);
    assert_int_equal(reset_seen.resets, 1);
    assert_int_equal(reset_seen.steps, 2);
    assert_int_equal(fake->space[RESET_POWER + 5] & 0x80, 0); /* written as 0 */
    reset_assert_back(fake);
    fake_pci_put32(fake, RESET_POWER + 4, 1u << 3);
    assert_int_equal(method(fake), PCI_RESET_NONE);
}

static void what_sleeps_is_woken_first(void **state)
{
    struct fake_function *fake = reset_add(0, 1, true, RESET_FLR);

    (void)state;
    fake->written = reset_by_flr;
    fake_pci_put32(fake, FAKE_EXPRESS, fake_pci_get32(fake, FAKE_EXPRESS) | RESET_POWER << 8);
    fake_pci_put32(fake, RESET_POWER, 1);
    fake_pci_put32(fake, RESET_POWER + 4, 3);
    reset_scan();
    assert_int_equal(reset(fake), 0);
    assert_int_equal(fake->space[RESET_POWER + 4] & 3, 0);
    reset_assert_back(fake);
}

/* The bridge's bus reset, and how long it lasted. */
static uint64_t held_ns;
static unsigned pulses;

static void reset_bus(struct fake_function *bridge, unsigned offset, unsigned bytes)
{
    static uint64_t since_ns;
    struct pci_address behind = {0, bridge->space[PCI_BUSES + 1], 1 << 3};

    (void)bytes;
    if (offset != BRIDGE_CONTROL)
        return;
    if (bridge->space[BRIDGE_CONTROL] & 0x40) {
        since_ns = platform_time_ns();
        return;
    }
    held_ns = platform_time_ns() - since_ns;
    pulses++;
    for (; behind.devfn < 4 << 3; behind.devfn += 1 << 3)
        if (fake_pci_find(behind))
            reset_lose_state(fake_pci_find(behind));
}

static void a_bus_is_reset_with_all_behind_it_or_not_at_all(void **state)
{
    struct fake_function *bridge = fake_pci_add_bridge(0, 1, 2, 3);
    struct fake_function *one = reset_add(2, 1, false, 0), *two = reset_add(2, 2, false, 0), *nested;
    struct pci_address both[] = {one->address, two->address};

    (void)state;
    pulses = 0;
    nested = fake_pci_add_bridge(2, 3, 3, 3);
    fake_pci_put32(nested, 0x20, 0xfe10fe00);
    bridge->written = reset_bus;
    one->space[PCI_CAPABILITIES] = two->space[PCI_CAPABILITIES] = 0;
    reset_scan();
    assert_int_equal(method(one), PCI_RESET_NONE);
    assert_int_equal(pci_reset_method(one->address, both, 2), PCI_RESET_BUS);
    assert_int_equal(pci_reset(both, 2), 0);
    assert_int_equal(pulses, 1); /* for both */
    assert_int_equal(reset_seen.resets, 3);
    assert_true(held_ns >= 2 * NS_PER_MS);
    reset_assert_back(one);
    reset_assert_back(two);
    assert_int_equal(nested->space[PCI_BUSES + 1], 3);
    assert_int_equal(fake_pci_get32(nested, 0x20), 0xfe10fe00);
    fake_pci_make_express(nested, ROOT_PORT); /* no port's state is put back */
    assert_int_equal(pci_reset_method(one->address, both, 2), PCI_RESET_NONE);
}

static void transactions_that_never_end_are_said_and_ended_by_the_reset(void **state)
{
    struct fake_function *fake = reset_add(0, 1, true, RESET_FLR);

    (void)state;
    fake->written = reset_by_flr;
    fake->pending_reads = FAKE_FOREVER;
    reset_scan();
    assert_int_equal(reset(fake), 0);
    assert_int_equal(reset_seen.resets, 1);
    assert_true(reset_seen.began_ns - NS_PER_S >= NS_PER_S); /* so long it had */
    assert_non_null(strstr(host_log(), "0000:00:01.0: transactions pending long after it was stopped"));
    assert_null(strstr(host_log(), "stays blocked"));
    reset_assert_back(fake);
}

static void stay_pending_by_features(struct fake_function *fake, unsigned offset, unsigned bytes)
{
    reset_by_features(fake, offset, bytes);
    fake->space[RESET_AF_STATUS] = 1;
}

static void who_has_transactions_pending_after_its_reset_is_said_to(void **state)
{
    struct fake_function *express = reset_add(0, 1, true, RESET_FLR),
                         *conventional = reset_add(0, 2, false, 0);
    uint64_t start = platform_time_ns();

    (void)state;
    express->written = reset_stay_pending;
    fake_pci_put32(conventional, RESET_AF, 0x03060013);
    conventional->written = stay_pending_by_features;
    reset_scan();
    assert_int_equal(reset(express), ERR_TIMEOUT);
    assert_int_equal(reset(conventional), ERR_TIMEOUT);
    assert_int_equal(reset_seen.resets, 2);
    assert_true(platform_time_ns() - start < 6 * NS_PER_S);
    assert_non_null(strstr(host_log(), "0000:00:01.0: stays blocked, since it has transactions pending after "
                                       "its reset"));
    assert_non_null(strstr(host_log(), "0000:00:02.0: stays blocked, since it has transactions pending"));
    reset_assert_back(express);
}

static void who_does_not_come_back_is_given_up(void **state)
{
    static const struct {
        uint32_t id;
        int error;
        const char *said;
    } cases[] = {
        {~0u, ERR_TIMEOUT, "does not answer a second after its reset (FLR)"},
        {0xffff0001, ERR_TIMEOUT, "does not answer a second after its reset (FLR)"}, /* retry, for ever */
        {0x00028086, ERR_HARDWARE, "was 00018086 before a reset, and is 00028086"},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fake_function *fake;
        uint64_t start;

        reset_begin(state);
        fake = reset_add(0, 1, true, RESET_FLR);
        fake->written = reset_change_id;
        reset_id_after = cases[i].id;
        reset_scan();
        start = platform_time_ns();
        assert_int_equal(reset(fake), cases[i].error);
        assert_non_null(strstr(host_log(), cases[i].said));
        assert_true(platform_time_ns() - start < 2 * NS_PER_S);
        assert_int_equal(reset(fake), ERR_HARDWARE); /* it is not the one that was found */
    }
}

static void forget_bar(struct fake_function *fake, unsigned offset, unsigned bytes)
{
    reset_by_flr(fake, offset, bytes);
    if (offset != RESET_EXPRESS_CONTROL || reset_seen.resets != 1)
        return;
    fake_pci_put32(fake, PCI_BAR, RESET_BAR & 0xf);
    fake->bar_bits[0] = 0xf0000000;
    reset_seen.resets++;
}

static void a_bar_that_is_not_kept_is_an_error_and_decoding_stays_off(void **state)
{
    struct fake_function *fake = reset_add(0, 1, true, RESET_FLR);

    (void)state;
    fake->written = forget_bar;
    reset_scan();
    assert_int_equal(reset(fake), ERR_HARDWARE);
    assert_non_null(strstr(host_log(), "after a reset BAR 0 is 0xf0000004 and not 0xfe000004"));
    assert_int_equal(fake->space[PCI_COMMAND] & (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(flr_comes_first_and_all_is_put_back, reset_begin, reset_end),
        cmocka_unit_test_setup_teardown(af_flr_wants_both_its_bits, reset_begin, reset_end),
        cmocka_unit_test_setup_teardown(a_trip_to_d3hot_resets_what_does_not_keep_its_state, reset_begin,
                                        reset_end),
        cmocka_unit_test_setup_teardown(what_sleeps_is_woken_first, reset_begin, reset_end),
        cmocka_unit_test_setup_teardown(a_bus_is_reset_with_all_behind_it_or_not_at_all, reset_begin,
                                        reset_end),
        cmocka_unit_test_setup_teardown(transactions_that_never_end_are_said_and_ended_by_the_reset,
                                        reset_begin, reset_end),
        cmocka_unit_test_setup_teardown(who_has_transactions_pending_after_its_reset_is_said_to, reset_begin,
                                        reset_end),
        cmocka_unit_test_setup_teardown(who_does_not_come_back_is_given_up, reset_begin, reset_end),
        cmocka_unit_test_setup_teardown(a_bar_that_is_not_kept_is_an_error_and_decoding_stays_off,
                                        reset_begin, reset_end),
    };

    return cmocka_run_group_tests_name("pci_reset", tests, NULL, NULL);
}
