/* SPDX-License-Identifier: BSD-2-Clause */
/* MSI and MSI-X capabilities of made-up functions: what is written where, in which order, and what is
 * refused. */
#include "arch/cpu/cpu.h"
#include "arch/cpu/interrupt.h"
#include "arch/platform/msi.h"
#include "arch/platform/pci.h"
#include "lib/error.h"
#include "lib/pci.h"
#include "tests/host/host.h"
#include "tests/host/unit.h"
#include <string.h>

/* It belongs to arch/, which is not in the library that tests link with. */
#include "arch/platform/msi.c"

#define CAPABILITY 0x50
#define ENTRIES    8
#define TABLE      0x100 /* in its BAR, which is BAR 2 */
#define BAR_BYTES  (TABLE + ENTRIES * ENTRY_BYTES)
#define VECTOR     0x51

static const struct pci_address device = {0, 3, 0x08};

static uint8_t space[256];     /* the device's configuration space, */
static uint8_t kind;           /* the capability that it has there, */
static uint8_t bar[BAR_BYTES]; /* and what is behind its BAR */
static uint64_t bar_bytes;
static struct pci_function bridge; /* above it; secondary bus 0: none */
static uint16_t bridge_type;       /* of PCI Express; 0xffff: conventional PCI */
static unsigned torn;              /* messages that changed while they could be sent */
static unsigned vectors;           /* that are taken */
static int alloc_result, free_result;
static struct iommu_interrupt_source source_seen;
static struct iommu_interrupt_target target_seen;

/* The bridge has nothing but the flags of its PCI Express capability. */
static uint32_t config_read32(void *context, struct pci_address function, unsigned offset)
{
    uint32_t value;

    (void)context;
    if (pci_address_equal(function, bridge.address))
        return (uint32_t)bridge_type << 20;
    assert_true(pci_address_equal(function, device));
    memcpy(&value, space + offset, 4);
    return value;
}

static void note_tear(unsigned offset)
{
    bool message = kind == CAPABILITY_MSI && offset >= CAPABILITY + MSI_ADDRESS;

    torn += message && space[CAPABILITY + MSI_CONTROL] & MSI_CONTROL_ENABLE;
}

static void config_write32(void *context, struct pci_address function, unsigned offset, uint32_t value)
{
    (void)context;
    assert_true(pci_address_equal(function, device));
    note_tear(offset);
    memcpy(space + offset, &value, 4);
}

static void config_write16(void *context, struct pci_address function, unsigned offset, uint16_t value)
{
    (void)context;
    assert_true(pci_address_equal(function, device));
    note_tear(offset);
    memcpy(space + offset, &value, 2);
}

unsigned pci_capability(struct pci_address function, uint8_t id)
{
    if (pci_address_equal(function, bridge.address))
        return id == PCI_CAPABILITY_EXPRESS && bridge_type != 0xffff ? CAPABILITY : 0;
    return id == kind ? CAPABILITY : 0;
}

const struct pci_function *pci_bridge_above(struct pci_address function)
{
    return bridge.secondary_bus && bridge.secondary_bus == function.bus ? &bridge : NULL;
}

int pci_bar_map(struct pci_address function, unsigned index, volatile void **registers, uint64_t *bytes)
{
    (void)function;
    if (index != 2)
        return ERR_NOT_FOUND;
    *registers = bar;
    *bytes = bar_bytes;
    return 0;
}

uint32_t cpu_apic_id(unsigned cpu)
{
    return 10 + cpu;
}

int interrupt_alloc(void (*handler)(void *context), void *context, uint8_t *vector)
{
    (void)handler;
    (void)context;
    vectors++;
    *vector = VECTOR;
    return 0;
}

void interrupt_free(uint8_t vector)
{
    assert_int_equal(vector, VECTOR);
    vectors--;
}

int iommu_interrupt_alloc(const struct iommu_interrupt_source *source,
                          const struct iommu_interrupt_target *target, struct iommu_interrupt *interrupt)
{
    source_seen = *source;
    target_seen = *target;
    *interrupt = (struct iommu_interrupt){.address = 0xfee000b8, .data = 0, .remapped = true};
    return alloc_result;
}

int iommu_interrupt_change(struct iommu_interrupt *interrupt, const struct iommu_interrupt_target *target)
{
    target_seen = *target;
    if (!interrupt->remapped)
        *interrupt = (struct iommu_interrupt){.address = 0xfee00000 | target->apic_id << 12, .data = VECTOR};
    return 0;
}

int iommu_interrupt_free(const struct iommu_interrupt *interrupt)
{
    (void)interrupt;
    return free_result;
}

static uint32_t read32(void *context, uint64_t address)
{
    uint32_t value;

    (void)context;
    memcpy(&value, (const void *)(uintptr_t)address, 4);
    return value;
}

