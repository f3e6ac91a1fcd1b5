/* SPDX-License-Identifier: BSD-2-Clause */
/* A domain with everybody at work at once, on real threads: two mappers on neighbouring ranges that share
 * tables, a device that writes, a harvester, and one who changes where unmaps report to. No write may be
 * lost, and nobody may use what was freed, table or bitmap (freed pages are poisoned). */
#include "iommu/domain.h"
#include "lib/page_alloc.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/host/host.h"
#include "tests/host/tree.h"
#include "tests/host/unit.h"
#include <pthread.h>
#include <stdlib.h>

#define BASE  0x100000000ull
#define PAGES 4096u /* 16 MiB: eight tables of leaves */
#define SLICE                                                                                                \
    64u /* odd tables: slices of so many pages belong to the mappers in turn, who share the table            \
         */
#define SPAN (PAGES * PAGE_SIZE)

enum { MAPPERS = 2, HARVESTER = 2, CHANGER = 3, DEVICE = 4, CPUS };

static struct iommu_domain *domain;
static uint64_t dma;
static uint64_t stop;
static uint64_t passes, unmaps, writes, changes;
static uint64_t lost;

/* What unmaps told in their own bitmaps, and what by track->unmapped. */
static uint64_t reported[PAGES / 64], seen[PAGES / 64];

/* The oracle. A page's writes are numbered; all up to `settled` have been in a bitmap. A harvest settles what
 * was written until it returned, if the page is in its bitmap; a page that is not, and was written beyond
 * `settled` before the harvest began, has lost a write, unless an unmap that was under way meanwhile has it:
 * `epoch` is odd during one. */
static uint64_t written[PAGES], settled[PAGES], epoch[PAGES];

/* The unit: a small TLB, whose entries say that the dirty bit is set. A write happens under the lock, so
 * whoever has held that after changing entries knows that every write that began before is over. */
static pthread_mutex_t unit = PTHREAD_MUTEX_INITIALIZER;
static struct {
    bool valid;
    unsigned page;
    uint64_t hpa;
} tlb[PAGES / 8];
static uint64_t mapped[PAGES];   /* what the mappers think is mapped */
static uint64_t unmapped_writes; /* through the TLB to what unmap has returned from */

static int unit_init(struct iommu_domain *made)
{
    made->pt_ops = &pt_x86_64;
    made->id = 1;
    made->tracks_dirty = true;
    made->untranslated_iova = 0xfee00000;
    made->untranslated_end = 0xfef00000;
    return pt_init(&made->pt, 4, 1, 47, 0); /* leaves of 4 KiB only: tables to free */
}

static void unit_destroy(struct iommu_domain *gone)
{
    pt_destroy(&gone->pt);
}

static int unit_invalidate(struct iommu_domain *of, const struct gather *gather)
{
    (void)of;
    pthread_mutex_lock(&unit);
    for (unsigned i = 0; i < ARRAY_SIZE(tlb); i++) {
        uint64_t iova = BASE + tlb[i].page * PAGE_SIZE;

        tlb[i].valid = tlb[i].valid && (iova < gather->iova || iova > gather->last);
    }
    pthread_mutex_unlock(&unit);
    return 0;
}

static const struct iommu_domain_ops unit_ops = {
    .flags = DOMAIN_FLAG_RCU_FREE_PAGES,
    .init = unit_init,
    .destroy = unit_destroy,
    .invalidate = unit_invalidate,
};

static void begin(uintptr_t cpu)
{
    host_set_cpu((unsigned)cpu);
    rcu_cpu_online();
}

static void end(void)
{
    rcu_barrier();
    rcu_cpu_offline();
}

/* Whatever was written to the page until now has been reported. Never back: the other who settles may have
 * read `written` earlier and be later to say so. */
static void settle(unsigned page)
{
    uint64_t now = atomic_read(&written[page]);
    uint64_t before = atomic_read(&settled[page]);

    while (before < now && !atomic_compare_exchange(&settled[page], &before, now))
        ;
}

/* Around an unmap: what it reported is settled, and no device writes to these pages any more. */
static void unmap_begin(uint64_t iova, uint64_t last)
{
    for (uint64_t page = (iova - BASE) / PAGE_SIZE; page <= (last - BASE) / PAGE_SIZE; page++)
        atomic_fetch_add(&epoch[page], 1u);
}

