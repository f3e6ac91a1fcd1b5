/* SPDX-License-Identifier: BSD-2-Clause */
/* ACS and groups on made-up machines: who shares a requester id, who can reach whom, and why. */
#include "iommu/group.h"
#include "iommu/iommu.h"
#include "lib/error.h"
#include "lib/pci.h"
#include "lib/pci_acs.h"
#include "lib/pci_alias.h"
#include "tests/host/fake_pci.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <stdio.h>
#include <string.h>

#define MULTIFUNCTION  0x80
#define ENDPOINT       0
#define ROOT_PORT      4
#define UPSTREAM       5
#define DOWNSTREAM     6
#define TO_PCI         7
#define FROM_PCI       8
#define INTEGRATED     9
#define ACS_PORT       0x7f /* all that there is */
#define ACS_FUNCTION   0x4c /* what an endpoint may have */
#define ACS_CONTROL    (FAKE_ACS + 6)
#define ACS_EGRESS     (1u << 5)
#define DEVICE_CONTROL (FAKE_EXPRESS + 8)

static int begin(void **state)
{
    (void)state;
    fake_pci_install();
    host_log_clear();
    return 0;
}

static struct fake_function *port(uint8_t bus, unsigned device, unsigned type, uint8_t secondary,
                                  uint8_t subordinate, bool acs)
{
    struct fake_function *fake = fake_pci_add_bridge(bus, device, secondary, subordinate);

    fake_pci_make_express(fake, type);
    if (acs)
        fake_pci_make_acs(fake, ACS_PORT);
    return fake;
}

static struct fake_function *endpoint(uint8_t bus, unsigned device, unsigned number, bool acs)
{
    struct fake_function *fake = fake_pci_add(bus, device, number, 1);

    fake_pci_make_express(fake, ENDPOINT);
    if (acs)
        fake_pci_make_acs(fake, ACS_FUNCTION);
    return fake;
}

static void start(void)
{
    assert_int_equal(pci_scan((const uint16_t[]){0}, 1), 0);
    pci_acs_enable_all();
}

static struct pci_address at(uint8_t bus, unsigned device, unsigned number)
{
    return (struct pci_address){0, bus, (uint8_t)(device << 3 | number)};
}

/* The group of a device is these ids, aliases in brackets, and then why. */
static void assert_group(struct pci_address device, const char *expected)
{
    struct iommu_group group;
    char text[512] = "";

    assert_int_equal(iommu_group_find(device, &group), 0);
    for (unsigned i = 0; i < group.count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text),
                 i < group.functions ? "%s%02x:%02x.%x" : "%s(%02x:%02x.%x)", i ? " " : "", group.ids[i].bus,
                 group.ids[i].devfn >> 3, group.ids[i].devfn & 7);
    if (group.why[0])
        snprintf(text + strlen(text), sizeof text - strlen(text), ": %s", group.why);
    iommu_group_free(&group);
    assert_string_equal(text, expected);
}

static void acs_is_switched_on_and_what_goes_around_it_off(void **state)
{
    struct fake_function *root = port(0, 1, ROOT_PORT, 1, 1, true);

    (void)state;
    fake_pci_put32(root, FAKE_ACS + 4, 0x62u << 16 | ACS_PORT); /* translation blocking stays as it is */
    start();
    assert_int_equal(root->space[ACS_CONTROL], 0x1f);
    assert_true(pci_acs_redirects(root->address));
    root->space[ACS_CONTROL] |= ACS_EGRESS;
    assert_false(pci_acs_redirects(root->address));
    root->space[ACS_CONTROL] = 0x1b; /* no redirection of requests */
    assert_false(pci_acs_redirects(root->address));
    fake_pci_put32(root, FAKE_ACS + 4, 0x1bu << 16 | 0x1b); /* which it has not, so has nobody to send to */
    assert_true(pci_acs_redirects(root->address));
}

static void forget_acs(struct fake_function *fake, unsigned offset, unsigned bytes)
{
    (void)bytes;
    if (offset == ACS_CONTROL)
        fake->space[ACS_CONTROL] = 0;
}