static void write32(void *context, uint64_t address, uint32_t value)
{
    size_t offset = (size_t)(address - (uintptr_t)bar) - TABLE;
    bool enabled = space[CAPABILITY + MSI_CONTROL + 1] & MSIX_CONTROL_ENABLE >> 8;
    bool all_masked = space[CAPABILITY + MSI_CONTROL + 1] & MSIX_CONTROL_MASK >> 8;

    (void)context;
    assert_true(offset + 4 <= ENTRIES * ENTRY_BYTES);
    torn += offset % ENTRY_BYTES != ENTRY_CONTROL && enabled && !all_masked &&
            !(bar[TABLE + offset / ENTRY_BYTES * ENTRY_BYTES + ENTRY_CONTROL] & ENTRY_CONTROL_MASKED);
    memcpy((void *)(uintptr_t)address, &value, 4);
}

static int setup(void **state)
{
    static const struct host_mmio_ops ops = {.read32 = read32, .write32 = write32};
    static const struct host_pci_ops pci = {
        .read32 = config_read32, .write32 = config_write32, .write16 = config_write16};

    (void)state;
    host_set_mmio(&ops);
    host_set_pci(&pci);
    memset(space, 0, sizeof space);
    memset(bar, 0, sizeof bar);
    bar_bytes = BAR_BYTES;
    bridge = (struct pci_function){0};
    torn = 0;
    vectors = 0;
    alloc_result = 0;
    free_result = 0;
    return 0;
}

static void have_msi(uint16_t control_bits)
{
    kind = CAPABILITY_MSI;
    memcpy(space + CAPABILITY + MSI_CONTROL, &control_bits, 2);
}

static void have_msix(void)
{
    const uint32_t table = TABLE | 2;

    kind = CAPABILITY_MSI_X;
    space[CAPABILITY + MSI_CONTROL] = ENTRIES - 1;
    memcpy(space + CAPABILITY + MSIX_TABLE, &table, 4);
}

static uint32_t word(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, 4);
    return value;
}

static struct msi open_entry(unsigned entry)
{
    struct msi msi;

    assert_int_equal(msi_open(&msi, device, entry, 1, NULL, NULL), 0);
    assert_int_equal(torn, 0);
    return msi;
}

static void an_msi_of_64_bits_is_written_whole(void **state)
{
    struct msi msi;

    (void)state;
    have_msi(MSI_CONTROL_64BIT | MSI_CONTROL_ENABLE | MSI_CONTROL_MULTIPLE);
    memset(space + CAPABILITY + MSI_ADDRESS, 0xff, 10);
    msi = open_entry(0);
    assert_int_equal(word(space + CAPABILITY + MSI_ADDRESS), 0xfee000b8);
    assert_int_equal(word(space + CAPABILITY + MSI_ADDRESS_HIGH), 0);
    assert_int_equal(pci_read16(device, CAPABILITY + MSI_DATA_64BIT), 0);
    /* One message, whatever was enabled before. */
    assert_int_equal(pci_read16(device, CAPABILITY + MSI_CONTROL), MSI_CONTROL_64BIT | MSI_CONTROL_ENABLE);
    assert_int_equal(target_seen.apic_id, 11);
    assert_int_equal(target_seen.vector, VECTOR);
    assert_int_equal(msi_close(&msi), 0);
    assert_int_equal(pci_read16(device, CAPABILITY + MSI_CONTROL), MSI_CONTROL_64BIT);
    assert_int_equal(vectors, 0);
}

static void an_msi_of_32_bits_has_its_data_elsewhere(void **state)
{
    struct msi msi;

    (void)state;
    have_msi(0);
    msi = open_entry(0);
    msi_write(&msi, 0xfee01000, 0x77);
    assert_int_equal(torn, 0);
    assert_int_equal(word(space + CAPABILITY + MSI_ADDRESS), 0xfee01000);
    assert_int_equal(pci_read16(device, CAPABILITY + MSI_DATA_32BIT), 0x77);
    assert_int_equal(pci_read16(device, CAPABILITY + MSI_DATA_64BIT), 0);
}

static void an_msi_x_entry_is_written_and_the_others_stay_masked(void **state)
{
    struct msi msi, second;

    (void)state;
    have_msix();
    msi = open_entry(3);
    assert_int_equal(word(bar + TABLE + 3 * ENTRY_BYTES), 0xfee000b8);
    for (unsigned i = 0; i < ENTRIES; i++)
        assert_int_equal(word(bar + TABLE + i * ENTRY_BYTES + ENTRY_CONTROL), i != 3);
    assert_int_equal(pci_read16(device, CAPABILITY + MSI_CONTROL), MSIX_CONTROL_ENABLE | (ENTRIES - 1));
    /* A second one leaves the first one alone. */
    second = open_entry(ENTRIES - 1);
    assert_int_equal(word(bar + TABLE + 3 * ENTRY_BYTES + ENTRY_CONTROL), 0);
    assert_int_equal(msi_close(&msi), 0);
    assert_int_equal(word(bar + TABLE + 3 * ENTRY_BYTES + ENTRY_CONTROL), 1);
    assert_int_equal(msi_close(&second), 0);
}

