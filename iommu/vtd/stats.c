/* SPDX-License-Identifier: BSD-2-Clause */
/* Copies what units, domains and RCU count into what callers see of it. */
#include "iommu/stats.h"
#include "iommu/iommu.h"
#include "iommu/vtd/vtd.h"
#include "lib/atomic.h"
#include "lib/rcu_pages.h"

bool iommu_unit_stats(unsigned n, struct iommu_unit_stats *stats)
{
    struct vtd_unit *unit;

    if (n >= vtd_unit_count())
        return false;
    unit = vtd_unit(n);
    *stats = (struct iommu_unit_stats){
        .unit = n,
        .on = unit->on,
        .fault_overflows = atomic_read(&unit->fault_overflows),
        .fault_storms = atomic_read(&unit->fault_storms),
        .fault_mutes = atomic_read(&unit->fault_mutes),
        .widened = atomic_read(&unit->widened),
        .cut_offs = atomic_read(&unit->cut_offs),
        .self_test = unit->self_test,
        .interrupts = atomic_read(&unit->interrupts.table.used),
        .interrupts_lost = atomic_read(&unit->interrupts.table.lost),
    };
    vtd_queue_stats(&unit->queue, &stats->queue);
    stats->under_way = stats->queue.batches - stats->queue.completed - stats->queue.refused -
                       stats->queue.dropped - stats->queue.timed_out;
    return true;
}

static void count_domain(void *context, struct iommu_domain *domain)
{
    (void)domain;
    ++*(unsigned *)context;
}

void iommu_stats(struct iommu_stats *stats)
{
    struct rcu_pages_stats pages;

    rcu_pages_stats(&pages);
    *stats = (struct iommu_stats){
        .units = vtd_unit_count(),
        .tables_waiting = pages.queued - pages.freed,
        .faults = iommu_fault_count(),
    };
    iommu_domains_visit(count_domain, &stats->domains);
}
