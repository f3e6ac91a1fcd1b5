/* SPDX-License-Identifier: BSD-2-Clause */
/* The console commands of iommu/ and of RCU, on fake units: what people are shown. The commands register
 * themselves and nothing calls them by name, so they are part of this program as text. */
#include "iommu/commands.c"
#include "iommu/domain.h"
#include "iommu/dump.c"
#include "iommu/fault_commands.c"
#include "iommu/fault_ring.h"
#include "iommu/group_commands.c"
#include "iommu/vtd/regs.h"
#include "lib/page_alloc.h"
#include "lib/pci.h"
#include "lib/rcu_command.c"
#include "tests/host/fake_pci.h"
#include "tests/host/fake_vtd.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <string.h>
#include <unistd.h>

#define IOVA       0x40000000ull
#define INTEGRATED 9 /* an endpoint of the root complex */

static struct fake_vtd fakes[2];
static uint64_t dma; /* 2 MiB */
static char shown[1 << 16];

static const struct pci_address nvme = {0, 0, FAKE_DEVFN_NVME};

static int start(void **state)
{
    uint8_t table[256];

    (void)state;
    fake_vtd_install(fakes, 2);
    return iommu_init(table, fake_vtd_dmar(table, 2, "BOCHS "), &(struct iommu_config){0});
}

static int stop(void **state)
{
    (void)state;
    iommu_shutdown();
    rcu_barrier();
    return fakes[0].broken_rules + fakes[1].broken_rules != 0;
}

/* Runs a line with the standard output going into `shown`. */
static int show(const char *line)
{
    FILE *file = tmpfile();
    int saved = dup(STDOUT_FILENO), error;
    size_t bytes;

    fflush(stdout);
    dup2(fileno(file), STDOUT_FILENO);
    error = shell_run(line);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    rewind(file);
    bytes = fread(shown, 1, sizeof shown - 1, file);
    shown[bytes] = 0;
    fclose(file);
    return error;
}

static void assert_shows(const char *line, const char *text)
{
    assert_int_equal(show(line), 0);
    if (!strstr(shown, text))
        fail_msg("%s shows no \"%s\" but:\n%s", line, text, shown);
}

static unsigned lines_with(const char *text)
{
    unsigned count = 0;

    for (const char *at = shown; (at = strstr(at, text)); at += strlen(text))
        count++;
    return count;
}

static struct iommu_domain *create(const char *name)
{
    int error;
    struct iommu_domain *domain = iommu_domain_create(name, &error);

    assert_int_equal(error, 0);
    return domain;
}

static void units_are_shown_with_what_they_can_do(void **state)
{
    (void)state;
    assert_shows("iommu", "vtd0  0xfed90000  version 1.0  segment 0000  scalable mode\n");
    assert_shows("iommu", "vtd1  0xfeda0000  version 1.0  segment 0000  scalable mode  all other devices");
    assert_shows("iommu", "tables flushed to memory, page walks flushed to memory; 0 queue errors");
    assert_shows("iommu", "interrupt remapping on, xAPIC mode; 0 of 4096 entries in use, 0 lost\n");
    assert_shows("iommu",
                 "accessed/dirty self-test not tested: no device that this version can drive is behind");
    assert_shows("iommu", "DMAR of \"BOCHS \" \"LULLTEST\": 48-bit host addresses, 0 RMRRs");
    assert_shows("iommu", "\nerratum accessed-is-dirty (QEMU 10.0");
    assert_shows("iommu", "\nerratum dirty-without-coherence (");
}

