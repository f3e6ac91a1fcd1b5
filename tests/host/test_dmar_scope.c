/* SPDX-License-Identifier: BSD-2-Clause */
/* Which functions the scopes of a DMAR table mean, on machines whose bridges are numbered one way or another.
 */
#include "lib/units.h"
#include "tests/host/dmar_sample.h"
#include "tests/host/fake_vtd.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <string.h>

#define BRIDGE_HEADER 0x00010000u
#define DEVICE_HEADER 0x00000000u

/* A function that answers; all others are absent. */
struct function {
    struct pci_address address;
    uint32_t header;
    uint8_t secondary, subordinate;
};

/* 00:1c.0 -> 5..8; 05:00.0 -> 6..7; 06:01.0 a device; 00:1d.0 a device, 00:1e.0 a bridge without a bus. */
static const struct function machine[] = {
    {{0, 0, 28 << 3}, BRIDGE_HEADER | 0x00800000, 5, 8},
    {{0, 5, 0}, BRIDGE_HEADER, 6, 7},
    {{0, 6, 1 << 3}, DEVICE_HEADER, 1, 9},
    {{0, 0, 29 << 3}, DEVICE_HEADER, 9, 9},
    {{0, 0, 30 << 3}, BRIDGE_HEADER, 0, 0},
};

/* Added to the numbers of buses behind bridges: the machine after its firmware chose others. */
static uint8_t renumbered;

static uint32_t read32(void *context, struct pci_address function, unsigned offset)
{
    (void)context;
    for (unsigned i = 0; i < ARRAY_SIZE(machine); i++) {
        const struct function *found = &machine[i];
        struct pci_address address = found->address;

        if (address.bus)
            address.bus = (uint8_t)(address.bus + renumbered);
        if (!pci_address_equal(address, function))
            continue;
        if (offset == 0x0c)
            return found->header;
        if (offset == 0x18 && found->secondary)
            return (found->subordinate + renumbered + 0u) << 16 | (found->secondary + renumbered + 0u) << 8;
        return 0;
    }
    return ~0u;
}

static int set_up(void **state)
{
    static const struct host_pci_ops pci = {.read32 = read32};

    (void)state;
    renumbered = 0;
    host_set_pci(&pci);
    host_log_clear();
    return 0;
}

static struct dmar_scope scope_of(enum dmar_scope_type type, const uint8_t *path, unsigned hops)
{
    return (struct dmar_scope){.type = (uint8_t)type, .path = path, .hops = (uint8_t)hops};
}

static struct pci_address at(unsigned bus, unsigned device, unsigned function)
{
    return (struct pci_address){0, (uint8_t)bus, (uint8_t)(device << 3 | function)};
}

static bool covers(struct dmar_scope scope, struct pci_address device)
{
    const struct dmar_scopes scopes = {&scope, 1};

    return dmar_scopes_cover(&scopes, 0, device);
}

static void a_path_leads_through_bridges_as_they_are_numbered_now(void **state)
{
    static const uint8_t path[] = {28, 0, 0, 0, 1, 0};
    struct dmar_scope scope = scope_of(DMAR_SCOPE_ENDPOINT, path, 3);
    struct pci_address found;

    (void)state;
    assert_true(dmar_scope_resolve(&scope, 0, &found));
    assert_true(pci_address_equal(found, at(6, 1, 0)));
    renumbered = 0x20;
    assert_true(dmar_scope_resolve(&scope, 0, &found));
    assert_true(pci_address_equal(found, at(0x26, 1, 0)));
}

static void an_endpoint_is_that_function_and_no_other(void **state)
{
    static const uint8_t path[] = {28, 0, 0, 0, 1, 0};
    static const uint8_t bridge[] = {28, 0};
    struct dmar_scope scope = scope_of(DMAR_SCOPE_ENDPOINT, path, 3);

    (void)state;
    assert_true(covers(scope, at(6, 1, 0)));
    assert_false(covers(scope, at(6, 1, 1)));
    assert_false(covers(scope, at(6, 2, 0)));
    assert_false(covers(scope, (struct pci_address){1, 6, 1 << 3}));
    /* Named as an endpoint, a bridge does not bring what is behind it. */
    assert_true(covers(scope_of(DMAR_SCOPE_ENDPOINT, bridge, 1), at(0, 28, 0)));
    assert_false(covers(scope_of(DMAR_SCOPE_ENDPOINT, bridge, 1), at(5, 0, 0)));
}

static void a_sub_hierarchy_is_the_bridge_and_all_below(void **state)
{
    static const uint8_t bridge[] = {28, 0}, inner[] = {28, 0, 0, 0};
    struct dmar_scope outer_scope = scope_of(DMAR_SCOPE_BRIDGE, bridge, 1);
    struct dmar_scope inner_scope = scope_of(DMAR_SCOPE_BRIDGE, inner, 2);

    (void)state;
    assert_true(covers(outer_scope, at(0, 28, 0)));
    assert_true(covers(outer_scope, at(5, 31, 7)));
    assert_true(covers(outer_scope, at(8, 0, 0)));
    assert_false(covers(outer_scope, at(4, 0, 0)));
    assert_false(covers(outer_scope, at(9, 0, 0)));
    assert_false(covers(outer_scope, at(0, 28, 1)));
    assert_true(covers(inner_scope, at(5, 0, 0)));
    assert_true(covers(inner_scope, at(7, 0, 0)));
    assert_false(covers(inner_scope, at(5, 1, 0)));
    assert_false(covers(inner_scope, at(8, 0, 0)));
}

