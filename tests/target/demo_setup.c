/* SPDX-License-Identifier: BSD-2-Clause */
/* The demo: setting it up and taking it down. */

#include "arch/cpu/cpu.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/pci.h"
#include "lib/platform.h"
#include "tests/target/demo.h"
#include <inttypes.h>
#include <stdio.h>

#define NVME_QUEUES 2 /* the writer's, and the neighbour's for its probes */

/* The roles go to CPUs 1 and 2; with fewer CPUs they share them, in the last resort with the writer on CPU 0.
 */
static unsigned role_cpu(unsigned role)
{
    return role % cpu_count();
}

static int open_nvme(struct demo *demo)
{
    const struct pci_function *function = pci_find_class(PCI_CLASS_NVME, 0);
    int error;

    if (!function) {
        log_error("demo: no NVMe controller");
        return ERR_NOT_FOUND;
    }
    error = nvme_open(&demo->nvme, function->address, demo->domain, DEMO_NVME_IOVA, NVME_QUEUES);
    if (error)
        return error;
    demo->has_nvme = true;
    if (!demo->nvme.io_queues) {
        log_error("demo: the NVMe controller gives no I/O queue");
        error = ERR_UNSUPPORTED;
    }
    return error;
}

static int close_edu(struct demo *demo)
{
    int ended, error;

    if (!demo->has_edu)
        return 0;
    demo->has_edu = false;
    ended = edu_close(&demo->edu);
    error = iommu_detach(demo->domain, demo->edu.function, IOMMU_NO_PASID);
    return ended ? ended : error;
}

/* That there is no edu, or one that cannot reach the range, or may not come from another domain since it
 * cannot be reset, is no error. The domain is empty. */
static int open_edu(struct demo *demo)
{
    int error = edu_open(&demo->edu, 0);

    if (error == ERR_NOT_FOUND)
        return 0;
    if (error)
        return error;
    error = edu_attach(&demo->edu, demo->domain);
    demo->has_edu = !error;
    if (error) {
        int closed = edu_close(&demo->edu);

        return error == ERR_UNSUPPORTED ? closed : error;
    }
    error = edu_check_mask(&demo->edu, demo->domain);
    return error == ERR_UNSUPPORTED ? close_edu(demo) : error;
}

/* A unit keeps the table that it makes when a bus sees its first device attached. Attaching each device once
 * before memory is counted keeps that out of the sums. */
static int attach_once(struct iommu_domain *domain, const struct pci_function *function)
{
    int error;

    if (!function)
        return 0;
    error = iommu_attach(domain, function->address, IOMMU_NO_PASID);
    if (error == ERR_UNSUPPORTED)
        return 0; /* it had one before */
    return error ? error : iommu_detach(domain, function->address, IOMMU_NO_PASID);
}

static int make_tables(void)
{
    int error, destroyed;
    struct iommu_domain *domain = iommu_domain_create("demo", &error);

    if (!domain)
        return error;
    error = attach_once(domain, pci_find_class(PCI_CLASS_NVME, 0));
    if (!error)
        error = attach_once(domain, pci_find_id(EDU_VENDOR, EDU_DEVICE, 0));
    destroyed = iommu_domain_destroy(domain);
    return error ? error : destroyed;
}

static int make_domain(struct demo *demo)
{
    int error = 0;

    demo->domain = iommu_domain_create("demo", &error);
    return error;
}

/* A demo of dirty tracking has nothing to show without. */
static int start_tracking(const struct demo *demo)
{
    return iommu_domain_track(demo->domain,
                              &(struct iommu_track){.how = IOMMU_TRACKING_DIRTY_BITS, .level = 2});
}

static void describe(const struct demo *demo)
{
    struct iommu_domain_info info;

    iommu_domain_info(demo->domain, &info);
    printf("demo: domain %u, %s tables with %u levels; tracked: 1 GiB at IOVA %#llx, 4 KiB leaves\n", info.id,
           info.format, info.levels, DEMO_IOVA);
    if (demo->pool.block_count < DEMO_BYTES / DEMO_BLOCK_BYTES)
        printf("demo: %u MiB of memory stand behind it, each page at several IOVAs; what is tracked is the "
               "IOVA\n",
               demo->pool.block_count * 2);
    printf("demo: NVMe " PCI_FORMAT " %s, serial %s, %" PRIu64 " MiB, %u pages a read\n",
           PCI_ARGS(demo->nvme.controller.function), demo->nvme.controller.model,
           demo->nvme.controller.serial, demo->nvme.pages >> 8, demo->nvme.read_pages);
    if (demo->has_edu)
        printf("demo: edu " PCI_FORMAT " writes too\n", PCI_ARGS(demo->edu.function));
    else
        printf("demo: no edu that reaches the range: NVMe alone writes\n");
    if (!demo->neighbours.nvme)
        printf("demo: the NVMe controller gives one queue only: no probes of remapped pages\n");
    printf("demo: CPU 0 writes, CPU %u harvests, CPU %u maps and unmaps neighbours; seed %" PRIu64 "\n",
           demo->harvester.cpu, demo->neighbours.cpu, demo->seed);
}

int demo_setup(struct demo *demo)
{
    int error;

    demo_pool_init(&demo->pool);
    error = make_tables();
    if (error)
        return error;
    demo_snapshot(&demo->outcome.before);
    error = make_domain(demo);
    if (error)
        return error;
    error = start_tracking(demo);
    if (!error)
        error = ledger_init(&demo->ledger, DEMO_PAGES);
    if (!error)
        error = demo_harvester_init(&demo->harvester, role_cpu(1), demo->domain, &demo->ledger);
    if (!error)
        error = open_edu(demo);
    if (!error)
        error = open_nvme(demo);
    if (!error)
        error = demo_neighbours_init(&demo->neighbours, role_cpu(2), demo->domain, &demo->nvme, ~demo->seed);
    if (!error)
        error = demo_pool_map(&demo->pool, demo->domain);
    if (error) {
        if (demo_teardown(demo))
            log_warn("demo: not taken down cleanly after it failed to start");
        return error;
    }
    demo_writer_init(&demo->writer, &demo->nvme, demo->has_edu ? &demo->edu : NULL, &demo->ledger,
                     demo->seed);
    describe(demo);
    return 0;
}

static void keep_first(int *first, int error)
{
    if (!*first)
        *first = error;
}

int demo_teardown(struct demo *demo)
{
    struct iommu_domain_info info;
    int first = close_edu(demo);

    if (demo->has_nvme)
        keep_first(&first, nvme_close(&demo->nvme));
    keep_first(&first, demo_neighbours_destroy(&demo->neighbours));
    keep_first(&first, demo_pool_unmap(&demo->pool, demo->domain));
    demo_harvester_destroy(&demo->harvester);
    ledger_destroy(&demo->ledger);
    demo_snapshot(&demo->outcome.settled);
    iommu_domain_info(demo->domain, &info);
    demo->outcome.tables_freed = info.tables_freed;
    demo->outcome.quarantined = info.quarantined;
    keep_first(&first, iommu_domain_destroy(demo->domain));
    demo_snapshot(&demo->outcome.after);
    return first;
}
