/* SPDX-License-Identifier: BSD-2-Clause */
/* What the IOMMU says that it can do, on two fake units: it agrees with what domains and devices then get. */
#include "iommu/capabilities.h"
#include "iommu/iommu.h"
#include "iommu/vtd/regs.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/pci.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/host/fake_pci.h"
#include "tests/host/fake_vtd.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <string.h>

#define RMRR_HPA  0x1000000000ull
#define RMRR_LAST 0x1000000fffull
#define ALL_SIZES (PAGE_SIZE | 2 * MIB | GIB)
#define PATTERN   0xa5

static struct fake_vtd fakes[2];
static uint64_t dma; /* a page */

static const struct pci_address nvme = {0, 0, FAKE_DEVFN_NVME}; /* behind unit 0 */
static const struct pci_address other = {0, 5, 0};              /* behind unit 1 */
static const struct pci_address display = {0, 0, 0x10};         /* behind unit 1; the RMRR's */
static const struct pci_address nowhere = {1, 0, 0};            /* in a segment without units */

static int start_with(const char *oem_id, const struct iommu_config *config)
{
    /* Type, length, segment, the region, and a scope: one endpoint, bus 0, device 2, function 0. */
    static const uint8_t rmrr[] = {1,    0,    32, 0, 0,    0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0,
                                   0xff, 0x0f, 0,  0, 0x10, 0, 0, 0, 1, 8, 0, 0, 0,    0, 2, 0};
    uint8_t table[256];
    size_t bytes = fake_vtd_dmar(table, 2, oem_id);

    memcpy(table + bytes, rmrr, sizeof rmrr);
    bytes += sizeof rmrr;
    fake_vtd_seal(table, bytes);
    return iommu_init(table, bytes, config);
}

static int install(void **state)
{
    (void)state;
    fake_vtd_install(fakes, 2);
    host_log_clear();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    iommu_shutdown();
    rcu_barrier();
    return fakes[0].broken_rules + fakes[1].broken_rules != 0;
}

static void start(const struct iommu_config *config)
{
    assert_int_equal(start_with("LULL  ", config), 0);
}

static struct iommu_domain *create(void)
{
    int error;
    struct iommu_domain *domain = iommu_domain_create("test", &error);

    assert_int_equal(error, 0);
    return domain;
}

static void assert_untouched(const void *memory, size_t bytes)
{
    const uint8_t *byte = memory;

    for (size_t i = 0; i < bytes; i++)
        assert_int_equal(byte[i], PATTERN);
}

static void count_range(void *context, const struct iommu_reserved_range *range)
{
    (void)range;
    ++*(unsigned *)context;
}

/* --- what is refused --- */

static void assert_nothing_is_on(void)
{
    struct iommu_device_capabilities device;
    struct iommu_capabilities all;
    unsigned ranges = 0;

    memset(&all, PATTERN, sizeof all);
    memset(&device, PATTERN, sizeof device);
    assert_int_equal(iommu_capabilities(&all), ERR_UNSUPPORTED);
    assert_int_equal(iommu_device_capabilities(nvme, &device), ERR_NOT_FOUND);
    assert_int_equal(iommu_reserved_visit(nvme, count_range, &ranges), ERR_NOT_FOUND);
    assert_untouched(&all, sizeof all);
    assert_untouched(&device, sizeof device);
    assert_int_equal(ranges, 0);
}

static void while_no_unit_is_on_nothing_is_told(void **state)
{
    (void)state;
    assert_nothing_is_on();
    start(&(struct iommu_config){0});
    iommu_shutdown();
    assert_nothing_is_on();
    start(&(struct iommu_config){0});
    iommu_hand_over();
    assert_nothing_is_on(); /* of this system's any more; stop() switches the units off */
}

static void a_device_that_no_unit_covers_is_not_found(void **state)
{
    struct iommu_device_capabilities device;
    unsigned ranges = 0;

    (void)state;
    start(&(struct iommu_config){0});
    memset(&device, PATTERN, sizeof device);
    assert_int_equal(iommu_device_capabilities(nowhere, &device), ERR_NOT_FOUND);
    assert_int_equal(iommu_reserved_visit(nowhere, count_range, &ranges), ERR_NOT_FOUND);
    assert_untouched(&device, sizeof device);
    assert_int_equal(ranges, 0);
}

