/* SPDX-License-Identifier: BSD-2-Clause */
/* A group moves as one: on a made-up machine, and hardware that only takes notes. */
#include "iommu/domain.h"
#include "lib/error.h"
#include "lib/pci.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/host/fake_pci.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <pthread.h>
#include <string.h>

#define TO_PCI 7
#define ROUNDS 3000

/* Two devices behind a bridge to PCI, with its id; and one that is alone. */
static const struct pci_address first = {0, 2, 1 << 3};
static const struct pci_address second = {0, 2, 2 << 3};
static const struct pci_address alias = {0, 2, 0};
static const struct pci_address lone = {0, 0, 2 << 3};

/* Which domain each id of bus 2, and of bus 0 above it, is in. */
static struct iommu_domain *owner[512];
static struct iommu_domain *one, *other;
static unsigned wrong; /* calls that the hardware must not get (atomic) */
static struct pci_address refused, failing;
static int failure;
static void (*during)(void);

static struct iommu_domain **owner_of(struct pci_address id)
{
    return &owner[(id.bus ? 256 : 0) + id.devfn];
}

static int fake_init(struct iommu_domain *domain)
{
    domain->pt_ops = &pt_x86_64;
    return pt_init(&domain->pt, 4, 7, 47, 0);
}

static void fake_destroy(struct iommu_domain *domain)
{
    pt_destroy(&domain->pt);
}

static int fake_check(struct iommu_domain *domain, struct pci_address id, uint32_t pasid)
{
    (void)domain;
    (void)pasid;
    return pci_address_equal(id, refused) ? ERR_UNSUPPORTED : 0;
}

static int fake_attach(struct iommu_domain *domain, struct pci_address id, uint32_t pasid)
{
    struct iommu_domain *none = NULL;

    (void)pasid;
    if (pci_address_equal(id, failing))
        return failure;
    if (!atomic_compare_exchange(owner_of(id), &none, domain))
        atomic_fetch_add(&wrong, 1u);
    if (during)
        during();
    return 0;
}

static int fake_detach(struct iommu_domain *domain, struct pci_address id, uint32_t pasid)
{
    struct iommu_domain *expected = domain;

    (void)pasid;
    if (!atomic_compare_exchange(owner_of(id), &expected, NULL))
        atomic_fetch_add(&wrong, 1u);
    if (during)
        during();
    return pci_address_equal(id, failing) ? failure : 0;
}

static int fake_invalidate(struct iommu_domain *domain, const struct gather *gather)
{
    (void)domain;
    (void)gather;
    return 0;
}

static const struct iommu_domain_ops ops = {
    .init = fake_init,
    .destroy = fake_destroy,
    .check = fake_check,
    .attach = fake_attach,
    .detach = fake_detach,
    .invalidate = fake_invalidate,
};

static int begin(void **state)
{
    int error;

    (void)state;
    fake_pci_install();
    fake_pci_make_express(fake_pci_add_bridge(0, 1, 2, 2), TO_PCI);
    fake_pci_add(2, 1, 0, 1);
    fake_pci_add(2, 2, 0, 1);
    fake_pci_add(0, 2, 0, 1);
    assert_int_equal(pci_scan((const uint16_t[]){0}, 1), 0);
    memset(owner, 0, sizeof owner);
    wrong = 0;
    refused = failing = (struct pci_address){9, 0, 0};
    failure = ERR_TIMEOUT;
    during = NULL;
    host_log_clear();
    one = iommu_domain_create_with(&ops, "one", &error);
    other = iommu_domain_create_with(&ops, "other", &error);
    return !one || !other;
}

/* The end of each test: nothing is attached, and the hardware was asked for nothing odd. */
static void expect_nothing_left(void)
{
    assert_int_equal(wrong, 0);
    for (unsigned i = 0; i < ARRAY_SIZE(owner); i++)
        assert_null(owner[i]);
}

/* Also after a test that ended in the middle. */
static int end(void **state)
{
    const struct pci_address devices[] = {first, second, lone};

    (void)state;
    failing = refused;
    for (unsigned i = 0; i < ARRAY_SIZE(devices); i++)
        if (iommu_detach(one, devices[i], IOMMU_NO_PASID))
            (void)!iommu_detach(other, devices[i], IOMMU_NO_PASID);
    return iommu_domain_destroy(one) || iommu_domain_destroy(other);
}

static void all_ids_are_attached_and_taken_back(void **state)
{
    (void)state;
    assert_int_equal(iommu_attach(one, first, IOMMU_NO_PASID), 0);
    assert_ptr_equal(*owner_of(first), one);
    assert_ptr_equal(*owner_of(second), one);
    assert_ptr_equal(*owner_of(alias), one);
    assert_null(*owner_of(lone));
    assert_int_equal(iommu_domain_destroy(one), ERR_BUSY);
    assert_int_equal(iommu_detach(one, second, IOMMU_NO_PASID), 0); /* not the one that was named before */
    assert_null(*owner_of(first));
    assert_int_equal(iommu_detach(one, first, IOMMU_NO_PASID), ERR_NOT_FOUND);
    expect_nothing_left();
}

static void a_member_that_came_along_is_there(void **state)
{
    (void)state;
    assert_int_equal(iommu_attach(one, first, IOMMU_NO_PASID), 0);
    host_log_clear();
    assert_int_equal(iommu_attach(one, second, IOMMU_NO_PASID), ERR_BUSY);
    assert_int_equal(iommu_attach(one, alias, IOMMU_NO_PASID), ERR_BUSY);
    assert_string_equal(host_log(), "");
    assert_int_equal(iommu_detach(other, second, IOMMU_NO_PASID), ERR_NOT_FOUND);
    assert_int_equal(iommu_detach(one, first, IOMMU_NO_PASID), 0);
    expect_nothing_left();
}

