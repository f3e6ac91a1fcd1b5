/* SPDX-License-Identifier: BSD-2-Clause */
/* A CPU that runs a guest: entering and leaving, accesses, and what it keeps of its walks (Intel SDM volume
 * 3, "Caching Translation Information" of VMX; AMD64 volume 2, 5.5.2 and 15.16). */
#include "tests/model/vcpu.h"
#include "lib/units.h"
#include "tests/model/history.h"
#include "tests/model/schedule.h"
#include "tests/model/vcpu_walk.h"
#include "tests/model/violation.h"
#include <inttypes.h>

#define AHEAD_PAGES 8
#define AHEAD_IN    4 /* the CPU walks ahead at one chance in so many */

struct span {
    uint64_t first;
    uint64_t last;
};

/* --- what is in the caches --- */

static bool translation_covers(const void *context, const void *entry)
{
    const uint64_t *gpa = context;
    const struct cached_translation *translation = entry;

    return *gpa >> translation->page_lg2 == translation->iova >> translation->page_lg2;
}

static bool table_covers(const void *context, const void *entry)
{
    const uint64_t *gpa = context;
    const struct cached_table *table = entry;

    return *gpa >> table->span_lg2 == table->iova >> table->span_lg2;
}

static bool translation_points_into(const void *context, const void *entry)
{
    const struct span *freed = context;
    const struct cached_translation *translation = entry;
    uint64_t last = translation->hpa + (1ull << translation->page_lg2) - 1;

    return translation->hpa <= freed->last && freed->first <= last;
}

static bool table_points_into(const void *context, const void *entry)
{
    const struct span *freed = context;
    const struct cached_table *table = entry;

    return freed->first <= table->table && table->table <= freed->last;
}

static bool translation_is_dead(const void *context, const void *entry)
{
    const struct cached_translation *translation = entry;

    (void)context;
    return memory_generation(translation->hpa) != translation->target_generation ||
           memory_use(translation->hpa) == PAGE_FREE;
}

static bool table_is_dead(const void *context, const void *entry)
{
    const struct cached_table *table = entry;

    (void)context;
    return memory_generation(table->table) != table->generation || memory_use(table->table) == PAGE_FREE;
}

static bool any(const void *context, const void *entry)
{
    (void)context;
    (void)entry;
    return true;
}

static NORETURN void caches_freed(const struct vcpu *vcpu, const char *when, const char *kind, uint64_t gpa,
                                  uint64_t hpa)
{
    violation(VIOLATION_FREED_CACHED,
              "%s: %s caches a %s for GPA %#" PRIx64 " that points to HPA %#" PRIx64 ", which %s", when,
              vcpu->name, kind, gpa, hpa,
              memory_use(hpa) == PAGE_FREE ? "is free" : "is being freed, or has become another page");
}

/* Outside the guest the CPU uses none of its entries, so what they point to may go: it has to flush before it
 * enters again. */
static void look_at_freed(void *context, uint64_t hpa, uint64_t last)
{
    struct vcpu *vcpu = context;
    struct span freed = {hpa, last};
    const struct cached_table *table;
    const struct cached_translation *translation;

    if (!vcpu->in_guest)
        return;
    table = cache_find(&vcpu->caches.tables, table_points_into, &freed);
    if (table)
        caches_freed(vcpu, "memory is freed", "table entry", table->iova, table->table);
    translation = cache_find(&vcpu->caches.translations, translation_points_into, &freed);
    if (translation)
        caches_freed(vcpu, "memory is freed", "translation", translation->iova, translation->hpa);
}

static void check_before_entry(struct vcpu *vcpu)
{
    const struct cached_table *table = cache_find(&vcpu->caches.tables, table_is_dead, NULL);
    const struct cached_translation *translation =
        cache_find(&vcpu->caches.translations, translation_is_dead, NULL);

    if (table)
        caches_freed(vcpu, "the guest is entered", "table entry", table->iova, table->table);
    if (translation)
        caches_freed(vcpu, "the guest is entered", "translation", translation->iova, translation->hpa);
}

/* --- entering and leaving --- */

void vcpu_make(struct vcpu *vcpu, const char *name, enum vcpu_format format, uint64_t root, unsigned levels,
               bool accessed_dirty)
{
    expect(levels == 4 || levels == 5);
    expect(format == VCPU_EPT || accessed_dirty);
    *vcpu = (struct vcpu){
        .name = name,
        .format = format,
        .root = root,
        .levels = levels,
        .accessed_dirty = accessed_dirty,
        .ahead_pages = AHEAD_PAGES,
    };
    caches_make(&vcpu->caches);
    memory_on_free(look_at_freed, vcpu);
}

static void check_place(const struct vcpu *vcpu, bool in_guest)
{
    if (vcpu->in_guest != in_guest)
        violation(VIOLATION_EXPECTATION, "%s is %s the guest", vcpu->name,
                  vcpu->in_guest ? "already in" : "not in");
    if (vcpu->entered && vcpu->cpu != agent_cpu(agent_current()))
        violation(VIOLATION_EXPECTATION, "%s is CPU %u, and CPU %u acts for it", vcpu->name, vcpu->cpu,
                  agent_cpu(agent_current()));
}

