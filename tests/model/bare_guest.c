/* SPDX-License-Identifier: BSD-2-Clause */
/* Entering, leaving and flushing a guest, as docs/design.md has it under "Invalidating a guest's tree". */
#include "tests/model/bare_guest.h"
#include "lib/atomic.h"
#include "lib/error.h"
#include "lib/platform.h"
#include "tests/model/history.h"
#include "tests/model/schedule.h"
#include "tests/model/violation.h"

static const char *const names[MACHINE_CPUS] = {"vcpu of CPU 0", "vcpu of CPU 1", "vcpu of CPU 2",
                                                "vcpu of CPU 3"};

static struct guest_cpu *this_cpu(struct guest *guest)
{
    return &guest->cpus[platform_cpu_id()];
}

struct vcpu *guest_vcpu(struct guest *guest)
{
    return &this_cpu(guest)->vcpu;
}

void guest_make(struct guest *guest, enum vcpu_format format, uint64_t root, unsigned levels,
                bool accessed_dirty)
{
    for (unsigned i = 0; i < MACHINE_CPUS; i++)
        vcpu_make(&guest->cpus[i].vcpu, names[i], format, root, levels, accessed_dirty);
}

/* --- on the guest's CPUs --- */

static bool must_flush(const struct guest_cpu *cpu)
{
    return atomic_read(&cpu->wanted) != atomic_read(&cpu->flushed);
}

/* Does what was asked for; out of the guest. Read before the flush, so that a request that comes meanwhile
 * stays one. */
static void serve(struct guest_cpu *cpu)
{
    uint32_t wanted = atomic_read_acquire(&cpu->wanted);

    vcpu_flush(&cpu->vcpu);
    atomic_write_release(&cpu->flushed, wanted);
}

/* in_guest is set, and then the request is read: whoever makes a request does it the other way round, so that
 * one of both sees what the other did. */
static bool may_enter(struct guest *guest, struct guest_cpu *cpu)
{
    bool asked = guest->mistake == GUEST_TESTS_TOO_EARLY && must_flush(cpu);

    atomic_write(&cpu->in_guest, 1u);
    if (guest->mistake == GUEST_TESTS_TOO_EARLY)
        return !asked;
    if (guest->mistake != GUEST_ENTERS_WITHOUT_FENCE)
        atomic_fence_full(); /* in_guest before the test; partner: the fence in request() */
    return !must_flush(cpu);
}

void guest_enter(struct guest *guest)
{
    struct guest_cpu *cpu = this_cpu(guest);

    while (!rcu_extended_enter())
        rcu_hand_over();
    atomic_write(&cpu->kicked, 0u);
    while (!may_enter(guest, cpu)) {
        atomic_write_release(&cpu->in_guest, 0u);
        serve(cpu);
    }
    vcpu_enter(&cpu->vcpu);
}

/* The flush that is asked for from now on can wait for the next entry: whoever asks sees that the CPU is out.
 */
void guest_leave(struct guest *guest)
{
    struct guest_cpu *cpu = this_cpu(guest);

    vcpu_exit(&cpu->vcpu);
    atomic_write_release(&cpu->in_guest, 0u);
    rcu_extended_exit();
}

bool guest_is_kicked(struct guest *guest)
{
    /* An interrupt takes its time. */
    return atomic_read(&this_cpu(guest)->kicked) && !schedule_chance(3);
}

/* --- on those who change the tree --- */

/* Asks for a flush. True if the CPU is in the guest. */
static bool request(const struct guest *guest, struct guest_cpu *cpu, uint32_t *ticket)
{
    if (guest->mistake == GUEST_FORGETS_EARLIER_CPUS && !atomic_read(&cpu->in_guest))
        return false;
    if (guest->mistake == GUEST_REQUESTS_WITHOUT_FENCE) {
        *ticket = atomic_read(&cpu->wanted) + 1;
        atomic_write(&cpu->wanted, *ticket);
    } else {
        *ticket = atomic_fetch_add(&cpu->wanted, 1u) + 1;
        atomic_fence_full(); /* the request before the test; partner: the fence in may_enter() */
    }
    return atomic_read(&cpu->in_guest);
}

/* Until the CPU has flushed, or is out of the guest and so has to flush before it comes back. */
static void wait_for(struct guest_cpu *cpu, uint32_t ticket)
{
    while ((int32_t)(atomic_read_acquire(&cpu->flushed) - ticket) < 0 && atomic_read_acquire(&cpu->in_guest))
        platform_relax();
}

void guest_flush(struct guest *guest)
{
    uint32_t tickets[MACHINE_CPUS] = {0};
    bool in_guest[MACHINE_CPUS];

    if (guest->mistake == GUEST_FLUSHES_NOTHING)
        return;
    for (unsigned i = 0; i < MACHINE_CPUS; i++) {
        in_guest[i] = request(guest, &guest->cpus[i], &tickets[i]);
        if (!in_guest[i])
            continue;
        history("kicks CPU %lu, for flush %lu", i, tickets[i]);
        atomic_write(&guest->cpus[i].kicked, 1u);
    }
    if (guest->mistake == GUEST_WAITS_FOR_NOBODY)
        return;
    for (unsigned i = 0; i < MACHINE_CPUS; i++)
        if (in_guest[i])
            wait_for(&guest->cpus[i], tickets[i]);
}

/* --- the guest's tree as a domain --- */

#define LEAVES_4K_2M 3

static int domain_init(struct iommu_domain *domain)
{
    const struct guest *guest = CONTAINER_OF(domain->ops, struct guest, ops);
    domain->id = 1;
    domain->pt_ops = &pt_x86_64;
    domain->tracks_dirty = true;
    return pt_init(&domain->pt, guest->levels, LEAVES_4K_2M, PT_ENTRY_LG2(guest->levels), 0);
}

static void domain_destroy(struct iommu_domain *domain)
{
    pt_destroy(&domain->pt);
}

static int no_devices(struct iommu_domain *domain, struct pci_address device, uint32_t pasid)
{
    (void)domain;
    (void)device;
    (void)pasid;
    return ERR_UNSUPPORTED;
}

static int domain_invalidate(struct iommu_domain *domain, const struct gather *gather)
{
    struct guest *guest = CONTAINER_OF(domain->ops, struct guest, ops);

    if (guest->mistake == GUEST_FREES_BEFORE_FLUSH && gather_has_tables(gather))
        return 0;
    guest_flush(guest);
    return 0;
}

void guest_make_domain(struct guest *guest, unsigned levels)
{
    int error;

    guest->ops = (struct iommu_domain_ops){
        .flags = DOMAIN_FLAG_RCU_FREE_PAGES,
        .init = domain_init,
        .destroy = domain_destroy,
        .attach = no_devices,
        .detach = no_devices,
        .invalidate = domain_invalidate,
    };
    guest->levels = levels;
    guest->domain = iommu_domain_create_with(&guest->ops, "guest", &error);
    expect_equal(error, 0);
    guest_make(guest, VCPU_NESTED, virt_to_phys(guest->domain->pt.root), levels, true);
}
