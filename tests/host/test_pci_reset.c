/* SPDX-License-Identifier: BSD-2-Clause */
/* Resets of made-up functions that behave, and of some that do not; and devices that change hands. */
#include "iommu/group_reset.h"
#include "lib/error.h"
#include "lib/pci.h"
#include "lib/pci_reset.h"
#include "lib/units.h"
#include "tests/host/fake_pci.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <string.h>

#define EXPRESS_CAP     (FAKE_EXPRESS + 4)
#define EXPRESS_CONTROL (FAKE_EXPRESS + 8)
#define EXPRESS_LINK    (FAKE_EXPRESS + 0x10)
#define FLR             (1u << 28)
#define START_FLR       0x80  /* of the control's upper byte */
#define AF              0x80u /* where capabilities are */
#define POWER           0x90u
#define MSI             0xa0u
#define BRIDGE_CONTROL  0x3e
#define BAR             0xfe000004u
#define ENDPOINT        0
#define ROOT_PORT       4

static unsigned resets, steps; /* of all functions; writes of the power state */
static uint64_t began_ns;
static uint16_t command_at_reset;

static void let_time_pass(void)
{
    host_set_time_ns(platform_time_ns() + 100 * NS_PER_US);
}

static int begin(void **state)
{
    (void)state;
    fake_pci_install();
    host_log_clear();
    host_set_time_ns(NS_PER_S);
    host_set_relax(let_time_pass);
    resets = steps = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    host_set_time_ns(0);
    host_set_relax(NULL);
    return 0;
}

static void lose_state(struct fake_function *fake)
{
    command_at_reset = (uint16_t)(fake->space[PCI_COMMAND] | fake->space[PCI_COMMAND + 1] << 8);
    began_ns = platform_time_ns();
    resets++;
    memset(fake->space + PCI_COMMAND, 0, 2);
    for (unsigned i = 0; i < 6; i++)
        fake_pci_put32(fake, PCI_BAR + 4 * i, fake_pci_get32(fake, PCI_BAR + 4 * i) & ~fake->bar_bits[i]);
    fake->space[0x3c] = 0;
    fake->space[EXPRESS_CONTROL] = fake->space[EXPRESS_CONTROL + 1] = 0;
    memset(fake->space + FAKE_ACS + 6, 0, 2);
}

static void reset_by_flr(struct fake_function *fake, unsigned offset, unsigned bytes)
{
    (void)bytes;
    if (offset == EXPRESS_CONTROL && fake->space[EXPRESS_CONTROL + 1] & START_FLR)
        lose_state(fake);
}

static void reset_by_features(struct fake_function *fake, unsigned offset, unsigned bytes)
{
    (void)bytes;
    if (offset == AF + 4 && fake->space[AF + 4] & 1)
        lose_state(fake);
}

/* In D3hot for long enough, and then back. */
static void reset_by_power(struct fake_function *fake, unsigned offset, unsigned bytes)
{
    static uint64_t asleep_ns;

    (void)bytes;
    if (offset != POWER + 4)
        return;
    steps++;
    if ((fake->space[POWER + 4] & 3) == 3)
        asleep_ns = platform_time_ns();
    else if (platform_time_ns() - asleep_ns >= 10 * NS_PER_MS)
        lose_state(fake);
}

/* A function with a BAR, a driver's settings, and these capabilities; which lead nowhere but to each other.
 */
static struct fake_function *add(uint8_t bus, unsigned device, bool express, uint32_t express_cap)
{
    struct fake_function *fake = fake_pci_add(bus, device, 0, 1);

    fake_pci_put32(fake, PCI_BAR, BAR);
    fake->bar_bits[0] = 0xffff0000;
    fake_pci_put32(fake, PCI_BAR, BAR);
    fake->space[PCI_COMMAND] = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
    fake->space[0x3c] = 11;
    if (express) {
        fake_pci_make_express(fake, ENDPOINT);
        fake_pci_put32(fake, EXPRESS_CAP, express_cap);
        fake->space[EXPRESS_CONTROL] = 0x2f;
    } else {
        fake->space[PCI_STATUS] = PCI_STATUS_CAPABILITIES;
        fake->space[PCI_CAPABILITIES] = AF;
    }
    return fake;
}

static void scan(void)
{
    assert_int_equal(pci_scan((const uint16_t[]){0}, 1), 0);
}

static int reset(const struct fake_function *fake)
{
    return pci_reset(&fake->address, 1);
}

static enum pci_reset_method method(const struct fake_function *fake)
{
    return pci_reset_method(fake->address, &fake->address, 1);
}

static void assert_back(const struct fake_function *fake)
{
    assert_int_equal(fake_pci_get32(fake, PCI_BAR), BAR);
    assert_int_equal(fake->space[PCI_COMMAND], PCI_COMMAND_MEMORY); /* and no bus mastering */
    assert_int_equal(fake->space[0x3c], 11);
}

