/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: bytes as what users of iommu.h do, on two fake units that fail now and then. After each step
 * every device reaches what a plain array of pages says, and nothing else; or nothing, if it was cut off. */
#include "iommu/domain.h"
#include "iommu/iommu.h"
#include "iommu/vtd/regs.h"
#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/fuzz/fuzz.h"
#include "tests/host/fake_vtd.h"
#include "tests/host/host.h"
#include <string.h>

#define MEMORY_BYTES (64 * MIB)
#define IOVA         0x40000000ull
#define PAGES        1024u /* of each domain, two tables of leaves or two large ones */
#define DOMAINS      3u
#define UNITS        2u
#define STEPS        64
#define NO_LIMIT     64u

static const struct {
    struct pci_address address;
    unsigned unit; /* UNITS: none covers it */
} devices[] = {
    {{0, 0, FAKE_DEVFN_NVME}, 0},
    {{0, 5, 0xf9}, 1},
    {{0, 5, 0xf8}, 1},
    {{1, 0, 0}, UNITS},
};

#define DEVICES (unsigned)(sizeof devices / sizeof devices[0])

static struct fake_vtd fakes[UNITS];
static struct iommu_domain *domains[DOMAINS];
static uint64_t reference[DOMAINS][PAGES]; /* HPA, or 0 */
static unsigned domain_of[DEVICES];        /* DOMAINS: blocked */
static uint64_t dma, free_pages;
static uint64_t now_ns;
static uint64_t unmapped_words[DOMAINS][PAGES / 64];
static struct dirty_bitmap unmapped[DOMAINS];
static bool failed; /* a unit did not do what it was told: memory may stay out of use */

/* Whoever waits for a unit waits for long, which takes no time here. */
static void wait_long(void)
{
    now_ns += 20 * NS_PER_MS;
    host_set_time_ns(now_ns);
}

static bool is_failure(int error)
{
    failed = failed || error == ERR_TIMEOUT || error == ERR_HARDWARE;
    return error == ERR_TIMEOUT || error == ERR_HARDWARE;
}

static void create(unsigned which)
{
    static const char *const names[DOMAINS] = {"a", "b", "c"};
    int error;

    if (domains[which])
        return;
    domains[which] = iommu_domain_create(names[which], &error);
    check(domains[which] || error == ERR_NOMEM);
    memset(reference[which], 0, sizeof reference[which]);
}

static bool has_devices(unsigned which)
{
    for (unsigned i = 0; i < DEVICES; i++)
        if (domain_of[i] == which)
            return true;
    return false;
}

static void destroy(unsigned which)
{
    int error = iommu_domain_destroy(domains[which]);

    check(has_devices(which) ? error == ERR_BUSY : !error || is_failure(error));
    if (!error)
        domains[which] = NULL;
    else if (error != ERR_BUSY)
        memset(reference[which], 0, sizeof reference[which]);
}

static void attach(unsigned which, unsigned device)
{
    int error = iommu_attach(domains[which], devices[device].address, IOMMU_NO_PASID);

    if (domain_of[device] != DOMAINS)
        check(error == ERR_BUSY);
    else if (devices[device].unit == UNITS)
        check(error == ERR_NOT_FOUND);
    else
        check(!error || error == ERR_NOMEM || is_failure(error));
    if (!error)
        domain_of[device] = which;
}

static void detach(unsigned which, unsigned device)
{
    int error = iommu_detach(domains[which], devices[device].address, IOMMU_NO_PASID);

    if (domain_of[device] != which) {
        check(error == ERR_NOT_FOUND);
        return;
    }
    check(!error || is_failure(error));
    domain_of[device] = DOMAINS;
}

static void release(unsigned which)
{
    int error = iommu_domain_release_quarantine(domains[which]);
    struct iommu_domain_info info;

    iommu_domain_info(domains[which], &info);
    check(error ? is_failure(error) : !info.quarantined);
}

static void choose_pages(struct input *input, unsigned *first, unsigned *count)
{
    unsigned shape = input_byte(input);

    *first = input_byte(input) * 4u + (shape & 3);
    *count = shape & 4 ? 512 : 1u << (shape >> 5);
    if (shape & 8)
        *first &= 512;
    if (shape & 16)
        *count += 3;
    if (*count > PAGES - *first)
        *count = PAGES - *first;
}

