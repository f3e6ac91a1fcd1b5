/* SPDX-License-Identifier: BSD-2-Clause */
/* Tracking on fake units: the entries, the order of invalidations, devices that come while it starts,
 * failures, and units that cannot. */
#include "iommu/capabilities.h"
#include "iommu/domain.h"
#include "iommu/vtd/regs.h"
#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/host/fake_vtd.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <string.h>

#define IOVA         0x40000000ull
#define SECOND_STAGE (VTD_ECAP_SSTS | VTD_ECAP_SSADS | VTD_ECAP_SMPWC)

static struct fake_vtd fakes[2];
static struct iommu_domain *domain;
static uint64_t dma;

static const struct pci_address nvme = {0, 0, FAKE_DEVFN_NVME}; /* behind unit 0 */
static const struct pci_address other = {0, 5, 0xf9};           /* behind unit 1 */

static const struct iommu_track off = {.how = IOMMU_TRACKING_OFF};
static const struct iommu_track bits = {.how = IOMMU_TRACKING_DIRTY_BITS, .level = PT_LEAF_LEVEL_MAX};
static const struct iommu_track all_writable = {.how = IOMMU_TRACKING_ALL_WRITABLE};

static const char *oem = "INTEL ";

static void init(struct iommu_config config)
{
    uint8_t table[256];
    int error;

    host_set_time_ns(0);
    host_log_clear();
    assert_int_equal(iommu_init(table, fake_vtd_dmar(table, 2, oem), &config), 0);
    domain = iommu_domain_create("guest", &error);
    assert_int_equal(error, 0);
}

static void install(uint64_t ecap)
{
    fake_vtd_install(fakes, 2);
    fakes[0].ecap |= ecap;
    fakes[1].ecap |= ecap;
}

static int start(void **state)
{
    (void)state;
    install(SECOND_STAGE);
    init((struct iommu_config){.translation = IOMMU_TRANSLATION_SECOND_STAGE});
    assert_int_equal(iommu_map(domain, IOVA, IOVA + PAGE_SIZE - 1, dma, PT_READ | PT_WRITE), 0);
    assert_int_equal(iommu_attach(domain, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_attach(domain, other, IOMMU_NO_PASID), 0);
    return 0;
}

static void end(void)
{
    assert_int_equal(iommu_domain_destroy(domain), 0);
    iommu_shutdown();
    rcu_barrier();
    assert_int_equal(fakes[0].broken_rules + fakes[1].broken_rules, 0);
}

/* If it is in. */
static void leave(struct pci_address device)
{
    int error = iommu_detach(domain, device, IOMMU_NO_PASID);

    assert_true(!error || error == ERR_NOT_FOUND);
}

static int stop(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        fakes[i].refuses = NULL;
        fakes[i].refuse_type = 0;
        fakes[i].on_done = NULL;
    }
    leave(nvme);
    leave(other);
    end();
    return 0;
}

/* The first word of the PASID-table entry of a device. */
static uint64_t entry_of(unsigned unit, struct pci_address device)
{
    const uint64_t *table = phys_to_virt(fakes[unit].rtaddr & VTD_PAGE_ADDRESS);

    table = phys_to_virt(table[device.bus * 2 + device.devfn / 128] & VTD_PAGE_ADDRESS);
    table = phys_to_virt(table[device.devfn % 128 * 4] & VTD_PAGE_ADDRESS);
    return *(const uint64_t *)phys_to_virt(table[0] & VTD_PAGE_ADDRESS);
}

static void assert_ssade(bool on)
{
    assert_int_equal(entry_of(0, nvme) & VTD_PASID_SSADE, on ? VTD_PASID_SSADE : 0);
    assert_int_equal(entry_of(1, other) & VTD_PASID_SSADE, on ? VTD_PASID_SSADE : 0);
}

static void assert_tracked(bool tracked)
{
    struct iommu_domain_info info;

    iommu_domain_info(domain, &info);
    assert_int_equal(info.tracking, tracked ? IOMMU_TRACKING_DIRTY_BITS : IOMMU_TRACKING_OFF);
}

/* --- the order --- */

static bool expected_ssade;

static void see_entries(const struct vtd_descriptor *descriptor)
{
    (void)descriptor;
    assert_ssade(expected_ssade);
}