static void unmap_end(uint64_t iova, uint64_t last, uint64_t *words)
{
    for (uint64_t page = (iova - BASE) / PAGE_SIZE; page <= (last - BASE) / PAGE_SIZE; page++) {
        if (bitmap_test(words, page)) {
            settle((unsigned)page);
            bitmap_set(reported, page);
        }
        bitmap_clear(words, page);
        atomic_write(&mapped[page], 0u);
        atomic_fetch_add(&epoch[page], 1u);
    }
}

/* A range that belongs to this mapper alone: a whole table, or a slice of one that both have slices in. */
static void choose(unsigned mapper, unsigned random, uint64_t *iova, uint64_t *last)
{
    unsigned pair = random / 2 % (PAGES / PT_ENTRIES / 2);
    bool whole = random % 2 && pair % MAPPERS == mapper;
    unsigned slice = random / 64 % (PT_ENTRIES / SLICE / MAPPERS) * MAPPERS + mapper;
    unsigned first = pair * 2 * PT_ENTRIES + (whole ? 0 : PT_ENTRIES + slice * SLICE);

    *iova = BASE + first * PAGE_SIZE;
    *last = *iova + (whole ? PT_ENTRIES : SLICE) * PAGE_SIZE - 1;
}

static void set_mapped(uint64_t iova, uint64_t last)
{
    for (uint64_t page = (iova - BASE) / PAGE_SIZE; page <= (last - BASE) / PAGE_SIZE; page++)
        atomic_write(&mapped[page], 1u);
}

static void *mapper(void *cpu)
{
    unsigned mine = (unsigned)(uintptr_t)cpu, seed = mine;
    uint64_t words[PAGES / 64] = {0};
    struct dirty_bitmap bitmap = {words, BASE, BASE + SPAN - 1};

    begin(mine);
    while (!atomic_read(&stop)) {
        uint64_t iova, last;

        choose(mine, (unsigned)rand_r(&seed), &iova, &last);
        if (!atomic_read(&mapped[(iova - BASE) / PAGE_SIZE])) {
            set_mapped(iova, last);
            assert_int_equal(iommu_map(domain, iova, last, dma + (iova - BASE), PT_READ | PT_WRITE), 0);
        } else {
            unmap_begin(iova, last);
            assert_int_equal(iommu_unmap(domain, iova, last, &bitmap), 0);
            unmap_end(iova, last, words);
            atomic_fetch_add(&unmaps, 1u);
        }
        rcu_quiescent();
    }
    end();
    return NULL;
}

static void harvest_once(void)
{
    static uint64_t written_before[PAGES], epoch_before[PAGES], words[PAGES / 64];
    struct dirty_bitmap bitmap = {words, BASE, BASE + SPAN - 1};

    for (unsigned page = 0; page < PAGES; page++) {
        epoch_before[page] = atomic_read_acquire(&epoch[page]);
        written_before[page] = atomic_read_acquire(&written[page]);
    }
    assert_int_equal(iommu_harvest(domain, BASE, BASE + SPAN - 1, &bitmap, 0, NULL), 0);
    for (unsigned page = 0; page < PAGES; page++) {
        bool undisturbed = epoch_before[page] % 2 == 0 && atomic_read(&epoch[page]) == epoch_before[page];

        if (bitmap_test(words, page))
            settle(page);
        else if (undisturbed && written_before[page] > atomic_read(&settled[page]))
            lost++;
        bitmap_clear(words, page);
    }
    passes++;
}

static void *harvester(void *cpu)
{
    begin((uintptr_t)cpu);
    while (!atomic_read(&stop)) {
        harvest_once();
        rcu_quiescent();
    }
    end();
    return NULL;
}

static void track(struct dirty_bitmap *bitmap)
{
    const struct iommu_track bits = {.how = IOMMU_TRACKING_DIRTY_BITS, .unmapped = bitmap};

    assert_int_equal(iommu_domain_track(domain, &bits), 0);
}

static struct dirty_bitmap *make_bitmap(void)
{
    struct dirty_bitmap *bitmap = malloc(sizeof *bitmap);