static void acs_that_does_not_stay_on_is_none(void **state)
{
    (void)state;
    port(0, 1, ROOT_PORT, 1, 1, true)->written = forget_acs;
    endpoint(1, 0, 0, false);
    endpoint(1, 0, 1, false);
    start();
    assert_non_null(strstr(host_log(), "0000:00:01.0: ACS does not stay on"));
    assert_false(pci_acs_redirects(at(0, 1, 0)));
}

static void devices_of_ports_with_acs_are_alone(void **state)
{
    struct iommu_group group;

    (void)state;
    port(0, 1, ROOT_PORT, 1, 1, true);
    port(0, 2, ROOT_PORT, 2, 4, true);
    port(2, 0, UPSTREAM, 3, 4, false);
    port(3, 1, DOWNSTREAM, 4, 4, true);
    endpoint(1, 0, 0, false);
    endpoint(4, 0, 0, false);
    start();
    assert_group(at(1, 0, 0), "01:00.0");
    assert_group(at(4, 0, 0), "04:00.0");
    assert_int_equal(iommu_group_find(at(0, 1, 0), &group), ERR_UNSUPPORTED);
    assert_non_null(strstr(host_log(), "0000:00:01.0 is a port, which has no DMA of its own"));
}

static void behind_a_switch_one_port_without_acs_joins_all(void **state)
{
    (void)state;
    port(0, 1, ROOT_PORT, 1, 5, true);
    port(1, 0, UPSTREAM, 2, 5, false);
    port(2, 0, DOWNSTREAM, 3, 3, true);
    port(2, 1, DOWNSTREAM, 4, 4, false);
    port(2, 2, DOWNSTREAM, 5, 5, true);
    endpoint(3, 0, 0, false);
    endpoint(4, 0, 0, false);
    endpoint(5, 0, 0, false);
    start();
    assert_group(at(3, 0, 0), "03:00.0 04:00.0 05:00.0: switch port 0000:02:01.0 has no ACS");
    assert_group(at(5, 0, 0), "03:00.0 04:00.0 05:00.0: switch port 0000:02:01.0 has no ACS");
}

static void a_root_port_without_acs_may_turn_around_what_its_switch_sends_up(void **state)
{
    (void)state;
    port(0, 1, ROOT_PORT, 1, 4, false);
    port(1, 0, UPSTREAM, 2, 4, false);
    port(2, 0, DOWNSTREAM, 3, 3, true);
    port(2, 1, DOWNSTREAM, 4, 4, true);
    port(0, 2, ROOT_PORT, 5, 5, false);
    endpoint(3, 0, 0, false);
    endpoint(4, 0, 0, false);
    endpoint(5, 0, 0, false);
    start();
    assert_group(at(4, 0, 0), "03:00.0 04:00.0: root port 0000:00:01.0 has no ACS");
    assert_group(at(5, 0, 0), "05:00.0");
}

static void ports_of_one_device_without_acs_join_what_is_below(void **state)
{
    struct fake_function *second;

    (void)state;
    port(0, 0x1c, ROOT_PORT, 1, 1, true)->space[PCI_HEADER_TYPE] |= MULTIFUNCTION;
    second = fake_pci_add(0, 0x1c, 1, 2);
    fake_pci_put32(second, PCI_CLASS, 0x06040000);
    second->space[PCI_HEADER_TYPE] = PCI_HEADER_BRIDGE;
    fake_pci_put32(second, PCI_BUSES, 2u << 16 | 2u << 8);
    fake_pci_make_express(second, ROOT_PORT);
    endpoint(1, 0, 0, false);
    endpoint(2, 0, 0, false);
    start();
    assert_group(at(1, 0, 0), "01:00.0 02:00.0: root port 0000:00:1c.1 has no ACS");
}

static void a_function_beside_a_port_that_leads_up_is_a_peer(void **state)
{
    (void)state;
    port(0, 1, ROOT_PORT, 1, 4, true);
    port(1, 0, UPSTREAM, 2, 4, false)->space[PCI_HEADER_TYPE] |= MULTIFUNCTION;
    endpoint(1, 0, 1, false); /* the switch's DMA engine */
    port(2, 0, DOWNSTREAM, 3, 3, true);
    port(2, 1, DOWNSTREAM, 4, 4, true);
    endpoint(3, 0, 0, false);
    endpoint(4, 0, 0, false);
    start();
    assert_group(at(3, 0, 0), "01:00.1 03:00.0 04:00.0: function 0000:01:00.0 has no ACS");
}