static void statistics_are_tables_for_people(void **state)
{
    struct iommu_domain *domain = create("guest");

    (void)state;
    assert_int_equal(iommu_map(domain, IOVA, IOVA + 2 * MIB + 2 * PAGE_SIZE - 1, dma, PT_READ), 0);
    assert_shows("iommu stats", "vtd0              4            4        0        0         0         0");
    assert_shows("iommu stats", "vtd1   iotlb_global                  1\n");
    assert_shows("iommu stats", "vtd0   errors: 0 IQE, 0 ITE, 0 ICE; 0 times no register for a fault\n");
    assert_shows("iommu stats",
                 "guest                      2            1            0          4            0");
    assert_shows("iommu stats", " table pages wait for a grace period; ");
    assert_int_equal(lines_with(" ns "), lines_with("from ")); /* a line for each latency that there was */
    assert_true(lines_with(" ns ") >= 2);
    host_log_clear();
    assert_int_equal(show("iommu stats --json"), 0);
    assert_memory_equal(host_log(), "{\"unit\":0,", 10);
    assert_non_null(
        strstr(host_log(), "\"self_test\":{\"result\":\"not tested\",\"text\":\"not tested: no device"));
    assert_non_null(strstr(host_log(), ",\"name\":\"iommu\",\"result\":\"ok\"}\n"));
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

static void without_a_unit_the_console_says_so(void **state)
{
    (void)state;
    assert_int_equal(iommu_init("", 0, &(struct iommu_config){0}), ERR_MALFORMED);
    assert_shows("iommu", "no unit\n");
    assert_shows("iommu stats", "0 table pages wait");
}

static void commands_refuse_words_that_they_do_not_know(void **state)
{
    static const char *const lines[] = {"iommu x",         "iommu stats x",       "domains x", "domains x y",
                                        "domains release", "domains release x y", "faults x",  "dump",
                                        "dump a b"};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(lines); i++)
        assert_int_equal(show(lines[i]), ERR_INVALID);
    assert_int_equal(show("dump nobody"), ERR_NOT_FOUND);
    assert_int_equal(show("domains release nobody"), ERR_NOT_FOUND);
    assert_non_null(strstr(shown, "no domain is called \"nobody\"\n"));
    assert_int_equal(show("iommu --json"), ERR_UNSUPPORTED);
    assert_int_equal(show("dump a --json"), ERR_UNSUPPORTED);
}

static void interrupts_are_counted_and_what_is_off_says_why(void **state)
{
    const struct iommu_interrupt_target target = {.apic_id = 1, .vector = 0x50};
    struct iommu_interrupt interrupt;
    uint8_t table[256];

    assert_int_equal(
        iommu_interrupt_alloc(&(struct iommu_interrupt_source){.device = nvme}, &target, &interrupt), 0);
    assert_shows("iommu", "interrupt remapping on, xAPIC mode; 1 of 4096 entries in use, 0 lost\n");
    assert_int_equal(iommu_interrupt_free(&interrupt), 0);
    assert_int_equal(stop(state), 0);
    assert_shows("iommu", "interrupt remapping off\n");
    assert_int_equal(iommu_init(table, fake_vtd_dmar(table, 2, "BOCHS "),
                                &(struct iommu_config){.no_interrupt_remapping = true}),
                     0);
    assert_shows("iommu", "interrupt remapping off: switched off by the configuration\n");
}