    assert_non_null(bitmap);
    *bitmap = (struct dirty_bitmap){calloc(PAGES / 64, sizeof(uint64_t)), BASE, BASE + SPAN - 1};
    assert_non_null(bitmap->words);
    return bitmap;
}

/* When the change has returned nobody uses the bitmap of before: what it has is all, and it goes. */
static void see_and_free(struct dirty_bitmap *bitmap)
{
    for (unsigned i = 0; i < PAGES / 64; i++)
        seen[i] |= bitmap->words[i];
    free(bitmap->words);
    free(bitmap);
}

/* There always is one. */
static void *changer(void *cpu)
{
    struct dirty_bitmap *now = domain->tracking.unmapped;

    begin((uintptr_t)cpu);
    while (!atomic_read(&stop)) {
        struct dirty_bitmap *next = make_bitmap();

        track(next);
        see_and_free(now);
        now = next;
        changes++;
        rcu_quiescent();
    }
    end();
    return NULL;
}

/* Under the unit's lock. */
static bool translate(unsigned page, uint64_t *hpa)
{
    unsigned slot = page % ARRAY_SIZE(tlb);

    if (tlb[slot].valid && tlb[slot].page == page) {
        *hpa = tlb[slot].hpa;
        return true;
    }
    if (!tree_access(&tree_through_cache, &domain->pt, BASE + page * PAGE_SIZE, true, hpa))
        return false;
    tlb[slot].valid = true;
    tlb[slot].page = page;
    tlb[slot].hpa = *hpa;
    return true;
}

static void *device(void *cpu)
{
    unsigned seed = 99;

    (void)cpu;
    while (!atomic_read(&stop)) {
        /* Some pages are written again and again. */
        unsigned page = (unsigned)rand_r(&seed) % (rand_r(&seed) % 2 ? PAGES : PAGES / 16);
        uint64_t hpa;

        pthread_mutex_lock(&unit);
        if (translate(page, &hpa)) {
            assert_int_equal(hpa, dma + page * PAGE_SIZE);
            unmapped_writes += !atomic_read(&mapped[page]);
            atomic_fetch_add(&written[page], 1u);
            writes++;
        }
        pthread_mutex_unlock(&unit);
    }
    return NULL;
}

static void no_write_is_lost_and_no_freed_table_walked(void **state)
{
    static void *(*const roles[CPUS])(void *cpu) = {mapper, mapper, harvester, changer, device};
    pthread_t threads[CPUS];
    uint64_t finish = platform_time_ns() + 2 * NS_PER_S;
    struct dirty_bitmap *last;
    struct iommu_domain_info info;
    int error;

    (void)state;
    domain = iommu_domain_create_with(&unit_ops, "threads", &error);
    assert_non_null(domain);
    track(make_bitmap());
    for (uintptr_t cpu = 0; cpu < CPUS; cpu++)
        pthread_create(&threads[cpu], NULL, roles[cpu], (void *)cpu);
    while (platform_time_ns() < finish)
        platform_relax();
    atomic_write(&stop, 1u);
    for (unsigned i = 0; i < CPUS; i++)
        pthread_join(threads[i], NULL);
    begin(0);
    harvest_once();
    harvest_once();
    assert_int_equal(lost, 0);
    assert_int_equal(unmapped_writes, 0);
    last = domain->tracking.unmapped;
    track(NULL);
    see_and_free(last);
    assert_memory_equal(reported, seen, sizeof seen);
    iommu_domain_info(domain, &info);
    assert_int_equal(iommu_domain_destroy(domain), 0);
    print_message("# %llu passes, %llu unmaps, %llu tables freed, %llu writes, %llu changes\n",
                  (unsigned long long)passes, (unsigned long long)unmaps,
                  (unsigned long long)info.tables_freed, (unsigned long long)writes,
                  (unsigned long long)changes);
    assert_true(passes > 10 && unmaps > 100 && info.tables_freed > 100 && writes > 1000 && changes > 10);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_write_is_lost_and_no_freed_table_walked),
    };

    host_memory_init(128 * MIB);
    dma = virt_to_phys(pages_alloc(12, PAGE_DMA));
    return cmocka_run_group_tests_name("domain_threads", tests, NULL, NULL);
}