static void a_bridge_to_pci_gives_all_behind_it_its_id(void **state)
{
    struct pci_requester requester;

    (void)state;
    port(0, 1, ROOT_PORT, 1, 3, true);
    port(1, 0, TO_PCI, 2, 3, false);
    fake_pci_add(2, 1, 0, 1);
    fake_pci_add_bridge(2, 3, 3, 3);
    fake_pci_add(3, 5, 0, 1);
    start();
    assert_group(at(2, 1, 0), "02:01.0 03:05.0 (02:00.0) (02:03.0): 0000:01:00.0 is a bridge to PCI, "
                              "0000:02:03.0 is a bridge to PCI");
    assert_group(at(2, 0, 0), "02:01.0 03:05.0 (02:00.0) (02:03.0): 0000:01:00.0 is a bridge to PCI, "
                              "0000:02:03.0 is a bridge to PCI"); /* asked for by the alias */
    requester = pci_requester(at(3, 5, 0));
    assert_int_equal(requester.match, PCI_REQUESTER_BUSES);
    assert_int_equal(requester.address.bus, 2);
    assert_int_equal(requester.last_bus, 3);
}

static void conventional_bridges_issue_as_themselves(void **state)
{
    struct pci_requester requester;

    (void)state;
    fake_pci_add_bridge(0, 0x1e, 1, 2);
    fake_pci_add(1, 1, 0, 1);
    fake_pci_add_bridge(1, 2, 2, 2);
    fake_pci_add(2, 1, 0, 1);
    fake_pci_add(0, 2, 0, 1);
    port(0, 3, FROM_PCI, 3, 3, false);
    endpoint(3, 0, 0, false);
    start();
    assert_group(at(2, 1, 0), "01:01.0 02:01.0 (00:1e.0) (01:02.0): 0000:00:1e.0 is a bridge to PCI, "
                              "0000:01:02.0 is a bridge to PCI");
    assert_group(at(0, 2, 0), "00:02.0");
    assert_group(at(3, 0, 0), "03:00.0 (00:03.0): 0000:00:03.0 is a bridge to PCI");
    requester = pci_requester(at(2, 1, 0));
    assert_int_equal(requester.match, PCI_REQUESTER_FUNCTION);
    assert_true(pci_address_equal(requester.address, at(0, 0x1e, 0)));
}

static void functions_of_a_device_are_apart_if_all_have_acs(void **state)
{
    (void)state;
    endpoint(0, 1, 0, true)->space[PCI_HEADER_TYPE] = MULTIFUNCTION;
    endpoint(0, 1, 1, true);
    endpoint(0, 2, 0, true)->space[PCI_HEADER_TYPE] = MULTIFUNCTION;
    endpoint(0, 2, 1, false); /* may reach the first, whatever that one has */
    fake_pci_add(0, 0x1f, 0, 1)->space[PCI_HEADER_TYPE] = MULTIFUNCTION;
    fake_pci_add(0, 0x1f, 3, 1);
    start();
    assert_group(at(0, 1, 1), "00:01.1");
    assert_group(at(0, 2, 0), "00:02.0 00:02.1: function 0000:00:02.1 has no ACS");
    assert_group(at(0, 0x1f, 3), "00:1f.0 00:1f.3: function 0000:00:1f.0 has no ACS");
}

static void with_ari_all_of_a_bus_is_one_device(void **state)
{
    struct fake_function *root = port(0, 1, ROOT_PORT, 1, 1, true);

    (void)state;
    fake_pci_put32(root, FAKE_EXPRESS + 0x28, 1u << 5);
    endpoint(1, 0, 0, false);
    endpoint(1, 2, 1, false); /* function 17 */
    start();
    assert_group(at(1, 0, 0), "01:00.0 01:02.1: function 0000:01:00.0 has no ACS");
}