static void domains_are_shown_with_their_devices(void **state)
{
    struct iommu_domain *guest = create("guest"), *spare = create("spare");

    (void)state;
    assert_int_equal(iommu_attach(guest, nvme, IOMMU_NO_PASID), 0);
    assert_shows("domains", "    0000:00:03.0\n");
    assert_int_equal(lines_with("x86_64"), 2);
    assert_non_null(strstr(shown, "  not tracked\n"));
    assert_true(strstr(shown, "guest") < strstr(shown, "0000:00:03.0"));
    assert_true(strstr(shown, "spare") > strstr(shown, "0000:00:03.0"));
    assert_int_equal(iommu_detach(guest, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_domain_destroy(guest), 0);
    assert_int_equal(iommu_domain_destroy(spare), 0);
}

static void a_device_with_ats_is_shown(void **state)
{
    const struct iommu_config config = {.ats = &nvme, .ats_count = 1};
    struct iommu_domain *guest;
    uint8_t table[256];

    (void)state;
    iommu_shutdown();
    fake_vtd_install(fakes, 2);
    fakes[0].ecap |= VTD_ECAP_DT;
    fake_pci_install();
    fake_pci_make_express(fake_pci_add(0, FAKE_DEVFN_NVME >> 3, 0, 0x1000), INTEGRATED);
    fake_pci_put32(fake_pci_find(nvme), 0x100, 0x0001000f);
    assert_int_equal(iommu_init(table, fake_vtd_dmar(table, 2, "BOCHS "), &config), 0);
    guest = create("guest");
    assert_int_equal(iommu_attach(guest, nvme, IOMMU_NO_PASID), 0);
    assert_shows("domains", "    0000:00:03.0  ATS\n");
    assert_int_equal(iommu_detach(guest, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_domain_destroy(guest), 0);
    fake_pci_install();
}

static void a_device_that_is_cut_off_is_shown_until_it_is_detached(void **state)
{
    struct iommu_domain *guest = create("guest");

    (void)state;
    assert_int_equal(iommu_attach(guest, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_map(guest, 0, 0xfff, dma, PT_READ), 0);
    fakes[0].queue_dead = true;
    host_set_time_ns(1);
    assert_int_equal(iommu_unmap(guest, 0, 0xfff, NULL), ERR_TIMEOUT);
    assert_shows("domains", "    0000:00:03.0  cut off\n");
    assert_shows("iommu stats", "0 completed by a wider one; 1 devices cut off\n");
    assert_int_equal(show("domains release guest"), ERR_TIMEOUT);
    fakes[0].queue_dead = false;
    assert_int_equal(show("domains release guest"), 0);
    assert_shows("domains", "    0000:00:03.0  cut off\n");
    assert_int_equal(iommu_detach(guest, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_attach(guest, nvme, IOMMU_NO_PASID), 0);
    assert_shows("domains", "    0000:00:03.0\n");
    assert_int_equal(iommu_detach(guest, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_domain_destroy(guest), 0);
    host_set_time_ns(0);
}

static void lists_that_are_too_long_say_how_much_is_left_out(void **state)
{
    struct iommu_domain *domains[LISTED_MAX + 2];
    char name[8];

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(domains); i++) {
        snprintf(name, sizeof name, "d%u", i);
        domains[i] = create(name);
    }
    for (uint8_t i = 0; i < LISTED_MAX + 3; i++)
        assert_int_equal(iommu_attach(domains[0], (struct pci_address){0, 7, i}, IOMMU_NO_PASID), 0);
    assert_shows("domains", "and 2 more\n");
    assert_non_null(strstr(shown, "    and 3 more\n"));
    assert_int_equal(lines_with("x86_64"), LISTED_MAX);
    for (uint8_t i = 0; i < LISTED_MAX + 3; i++)
        assert_int_equal(iommu_detach(domains[0], (struct pci_address){0, 7, i}, IOMMU_NO_PASID), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(domains); i++)
        assert_int_equal(iommu_domain_destroy(domains[i]), 0);
}

static void domains_say_how_they_are_tracked(void **state)
{
    static const struct {
        bool coherent;
        enum iommu_prune prune;
        struct iommu_track track;
        const char *shown;
    } cases[] = {
        {true, IOMMU_PRUNE_AUTO, {IOMMU_TRACKING_OFF, 0, false, NULL}, "  not tracked\n"},
        {false,
         IOMMU_PRUNE_AUTO,
         {IOMMU_TRACKING_OFF, 0, false, NULL},
         "  cannot be tracked: a unit has no coherent page walks (ECAP.SMPWC)\n"},
        {true,
         IOMMU_PRUNE_ON,
         {IOMMU_TRACKING_DIRTY_BITS, 0, false, NULL},
         "  tracked, pruned and audited\n"},
        {true,
         IOMMU_PRUNE_OFF,
         {IOMMU_TRACKING_DIRTY_BITS, 0, false, NULL},
         "  tracked, not pruned: switched off\n"},
        {true,
         IOMMU_PRUNE_ON,
         {IOMMU_TRACKING_DIRTY_BITS, 0, true, NULL},
         "  tracked, not pruned: who tracks it asked not to\n"},
        {false,
         IOMMU_PRUNE_AUTO,
         {IOMMU_TRACKING_ALL_WRITABLE, 0, false, NULL},
         "  tracked: all that is writable counts as written\n"},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        uint8_t table[256];
        struct iommu_domain *guest;

        assert_int_equal(stop(state), 0);
        fake_vtd_install(fakes, 2);
        for (unsigned unit = 0; unit < 2; unit++) {
            fakes[unit].ecap |= cases[i].coherent ? VTD_ECAP_SMPWC : 0;
            fakes[unit].cap |= VTD_CAP_CM;
        }
        assert_int_equal(iommu_init(table, fake_vtd_dmar(table, 2, "INTEL "),
                                    &(struct iommu_config){.prune = cases[i].prune}),
                         0);
        guest = create("guest");
        assert_int_equal(iommu_domain_track(guest, &cases[i].track), 0);
        assert_shows("domains", cases[i].shown);
        assert_shows("iommu", cases[i].coherent ? "\ndirty pages: can be tracked\n"
                                                : "\ndirty pages: a unit has no coherent page walks");
        assert_int_equal(iommu_domain_destroy(guest), 0);
    }
}

static void errata_that_are_switched_off_are_not_shown(void **state)
{
    uint8_t table[256];
    const struct iommu_config config = {.errata_off = "accessed-is-dirty"};

    (void)state;
    iommu_shutdown();
    fake_vtd_install(fakes, 2);
    assert_int_equal(iommu_init(table, fake_vtd_dmar(table, 2, "BOCHS "), &config), 0);
    assert_shows("iommu", "\nerratum dirty-without-coherence (");
    assert_null(strstr(shown, "accessed-is-dirty"));
}

static void errata_that_nobody_knows_are_refused(void **state)
{
    uint8_t table[256];
    const struct iommu_config config = {.errata_off = "all,nothing"};

    (void)state;
    host_log_clear();
    fake_vtd_install(fakes, 2);
    assert_int_equal(iommu_init(table, fake_vtd_dmar(table, 2, "BOCHS "), &config), ERR_INVALID);
    assert_non_null(strstr(host_log(), "no erratum is called \"nothing\""));
    assert_int_equal(fakes[0].gsts | fakes[1].gsts, 0);
}

/* Of unit 1 a read with PASID 5; of unit 0 a write of the NVMe controller. */
static void fault_twice(void)
{
    fake_vtd_fault(&fakes[0], 0, 0x1234000, (uint64_t)pci_source_id(nvme) | 0x79ull << 32);
    fake_vtd_fault(&fakes[1], 0, 0x5678000, 0x0500ull | 0x79ull << 32 | 1ull << 62 | 1ull << 31 | 5ull << 40);
}

static void faults_are_read_out_of_the_units_and_shown(void **state)
{
    struct iommu_domain *guest = create("guest");
    uint64_t before = iommu_fault_count();
    char count[32];

    (void)state;
    assert_int_equal(iommu_attach(guest, nvme, IOMMU_NO_PASID), 0);
    fault_twice();
    fakes[1].fsts |= 1; /* PFO */
    assert_int_equal(iommu_fault_count(), before + 2);
    assert_int_equal(iommu_detach(guest, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_domain_destroy(guest), 0);
    snprintf(count, sizeof count, "%u faults since start", (unsigned)before + 2);
    assert_shows("faults", count);
    assert_shows("faults", "0000:00:03.0  guest ");
    assert_int_equal(lines_with("0000:00:03.0 (guest) may not write 0x1234000"), 1);
    assert_int_equal(lines_with("0000:05:00.0 (blocked) PASID 0x5 may not read 0x5678000"), 1);
    assert_shows("faults", "0000:05:00.0  - ");
    assert_int_equal(lines_with("vtd1: 1 overflows in 1 bursts, 0 storms, devices muted 0 times\n"), 1);
}

static void faults_are_told_to_programs(void **state)
{
    static const char *const parts[] = {
        "{\"unit\":0,\"overflows\":0,\"overflow_bursts\":0,\"storms\":0,\"mutes\":0,\"storm_now\":false}\n",
        "{\"device\":\"0000:05:00.0\",\"faults\":",
        "\"only_counted\":0,\"reads\":",
        "\"request\":\"read\",\"iova\":90669056,\"pasid\":5,\"execute\":false,",
        "\"privileged\":false,\"reason\":121,",
        "{\"fault\":{\"device\":\"0000:05:00.0\"",
        "\"name\":\"faults\",\"result\":\"ok\"}\n",
    };

    (void)state;
    fault_twice();
    host_log_clear();
    assert_int_equal(show("faults --json"), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(parts); i++)
        if (!strstr(host_log(), parts[i]))
            fail_msg("no %s in:\n%s", parts[i], host_log());
    assert_int_equal(show("faults --json x"), ERR_INVALID);
}

static void a_dump_joins_neighbours_that_are_alike(void **state)
{
    struct iommu_domain *domain = create("a");

    (void)state;
    assert_shows("dump a", "leaf  rights");
    assert_int_equal(lines_with("0x"), 0);
    assert_int_equal(iommu_map(domain, IOVA, IOVA + 3 * PAGE_SIZE - 1, dma, PT_READ | PT_WRITE), 0);
    assert_int_equal(iommu_map(domain, IOVA + 3 * PAGE_SIZE, IOVA + 4 * PAGE_SIZE - 1, dma, PT_READ), 0);
    assert_int_equal(iommu_map(domain, IOVA + 4 * MIB, IOVA + 6 * MIB - 1, dma, PT_READ), 0);
    assert_shows("dump a", "0x000040000000");
    assert_int_equal(lines_with("\n"), 4); /* its head, and three runs */
    assert_non_null(strstr(shown, "0x3000  4K  rw--"));
    assert_non_null(strstr(shown, "0x1000  4K  r---"));
    assert_non_null(strstr(shown, "0x200000  2M  r---"));
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

/* More runs, and more leaves in one run, than one read section takes. */
static void a_long_dump_goes_on_where_it_was_cut_short(void **state)
{
    struct iommu_domain *domain = create("a");

    (void)state;
    for (unsigned i = 0; i < 3 * RUNS_MAX; i++)
        assert_int_equal(
            iommu_map(domain, IOVA + 2 * i * PAGE_SIZE, IOVA + (2 * i + 1) * PAGE_SIZE - 1, dma, PT_READ), 0);
    assert_int_equal(show("dump a"), 0);
    assert_int_equal(lines_with("\n"), 1 + 3 * RUNS_MAX);
    assert_int_equal(iommu_unmap(domain, IOVA, IOVA + 2 * MIB - 1, NULL), 0);
    for (uint64_t i = 0; i <= LEAVES_MAX; i++)
        assert_int_equal(iommu_map(domain, IOVA + i * PAGE_SIZE, IOVA + (i + 1) * PAGE_SIZE - 1,
                                   dma + i * PAGE_SIZE, PT_READ),
                         0);
    assert_shows("dump a", "0x1001000  4K  r---");
    assert_int_equal(lines_with("\n"), 2);
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

static void rcu_shows_what_was_freed(void **state)
{
    struct iommu_domain *domain = create("a");
    struct rcu_pages_stats pages;
    char text[64];

    (void)state;
    assert_int_equal(iommu_map(domain, IOVA, IOVA + PAGE_SIZE - 1, dma, PT_READ), 0);
    assert_int_equal(iommu_unmap(domain, IOVA, IOVA + PAGE_SIZE - 1, NULL), 0);
    rcu_pages_stats(&pages);
    snprintf(text, sizeof text, "freed, %u waiting", (unsigned)(pages.queued - pages.freed));
    assert_shows("rcu", text);
    rcu_barrier();
    assert_shows("rcu", "freed, 0 waiting");
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

static void every_error_has_words_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; strcmp(error_text(i), "unknown error") != 0; i--)
        for (int j = 0; j > i; j--)
            assert_string_not_equal(error_text(i), error_text(j));
    assert_string_equal(error_text(0), "ok");
    assert_string_equal(error_text(ERR_MALFORMED), "malformed");
    assert_string_equal(error_text(1), "unknown error");
}

static void groups_are_a_line_each(void **state)
{
    static const uint16_t segment = 0;

    (void)state;
    assert_int_equal(show("groups"), 0);
    assert_string_equal(shown, ""); /* without pci_scan() */
    fake_pci_install();
    fake_pci_add_bridge(0, 1, 2, 2);
    fake_pci_add(2, 1, 0, 1);
    fake_pci_add(0, 2, 0, 1);
    assert_int_equal(pci_scan(&segment, 1), 0);
    assert_int_equal(show("groups"), 0);
    assert_string_equal(shown, "0000:02:01.0 (0000:00:01.0): 0000:00:01.0 is a bridge to PCI\n"
                               "0000:00:02.0\n");
    assert_int_equal(show("groups all"), ERR_INVALID);
    assert_int_equal(pci_scan(NULL, 0), 0);
}

int main(void)
{
#define RUNNING(test) cmocka_unit_test_setup_teardown(test, start, stop)
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_unit_the_console_says_so),
        RUNNING(units_are_shown_with_what_they_can_do),
        RUNNING(interrupts_are_counted_and_what_is_off_says_why),
        RUNNING(statistics_are_tables_for_people),
        RUNNING(commands_refuse_words_that_they_do_not_know),
        RUNNING(domains_are_shown_with_their_devices),
        RUNNING(domains_say_how_they_are_tracked),
        RUNNING(a_device_with_ats_is_shown),
        RUNNING(a_device_that_is_cut_off_is_shown_until_it_is_detached),
        RUNNING(lists_that_are_too_long_say_how_much_is_left_out),
        RUNNING(faults_are_read_out_of_the_units_and_shown),
        RUNNING(faults_are_told_to_programs),
        RUNNING(errata_that_are_switched_off_are_not_shown),
        cmocka_unit_test(errata_that_nobody_knows_are_refused),
        cmocka_unit_test(groups_are_a_line_each),
        RUNNING(a_dump_joins_neighbours_that_are_alike),
        RUNNING(a_long_dump_goes_on_where_it_was_cut_short),
        RUNNING(rcu_shows_what_was_freed),
        cmocka_unit_test(every_error_has_words_of_its_own),
    };

    host_memory_init(128 * MIB);
    rcu_cpu_online();
    /* One page more than a dump takes at a time. */
    dma = virt_to_phys(pages_alloc(13, PAGE_DMA));
    return cmocka_run_group_tests_name("commands", tests, NULL, NULL);
}