/* --- domains --- */

#define SECOND_STAGE (VTD_ECAP_SSTS | VTD_ECAP_SSADS | VTD_ECAP_SMPWC)

static const struct {
    enum iommu_translation wanted;
    uint64_t cap_less, ecap_more, ecap_less;
    enum iommu_translation translation;
    const char *format;
    unsigned levels, address_lg2;
    uint64_t page_sizes;
    const char *why_not_dirty; /* begins so */
    bool snoops, flushes_tables, map_invalidates;
} kinds[] = {
    {IOMMU_TRANSLATION_AUTO, 0, 0, 0, IOMMU_TRANSLATION_FIRST_STAGE, "x86_64", 4, 47, ALL_SIZES,
     "a unit has no coherent page walks", false, true, false},
    {IOMMU_TRANSLATION_AUTO, 0, VTD_ECAP_SMPWC | VTD_ECAP_SC, 0, IOMMU_TRANSLATION_FIRST_STAGE, "x86_64", 4,
     47, ALL_SIZES, NULL, true, false, false},
    {IOMMU_TRANSLATION_AUTO, VTD_CAP_FS1GP, VTD_ECAP_SMPWC, 0, IOMMU_TRANSLATION_FIRST_STAGE, "x86_64", 4, 47,
     PAGE_SIZE | 2 * MIB, NULL, false, false, false},
    {IOMMU_TRANSLATION_SECOND_STAGE, 0, SECOND_STAGE, 0, IOMMU_TRANSLATION_SECOND_STAGE, "vtdss", 4, 48,
     ALL_SIZES, NULL, false, false, false},
    {IOMMU_TRANSLATION_SECOND_STAGE, 0, SECOND_STAGE, VTD_ECAP_SSADS, IOMMU_TRANSLATION_SECOND_STAGE, "vtdss",
     4, 48, ALL_SIZES, "a unit has no accessed and dirty bits", false, false, false},
    {IOMMU_TRANSLATION_LEGACY, VTD_CAP_SSLPS_1G, VTD_ECAP_C, 0, IOMMU_TRANSLATION_LEGACY, "vtdss", 4, 48,
     PAGE_SIZE | 2 * MIB, "in legacy mode units keep no", false, false, false},
};

static void set_units(unsigned kind)
{
    fake_vtd_install(fakes, 2);
    for (unsigned i = 0; i < 2; i++) {
        fakes[i].cap &= ~kinds[kind].cap_less;
        fakes[i].ecap = (fakes[i].ecap | kinds[kind].ecap_more) & ~kinds[kind].ecap_less;
    }
}

static void assert_kind(unsigned kind, const struct iommu_capabilities *all)
{
    assert_int_equal(all->units, 2);
    assert_int_equal(all->units_without, 0);
    assert_int_equal(all->translation, kinds[kind].translation);
    assert_string_equal(all->format, kinds[kind].format);
    assert_int_equal(all->levels, kinds[kind].levels);
    assert_int_equal(all->address_lg2, kinds[kind].address_lg2);
    assert_int_equal(all->page_sizes, kinds[kind].page_sizes);
    assert_int_equal(all->domains, 65535);
    assert_int_equal(all->tracks_dirty, !kinds[kind].why_not_dirty);
    assert_int_equal(all->snoops, kinds[kind].snoops);
    assert_int_equal(all->flushes_tables, kinds[kind].flushes_tables);
    assert_int_equal(all->map_invalidates, kinds[kind].map_invalidates);
    if (all->tracks_dirty)
        assert_null(all->why_not_dirty);
    else
        assert_ptr_equal(strstr(all->why_not_dirty, kinds[kind].why_not_dirty), all->why_not_dirty);
}