static void scopes_of_interrupt_controllers_cover_no_dma(void **state)
{
    static const uint8_t path[] = {31, 7};

    (void)state;
    assert_false(covers(scope_of(DMAR_SCOPE_IOAPIC, path, 1), at(0, 31, 7)));
    assert_false(covers(scope_of(DMAR_SCOPE_HPET, path, 1), at(0, 31, 7)));
    assert_true(covers(scope_of(DMAR_SCOPE_NAMESPACE, path, 1), at(0, 31, 7)));
}

static void a_path_that_leads_nowhere_covers_nothing(void **state)
{
    static const uint8_t through_device[] = {29, 0, 4, 0}, through_nothing[] = {3, 0, 4, 0};
    static const uint8_t through_unnumbered[] = {30, 0, 4, 0}, unnumbered[] = {30, 0};
    struct pci_address found = {9, 9, 9};
    struct dmar_scope scope = scope_of(DMAR_SCOPE_ENDPOINT, through_device, 2);

    (void)state;
    assert_false(dmar_scope_resolve(&scope, 0, &found));
    assert_int_equal(found.bus, 9);
    assert_false(covers(scope, at(9, 4, 0)));
    assert_false(covers(scope_of(DMAR_SCOPE_ENDPOINT, through_nothing, 2), at(255, 4, 0)));
    assert_false(covers(scope_of(DMAR_SCOPE_ENDPOINT, through_unnumbered, 2), at(0, 4, 0)));
    assert_false(covers(scope_of(DMAR_SCOPE_BRIDGE, unnumbered, 1), at(0, 4, 0)));
    assert_true(covers(scope_of(DMAR_SCOPE_BRIDGE, unnumbered, 1), at(0, 30, 0)));
}

/* The unit of a device, of a table with these. */
static int unit_of(struct dmar_unit *units, unsigned count, struct pci_address device)
{
    struct dmar dmar = {.units = units, .unit_count = count};

    return dmar_unit_of(&dmar, device);
}

static void a_device_goes_to_the_unit_that_names_it_most_closely(void **state)
{
    static const uint8_t outer_path[] = {28, 0}, inner_path[] = {28, 0, 0, 0};
    static const uint8_t device_path[] = {28, 0, 0, 0, 1, 0};
    struct dmar_scope outer = scope_of(DMAR_SCOPE_BRIDGE, outer_path, 1);
    struct dmar_scope inner = scope_of(DMAR_SCOPE_BRIDGE, inner_path, 2);
    struct dmar_scope device = scope_of(DMAR_SCOPE_ENDPOINT, device_path, 3);
    struct dmar_unit units[] = {
        {.include_all = true},
        {.devices = {&outer, 1}},
        {.devices = {&inner, 1}},
        {.devices = {&device, 1}},
    };

    (void)state;
    assert_int_equal(unit_of(units, 4, at(6, 1, 0)), 3);
    assert_int_equal(unit_of(units, 4, at(6, 2, 0)), 2);
    assert_int_equal(unit_of(units, 4, at(8, 0, 0)), 1);
    assert_int_equal(unit_of(units, 4, at(0, 2, 0)), 0);
    assert_int_equal(unit_of(units + 1, 3, at(0, 2, 0)), -1);
    assert_int_equal(unit_of(units + 1, 2, at(6, 1, 0)), 1);
}

static void the_rest_of_a_segment_is_of_that_segment(void **state)
{
    struct dmar_unit units[] = {{.segment = 1, .include_all = true}, {.include_all = true}};

    (void)state;
    assert_int_equal(unit_of(units, 2, at(0, 2, 0)), 1);
    assert_int_equal(unit_of(units, 2, (struct pci_address){1, 0, 0}), 0);
    assert_int_equal(unit_of(units, 2, (struct pci_address){2, 0, 0}), -1);
}

static void what_leads_nowhere_is_said_once_and_the_rest_goes_on(void **state)
{
    struct dmar_sample table = dmar_sample();
    struct dmar dmar;

    (void)state;
    assert_int_equal(dmar_parse_exactly(table.bytes, table.length, &dmar), 0);
    assert_int_equal(dmar_log_unresolved(&dmar), 0);
    assert_string_equal(host_log(), "");
    dmar_free(&dmar);
    table.bytes[AT_DRHD + 24 + 6] = 30; /* 00:1e.0, a bridge without a bus */
    table.bytes[AT_ATSR + 8 + 6] = 29;  /* 00:1d.0 is said to be a bridge */
    fake_vtd_seal(table.bytes, table.length);
    assert_int_equal(dmar_parse_exactly(table.bytes, table.length, &dmar), 0);
    assert_int_equal(dmar_log_unresolved(&dmar), 2);
    assert_non_null(strstr(host_log(), "DMAR: offset 0x48: DRHD: nothing is behind 0000:00:1e.0"));
    assert_non_null(strstr(host_log(), "DMAR: offset 0x8a: ATSR: nothing is behind 0000:00:1d.0"));
    assert_int_equal(dmar_unit_of(&dmar, at(0, 2, 0)), 0);
    dmar_free(&dmar);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_path_leads_through_bridges_as_they_are_numbered_now, set_up),
        cmocka_unit_test_setup(an_endpoint_is_that_function_and_no_other, set_up),
        cmocka_unit_test_setup(a_sub_hierarchy_is_the_bridge_and_all_below, set_up),
        cmocka_unit_test_setup(scopes_of_interrupt_controllers_cover_no_dma, set_up),
        cmocka_unit_test_setup(a_path_that_leads_nowhere_covers_nothing, set_up),
        cmocka_unit_test_setup(a_device_goes_to_the_unit_that_names_it_most_closely, set_up),
        cmocka_unit_test_setup(the_rest_of_a_segment_is_of_that_segment, set_up),
        cmocka_unit_test_setup(what_leads_nowhere_is_said_once_and_the_rest_goes_on, set_up),
    };

    return cmocka_run_group_tests_name("dmar_scope", tests, NULL, NULL);
}
