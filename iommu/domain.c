/* SPDX-License-Identifier: BSD-2-Clause */
/* Domains: map, unmap, split, merge. The order of unmap is decided here, and only here. */
#include "iommu/domain.h"
#include "lib/atomic.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/mutant.h"
#include "lib/page_alloc.h"
#include "lib/units.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct iommu_domain_ops *default_ops, *pass_through_ops;
static struct spinlock domains_lock; /* the list, and the names on it */
static struct list domains = {&domains, &domains};
static uint64_t newest_number; /* atomic */

void iommu_set_domain_ops(const struct iommu_domain_ops *ops, const struct iommu_domain_ops *pass_through)
{
    default_ops = ops;
    pass_through_ops = pass_through;
}

bool iommu_is_on(void)
{
    return default_ops;
}

static struct iommu_domain *find_locked(const char *name)
{
    list_for_each (node, &domains) {
        struct iommu_domain *domain = list_entry(node, struct iommu_domain, link);

        if (strcmp(domain->name, name) == 0)
            return domain;
    }
    return NULL;
}

struct iommu_domain *iommu_domain_find(const char *name)
{
    struct iommu_domain *domain;

    spin_lock(&domains_lock);
    domain = find_locked(name);
    spin_unlock(&domains_lock);
    return domain;
}

/* ERR_EXISTS if there is a domain of that name. */
static int publish(struct iommu_domain *domain)
{
    bool taken;

    spin_lock(&domains_lock);
    taken = find_locked(domain->name) != NULL;
    if (!taken)
        list_append(&domains, &domain->link);
    spin_unlock(&domains_lock);
    return taken ? ERR_EXISTS : 0;
}

struct iommu_domain *iommu_domain_create_with(const struct iommu_domain_ops *ops, const char *name,
                                              int *error)
{
    struct iommu_domain *domain = calloc(1, sizeof *domain);

    *error = domain ? 0 : ERR_NOMEM;
    if (*error)
        return NULL;
    domain->ops = ops;
    domain->number = atomic_fetch_add(&newest_number, 1) + 1;
    strncpy(domain->name, name, sizeof domain->name - 1);
    quarantine_init(&domain->quarantine);
    iommu_tracking_init(&domain->tracking);
    *error = ops->init(domain);
    if (!*error) {
        *error = publish(domain);
        if (!*error)
            return domain;
        ops->destroy(domain);
    }
    free(domain);
    return NULL;
}

static struct iommu_domain *create(const struct iommu_domain_ops *ops, const char *name, int *error)
{
    if (ops)
        return iommu_domain_create_with(ops, name, error);
    log_error("iommu: domain %s: no unit is on", name);
    *error = ERR_UNSUPPORTED;
    return NULL;
}

struct iommu_domain *iommu_domain_create(const char *name, int *error)
{
    return create(default_ops, name, error);
}

struct iommu_domain *iommu_domain_create_pass_through(const char *name, int *error)
{
    return create(pass_through_ops, name, error);
}

static int invalidate(struct iommu_domain *domain, struct gather *gather)
{
    int error = 0;

    if (!gather_empty(gather) && !mutant(NO_UNMAP_INVALIDATION))
        error = domain->ops->invalidate(domain, gather);
    if (!error)
        gather_set_invalidated(gather);
    else
        log_error("iommu: domain %s: %#" PRIx64 "-%#" PRIx64 " has changed but is not invalidated: %s",
                  domain->name, gather->iova, gather->last, error_text(error));
    return error;
}

/* Nobody has confirmed that the tables are not walked any more. */
static void quarantine(struct iommu_domain *domain, struct gather *gather)
{
    unmapped_not_confirmed(domain);
    spin_lock(&domain->quarantine_lock);
    atomic_fetch_add(&domain->quarantined, gather_quarantine(gather, &domain->quarantine));
    spin_unlock(&domain->quarantine_lock);
}

static void free_tables(struct iommu_domain *domain, struct gather *gather)
{
    gather_set_harvested(gather);
    atomic_fetch_add(&domain->tables_freed, gather_free(gather, frees_by_rcu(domain)));
}

/* What follows an unlink: invalidate everywhere, then harvest what was detached, then free after a grace
 * period. */
static int settle(struct iommu_domain *domain, struct gather *gather, struct dirty_bitmap *dirty)
{
    int error = invalidate(domain, gather);

    if (error) {
        /* Any of it may be written still. */
        if (dirty)
            dirty_bitmap_mark(dirty, gather->iova, gather->last);
        quarantine(domain, gather);
        return error;
    }
    if (dirty && !mutant(DETACHED_FORGOTTEN))
        domain->pt_ops->harvest_detached(&domain->pt, gather, dirty);
    free_tables(domain, gather);
    return 0;
}

/* The same, and again for the tables above that are empty then. */
static int settle_and_unlink(struct iommu_domain *domain, uint64_t iova, uint64_t last, struct gather *gather,
                             struct dirty_bitmap *dirty)
{
    int error = settle(domain, gather, dirty);