static void map(struct input *input, unsigned which)
{
    unsigned first, count;
    uint64_t iova, hpa;
    bool empty = true;
    int error;

    choose_pages(input, &first, &count);
    iova = IOVA + first * PAGE_SIZE;
    hpa = dma + (input_byte(input) & 1 ? PAGES - first - count : first) * PAGE_SIZE;
    for (unsigned i = 0; i < count; i++)
        empty = empty && !reference[which][first + i];
    error = iommu_map(domains[which], iova, iova + count * PAGE_SIZE - 1, hpa, PT_READ | PT_WRITE);
    check(!error || error == ERR_NOMEM || error == ERR_EXISTS || is_failure(error));
    check(empty ? error != ERR_EXISTS : error);
    for (unsigned i = 0; i < count && !error; i++)
        reference[which][first + i] = hpa + i * PAGE_SIZE;
}

static void unmap(struct input *input, unsigned which)
{
    uint64_t words[PAGES / 64] = {0};
    struct dirty_bitmap bitmap = {words, IOVA, IOVA + PAGES * PAGE_SIZE - 1};
    unsigned first, count;
    uint64_t iova;
    int error;

    choose_pages(input, &first, &count);
    iova = IOVA + first * PAGE_SIZE;
    error = iommu_unmap(domains[which], iova, iova + count * PAGE_SIZE - 1, first & 1 ? &bitmap : NULL);
    check(!error || error == ERR_NOMEM || is_failure(error));
    if (error != ERR_NOMEM)
        memset(&reference[which][first], 0, count * sizeof reference[which][first]);
}

static void harvest(struct input *input, unsigned which)
{
    uint64_t words[PAGES / 64] = {0};
    struct dirty_bitmap bitmap = {words, IOVA, IOVA + PAGES * PAGE_SIZE - 1};
    struct iommu_domain_info info;
    unsigned first, count;
    int error;

    choose_pages(input, &first, &count);
    iommu_domain_info(domains[which], &info);
    error = iommu_harvest(domains[which], IOVA + first * PAGE_SIZE, IOVA + (first + count) * PAGE_SIZE - 1,
                          &bitmap, first & HARVEST_KEEP, NULL);
    check(info.tracking == IOMMU_TRACKING_OFF ? error == ERR_INVALID : !error || is_failure(error));
    /* No device has written anything, though all that is writable may count. */
    for (unsigned i = 0; i < PAGES / 64; i++)
        check(info.tracking == IOMMU_TRACKING_ALL_WRITABLE || !words[i]);
}

static void track(struct input *input, unsigned which)
{
    unsigned what = input_byte(input);
    const struct iommu_track track = {.how = what & 3,
                                      .level = what >> 2 & 3,
                                      .no_pruning = what & 16,
                                      .unmapped = what & 32 ? &unmapped[which] : NULL};
    struct iommu_domain_info info;
    enum iommu_tracking before;
    int error;

    iommu_domain_info(domains[which], &info);
    before = info.tracking;
    error = iommu_domain_track(domains[which], &track);
    iommu_domain_info(domains[which], &info);
    if (track.how == IOMMU_TRACKING_OFF)
        check(info.tracking == IOMMU_TRACKING_OFF && (!error || is_failure(error)));
    else if (track.how == 3 || track.level == 3 || (before && before != track.how))
        check(error == ERR_INVALID && info.tracking == before);
    else
        check(error ? is_failure(error) && info.tracking == before : info.tracking == track.how);
}

static void change_leaves(struct input *input, unsigned which)
{
    unsigned first, count;
    uint64_t iova, last;
    int error;

    choose_pages(input, &first, &count);
    iova = IOVA + first * PAGE_SIZE;
    last = iova + count * PAGE_SIZE - 1;
    if (input_byte(input) & 1) {
        error = iommu_split(domains[which], iova, last, 0);
        check(!error || error == ERR_NOMEM || is_failure(error));
        return;
    }
    error = iommu_merge(domains[which], iova, last);
    check(!error || is_failure(error));
}

static void track_or_change(struct input *input, unsigned which)
{
    if (input_byte(input) & 1)
        track(input, which);
    else
        change_leaves(input, which);
}

static void hardware(struct input *input)
{
    unsigned what = input_byte(input);
    struct fake_vtd *unit = &fakes[what & 1];

    switch (what >> 1 & 3) {
    case 0:
        unit->queue_dead = what & 8;
        break;
    case 1:
        unit->refuse_type = what >> 3 & 15;
        break;
    case 2:
        unit->time_out_in = what >> 3 & 7;
        break;
    default:
        host_leave_pages(what >> 3);
    }
}

