/* SPDX-License-Identifier: BSD-2-Clause */
/* `iommu devices`: what people and programs are shown of each function. */
#include "iommu/devices_print.h"
#include "iommu/iommu.h"
#include "lib/pci.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/host/fake_pci.h"
#include "tests/host/fake_vtd.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define INTEGRATED 9 /* an endpoint of the root complex */

static struct fake_vtd fakes[2];
static char shown[4096];

/* A function without PCI Express behind the first unit, and one with ATS behind the second. */
static int start(void **state)
{
    struct fake_function *function;
    uint8_t table[256];

    (void)state;
    fake_vtd_install(fakes, 2);
    fake_pci_install();
    fake_pci_add(0, FAKE_DEVFN_NVME >> 3, 0, 0x1000);
    fake_pci_add_bridge(0, 1, 5, 5);
    function = fake_pci_add(5, 0, 0, 0x1000);
    fake_pci_make_express(function, INTEGRATED);
    fake_pci_put32(function, 0x100, 0x0001000f);
    assert_int_equal(pci_scan((const uint16_t[]){0}, 1), 0);
    host_log_clear();
    return iommu_init(table, fake_vtd_dmar(table, 2, "BOCHS "), &(struct iommu_config){0});
}

static int stop(void **state)
{
    (void)state;
    iommu_shutdown();
    rcu_barrier();
    return fakes[0].broken_rules + fakes[1].broken_rules != 0;
}

/* The standard output goes into `shown` meanwhile. */
static void show(void)
{
    FILE *file = tmpfile();
    int saved = dup(STDOUT_FILENO);

    fflush(stdout);
    dup2(fileno(file), STDOUT_FILENO);
    iommu_devices_print();
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    rewind(file);
    shown[fread(shown, 1, sizeof shown - 1, file)] = 0;
    fclose(file);
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("no \"%s\" in:\n%s", part, text);
}

static void people_are_shown_a_table_and_reasons(void **state)
{
    (void)state;
    show();
    assert_has(shown, "function      unit    attach  PASIDs  interrupts  ATS\n");
    assert_has(shown, "0000:00:03.0  vtd0    yes          0  remapped    none\n0000:05:00.0");
    assert_has(shown, "0000:05:00.0  vtd1    yes          0  remapped    off\n"
                      "    no ATS: its unit knows no TLBs of devices (ECAP.DT)\n");
}

static void programs_are_told_all(void **state)
{
    (void)state;
    iommu_devices_print_json();
    assert_has(host_log(), "{\"device\":\"0000:05:00.0\",\"unit\":1,\"attaches\":true,"
                           "\"passes_through\":false,\"pasids\":0,\"snoops\":false,");
    assert_has(host_log(), "\"remaps_interrupts\":true,\"apic_id_max\":254,\"has_ats\":true,\"ats\":false,"
                           "\"why_no_ats\":\"its unit knows no TLBs of devices (ECAP.DT)\"}\n");
}

static void who_cannot_be_asked_about_is_shown_with_the_error(void **state)
{
    (void)state;
    iommu_shutdown();
    show();
    assert_has(shown, "0000:05:00.0  not found\n");
    iommu_devices_print_json();
    assert_has(host_log(), "{\"device\":\"0000:05:00.0\",\"error\":\"not found\"}\n");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(people_are_shown_a_table_and_reasons, start, stop),
        cmocka_unit_test_setup_teardown(programs_are_told_all, start, stop),
        cmocka_unit_test_setup_teardown(who_cannot_be_asked_about_is_shown_with_the_error, start, stop),
    };

    host_memory_init(64 * MIB);
    rcu_cpu_online();
    return cmocka_run_group_tests_name("devices_print", tests, NULL, NULL);
}