static void what_is_not_there_is_refused(void **state)
{
    struct msi msi;

    (void)state;
    kind = 0;
    assert_int_equal(msi_open(&msi, device, 0, 0, NULL, NULL), ERR_UNSUPPORTED);
    have_msi(0);
    assert_int_equal(msi_open(&msi, device, 1, 0, NULL, NULL), ERR_RANGE);
    have_msix();
    assert_int_equal(msi_open(&msi, device, ENTRIES, 0, NULL, NULL), ERR_RANGE);
    bar_bytes -= 4;
    assert_int_equal(msi_open(&msi, device, ENTRIES - 1, 0, NULL, NULL), ERR_HARDWARE);
    space[CAPABILITY + MSIX_TABLE] = 1;
    assert_int_equal(msi_open(&msi, device, 0, 0, NULL, NULL), ERR_NOT_FOUND);
    assert_int_equal(vectors, 0);
    assert_int_equal(space[CAPABILITY + MSI_CONTROL + 1], 0);
}

static void without_an_entry_no_vector_stays_taken(void **state)
{
    struct msi msi;

    (void)state;
    have_msi(0);
    alloc_result = ERR_NOMEM;
    assert_int_equal(msi_open(&msi, device, 0, 0, NULL, NULL), ERR_NOMEM);
    assert_int_equal(vectors, 0);
    assert_int_equal(pci_read16(device, CAPABILITY + MSI_CONTROL), 0);
}

static void a_vector_that_may_come_still_is_not_given_back(void **state)
{
    struct msi msi;

    (void)state;
    have_msi(0);
    msi = open_entry(0);
    free_result = ERR_TIMEOUT;
    assert_int_equal(msi_close(&msi), ERR_TIMEOUT);
    assert_int_equal(vectors, 1);
}

static void a_message_that_names_the_cpu_is_written_anew_when_it_moves(void **state)
{
    struct msi msi;

    (void)state;
    have_msi(0);
    msi = open_entry(0);
    assert_int_equal(msi_move(&msi, 4), 0);
    assert_int_equal(target_seen.apic_id, 14);
    assert_int_equal(word(space + CAPABILITY + MSI_ADDRESS), 0xfee000b8);
    msi.interrupt.remapped = false;
    assert_int_equal(msi_move(&msi, 5), 0);
    assert_int_equal(word(space + CAPABILITY + MSI_ADDRESS), 0xfee0f000);
    assert_int_equal(pci_read16(device, CAPABILITY + MSI_DATA_32BIT), VECTOR);
    assert_int_equal(torn, 0);
}

static void bridges_make_other_ids_of_it(void **state)
{
    struct iommu_interrupt_source source;

    (void)state;
    source = msi_source(device);
    assert_int_equal(source.match, IOMMU_SOURCE_FUNCTION);
    bridge = (struct pci_function){.address = {0, 0, 0x30}, .secondary_bus = 3, .subordinate_bus = 5};
    bridge_type = 4; /* a root port passes ids on */
    source = msi_source(device);
    assert_int_equal(source.match, IOMMU_SOURCE_FUNCTION);
    assert_true(pci_address_equal(source.device, device));
    bridge_type = PCI_EXPRESS_TO_PCI;
    source = msi_source(device);
    assert_int_equal(source.match, IOMMU_SOURCE_BUSES);
    assert_int_equal(source.device.bus, 3);
    assert_int_equal(source.last_bus, 5);
    bridge_type = 0xffff;
    source = msi_source(device);
    assert_int_equal(source.match, IOMMU_SOURCE_FUNCTION);
    assert_true(pci_address_equal(source.device, bridge.address));
    have_msi(0);
    open_entry(0);
    assert_true(pci_address_equal(source_seen.device, bridge.address));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_msi_of_64_bits_is_written_whole, setup),
        cmocka_unit_test_setup(an_msi_of_32_bits_has_its_data_elsewhere, setup),
        cmocka_unit_test_setup(an_msi_x_entry_is_written_and_the_others_stay_masked, setup),
        cmocka_unit_test_setup(what_is_not_there_is_refused, setup),
        cmocka_unit_test_setup(without_an_entry_no_vector_stays_taken, setup),
        cmocka_unit_test_setup(a_vector_that_may_come_still_is_not_given_back, setup),
        cmocka_unit_test_setup(a_message_that_names_the_cpu_is_written_anew_when_it_moves, setup),
        cmocka_unit_test_setup(bridges_make_other_ids_of_it, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