    while (!error && gather->unlink_again) {
        domain->pt_ops->unlink_empty(&domain->pt, iova, last, gather);
        error = settle(domain, gather, dirty);
    }
    return error;
}

static int unmap_whole(struct iommu_domain *domain, uint64_t iova, uint64_t last, struct dirty_bitmap *dirty)
{
    struct gather gather;
    struct unmapped unmapped;
    int error;

    gather_init(&gather);
    unmapped_begin(domain, iova, last, dirty, &unmapped);
    error = domain->pt_ops->unlink(&domain->pt, iova, last, &gather, unmapped.bitmap);
    if (mutant(UNMAPPED_EARLY))
        unmapped_end(domain, &unmapped);
    if (!error)
        error = settle_and_unlink(domain, iova, last, &gather, unmapped.bitmap);
    if (!mutant(UNMAPPED_EARLY))
        unmapped_end(domain, &unmapped);
    return error;
}

/* ERR_UNSUPPORTED where nothing is translated. */
static int check_range(const struct iommu_domain *domain, uint64_t iova, uint64_t last)
{
    return domain->pt.root ? pt_check_range(&domain->pt, iova, last) : ERR_UNSUPPORTED;
}

int iommu_unmap(struct iommu_domain *domain, uint64_t iova, uint64_t last, struct dirty_bitmap *dirty)
{
    int error = check_range(domain, iova, last);

    if (error)
        return error;
    domain_lock(domain);
    error = unmap_whole(domain, iova, last, dirty);
    domain_unlock(domain);
    return error;
}

/* Tries once more what an invalidation did not confirm. Even when no table waits: leaves may have gone, of
 * which an agent holds translations. */
static int settle_quarantine(struct iommu_domain *domain)
{
    bool owed = unmapped_take_over(domain);
    struct gather gather;
    int error;

    spin_lock(&domain->quarantine_lock);
    gather_resume(&gather, &domain->quarantine, pt_span_last(&domain->pt));
    atomic_fetch_sub(&domain->quarantined, gather.table_count);
    spin_unlock(&domain->quarantine_lock);
    error = settle(domain, &gather, NULL);
    unmapped_confirmed(domain, owed, error);
    return error;
}

int iommu_domain_release_quarantine(struct iommu_domain *domain)
{
    int error;

    if (!domain->pt.root)
        return 0; /* nothing was ever mapped */
    domain_lock(domain);
    error = settle_quarantine(domain);
    domain_unlock(domain);
    return error;
}

static void note_device(void *any, struct pci_address device, uint32_t pasid)
{
    (void)device;
    (void)pasid;
    *(bool *)any = true;
}

/* Also one that is on its way in or out, through whose entry in the list the domain is found still. */
static bool has_devices(struct iommu_domain *domain)
{
    bool any = iommu_count_devices(domain) != 0;

    iommu_devices_visit(domain, note_device, &any);
    return any;
}

int iommu_domain_destroy(struct iommu_domain *domain)
{
    int error;

    if (has_devices(domain))
        return ERR_BUSY;
    if (atomic_read(&domain->is_source)) {
        log_error("iommu: domain %s: it is part of a tracker, which has to let go of it before",
                  domain->name);
        return ERR_BUSY;
    }
    error = iommu_domain_set_fault_handler(domain, NULL, NULL);
    if (!error)
        error = iommu_domain_track(domain, &(struct iommu_track){IOMMU_TRACKING_OFF, 0, false, NULL});
    if (error)
        return error;
    error = domain->pt.root ? unmap_whole(domain, 0, pt_span_last(&domain->pt), NULL) : 0;
    if (!error && atomic_read(&domain->quarantined))
        error = settle_quarantine(domain);
    if (error)
        return error;
    spin_lock(&domains_lock);
    list_remove(&domain->link);
    spin_unlock(&domains_lock);
    domain->ops->destroy(domain);
    free(domain);
    return 0;
}

static int check_target(const struct iommu_domain *domain, uint64_t iova, uint64_t last, uint64_t hpa,
                        unsigned prot)
{
    if (!is_aligned(hpa, PAGE_SIZE) || hpa + (last - iova) < hpa)
        return ERR_INVALID;
    if (!(prot & PT_READ) || prot & ~(unsigned)(PT_READ | PT_WRITE))
        return ERR_INVALID;
    if (iova < domain->untranslated_end && last >= domain->untranslated_iova)
        return ERR_RANGE;
    return 0;
}

/* Units may have kept that nothing was mapped there. */
static int tell_mapped(struct iommu_domain *domain, uint64_t iova, uint64_t last)
{
    struct gather gather;

    if (!domain->ops->invalidate_mapped)
        return 0;
    gather_init(&gather);
    gather_add_range(&gather, iova, last);
    gather_add_table_entries(&gather);
    return domain->ops->invalidate_mapped(domain, &gather);
}

