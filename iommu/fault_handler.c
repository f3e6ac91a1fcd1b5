/* SPDX-License-Identifier: BSD-2-Clause */
/* Who may call a domain's fault handler, and when it is over.
 *
 * One call is under way at a time (fault_report.c). It begins under two locks: that of the list of devices,
 * on which the device must be with this very domain, and `lock`, under which the handler is read and the call
 * is written down. From this follows:
 * - A domain in a call is there: iommu_domain_destroy() finds no device on the list, so that no call begins
 *   any more, and then waits for the one that is under way, as for a handler that is replaced.
 * - A handler that iommu_domain_set_fault_handler() has replaced is not called any more: who read it before
 *   has written the call down under the same lock, and is waited for; who comes later reads the new one.
 * - After iommu_detach() no call begins for the device: it is off the list. One may be under way still, which
 *   the domain outlives.
 * RCU would do for the pointers, but a handler that waits for hardware may not run in a read section. */
#include "iommu/fault_handler.h"
#include "iommu/domain.h"
#include "lib/deadline.h"
#include "lib/error.h"
#include "lib/mutant.h"
#include "lib/rcu.h"
#include "lib/spinlock.h"
#include "lib/units.h"

#define WAIT_NS (1 * NS_PER_S)

/* Taken below the lock of the devices, which interrupts take: so it keeps them off as well. */
static struct spinlock lock;
static struct {
    const struct iommu_domain *domain; /* NULL: no call is under way */
    uint64_t number;                   /* of the call; atomic, as domain */
    unsigned cpu;
} call;

struct candidate {
    const struct iommu_fault *fault;
    iommu_fault_handler *handler;
    void *context;
};

static void begin(void *context, struct iommu_domain *domain)
{
    struct candidate *candidate = context;
    uint64_t saved;

    /* A device that has moved on since does not tell its new domain what it did in the old one. */
    if (domain->number != candidate->fault->domain_number && !mutant(FAULT_OF_LAST_DOMAIN))
        return;
    saved = spin_lock_irq(&lock);
    candidate->handler = domain->fault_handler;
    candidate->context = domain->fault_context;
    if (candidate->handler) {
        atomic_write(&call.domain, domain);
        atomic_write(&call.number, call.number + 1);
        call.cpu = platform_cpu_id();
    }
    spin_unlock_irq(&lock, saved);
}

void fault_handler_call(const struct iommu_fault *fault)
{
    struct candidate candidate = {.fault = fault};

    iommu_device_visit_domain(fault->device, fault_pasid(fault), begin, &candidate);
    if (!candidate.handler)
        return;
    candidate.handler(candidate.context, fault);
    /* All that the handler did comes before its end is seen; pairs with the acquire in is_over(). */
    atomic_write_release(&call.domain, NULL);
}

/* Whoever waits lets grace periods pass, which the handler may wait for in its turn. */
static bool is_over(const struct iommu_domain *domain, uint64_t number)
{
    if (atomic_read_acquire(&call.domain) != domain || atomic_read_acquire(&call.number) != number)
        return true;
    rcu_quiescent();
    return false;
}

int iommu_domain_set_fault_handler(struct iommu_domain *domain, iommu_fault_handler *handler, void *context)
{
    uint64_t saved = spin_lock_irq(&lock);
    bool under_way = atomic_read_acquire(&call.domain) == domain;
    /* An event runs to its end: who is on the CPU of a call that is under way was called by the handler. */
    bool own = under_way && call.cpu == platform_cpu_id();
    uint64_t number = call.number;

    if (!own) {
        domain->fault_handler = handler;
        domain->fault_context = context;
    }
    spin_unlock_irq(&lock, saved);
    if (own)
        return ERR_BUSY;
    if (!under_way || mutant(FAULT_HANDLER_NOT_AWAITED))
        return 0;
    return wait_until(is_over(domain, number), WAIT_NS) ? 0 : ERR_TIMEOUT;
}
