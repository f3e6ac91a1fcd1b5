/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine of the tests of ATS. */
#include "tests/host/ats_machine.h"
#include "iommu/vtd/regs.h"
#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/pci.h"
#include "lib/pci_ats.h"
#include "lib/rcu.h"
#include "lib/units.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <string.h>

#define ATS          0x120u
#define ACS_FUNCTION 0x4c /* what an endpoint may have */
#define ACS_PORT     0x7f /* all that there is */

struct fake_vtd ats_unit;
static uint64_t dma; /* 2 MiB that devices may reach */
static uint64_t now_ns;

const struct pci_address ats_integrated = {0, 0, 3 << 3};
const struct pci_address ats_port = {0, 1, 0}, ats_port_other = {0, 1, 1};
const struct pci_address ats_switch = {0, 5, 0};
const struct pci_address ats_bridge = {0, 2, 1 << 3};
const struct pci_address ats_without = {0, 0, 4 << 3};
const struct pci_address ats_missing = {0, 9, 0};
struct pci_address ats_trusted[ATS_DEVICES];
static unsigned trusted_count;

static void wait_long(void)
{
    now_ns += 5 * NS_PER_MS;
    host_set_time_ns(now_ns);
}

/* --- the machine --- */

void ats_give(struct fake_function *function)
{
    uint32_t first = fake_pci_get32(function, FAKE_ACS);

    fake_pci_put32(function, FAKE_ACS, (first ? first : 0x0001000b) | ATS << 20);
    fake_pci_put32(function, ATS, 0x0001000f);
    fake_pci_put32(function, ATS + 4, ATS_DEPTH | 1u << 5);
}

static struct fake_function *add_endpoint(struct pci_address at, unsigned type, bool ats)
{
    struct fake_function *function = fake_pci_add(at.bus, at.devfn >> 3, at.devfn & 7, 0x1000);

    fake_pci_make_express(function, type);
    fake_pci_make_acs(function, ACS_FUNCTION);
    fake_pci_put32(function, PCI_COMMAND, fake_pci_get32(function, PCI_COMMAND) | PCI_COMMAND_MASTER);
    if (ats)
        ats_give(function);
    if (trusted_count < ARRAY_SIZE(ats_trusted))
        ats_trusted[trusted_count++] = at;
    return function;
}

/* With ACS, so that each device has a group of its own. */
static void add_port(uint8_t bus, unsigned device, uint8_t secondary, uint8_t subordinate, unsigned type)
{
    struct fake_function *port = fake_pci_add_bridge(bus, device, secondary, subordinate);

    fake_pci_make_express(port, type);
    fake_pci_make_acs(port, ACS_PORT);
}

static void make_functions(void)
{
    static const uint16_t segments[] = {0};

    fake_pci_install();
    trusted_count = 0;
    add_endpoint(ats_integrated, 9, true);
    add_endpoint(ats_without, 9, false);
    add_port(0, 28, 1, 1, 4);
    add_endpoint(ats_port, 0, true);
    fake_pci_find(ats_port)->space[PCI_HEADER_TYPE] = 0x80;
    add_endpoint(ats_port_other, 0, true);
    fake_pci_add_bridge(0, 30, 2, 2);
    add_endpoint(ats_bridge, 0, true);
    add_port(0, 29, 3, 5, 4);
    add_port(3, 0, 4, 5, 5);
    add_port(4, 0, 5, 5, 6);
    add_endpoint(ats_switch, 0, true);
    ats_trusted[trusted_count++] = ats_missing;
    assert_int_equal(pci_scan(segments, 1), 0);
}

