/* SPDX-License-Identifier: BSD-2-Clause */
/* Fault handlers of domains beside whoever takes away what they use: the handler itself, the device, the
 * domain. */
#include "iommu/domain.h"
#include "lib/atomic.h"
#include "lib/event_queue.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/model/request.h"
#include "tests/model/scenario_driver.h"

#define PAGES  4
#define IOVA   0x40000000ull
#define REASON 0x71

/* What a handler's context points to. */
struct owner {
    bool gone; /* nobody may look at it any more */
    uint64_t domain_number;
    unsigned calls;
};

static const struct pci_address address = {0, 2, 0x08};
static unsigned faults; /* that the device raises */
static bool raised;
static struct iommu_domain *domains[2];
static struct owner owners[8];

static void handle(void *context, const struct iommu_fault *fault)
{
    struct owner *owner = context;

    expect_equal(fault->domain_number, owner->domain_number);
    owner->calls++;
    /* It may take long, and who wants to take something away is waiting or must wait. */
    for (unsigned looks = 1 + rig_choose(300); looks--;)
        expect(!atomic_read(&owner->gone));
}

static void raise_faults(void *context)
{
    const struct request request = {.source_id = pci_source_id(address), .iova = IOVA, .write = true};

    (void)context;
    for (unsigned i = 0; i < faults; i++) {
        for (unsigned pause = rig_choose(60); pause--;)
            schedule_point(POINT_HARDWARE, NULL);
        unit_fault(machine_unit(0), &request, REASON);
    }
    atomic_write(&raised, true);
}

/* A CPU that has nothing else to do. */
static void run_events(void *context)
{
    bool last;

    (void)context;
    do {
        last = atomic_read(&raised);
        (void)iommu_fault_count();
        while (event_queue_run())
            ;
        rcu_quiescent();
        platform_relax();
    } while (!last);
}

static struct iommu_domain *make_domain(const char *name)
{
    int error;
    struct iommu_domain *domain = iommu_domain_create(name, &error);

    expect_equal(error, 0);
    return domain;
}

/* Gives the domain that the device is in a handler whose context is the n-th owner. */
static void own(struct iommu_domain *domain, unsigned n)
{
    owners[n].gone = false;
    owners[n].domain_number = domain->number;
    expect_equal(iommu_domain_set_fault_handler(domain, handle, &owners[n]), 0);
}

static void disown(struct iommu_domain *domain, unsigned n)
{
    expect_equal(iommu_domain_set_fault_handler(domain, NULL, NULL), 0);
    atomic_write(&owners[n].gone, true);
}

static void start(void (*owner_main)(void *context))
{
    const struct unit_config *config = unit_configs_first_stage[rig_choose(3)];

    rig_start(&config, 1, IOVA, PAGES);
    faults = 8;
    domains[0] = make_domain("first");
    domains[1] = make_domain("second");
    expect_equal(iommu_attach(domains[0], address, IOMMU_NO_PASID), 0);
    rig_start_cpu(1, "events", run_events, NULL);
    rig_start_cpu(2, "owner", owner_main, NULL);
    (void)agent_start(AGENT_DEVICE, 0, "device", raise_faults, NULL);
}

static void end(void)
{
    rig_run();
    for (unsigned i = 0; i < 2; i++)
        if (domains[i])
            expect_equal(iommu_domain_destroy(domains[i]), 0);
    rig_finish();
}

static void replace_handlers(void *context)
{
    (void)context;
    for (unsigned n = 0; n < 4; n++) {
        own(domains[0], n);
        if (n > 0)
            atomic_write(&owners[n - 1].gone, true);
        rcu_quiescent();
    }
    disown(domains[0], 3);
    expect_equal(iommu_detach(domains[0], address, IOMMU_NO_PASID), 0);
}

SCENARIO(fault_handler_x_clear, .kind = SCENARIO_RANDOM,
         .what = "a domain's fault handler is replaced and taken away while it is called: what its context "
                 "points to may go when that returns")
{
    start(replace_handlers);
    end();
}

static void move_device(void *context)
{
    (void)context;
    own(domains[0], 0);
    own(domains[1], 1);
    for (unsigned i = 0; i < 4; i++) {
        expect_equal(iommu_detach(domains[i % 2], address, IOMMU_NO_PASID), 0);
        expect_equal(iommu_attach(domains[(i + 1) % 2], address, IOMMU_NO_PASID), 0);
        rcu_quiescent();
    }
    expect_equal(iommu_detach(domains[0], address, IOMMU_NO_PASID), 0);
    disown(domains[0], 0);
    disown(domains[1], 1);
}

SCENARIO(fault_handler_x_move, .kind = SCENARIO_RANDOM,
         .what =
             "a device that faults goes from one domain to another and back: each handler gets only faults "
             "from its own domain")
{
    start(move_device);
    end();
}

static void destroy_domain(void *context)
{
    (void)context;
    for (unsigned i = 0; i < 2; i++) {
        own(domains[i], i);
        if (i)
            expect_equal(iommu_attach(domains[i], address, IOMMU_NO_PASID), 0);
        rcu_quiescent();
        expect_equal(iommu_detach(domains[i], address, IOMMU_NO_PASID), 0);
        expect_equal(iommu_domain_destroy(domains[i]), 0);
        domains[i] = NULL;
        atomic_write(&owners[i].gone, true);
    }
}

SCENARIO(fault_handler_x_destroy, .kind = SCENARIO_RANDOM,
         .what = "a domain is destroyed while its fault handler is called: it is over when that returns")
{
    start(destroy_domain);
    end();
}