/* What a domain then is, and does. */
static void assert_domain_agrees(const struct iommu_capabilities *all)
{
    struct iommu_domain *domain = create();
    struct iommu_domain_info info;
    const struct iommu_track track = {.how = IOMMU_TRACKING_DIRTY_BITS};

    iommu_domain_info(domain, &info);
    assert_string_equal(info.format, all->format);
    assert_int_equal(info.levels, all->levels);
    assert_int_equal(info.address_lg2, all->address_lg2);
    assert_int_equal(info.tracks_dirty, all->tracks_dirty);
    assert_int_equal(iommu_domain_track(domain, &track), all->tracks_dirty ? 0 : ERR_UNSUPPORTED);
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

static void domains_are_what_was_said(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < ARRAY_SIZE(kinds); kind++) {
        struct iommu_capabilities all;

        set_units(kind);
        start(&(struct iommu_config){.translation = kinds[kind].wanted});
        assert_int_equal(iommu_capabilities(&all), 0);
        assert_kind(kind, &all);
        assert_domain_agrees(&all);
        iommu_shutdown();
    }
}

static void caching_mode_is_told_of_where_it_costs(void **state)
{
    struct iommu_capabilities all;

    (void)state;
    set_units(3);
    fakes[1].cap |= VTD_CAP_CM;
    start(&(struct iommu_config){.translation = IOMMU_TRANSLATION_SECOND_STAGE});
    assert_int_equal(iommu_capabilities(&all), 0);
    assert_true(all.map_invalidates);
}

static void an_erratum_counts_as_its_repair(void **state)
{
    struct iommu_capabilities all;

    (void)state;
    assert_int_equal(start_with("BOCHS ", &(struct iommu_config){0}), 0);
    assert_int_equal(iommu_capabilities(&all), 0);
    assert_true(all.tracks_dirty);
    assert_domain_agrees(&all);
}

/* --- devices --- */

static struct iommu_device_capabilities device_capabilities(struct pci_address device)
{
    struct iommu_device_capabilities capabilities;

    assert_int_equal(iommu_device_capabilities(device, &capabilities), 0);
    return capabilities;
}