static void check_page(unsigned which, unsigned page)
{
    struct pt_leaf leaf;
    uint64_t iova = IOVA + page * PAGE_SIZE, found;
    uint64_t hpa = which < DOMAINS ? reference[which][page] : 0;
    bool cut_off;

    if (which < DOMAINS) {
        check(iommu_lookup(domains[which], iova, &leaf) == (hpa != 0));
        check(!hpa || leaf.hpa + (iova - leaf.iova) == hpa);
    }
    for (unsigned i = 0; i < DEVICES; i++) {
        if (devices[i].unit == UNITS || domain_of[i] != which)
            continue;
        /* Only behind units that did not confirm. */
        cut_off = iommu_device_is_cut_off(devices[i].address);
        check(!cut_off || vtd_unit(devices[i].unit)->cut_offs);
        check(fake_vtd_walk(&fakes[devices[i].unit], pci_source_id(devices[i].address), iova, &found) ==
              (hpa && !cut_off));
        check(!hpa || cut_off || found == hpa);
    }
}

static void check_all(void)
{
    for (unsigned which = 0; which <= DOMAINS; which++)
        for (unsigned page = 0; page < PAGES && (which == DOMAINS || domains[which]); page += 1 + page % 37)
            check_page(which, page);
    for (unsigned i = 0; i < UNITS; i++)
        check(!fakes[i].broken_rules);
}

static void step(struct input *input)
{
    unsigned operation = input_byte(input), which = operation >> 4 & 3, device = operation >> 6;

    if (which == DOMAINS || operation % 16 == 0) {
        hardware(input);
        return;
    }
    if (!domains[which])
        create(which);
    if (!domains[which])
        return;
    switch (operation % 16) {
    case 1:
        destroy(which);
        break;
    case 2:
    case 3:
    case 4:
        attach(which, device);
        break;
    case 5:
    case 6:
        detach(which, device);
        break;
    case 7:
    case 8:
    case 9:
        unmap(input, which);
        break;
    case 10:
        harvest(input, which);
        break;
    case 11:
        release(which);
        break;
    case 12:
        track_or_change(input, which);
        break;
    default:
        map(input, which);
    }
}

/* All is well again, and is taken down. */
static void finish(void)
{
    host_release_pages();
    for (unsigned i = 0; i < UNITS; i++) {
        fakes[i].queue_dead = false;
        fakes[i].refuse_type = 0;
        fakes[i].time_out_in = -1;
    }
    for (unsigned i = 0; i < DEVICES; i++)
        if (domain_of[i] != DOMAINS)
            check(iommu_detach(domains[domain_of[i]], devices[i].address, IOMMU_NO_PASID) == 0);
    for (unsigned i = 0; i < DEVICES; i++)
        domain_of[i] = DOMAINS;
    for (unsigned i = 0; i < DOMAINS; i++)
        if (domains[i]) {
            check(iommu_domain_destroy(domains[i]) == 0);
            domains[i] = NULL;
        }
    iommu_shutdown();
    rcu_barrier();
    check(iommu_init("", 0, &(struct iommu_config){0}) ==
          ERR_MALFORMED); /* gives back what the last start left */
}

static uint64_t pages_free_now(void)
{
    struct page_alloc_stats stats;

    page_alloc_stats(&stats);
    return stats.free_pages;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    host_memory_init(MEMORY_BYTES);
    fake_vtd_use_shadow(MEMORY_BYTES);
    rcu_cpu_online();
    host_set_relax(wait_long);
    dma = virt_to_phys(pages_alloc(10, PAGE_DMA));
    for (unsigned i = 0; i < DEVICES; i++)
        domain_of[i] = DOMAINS;
    for (unsigned i = 0; i < DOMAINS; i++)
        unmapped[i] = (struct dirty_bitmap){unmapped_words[i], IOVA, IOVA + PAGES * PAGE_SIZE - 1};
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct input input = {bytes, count};
    unsigned kind = input_byte(&input);
    uint8_t table[256];

    fake_vtd_install(fakes, UNITS);
    now_ns = 1;
    host_set_time_ns(now_ns);
    failed = false;
    free_pages = pages_free_now();
    for (unsigned i = 0; i < UNITS; i++) {
        fakes[i].ecap |= kind & 1 ? VTD_ECAP_C | VTD_ECAP_SC | VTD_ECAP_SMPWC : 0;
        fakes[i].cap |= kind & 2 ? VTD_CAP_CM : 0;
        fakes[i].command_reads = kind >> 2 & 3;
    }
    check(iommu_init(table, fake_vtd_dmar(table, UNITS, "BOCHS "),
                     &(struct iommu_config){.no_interrupt_remapping = true}) == 0);
    for (unsigned i = 0; i < STEPS && input.left; i++) {
        step(&input);
        check_all();
    }
    finish();
    check(failed || pages_free_now() == free_pages);
    return 0;
}
