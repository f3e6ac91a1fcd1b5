/* SPDX-License-Identifier: BSD-2-Clause */
/* Which device is in which domain. A device is in one domain or in none, and then it is blocked.
 *
 * A group moves as one, so the list has one entry for it: its requester ids, its domain, and whether it is
 * moving. An entry is on the list before anything of the hardware changes and until all is undone, and no two
 * entries by the same PASID have an id in common, nor any two of which one is moving. So of CPUs that attach
 * members of a group at once one wins, and the others get ERR_BUSY; who detaches a member takes the entry,
 * and whoever comes with another member meanwhile finds it moving. The hardware is not waited for under the
 * lock. Groups are computed without it: should two computations differ, their groups still meet in an id. */
#include "iommu/domain.h"
#include "iommu/group.h"
#include "iommu/group_reset.h"
#include "lib/error.h"
#include "lib/list.h"
#include "lib/log.h"
#include "lib/mutant.h"
#include "lib/spinlock.h"
#include <stdlib.h>
#include <string.h>

struct attachment {
    struct list link;
    struct iommu_group group;
    uint32_t pasid;
    struct iommu_domain *domain;
    bool moving; /* on its way in or out */
    bool shared; /* it was there by another PASID when this one came */
};

static struct spinlock lock; /* taken in interrupts too, which ask whose device faulted */
static struct list attachments = {&attachments, &attachments};

/* Under the lock. Returns how a device is in a domain by this PASID, or NULL; *busy when it is on its way by
 * any. */
static struct attachment *find(struct pci_address address, uint32_t pasid, bool *busy)
{
    struct attachment *found = NULL;

    *busy = false;
    list_for_each (node, &attachments) {
        struct attachment *attachment = list_entry(node, struct attachment, link);

        if (!iommu_group_has(&attachment->group, address))
            continue;
        *busy = *busy || attachment->moving;
        if (attachment->pasid == pasid)
            found = attachment;
    }
    return found;
}

/* Under the lock: what keeps a group from being attached. */
static const struct attachment *find_rival(const struct iommu_group *group, uint32_t pasid, bool *busy)
{
    const struct attachment *rival = NULL;

    *busy = false;
    for (unsigned i = 0; i < group->count && !rival && !*busy; i++)
        rival = find(group->ids[i], pasid, busy);
    return rival;
}

/* Under the lock: by any PASID. */
static bool is_attached(struct pci_address address)
{
    list_for_each (node, &attachments)
        if (iommu_group_has(&list_entry(node, struct attachment, link)->group, address))
            return true;
    return false;
}

static void discard(struct attachment *attachment)
{
    iommu_group_free(&attachment->group);
    free(attachment);
}

static void forget(struct attachment *attachment)
{
    uint64_t saved = spin_lock_irq(&lock);

    list_remove(&attachment->link);
    spin_unlock_irq(&lock, saved);
    discard(attachment);
}

/* The group's first id that is not the device's own. */
static struct pci_address companion(const struct iommu_group *group, struct pci_address device)
{
    return group->ids[pci_address_equal(group->ids[0], device)];
}

static void log_rival(const struct attachment *attachment, struct pci_address device, const char *domain)
{
    const struct iommu_group *group = &attachment->group;

    if (group->count > 1)
        log_error("iommu: " PCI_FORMAT " cannot go to domain %s alone: its group, of %u ids with " PCI_FORMAT
                  ", is in domain %s, and is one since %s",
                  PCI_ARGS(device), attachment->domain->name, group->count,
                  PCI_ARGS(companion(group, device)), domain, group->why);
}

/* Puts it on the list, moving. ERR_BUSY. */
static int enter(struct attachment *attachment, struct pci_address device)
{
    char domain[IOMMU_DOMAIN_NAME_MAX] = "";
    const struct attachment *rival;
    uint64_t saved = spin_lock_irq(&lock);
    bool busy;

    rival = find_rival(&attachment->group, attachment->pasid, &busy);
    attachment->shared = is_attached(device);
    if (!rival && !busy)
        list_append(&attachments, &attachment->link);
    else if (rival && rival->domain != attachment->domain)
        memcpy(domain, rival->domain->name, sizeof domain);
    spin_unlock_irq(&lock, saved);
    if (domain[0])
        log_rival(attachment, device, domain);
    return rival || busy ? ERR_BUSY : 0;
}

