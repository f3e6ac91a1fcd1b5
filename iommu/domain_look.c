/* SPDX-License-Identifier: BSD-2-Clause */
/* Domains: what is in them, for who asks. */
#include "iommu/domain.h"
#include "lib/atomic.h"
#include <string.h>

unsigned iommu_count_devices(const struct iommu_domain *domain)
{
    unsigned count = 0;

    for (unsigned i = 0; i < IOMMU_UNITS_MAX; i++)
        count += atomic_read(&domain->unit_devices[i]);
    return count;
}

bool iommu_lookup(struct iommu_domain *domain, uint64_t iova, struct pt_leaf *leaf)
{
    bool found;

    if (!domain->pt.root || iova >> domain->pt.address_lg2)
        return false;
    domain_lock(domain);
    found = domain->pt_ops->lookup(&domain->pt, iova, leaf);
    domain_unlock(domain);
    return found;
}

void iommu_domain_visit(struct iommu_domain *domain, uint64_t iova, uint64_t last,
                        bool (*visit)(void *context, const struct pt_leaf *leaf), void *context)
{
    uint64_t limit = (1ull << domain->pt.address_lg2) - 1;

    if (!domain->pt.root)
        return;
    domain_lock(domain);
    domain->pt_ops->visit(&domain->pt, iova, last < limit ? last : limit, visit, context);
    domain_unlock(domain);
}

void iommu_domain_info(struct iommu_domain *domain, struct iommu_domain_info *info)
{
    *info = (struct iommu_domain_info){
        .id = domain->id,
        .format = domain->pt.root ? domain->pt_ops->name : "none",
        .levels = domain->pt.root ? domain->pt.top_level + 1u : 0,
        .address_lg2 = domain->pt.address_lg2,
        .tables = atomic_read(&domain->pt.tables),
        .tables_freed = atomic_read(&domain->tables_freed),
        .quarantined = atomic_read(&domain->quarantined),
        .devices = iommu_count_devices(domain),
        .tracks_dirty = !iommu_why_not_dirty(domain),
        .why_not_dirty = iommu_why_not_dirty(domain),
        .reads_are_dirty = domain->pt.flags & PT_ACCESSED_IS_DIRTY,
        .tracking = atomic_read(&domain->tracking.how),
        .track_level = atomic_read(&domain->tracking.level),
        .prunes = !iommu_why_not_prunes(domain),
        .audits = domain->pruning.audited,
        .why_not_prunes = iommu_why_not_prunes(domain),
    };
    memcpy(info->name, domain->name, sizeof info->name);
}

void iommu_domain_count(struct iommu_domain *domain, uint64_t leaves[PT_LEAF_LEVELS])
{
    memset(leaves, 0, PT_LEAF_LEVELS * sizeof *leaves);
    domain_lock(domain);
    domain->pt_ops->count(&domain->pt, leaves);
    domain_unlock(domain);
}