static void a_device_is_told_of_by_its_unit(void **state)
{
    struct iommu_domain *domain;

    (void)state;
    fakes[0].ecap |= VTD_ECAP_PASID | 19ull << 35 | VTD_ECAP_SC;
    fakes[1].ecap |= VTD_ECAP_PASID | 3ull << 35;
    start(&(struct iommu_config){.x2apic = true});
    assert_int_equal(device_capabilities(nvme).unit, 0);
    assert_int_equal(device_capabilities(other).unit, 1);
    assert_true(device_capabilities(nvme).snoops);
    assert_false(device_capabilities(other).snoops);
    assert_int_equal(device_capabilities(nvme).pasids, 1 << 15); /* what Lull makes tables for */
    assert_int_equal(device_capabilities(other).pasids, 1 << 4);
    domain = create();
    assert_int_equal(iommu_attach(domain, other, 1 << 4), ERR_RANGE);
    assert_int_equal(iommu_attach(domain, other, (1 << 4) - 1), 0);
    assert_int_equal(iommu_detach(domain, other, (1 << 4) - 1), 0);
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

static void without_pasids_there_are_none(void **state)
{
    (void)state;
    start(&(struct iommu_config){0});
    assert_int_equal(device_capabilities(nvme).pasids, 0);
}

/* One unit has the first stage alone, the other the second. */
static void a_unit_that_lacks_the_stage_of_domains_is_named(void **state)
{
    struct iommu_capabilities all;
    struct iommu_domain *domain;

    (void)state;
    fakes[0].ecap = (fakes[0].ecap & ~VTD_ECAP_FSTS) | VTD_ECAP_SSTS;
    start(&(struct iommu_config){.translation = IOMMU_TRANSLATION_FIRST_STAGE});
    assert_int_equal(iommu_capabilities(&all), 0);
    assert_int_equal(all.units, 2);
    assert_int_equal(all.units_without, 1);
    assert_false(device_capabilities(nvme).attaches);
    assert_string_equal(device_capabilities(nvme).why_not_attached,
                        "its unit lacks the stage that domains are of");
    assert_true(device_capabilities(other).attaches);
    assert_null(device_capabilities(other).why_not_attached);
    domain = create();
    assert_int_equal(iommu_attach(domain, nvme, IOMMU_NO_PASID), ERR_UNSUPPORTED);
    assert_int_equal(iommu_attach(domain, other, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_detach(domain, other, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

static void who_may_pass_through_is_told(void **state)
{
    const struct pci_address trusted[] = {nvme, display};
    struct iommu_domain *domain;
    int error;

    (void)state;
    start(&(struct iommu_config){.trusted = trusted, .trusted_count = 2});
    assert_true(device_capabilities(nvme).passes_through);
    assert_false(device_capabilities(other).passes_through);   /* not trusted */
    assert_false(device_capabilities(display).passes_through); /* the firmware's */
    domain = iommu_domain_create_pass_through("pass", &error);
    assert_non_null(domain);
    assert_int_equal(iommu_attach(domain, other, IOMMU_NO_PASID), ERR_UNSUPPORTED);
    assert_int_equal(iommu_attach(domain, display, IOMMU_NO_PASID), ERR_UNSUPPORTED);
    assert_int_equal(iommu_attach(domain, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_detach(domain, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

static void interrupts_reach_the_cpus_that_were_said(void **state)
{
    const struct iommu_interrupt_source source = {.device = nvme, .match = IOMMU_SOURCE_FUNCTION};
    struct iommu_interrupt interrupt;

    (void)state;
    for (unsigned x2apic = 0; x2apic < 2; x2apic++) {
        struct iommu_device_capabilities can;

        install(NULL);
        fakes[0].ecap |= VTD_ECAP_EIM;
        start(&(struct iommu_config){.x2apic = x2apic});
        can = device_capabilities(nvme);
        assert_true(can.remaps_interrupts);
        assert_null(can.why_no_remapping);
        assert_int_equal(can.apic_id_max, x2apic ? 0xfffffffe : 254);
        assert_int_equal(iommu_interrupt_alloc(&source,
                                               &(struct iommu_interrupt_target){can.apic_id_max + 1, 64, 0},
                                               &interrupt),
                         ERR_RANGE);
        assert_int_equal(iommu_interrupt_alloc(
                             &source, &(struct iommu_interrupt_target){can.apic_id_max, 64, 0}, &interrupt),
                         0);
        assert_int_equal(iommu_interrupt_free(&interrupt), 0);
        iommu_shutdown();
    }
}

static void why_interrupts_are_not_remapped_is_said(void **state)
{
    (void)state;
    start(&(struct iommu_config){.no_interrupt_remapping = true});
    assert_false(device_capabilities(nvme).remaps_interrupts);
    assert_string_equal(device_capabilities(nvme).why_no_remapping, "switched off by the configuration");
    assert_int_equal(device_capabilities(nvme).apic_id_max, 254);
}

/* --- ranges --- */

struct ranges {
    struct iommu_reserved_range found[8];
    unsigned count;
};

static void note_range(void *context, const struct iommu_reserved_range *range)
{
    struct ranges *ranges = context;

    assert_true(ranges->count < ARRAY_SIZE(ranges->found));
    ranges->found[ranges->count++] = *range;
}

static bool has(const struct ranges *ranges, uint64_t iova, uint64_t last, enum iommu_reserved_kind kind)
{
    for (unsigned i = 0; i < ranges->count; i++)
        if (ranges->found[i].iova == iova && ranges->found[i].last == last && ranges->found[i].kind == kind)
            return true;
    return false;
}

static void what_is_reserved_cannot_be_mapped(void **state)
{
    struct ranges ranges = {.count = 0};
    struct iommu_domain *domain;

    (void)state;
    start(&(struct iommu_config){0});
    assert_int_equal(iommu_reserved_visit(other, note_range, &ranges), 0);
    assert_int_equal(ranges.count, 2);
    assert_true(has(&ranges, 0xfee00000, 0xfeefffff, IOMMU_RESERVED_INTERRUPTS));
    assert_true(has(&ranges, 1ull << 47, ~0ull, IOMMU_RESERVED_BEYOND));
    domain = create();
    for (unsigned i = 0; i < ranges.count; i++) {
        uint64_t iova = ranges.found[i].iova, last = align_down(ranges.found[i].last, PAGE_SIZE);

        assert_int_equal(iommu_map(domain, iova, iova + PAGE_SIZE - 1, dma, PT_READ), ERR_RANGE);
        assert_int_equal(iommu_map(domain, last, last + PAGE_SIZE - 1, dma, PT_READ), ERR_RANGE);
        assert_int_equal(iommu_map(domain, iova - PAGE_SIZE, iova - 1, dma, PT_READ), 0);
    }
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

static void what_firmware_uses_is_told_of_its_devices_alone(void **state)
{
    struct ranges of_display = {.count = 0}, of_nvme = {.count = 0};
    struct iommu_domain *domain;

    (void)state;
    host_set_reserved(RMRR_HPA, RMRR_LAST);
    start(&(struct iommu_config){0});
    assert_int_equal(iommu_reserved_visit(display, note_range, &of_display), 0);
    assert_int_equal(iommu_reserved_visit(nvme, note_range, &of_nvme), 0);
    assert_int_equal(of_display.count, 3);
    assert_true(has(&of_display, RMRR_HPA, RMRR_LAST, IOMMU_RESERVED_FIRMWARE));
    assert_int_equal(of_nvme.count, 2);
    assert_false(device_capabilities(display).attaches);
    assert_string_equal(device_capabilities(display).why_not_attached,
                        "firmware goes on using it, or one of its group (an RMRR names it)");
    domain = create();
    assert_int_equal(iommu_attach(domain, display, IOMMU_NO_PASID), ERR_UNSUPPORTED);
    assert_int_equal(iommu_domain_destroy(domain), 0);
    host_set_reserved(1, 0);
}

static void what_is_in_the_way_of_its_group_is_told_of_a_device(void **state)
{
    const struct pci_address beside = {0, 0, display.devfn + 1}, port = {0, 0, 0x1c << 3};

    (void)state;
    fake_pci_install();
    fake_pci_add(0, display.devfn >> 3, 0, 1)->space[PCI_HEADER_TYPE] = 0x80;
    fake_pci_add(0, display.devfn >> 3, 1, 1);
    fake_pci_make_express(fake_pci_add_bridge(0, port.devfn >> 3, 1, 1), 4);
    assert_int_equal(pci_scan((const uint16_t[]){0}, 1), 0);
    host_set_reserved(RMRR_HPA, RMRR_LAST);
    start(&(struct iommu_config){0});
    assert_string_equal(device_capabilities(beside).why_not_attached,
                        "firmware goes on using it, or one of its group (an RMRR names it)");
    assert_string_equal(device_capabilities(port).why_not_attached, "it is a port of PCI Express");
    host_set_reserved(1, 0);
    fake_pci_install();
    assert_int_equal(pci_scan((const uint16_t[]){0}, 1), 0);
}

int main(void)
{
#define ON_UNITS(test) cmocka_unit_test_setup_teardown(test, install, stop)
    static const struct CMUnitTest tests[] = {
        ON_UNITS(while_no_unit_is_on_nothing_is_told),
        ON_UNITS(a_device_that_no_unit_covers_is_not_found),
        ON_UNITS(domains_are_what_was_said),
        ON_UNITS(caching_mode_is_told_of_where_it_costs),
        ON_UNITS(an_erratum_counts_as_its_repair),
        ON_UNITS(a_device_is_told_of_by_its_unit),
        ON_UNITS(without_pasids_there_are_none),
        ON_UNITS(a_unit_that_lacks_the_stage_of_domains_is_named),
        ON_UNITS(who_may_pass_through_is_told),
        ON_UNITS(interrupts_reach_the_cpus_that_were_said),
        ON_UNITS(why_interrupts_are_not_remapped_is_said),
        ON_UNITS(what_is_reserved_cannot_be_mapped),
        ON_UNITS(what_firmware_uses_is_told_of_its_devices_alone),
        ON_UNITS(what_is_in_the_way_of_its_group_is_told_of_a_device),
    };

    host_memory_init(64 * MIB);
    rcu_cpu_online();
    dma = virt_to_phys(pages_alloc(0, PAGE_DMA));
    return cmocka_run_group_tests_name("capabilities", tests, NULL, NULL);
}