static int map_whole(struct iommu_domain *domain, uint64_t iova, uint64_t last, uint64_t hpa, unsigned prot)
{
    uint64_t mapped_end;
    int unmap_error = 0;
    int error;

    domain_lock(domain);
    error = domain->pt_ops->map(&domain->pt, iova, last, hpa, prot | domain->leaf_prot, &mapped_end);
    if (!error)
        error = tell_mapped(domain, iova, last);
    /* A device may have used what stood for a moment, so it goes the way of all mappings. */
    if (error && mapped_end > iova)
        unmap_error = unmap_whole(domain, iova, mapped_end - 1, NULL);
    domain_unlock(domain);
    return unmap_error ? unmap_error : error;
}

/* Of a page that the allocator knows the allocator alone decides: a platform that says too much still gives
 * away no table, and nothing else that Lull made for itself. */
static bool may_be_reached(uint64_t hpa, uint64_t last)
{
    if (pages_all_in_use(hpa, last, PAGE_DMA))
        return true;
    if (pages_any_known(hpa, last) && !mutant(PLATFORM_DECIDES_ALONE))
        return false;
    return !(last >> PT_ADDRESS_LG2) && platform_memory_is_for_devices(hpa, last);
}

int iommu_map(struct iommu_domain *domain, uint64_t iova, uint64_t last, uint64_t hpa, unsigned prot)
{
    int error = check_range(domain, iova, last);

    if (!error)
        error = check_target(domain, iova, last, hpa, prot);
    if (!error && !may_be_reached(hpa, hpa + (last - iova)))
        error = ERR_FORBIDDEN;
    return error ? error : map_whole(domain, iova, last, hpa, prot);
}

/* Page by page, where some of them are mapped already. */
static int map_rest(struct iommu_domain *domain, uint64_t hpa, uint64_t last, unsigned prot)
{
    int error = 0;

    for (uint64_t page = hpa; page < last && !error; page += PAGE_SIZE) {
        struct pt_leaf leaf;

        if (!iommu_lookup(domain, page, &leaf))
            error = map_whole(domain, page, page + PAGE_SIZE - 1, page, prot);
    }
    return error;
}

int iommu_map_reserved(struct iommu_domain *domain, uint64_t hpa, uint64_t last)
{
    const unsigned prot = PT_READ | PT_WRITE;
    int error = check_range(domain, hpa, last);

    if (!error)
        error = check_target(domain, hpa, last, hpa, prot);
    if (!error && !platform_memory_is_reserved(hpa, last))
        error = ERR_FORBIDDEN;
    if (!error)
        error = map_whole(domain, hpa, last, hpa, prot);
    return error == ERR_EXISTS ? map_rest(domain, hpa, last, prot) : error;
}

int iommu_split(struct iommu_domain *domain, uint64_t iova, uint64_t last, unsigned level)
{
    struct gather gather;
    int error = check_range(domain, iova, last), settled;

    if (error || level > PT_LEAF_LEVEL_MAX)
        return error ? error : ERR_INVALID;
    gather_init(&gather);
    domain_lock(domain);
    error = domain->pt_ops->split(&domain->pt, iova, last, level, &gather);
    settled = settle(domain, &gather, NULL);
    domain_unlock(domain);
    return settled ? settled : error;
}

/* What follows a merge: invalidate everywhere, then tell the leaves what devices wrote through the old tables
 * meanwhile, then free these after a grace period. */
static int settle_merge(struct iommu_domain *domain, struct gather *gather)
{
    int error;

    if (mutant(HANDED_BACK_EARLY))
        domain->pt_ops->hand_back(&domain->pt, gather, false);
    error = invalidate(domain, gather);
    if (!mutant(HANDED_BACK_EARLY))
        domain->pt_ops->hand_back(&domain->pt, gather, error);
    if (error)
        quarantine(domain, gather);
    else
        free_tables(domain, gather);
    return error;
}

/* A harvest beside it may look at a leaf before that is told. Harvests that are to be the last ones count the
 * merges beside them: locked instructions put what is done here between the two counts. */
int iommu_merge(struct iommu_domain *domain, uint64_t iova, uint64_t last)
{
    struct gather gather;
    int error = check_range(domain, iova, last);

    if (error)
        return error;
    gather_init(&gather);
    domain_lock(domain);
    (void)atomic_fetch_add(&domain->tracking.merges_begun, 1u);
    domain->pt_ops->merge(&domain->pt, iova, last, &gather);
    error = settle_merge(domain, &gather);
    (void)atomic_fetch_add(&domain->tracking.merges_ended, 1u);
    domain_unlock(domain);
    return error;
}

void iommu_domains_visit(void (*visit)(void *context, struct iommu_domain *domain), void *context)
{
    spin_lock(&domains_lock);
    list_for_each (node, &domains)
        visit(context, list_entry(node, struct iommu_domain, link));
    spin_unlock(&domains_lock);
}