static void assert_invalidated(const struct fake_vtd *unit, unsigned since)
{
    static const unsigned order[] = {VTD_DESCRIPTOR_PASID_CACHE, VTD_DESCRIPTOR_IOTLB,
                                     VTD_DESCRIPTOR_PASID_IOTLB, VTD_DESCRIPTOR_WAIT};
    uint64_t tag = (uint64_t)domain->id << 16;

    assert_int_equal(unit->logged, since + ARRAY_SIZE(order));
    for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
        assert_int_equal(VTD_DESCRIPTOR_TYPE(unit->log[since + i]), order[i]);
    assert_int_equal(unit->log[since].word[0], VTD_DESCRIPTOR_PASID_CACHE | 0 << 4 | tag);
    assert_int_equal(unit->log[since + 1].word[0], VTD_DESCRIPTOR_IOTLB | 2 << 4 | 3 << 6 | tag);
}

static void change(const struct iommu_track *track, bool on)
{
    unsigned before[2] = {fakes[0].logged, fakes[1].logged};

    expected_ssade = on;
    fakes[0].on_done = fakes[1].on_done = see_entries;
    assert_int_equal(iommu_domain_track(domain, track), 0);
    fakes[0].on_done = fakes[1].on_done = NULL;
    assert_invalidated(&fakes[0], before[0]);
    assert_invalidated(&fakes[1], before[1]);
    assert_ssade(on);
    assert_tracked(on);
}

static void all_entries_change_before_anything_is_invalidated(void **state)
{
    (void)state;
    assert_ssade(false);
    change(&bits, true);
    change(&off, false);
    change(&bits, true);
}

static void a_change_of_what_software_does_is_none_of_hardware(void **state)
{
    struct iommu_track track = bits;
    unsigned before;

    (void)state;
    assert_int_equal(iommu_domain_track(domain, &bits), 0);
    before = fakes[0].logged;
    track.level = 0;
    assert_int_equal(iommu_domain_track(domain, &track), 0);
    assert_int_equal(fakes[0].logged, before);
    assert_ssade(true);
}