static void a_group_is_not_split_and_the_log_says_why(void **state)
{
    (void)state;
    assert_int_equal(iommu_attach(one, first, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_attach(other, second, IOMMU_NO_PASID), ERR_BUSY);
    assert_non_null(strstr(host_log(), "0000:02:02.0 cannot go to domain other alone: its group, "
                                       "of 3 ids with 0000:02:01.0, is in domain one, and is one since "
                                       "0000:00:01.0 is a bridge to PCI"));
    assert_int_equal(iommu_attach(other, lone, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_detach(one, first, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_attach(other, second, IOMMU_NO_PASID), 0);
    assert_ptr_equal(*owner_of(first), other);
    assert_int_equal(iommu_detach(other, second, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_detach(other, lone, IOMMU_NO_PASID), 0);
    expect_nothing_left();
}

static void only_who_is_alone_has_pasids(void **state)
{
    (void)state;
    assert_int_equal(iommu_attach(one, first, 5), ERR_UNSUPPORTED);
    assert_non_null(strstr(host_log(), "0000:02:01.0 cannot be in a domain by a PASID: it shares its group "
                                       "with 0000:02:02.0, since 0000:00:01.0 is a bridge to PCI"));
    assert_int_equal(iommu_attach(one, lone, 5), 0);
    assert_int_equal(iommu_detach(one, lone, 5), 0);
    expect_nothing_left();
}

static void a_member_that_cannot_be_attached_keeps_all_out(void **state)
{
    (void)state;
    refused = second;
    assert_int_equal(iommu_attach(one, first, IOMMU_NO_PASID), ERR_UNSUPPORTED);
    assert_null(*owner_of(first));
    assert_non_null(strstr(host_log(), "0000:02:01.0 cannot be in domain one without 0000:02:02.0, since "
                                       "0000:00:01.0 is a bridge to PCI"));
    refused = lone;
    assert_int_equal(iommu_attach(one, first, IOMMU_NO_PASID), 0);
    assert_int_equal(iommu_detach(one, first, IOMMU_NO_PASID), 0);
    expect_nothing_left();
}

static void what_fails_half_way_is_undone(void **state)
{
    (void)state;
    failing = alias; /* the last */
    failure = ERR_NOMEM;
    assert_int_equal(iommu_attach(one, first, IOMMU_NO_PASID), ERR_NOMEM);
    assert_null(*owner_of(first));
    assert_null(*owner_of(second));
    failing = lone;
    assert_int_equal(iommu_attach(other, second, IOMMU_NO_PASID), 0);
    failing = second;
    failure = ERR_TIMEOUT;
    assert_int_equal(iommu_detach(other, second, IOMMU_NO_PASID), ERR_TIMEOUT); /* and tries all of them */
    expect_nothing_left();
}

static int seen[2];

static void come_meanwhile(void)
{
    during = NULL;
    seen[0] = iommu_attach(other, second, IOMMU_NO_PASID);
    seen[1] = iommu_detach(one, second, IOMMU_NO_PASID);
    assert_int_equal(iommu_domain_destroy(one), ERR_BUSY);
}

static void who_comes_while_the_group_moves_is_turned_away(void **state)
{
    (void)state;
    during = come_meanwhile;
    assert_int_equal(iommu_attach(one, first, IOMMU_NO_PASID), 0);
    assert_int_equal(seen[0], ERR_BUSY);
    assert_int_equal(seen[1], ERR_BUSY);
    during = come_meanwhile;
    assert_int_equal(iommu_detach(one, first, IOMMU_NO_PASID), 0);
    assert_int_equal(seen[0], ERR_BUSY);
    assert_int_equal(seen[1], ERR_BUSY);
    expect_nothing_left();
}

struct mover {
    struct iommu_domain *domain;
    struct pci_address device;
    unsigned moved;
};

static void *move(void *argument)
{
    struct mover *mover = argument;

    for (unsigned i = 0; i < ROUNDS; i++) {
        if (iommu_attach(mover->domain, mover->device, IOMMU_NO_PASID))
            continue;
        mover->moved++;
        if (iommu_detach(mover->domain, mover->device, IOMMU_NO_PASID))
            atomic_fetch_add(&wrong, 1u);
    }
    return NULL;
}

static void members_that_two_cpus_attach_do_not_part(void **state)
{
    struct mover movers[2] = {{one, first, 0}, {other, second, 0}};
    pthread_t threads[2];

    (void)state;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, move, &movers[i]), 0);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_true(movers[0].moved && movers[1].moved);
    expect_nothing_left();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_ids_are_attached_and_taken_back, begin, end),
        cmocka_unit_test_setup_teardown(a_member_that_came_along_is_there, begin, end),
        cmocka_unit_test_setup_teardown(a_group_is_not_split_and_the_log_says_why, begin, end),
        cmocka_unit_test_setup_teardown(only_who_is_alone_has_pasids, begin, end),
        cmocka_unit_test_setup_teardown(a_member_that_cannot_be_attached_keeps_all_out, begin, end),
        cmocka_unit_test_setup_teardown(what_fails_half_way_is_undone, begin, end),
        cmocka_unit_test_setup_teardown(who_comes_while_the_group_moves_is_turned_away, begin, end),
        cmocka_unit_test_setup_teardown(members_that_two_cpus_attach_do_not_part, begin, end),
    };

    host_memory_init(64 * MIB);
    rcu_cpu_online();
    return cmocka_run_group_tests_name("group_attach", tests, NULL, NULL);
}