static void phantom_functions_are_aliases(void **state)
{
    struct fake_function *fake = endpoint(0, 1, 1, false);

    (void)state;
    endpoint(0, 1, 0, false)->space[PCI_HEADER_TYPE] = MULTIFUNCTION;
    fake_pci_put32(fake, FAKE_EXPRESS + 4, 1u << 3); /* the highest bit of the function number */
    start();
    assert_int_equal(pci_requester(fake->address).match, PCI_REQUESTER_FUNCTION);
    fake_pci_put32(fake, DEVICE_CONTROL, 1u << 9);
    assert_int_equal(pci_requester(fake->address).match, PCI_REQUESTER_DEVICE);
    assert_group(fake->address, "00:01.0 00:01.1 (00:01.5): function 0000:00:01.0 has no ACS");
    begin(NULL);
    fake = endpoint(0, 1, 0, false);
    fake_pci_put32(fake, FAKE_EXPRESS + 4, 2u << 3);
    fake_pci_put32(fake, DEVICE_CONTROL, 1u << 9);
    start();
    assert_group(fake->address, "00:01.0 (00:01.2) (00:01.4) (00:01.6): 0000:00:01.0 uses phantom functions");
}

static void what_is_not_to_be_read_counts_as_open(void **state)
{
    struct fake_function *root = port(0, 1, ROOT_PORT, 1, 3, true);

    (void)state;
    port(1, 0, UPSTREAM, 2, 3, false);
    port(2, 0, DOWNSTREAM, 3, 3, true);
    endpoint(3, 0, 0, false);
    endpoint(3, 0, 1, false);
    start();
    memset(root->space, 0xff, sizeof root->space); /* as during a reset */
    assert_int_equal(pci_express_type(root->address), PCI_EXPRESS_NONE);
    assert_group(at(3, 0, 0), "03:00.0 (00:01.0): 0000:00:01.0 is a bridge to PCI");
}

static void an_unknown_device_is_alone(void **state)
{
    (void)state;
    port(0, 1, ROOT_PORT, 1, 1, false);
    endpoint(1, 0, 0, false);
    start();
    assert_group(at(1, 0, 7), "01:00.7");
    assert_group((struct pci_address){3, 0, 0}, "00:00.0");
}

static void note_id(void *context, struct pci_address id, bool alias)
{
    snprintf((char *)context + strlen(context), 32, "%x:%x%s ", id.bus, id.devfn, alias ? "*" : "");
}

static void members_can_be_visited(void **state)
{
    char text[128] = "";

    (void)state;
    fake_pci_add_bridge(0, 1, 1, 1);
    fake_pci_add(1, 1, 0, 1);
    fake_pci_add(1, 2, 0, 1);
    start();
    assert_int_equal(iommu_group_visit(at(1, 2, 0), note_id, text), 0);
    assert_string_equal(text, "1:8 1:10 0:8* ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(acs_is_switched_on_and_what_goes_around_it_off, begin),
        cmocka_unit_test_setup(acs_that_does_not_stay_on_is_none, begin),
        cmocka_unit_test_setup(devices_of_ports_with_acs_are_alone, begin),
        cmocka_unit_test_setup(behind_a_switch_one_port_without_acs_joins_all, begin),
        cmocka_unit_test_setup(a_root_port_without_acs_may_turn_around_what_its_switch_sends_up, begin),
        cmocka_unit_test_setup(ports_of_one_device_without_acs_join_what_is_below, begin),
        cmocka_unit_test_setup(a_function_beside_a_port_that_leads_up_is_a_peer, begin),
        cmocka_unit_test_setup(a_bridge_to_pci_gives_all_behind_it_its_id, begin),
        cmocka_unit_test_setup(conventional_bridges_issue_as_themselves, begin),
        cmocka_unit_test_setup(functions_of_a_device_are_apart_if_all_have_acs, begin),
        cmocka_unit_test_setup(with_ari_all_of_a_bus_is_one_device, begin),
        cmocka_unit_test_setup(phantom_functions_are_aliases, begin),
        cmocka_unit_test_setup(what_is_not_to_be_read_counts_as_open, begin),
        cmocka_unit_test_setup(an_unknown_device_is_alone, begin),
        cmocka_unit_test_setup(members_can_be_visited, begin),
    };

    return cmocka_run_group_tests_name("group", tests, NULL, NULL);
}