/* What iommu_attach() makes of its arguments; NULL and *error. */
static struct attachment *prepare(struct iommu_domain *domain, struct pci_address device, uint32_t pasid,
                                  int *error)
{
    struct attachment *attachment = malloc(sizeof *attachment);

    *error = ERR_NOMEM;
    if (!attachment)
        return NULL;
    *attachment = (struct attachment){.domain = domain, .pasid = pasid, .moving = true};
    *error = iommu_group_find(device, &attachment->group);
    if (!*error && pasid != IOMMU_NO_PASID && attachment->group.count > 1) {
        log_error("iommu: " PCI_FORMAT
                  " cannot be in a domain by a PASID: it shares its group with " PCI_FORMAT ", since %s",
                  PCI_ARGS(device), PCI_ARGS(companion(&attachment->group, device)), attachment->group.why);
        *error = ERR_UNSUPPORTED;
    }
    if (!*error)
        return attachment;
    discard(attachment);
    return NULL;
}

/* Whether all of a group can be in the domain. */
static int check(const struct attachment *attachment, struct pci_address device)
{
    const struct iommu_group *group = &attachment->group;
    struct iommu_domain *domain = attachment->domain;
    int error = 0;

    for (unsigned i = 0; i < group->count && !error && domain->ops->check; i++) {
        error = domain->ops->check(domain, group->ids[i], attachment->pasid);
        if (error && !pci_address_equal(group->ids[i], device))
            log_error("iommu: " PCI_FORMAT " cannot be in domain %s without " PCI_FORMAT ", since %s",
                      PCI_ARGS(device), domain->name, PCI_ARGS(group->ids[i]), group->why);
    }
    return error;
}

/* Blocks the first so many ids of a group. The first error, after all were tried. */
static int block(const struct attachment *attachment, unsigned count)
{
    struct iommu_domain *domain = attachment->domain;
    int first = 0;

    while (count--) {
        int error = domain->ops->detach(domain, attachment->group.ids[count], attachment->pasid);

        first = first ? first : error;
    }
    return first;
}

static int attach(const struct attachment *attachment)
{
    const struct iommu_group *group = &attachment->group;
    struct iommu_domain *domain = attachment->domain;
    unsigned count = mutant(ALIAS_FORGOTTEN) ? group->functions : group->count;

    for (unsigned i = 0; i < count; i++) {
        int error = domain->ops->attach(domain, group->ids[i], attachment->pasid);

        if (!error)
            continue;
        if (block(attachment, i))
            log_error("iommu: the group of " PCI_FORMAT " is cut off, but a unit does not confirm it",
                      PCI_ARGS(group->ids[0]));
        return error;
    }
    return 0;
}

int iommu_attach(struct iommu_domain *domain, struct pci_address device, uint32_t pasid)
{
    int error;
    struct attachment *attachment = prepare(domain, device, pasid, &error);
    uint64_t saved;

    if (!attachment)
        return error;
    error = enter(attachment, device);
    if (error) {
        discard(attachment);
        return error;
    }
    error = check(attachment, device);
    if (!error)
        error =
            group_reset_for(&attachment->group, domain->owns_nothing ? GROUP_RESET_NOBODY : domain->number,
                            attachment->shared);
    if (!error)
        error = attach(attachment);
    if (error) {
        forget(attachment);
        return error;
    }
    saved = spin_lock_irq(&lock);
    attachment->moving = false;
    spin_unlock_irq(&lock, saved);
    return 0;
}

int iommu_detach(struct iommu_domain *domain, struct pci_address device, uint32_t pasid)
{
    struct attachment *attachment;
    uint64_t saved;
    bool busy;
    int error = 0;

    saved = spin_lock_irq(&lock);
    attachment = find(device, pasid, &busy);
    if (!attachment || attachment->domain != domain)
        error = ERR_NOT_FOUND;
    else if (busy)
        error = ERR_BUSY;
    else
        attachment->moving = true;
    spin_unlock_irq(&lock, saved);
    if (error)
        return error;
    error = block(attachment, attachment->group.count);
    forget(attachment);
    return error;
}

void iommu_devices_visit(struct iommu_domain *domain,
                         void (*visit)(void *context, struct pci_address device, uint32_t pasid),
                         void *context)
{
    uint64_t saved = spin_lock_irq(&lock);

    list_for_each (node, &attachments) {
        struct attachment *attachment = list_entry(node, struct attachment, link);

        for (unsigned i = 0; i < attachment->group.count && attachment->domain == domain; i++)
            visit(context, attachment->group.ids[i], attachment->pasid);
    }
    spin_unlock_irq(&lock, saved);
}

void iommu_device_visit_domain(struct pci_address address, uint32_t pasid,
                               void (*visit)(void *context, struct iommu_domain *domain), void *context)
{
    uint64_t saved = spin_lock_irq(&lock);
    bool busy;
    const struct attachment *attachment = find(address, pasid, &busy);

    if (attachment)
        visit(context, attachment->domain);
    spin_unlock_irq(&lock, saved);
}