static void flr_comes_first_and_all_is_put_back(void **state)
{
    struct fake_function *fake = add(0, 1, true, FLR);

    (void)state;
    fake->written = reset_by_flr;
    fake_pci_put32(fake, FAKE_EXPRESS, fake_pci_get32(fake, FAKE_EXPRESS) | MSI << 8);
    fake_pci_put32(fake, MSI, 1u << 16 | POWER << 8 | 5); /* enabled, and FLR leaves it so */
    fake_pci_put32(fake, POWER, 1);
    fake_pci_make_acs(fake, 0x0c);
    scan();
    assert_int_equal(method(fake), PCI_RESET_FLR);
    assert_int_equal(reset(fake), 0);
    assert_int_equal(resets, 1);
    assert_int_equal(command_at_reset, PCI_COMMAND_NO_INTX);
    assert_true(platform_time_ns() - began_ns >= 100 * NS_PER_MS);
    assert_back(fake);
    assert_int_equal(fake->space[EXPRESS_CONTROL], 0x2f);
    assert_int_equal(fake->space[MSI + 2] & 1, 0);
    assert_int_equal(fake->space[FAKE_ACS + 6], 0x0c);
}

static void af_flr_wants_both_its_bits(void **state)
{
    struct fake_function *fake = add(0, 1, false, 0);

    (void)state;
    fake->written = reset_by_features;
    fake_pci_put32(fake, AF, 0x03060013);
    scan();
    assert_int_equal(method(fake), PCI_RESET_AF_FLR);
    assert_int_equal(reset(fake), 0);
    assert_int_equal(resets, 1);
    assert_back(fake);
    fake_pci_put32(fake, AF, 0x02060013); /* pending transactions are not to be seen */
    assert_int_equal(method(fake), PCI_RESET_NONE);
}

static void a_trip_to_d3hot_resets_what_does_not_keep_its_state(void **state)
{
    struct fake_function *fake = add(0, 1, false, 0);

    (void)state;
    fake->written = reset_by_power;
    fake->space[PCI_CAPABILITIES] = POWER;
    fake_pci_put32(fake, POWER, 1);
    fake_pci_put32(fake, POWER + 4, 1u << 15); /* an event, which is not to be cleared */
    scan();
    assert_int_equal(method(fake), PCI_RESET_PM);
    assert_int_equal(reset(fake), 0);
    assert_int_equal(resets, 1);
    assert_int_equal(steps, 2);
    assert_int_equal(fake->space[POWER + 5] & 0x80, 0); /* written as 0 */
    assert_back(fake);
    fake_pci_put32(fake, POWER + 4, 1u << 3);
    assert_int_equal(method(fake), PCI_RESET_NONE);
}

static void what_sleeps_is_woken_first(void **state)
{
    struct fake_function *fake = add(0, 1, true, FLR);

    (void)state;
    fake->written = reset_by_flr;
    fake_pci_put32(fake, FAKE_EXPRESS, fake_pci_get32(fake, FAKE_EXPRESS) | POWER << 8);
    fake_pci_put32(fake, POWER, 1);
    fake_pci_put32(fake, POWER + 4, 3);
    scan();
    assert_int_equal(reset(fake), 0);
    assert_int_equal(fake->space[POWER + 4] & 3, 0);
    assert_back(fake);
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
            lose_state(fake_pci_find(behind));
}

static void a_bus_is_reset_with_all_behind_it_or_not_at_all(void **state)
{
    struct fake_function *bridge = fake_pci_add_bridge(0, 1, 2, 3);
    struct fake_function *one = add(2, 1, false, 0), *two = add(2, 2, false, 0), *nested;
    struct pci_address both[] = {one->address, two->address};

    (void)state;
    pulses = 0;
    nested = fake_pci_add_bridge(2, 3, 3, 3);
    fake_pci_put32(nested, 0x20, 0xfe10fe00);
    bridge->written = reset_bus;
    one->space[PCI_CAPABILITIES] = two->space[PCI_CAPABILITIES] = 0;
    scan();
    assert_int_equal(method(one), PCI_RESET_NONE);
    assert_int_equal(pci_reset_method(one->address, both, 2), PCI_RESET_BUS);
    assert_int_equal(pci_reset(both, 2), 0);
    assert_int_equal(pulses, 1); /* for both */
    assert_int_equal(resets, 3);
    assert_true(held_ns >= 2 * NS_PER_MS);
    assert_back(one);
    assert_back(two);
    assert_int_equal(nested->space[PCI_BUSES + 1], 3);
    assert_int_equal(fake_pci_get32(nested, 0x20), 0xfe10fe00);
    fake_pci_make_express(nested, ROOT_PORT); /* no port's state is put back */
    assert_int_equal(pci_reset_method(one->address, both, 2), PCI_RESET_NONE);
}

static void transactions_that_never_end_are_said_and_not_waited_for(void **state)
{
    struct fake_function *fake = add(0, 1, true, FLR);

    (void)state;
    fake->written = reset_by_flr;
    fake->pending_reads = FAKE_FOREVER;
    scan();
    assert_int_equal(reset(fake), 0);
    assert_int_equal(resets, 1);
    assert_non_null(strstr(host_log(), "0000:00:01.0: transactions pending long after it was stopped"));
    assert_back(fake);
}

static uint32_t id_after;