static void devices_that_come_later_are_tracked_and_those_after_a_stop_are_not(void **state)
{
    (void)state;
    assert_int_equal(iommu_detach(domain, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_domain_track(domain, &bits), 0);
    assert_int_equal(iommu_attach(domain, nvme, IOMMU_NO_PASID), 0);
    assert_ssade(true);
    assert_int_equal(iommu_detach(domain, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_domain_track(domain, &off), 0);
    assert_int_equal(iommu_attach(domain, nvme, IOMMU_NO_PASID), 0);
    assert_ssade(false);
}

static void a_domain_without_devices_starts_without_a_word(void **state)
{
    unsigned before;

    (void)state;
    assert_int_equal(iommu_detach(domain, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_detach(domain, other, IOMMU_NO_PASID), 0);
    before = fakes[0].logged + fakes[1].logged;
    assert_int_equal(iommu_domain_track(domain, &bits), 0);
    assert_int_equal(fakes[0].logged + fakes[1].logged, before);
    assert_tracked(true);
}

static void each_pasid_of_a_device_is_tracked_by_its_own_domain(void **state)
{
    const uint64_t *table;
    struct iommu_domain *second;
    int error;

    stop(state);
    install(SECOND_STAGE | VTD_ECAP_PASID | 19ull << 35);
    init((struct iommu_config){.translation = IOMMU_TRANSLATION_SECOND_STAGE});
    second = iommu_domain_create("second", &error);
    assert_int_equal(error, 0);
    assert_int_equal(iommu_attach(domain, nvme, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_attach(second, nvme, 3), 0);
    assert_int_equal(iommu_domain_track(second, &bits), 0);
    table = phys_to_virt(fakes[0].rtaddr & VTD_PAGE_ADDRESS);
    table = phys_to_virt(table[0] & VTD_PAGE_ADDRESS);
    table = phys_to_virt(table[nvme.devfn * 4] & VTD_PAGE_ADDRESS);
    table = phys_to_virt(table[0] & VTD_PAGE_ADDRESS);
    assert_int_equal(table[0] & VTD_PASID_SSADE, 0);
    assert_int_equal(table[3 * 8] & VTD_PASID_SSADE, VTD_PASID_SSADE);
    assert_int_equal(iommu_detach(second, nvme, 3), 0);
    assert_int_equal(iommu_domain_destroy(second), 0);
}

/* --- failures --- */

static void a_unit_that_refuses_one_step_drops_everything_instead(void **state)
{
    static const unsigned steps[] = {VTD_DESCRIPTOR_PASID_CACHE, VTD_DESCRIPTOR_IOTLB,
                                     VTD_DESCRIPTOR_PASID_IOTLB};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
        unsigned contexts = fake_vtd_count(&fakes[0], VTD_DESCRIPTOR_CONTEXT);

        fakes[0].refuse_type = steps[i];
        assert_int_equal(iommu_domain_track(domain, &bits), 0);
        assert_int_equal(fake_vtd_count(&fakes[0], VTD_DESCRIPTOR_CONTEXT), contexts + 1);
        assert_ssade(true);
        assert_int_equal(iommu_domain_track(domain, &off), 0);
        assert_false(iommu_device_is_cut_off(nvme));
    }
}

static bool is_any(const struct vtd_descriptor *descriptor)
{
    return VTD_DESCRIPTOR_TYPE(*descriptor) != VTD_DESCRIPTOR_WAIT;
}

static bool is_of_pasid_cache(const struct vtd_descriptor *descriptor)
{
    return VTD_DESCRIPTOR_TYPE(*descriptor) == VTD_DESCRIPTOR_PASID_CACHE;
}

static void a_start_that_a_unit_does_not_confirm_is_undone(void **state)
{
    (void)state;
    fakes[1].refuses = is_any;
    assert_int_equal(iommu_domain_track(domain, &bits), ERR_HARDWARE);
    assert_ssade(false);
    assert_tracked(false);
    assert_true(iommu_device_is_cut_off(other));
    assert_false(iommu_device_is_cut_off(nvme));
    assert_non_null(strstr(host_log(), "domain guest: tracking does not start: "));
    fakes[1].refuses = NULL;
    assert_int_equal(iommu_detach(domain, other, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_attach(domain, other, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_domain_track(domain, &bits), 0);
    assert_ssade(true);
}

/* It confirms what is smaller, and that says nothing about its PASID cache. */
static void a_start_needs_the_pasid_cache(void **state)
{
    (void)state;
    fakes[1].refuses = is_of_pasid_cache;
    assert_int_equal(iommu_domain_track(domain, &bits), ERR_HARDWARE);
    assert_ssade(false);
    assert_tracked(false);
    assert_non_null(strstr(host_log(), "does not confirm what its PASID cache holds"));
}

static void a_stop_that_a_unit_does_not_confirm_is_a_stop(void **state)
{
    (void)state;
    assert_int_equal(iommu_domain_track(domain, &bits), 0);
    fakes[0].refuses = is_any;
    assert_int_equal(iommu_domain_track(domain, &off), ERR_HARDWARE);
    assert_ssade(false);
    assert_tracked(false);
}

/* --- the first stage --- */

static void a_first_stage_changes_no_entry_and_is_invalidated_at_the_start(void **state)
{
    unsigned before;
    uint64_t entry;

    stop(state);
    install(VTD_ECAP_SMPWC);
    init((struct iommu_config){0});
    assert_int_equal(iommu_attach(domain, nvme, IOMMU_NO_PASID), 0);
    before = fakes[0].logged;
    entry = entry_of(0, nvme);
    assert_int_equal(iommu_domain_track(domain, &bits), 0);
    assert_invalidated(&fakes[0], before);
    assert_int_equal(entry_of(0, nvme), entry);
    before = fakes[0].logged;
    assert_int_equal(iommu_domain_track(domain, &off), 0);
    assert_int_equal(fakes[0].logged, before);
}

/* --- units that cannot --- */

static void units_that_cannot_are_refused_by_name(void **state)
{
    static const struct {
        enum iommu_translation translation;
        uint64_t ecap, less; /* of unit 1 */
        const char *why;
    } cases[] = {
        {IOMMU_TRANSLATION_SECOND_STAGE, SECOND_STAGE, VTD_ECAP_SSADS, "second-stage tables (ECAP.SSADS)"},
        {IOMMU_TRANSLATION_SECOND_STAGE, SECOND_STAGE, VTD_ECAP_SMPWC, "no coherent page walks (ECAP.SMPWC)"},
        {IOMMU_TRANSLATION_FIRST_STAGE, SECOND_STAGE, VTD_ECAP_SMPWC, "no coherent page walks (ECAP.SMPWC)"},
        {IOMMU_TRANSLATION_LEGACY, SECOND_STAGE, 0, "in legacy mode units keep no accessed and dirty bits"},
    };

    stop(state);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t word = 0;
        struct dirty_bitmap bitmap = {&word, IOVA, IOVA + 64 * PAGE_SIZE - 1};

        install(cases[i].ecap);
        fakes[1].ecap &= ~cases[i].less;
        init((struct iommu_config){.translation = cases[i].translation});
        host_log_clear();
        assert_int_equal(iommu_domain_track(domain, &bits), ERR_UNSUPPORTED);
        assert_non_null(strstr(host_log(), "domain guest: dirty pages cannot be tracked: "));
        assert_non_null(strstr(host_log(), cases[i].why));
        assert_int_equal(iommu_map(domain, IOVA, IOVA + PAGE_SIZE - 1, dma, PT_READ | PT_WRITE), 0);
        assert_int_equal(iommu_domain_track(domain, &all_writable), 0);
        assert_int_equal(iommu_harvest(domain, bitmap.iova, bitmap.last, &bitmap, 0, NULL), 0);
        assert_int_equal(word, 1);
        end();
    }
    start(state);
}

static void pruning_goes_by_stage_caching_mode_and_configuration(void **state)
{
    static const struct {
        enum iommu_translation translation;
        bool caching_mode;
        enum iommu_prune prune;
        bool prunes, audits;
    } cases[] = {
        {IOMMU_TRANSLATION_FIRST_STAGE, false, IOMMU_PRUNE_AUTO, true, false},
        {IOMMU_TRANSLATION_FIRST_STAGE, true, IOMMU_PRUNE_AUTO, false, false},
        {IOMMU_TRANSLATION_SECOND_STAGE, false, IOMMU_PRUNE_AUTO, false, false},
        {IOMMU_TRANSLATION_FIRST_STAGE, false, IOMMU_PRUNE_ON, true, false},
        {IOMMU_TRANSLATION_FIRST_STAGE, true, IOMMU_PRUNE_ON, true, true},
        {IOMMU_TRANSLATION_SECOND_STAGE, false, IOMMU_PRUNE_ON, true, true},
        {IOMMU_TRANSLATION_FIRST_STAGE, false, IOMMU_PRUNE_OFF, false, false},
        {IOMMU_TRANSLATION_SECOND_STAGE, false, IOMMU_PRUNE_OFF, false, false},
        {IOMMU_TRANSLATION_LEGACY, false, IOMMU_PRUNE_ON, false, false},
    };

    stop(state);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct iommu_domain_info info;

        install(SECOND_STAGE);
        fakes[1].cap |= cases[i].caching_mode ? VTD_CAP_CM : 0;
        init((struct iommu_config){.translation = cases[i].translation, .prune = cases[i].prune});
        iommu_domain_info(domain, &info);
        assert_int_equal(info.prunes, cases[i].prunes);
        assert_int_equal(info.audits, cases[i].audits);
        assert_int_equal(info.why_not_prunes != NULL, !cases[i].prunes);
        assert_int_equal(domain->pt.flags & PT_PRUNES, cases[i].prunes ? PT_PRUNES : 0);
        end();
    }
    start(state);
}

/* A walk of stock QEMU writes back what it read before. */
static void an_emulator_that_overwrites_entries_is_not_pruned_unless_asked(void **state)
{
    static const struct {
        enum iommu_prune prune;
        bool prunes;
    } cases[] = {{IOMMU_PRUNE_AUTO, false}, {IOMMU_PRUNE_ON, true}};

    stop(state);
    oem = "BOCHS ";
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct iommu_domain_info info;

        install(0);
        init((struct iommu_config){.translation = IOMMU_TRANSLATION_FIRST_STAGE, .prune = cases[i].prune});
        iommu_domain_info(domain, &info);
        assert_int_equal(info.prunes, cases[i].prunes);
        assert_true(info.prunes || strstr(info.why_not_prunes, "accessed-is-dirty"));
        end();
    }
    oem = "INTEL ";
    start(state);
}

int main(void)
{
#define RUNNING(test) cmocka_unit_test_setup_teardown(test, start, stop)
    static const struct CMUnitTest tests[] = {
        RUNNING(all_entries_change_before_anything_is_invalidated),
        RUNNING(a_change_of_what_software_does_is_none_of_hardware),
        RUNNING(devices_that_come_later_are_tracked_and_those_after_a_stop_are_not),
        RUNNING(a_domain_without_devices_starts_without_a_word),
        RUNNING(each_pasid_of_a_device_is_tracked_by_its_own_domain),
        RUNNING(a_unit_that_refuses_one_step_drops_everything_instead),
        RUNNING(a_start_that_a_unit_does_not_confirm_is_undone),
        RUNNING(a_start_needs_the_pasid_cache),
        RUNNING(a_stop_that_a_unit_does_not_confirm_is_a_stop),
        RUNNING(a_first_stage_changes_no_entry_and_is_invalidated_at_the_start),
        RUNNING(units_that_cannot_are_refused_by_name),
        RUNNING(pruning_goes_by_stage_caching_mode_and_configuration),
        RUNNING(an_emulator_that_overwrites_entries_is_not_pruned_unless_asked),
    };

    host_memory_init(64 * MIB);
    rcu_cpu_online();
    dma = virt_to_phys(pages_alloc(9, PAGE_DMA));
    return cmocka_run_group_tests_name("track_units", tests, NULL, NULL);
}