/* A structure of 8 bytes, and perhaps a scope that names device 28 (a bridge) or 3 (an endpoint) of bus 0. */
static size_t put_structure(uint8_t *at, enum ats_platform platform)
{
    bool satc = platform >= SATC, scope = satc || platform == ONE_PORT;

    memset(at, 0, 16);
    at[0] = platform >= SIDP_REQUIRED ? DMAR_SIDP : satc ? DMAR_SATC : DMAR_ATSR;
    at[2] = scope ? 16 : 8;
    at[4] = platform == ALL_PORTS || platform == OTHER_SEGMENT || platform == SATC_REQUIRED;
    at[6] = platform == OTHER_SEGMENT;
    at[8] = satc ? DMAR_SCOPE_ENDPOINT : DMAR_SCOPE_BRIDGE;
    at[9] = 8;
    if (platform == SIDP_REQUIRED || platform == SIDP_REQUIRED_BESIDE_SATC)
        at[10] = 1 << 4;
    else if (platform == SIDP_NO_SNOOP)
        at[10] = 1 << 2;
    at[14] = satc ? 3 : 28;
    return at[2];
}

int ats_start_with(enum ats_platform platform, uint64_t ecap, const struct iommu_config *config)
{
    uint8_t table[256];
    size_t bytes;

    fake_vtd_install(&ats_unit, 1);
    ats_unit.ecap |= ecap;
    make_functions();
    host_log_clear();
    host_set_relax(wait_long);
    host_set_time_ns(++now_ns);
    bytes = fake_vtd_dmar(table, 1, "BOCHS ");
    if (platform == SIDP_BESIDE_SATC || platform == SIDP_REQUIRED_BESIDE_SATC)
        bytes += put_structure(table + bytes, platform == SIDP_BESIDE_SATC ? SATC_REQUIRED : SATC);
    if (platform == RESERVED)
        bytes =
            fake_vtd_add_reserved(table, bytes, ATS_RMRR, ATS_RMRR + PAGE_SIZE - 1, DMAR_SCOPE_ENDPOINT, 3);
    else if (platform != NO_ATSR)
        bytes += put_structure(table + bytes, platform);
    fake_vtd_seal(table, bytes);
    return iommu_init(table, bytes, config);
}

const struct iommu_config *ats_trusting(void)
{
    static struct iommu_config config;

    config = (struct iommu_config){.ats = ats_trusted, .ats_count = ARRAY_SIZE(ats_trusted)};
    for (unsigned i = 0; i < ARRAY_SIZE(ats_trusted); i++)
        ats_trusted[i] = ats_missing;
    return &config;
}

int ats_start(void **state)
{
    (void)state;
    return ats_start_with(ALL_PORTS, VTD_ECAP_DT, ats_trusting());
}

int ats_stop(void **state)
{
    (void)state;
    ats_unit.silent = NULL;
    ats_unit.refuses = NULL;
    ats_unit.on_done = NULL;
    host_set_relax(NULL);
    host_set_time_ns(0);
    iommu_shutdown();
    rcu_barrier();
    return ats_unit.broken_rules != 0;
}

struct iommu_domain *ats_create(const char *name)
{
    int error;
    struct iommu_domain *domain = iommu_domain_create(name, &error);

    assert_int_equal(error, 0);
    assert_int_equal(iommu_map(domain, ATS_IOVA, ATS_IOVA + MIB - 1, dma, PT_READ | PT_WRITE), 0);
    return domain;
}

void ats_attach(struct iommu_domain *domain, struct pci_address device)
{
    assert_int_equal(iommu_attach(domain, device, IOMMU_NO_PASID), 0);
}

void ats_leave(struct iommu_domain *domain, struct pci_address device)
{
    assert_int_equal(iommu_detach(domain, device, IOMMU_NO_PASID), 0);
    assert_false(pci_ats_is_on(device));
    assert_false(pci_bus_master_is_on(device));
}

void ats_end(struct iommu_domain *domain)
{
    assert_int_equal(domain->ats, 0);
    assert_int_equal(domain->units, 0);
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

int ats_unmap(struct iommu_domain *domain, unsigned first, unsigned pages)
{
    return iommu_unmap(domain, ATS_IOVA + first * PAGE_SIZE, ATS_IOVA + (first + pages) * PAGE_SIZE - 1,
                       NULL);
}

unsigned ats_log_lines(const char *text)
{
    unsigned count = 0;

    for (const char *at = host_log(); (at = strstr(at, text)); at++)
        count++;
    return count;
}

void ats_machine_init(void)
{
    host_memory_init(64 * MIB);
    rcu_cpu_online();
    dma = virt_to_phys(pages_alloc(9, PAGE_DMA));
}