/* A walk for an address that nobody asked for: it sets accessed, never dirty, and fills the caches. */
static void walk_ahead(struct vcpu *vcpu)
{
    struct cached_translation translation;
    uint64_t gpa;

    if (!vcpu->ahead_pages || !schedule_chance(AHEAD_IN))
        return;
    gpa = vcpu->last_gpa ^ (uint64_t)schedule_choose(vcpu->ahead_pages) << PAGE_LG2;
    if (cache_find(&vcpu->caches.translations, translation_covers, &gpa))
        return;
    history("walks ahead for %lx", gpa);
    if (vcpu_walk(vcpu, gpa, false, &translation))
        cache_add(&vcpu->caches, &vcpu->caches.translations, &translation);
}

void vcpu_enter(struct vcpu *vcpu)
{
    check_place(vcpu, false);
    schedule_point(POINT_HARDWARE, NULL);
    check_before_entry(vcpu);
    vcpu->cpu = agent_cpu(agent_current());
    vcpu->entered = true;
    vcpu->in_guest = true;
    history("enters the guest with %lu translations and %lu tables cached", vcpu->caches.translations.count,
            vcpu->caches.tables.count);
    walk_ahead(vcpu);
}

void vcpu_exit(struct vcpu *vcpu)
{
    check_place(vcpu, true);
    walk_ahead(vcpu);
    schedule_point(POINT_HARDWARE, NULL);
    vcpu->in_guest = false;
    history("leaves the guest with %lu translations and %lu tables cached", vcpu->caches.translations.count,
            vcpu->caches.tables.count);
}

void vcpu_flush(struct vcpu *vcpu)
{
    unsigned translations, tables;

    check_place(vcpu, false);
    schedule_point(POINT_HARDWARE, NULL);
    translations = cache_drop(&vcpu->caches.translations, any, NULL);
    tables = cache_drop(&vcpu->caches.tables, any, NULL);
    history("flushes %lu translations and %lu tables", translations, tables);
}

/* --- accesses --- */

/* An EPT violation invalidates what would translate the address (SDM volume 3, "Operations that Invalidate
 * Cached Mappings"); a nested page fault does not. */
static void refuse(struct vcpu *vcpu, uint64_t gpa, bool write)
{
    if (vcpu->format == VCPU_EPT) {
        cache_drop(&vcpu->caches.translations, translation_covers, &gpa);
        cache_drop(&vcpu->caches.tables, table_covers, &gpa);
    }
    history("may not access %lx (write %lu)", gpa, write);
}

/* Where gpa goes, from the TLB or by a walk. */
static bool translate(struct vcpu *vcpu, uint64_t gpa, bool write, struct cached_translation *result)
{
    const struct cached_translation *cached =
        cache_find(&vcpu->caches.translations, translation_covers, &gpa);

    if (cached && (!write || (cached->writable && cached->dirty))) {
        *result = *cached;
        return true;
    }
    /* EPT: a violation by what is cached, though memory may say more by now. Nested: both what may not be
     * written and what is not known to be dirty are walked again. */
    if (cached && vcpu->format == VCPU_EPT && !cached->writable)
        return false;
    cache_drop(&vcpu->caches.translations, translation_covers, &gpa);
    if (!vcpu_walk(vcpu, gpa, write, result))
        return false;
    cache_add(&vcpu->caches, &vcpu->caches.translations, result);
    return true;
}

/* The access happens. */
static void reach(const struct vcpu *vcpu, uint64_t gpa, bool write,
                  const struct cached_translation *translation, uint64_t hpa)
{
    const char *verb = write ? "writes" : "reads";

    if (translation_is_dead(NULL, translation) || memory_use(hpa) == PAGE_FREE)
        violation(VIOLATION_STALE,
                  "%s %s GPA %#" PRIx64 " at HPA %#" PRIx64 " by a translation whose page was freed since",
                  vcpu->name, verb, gpa, hpa);
    if (memory_use(hpa) != PAGE_DMA)
        violation(VIOLATION_FORBIDDEN, "%s %s GPA %#" PRIx64 " at HPA %#" PRIx64 ", which is no guest's",
                  vcpu->name, verb, gpa, hpa);
}

bool vcpu_access(struct vcpu *vcpu, uint64_t gpa, bool write, uint64_t *hpa)
{
    struct cached_translation translation;

    check_place(vcpu, true);
    expect(gpa >> (PAGE_LG2 + 9 * vcpu->levels) == 0);
    vcpu->last_gpa = gpa;
    walk_ahead(vcpu);
    caches_maybe_drop(&vcpu->caches);
    if (!translate(vcpu, gpa, write, &translation)) {
        refuse(vcpu, gpa, write);
        return false;
    }
    *hpa = translation.hpa | (gpa & ((1ull << translation.page_lg2) - 1));
    schedule_point(POINT_HARDWARE, NULL); /* in the pipeline, and the store buffer */
    reach(vcpu, gpa, write, &translation, *hpa);
    history("accesses %lx at HPA %lx (write %lu)", gpa, *hpa, write);
    return true;
}