static void change_id(struct fake_function *fake, unsigned offset, unsigned bytes)
{
    (void)bytes;
    if (offset == EXPRESS_CONTROL && fake->space[EXPRESS_CONTROL + 1] & START_FLR)
        fake_pci_put32(fake, PCI_ID, id_after);
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

        begin(state);
        fake = add(0, 1, true, FLR);
        fake->written = change_id;
        id_after = cases[i].id;
        scan();
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
    if (offset != EXPRESS_CONTROL || resets != 1)
        return;
    fake_pci_put32(fake, PCI_BAR, BAR & 0xf);
    fake->bar_bits[0] = 0xf0000000;
    resets++;
}

static void a_bar_that_is_not_kept_is_an_error_and_decoding_stays_off(void **state)
{
    struct fake_function *fake = add(0, 1, true, FLR);

    (void)state;
    fake->written = forget_bar;
    scan();
    assert_int_equal(reset(fake), ERR_HARDWARE);
    assert_non_null(strstr(host_log(), "after a reset BAR 0 is 0xf0000004 and not 0xfe000004"));
    assert_int_equal(fake->space[PCI_COMMAND] & (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER), 0);
}

/* --- devices that change hands --- */

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
    struct fake_function *fake = add(0, 1, true, FLR);

    (void)state;
    fake->written = reset_by_flr;
    scan();
    assert_int_equal(group_reset_init(false), 0);
    assert_int_equal(give(fake, 1, false), 0); /* as firmware left it */
    assert_int_equal(give(fake, 1, false), 0);
    assert_int_equal(resets, 0);
    assert_int_equal(fake->space[PCI_COMMAND], PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    assert_int_equal(give(fake, 2, false), 0);
    assert_int_equal(resets, 1);
    assert_back(fake);
    assert_int_equal(give(fake, 2, false), 0);
    assert_int_equal(resets, 1);
    assert_int_equal(give(fake, 3, true), 0); /* by a PASID, beside the second */
    assert_int_equal(resets, 1);
    assert_int_equal(give(fake, 3, false), 0); /* which it is not alone in */
    assert_int_equal(resets, 2);
}

static void who_cannot_be_reset_stays_unless_it_is_allowed(void **state)
{
    struct fake_function *fake = add(0, 1, true, 0);

    (void)state;
    scan();
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
    struct fake_function *one = add(0, 1, true, FLR), *two = fake_pci_add(0, 1, 1, 2);

    (void)state;
    one->space[PCI_HEADER_TYPE] = 0x80;
    one->written = reset_by_flr;
    fake_pci_make_express(two, ENDPOINT);
    scan();
    assert_int_equal(group_reset_init(false), 0);
    assert_int_equal(give(two, 1, false), 0);
    assert_int_equal(give(one, 2, false), ERR_UNSUPPORTED);
    assert_int_equal(resets, 0);
    fake_pci_put32(two, EXPRESS_CAP, FLR);
    two->written = reset_by_flr;
    assert_int_equal(give(one, 2, false), 0);
    assert_int_equal(resets, 2);
}

static void who_did_not_come_back_is_tried_again(void **state)
{
    struct fake_function *fake = add(0, 1, true, FLR);

    (void)state;
    fake->written = change_id;
    id_after = 0xffff0001;
    scan();
    assert_int_equal(group_reset_init(false), 0);
    assert_int_equal(give(fake, 1, false), 0);
    assert_int_equal(give(fake, 2, false), ERR_TIMEOUT);
    fake_pci_put32(fake, PCI_ID, 0x00018086);
    fake->written = reset_by_flr;
    assert_int_equal(give(fake, 2, false), 0);
    assert_int_equal(resets, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(flr_comes_first_and_all_is_put_back, begin, end),
        cmocka_unit_test_setup_teardown(af_flr_wants_both_its_bits, begin, end),
        cmocka_unit_test_setup_teardown(a_trip_to_d3hot_resets_what_does_not_keep_its_state, begin, end),
        cmocka_unit_test_setup_teardown(what_sleeps_is_woken_first, begin, end),
        cmocka_unit_test_setup_teardown(a_bus_is_reset_with_all_behind_it_or_not_at_all, begin, end),
        cmocka_unit_test_setup_teardown(transactions_that_never_end_are_said_and_not_waited_for, begin, end),
        cmocka_unit_test_setup_teardown(who_does_not_come_back_is_given_up, begin, end),
        cmocka_unit_test_setup_teardown(a_bar_that_is_not_kept_is_an_error_and_decoding_stays_off, begin,
                                        end),
        cmocka_unit_test_setup_teardown(who_goes_to_another_domain_is_reset, begin, end),
        cmocka_unit_test_setup_teardown(who_cannot_be_reset_stays_unless_it_is_allowed, begin, end),
        cmocka_unit_test_setup_teardown(a_group_is_reset_as_a_whole_or_not_at_all, begin, end),
        cmocka_unit_test_setup_teardown(who_did_not_come_back_is_tried_again, begin, end),
    };

    return cmocka_run_group_tests_name("pci_reset", tests, NULL, NULL);
}
