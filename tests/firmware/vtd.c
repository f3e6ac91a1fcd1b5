/* SPDX-License-Identifier: BSD-2-Clause */
/* One unit, left on (VT-d specification, chapters 3, 6, 9 and 11). The headers of the driver say where its
 * registers are and which bits they have; all else is its own. */
#include "iommu/vtd/descriptor.h"
#include "iommu/vtd/regs.h"
#include "tests/firmware/firmware.h"

#define GIB          (1ull << 30)
#define ENTRIES      512u
#define PRESENT      1ull
#define SECOND_ALL   3ull /* R, W (9.8) */
#define SECOND_LARGE (1ull << 7)
#define FIRST_ALL    0x67ull /* P, R/W, U/S, A, D (9.7) */
#define FIRST_LARGE  (1ull << 7)
#define FOUND_ID     1ull
#define TRIES        1000u

static volatile uint8_t *registers;

static uint32_t read32(struct vtd_reg32 reg)
{
    return *(volatile uint32_t *)(volatile void *)(registers + reg.offset);
}

static uint64_t read64(struct vtd_reg64 reg)
{
    return *(volatile uint64_t *)(volatile void *)(registers + reg.offset);
}

static void write32(struct vtd_reg32 reg, uint32_t value)
{
    *(volatile uint32_t *)(volatile void *)(registers + reg.offset) = value;
}

static void write64(struct vtd_reg64 reg, uint64_t value)
{
    *(volatile uint64_t *)(volatile void *)(registers + reg.offset) = value;
}

static void command(uint32_t bit)
{
    write32(VTD_GCMD, (read32(VTD_GSTS) & ~VTD_GCMD_ONE_SHOT) | bit);
    for (unsigned i = 0; i < TRIES; i++) {
        if (read32(VTD_GSTS) & bit)
            return;
        BS->Stall(10);
    }
    give_up(L"a command is not carried out");
}

static uint64_t *take_table(void)
{
    return take_pages(EfiReservedMemoryType, 1);
}

/* 512 GiB to themselves, by leaves of 1 GiB; the table of the level above that, or its only one. */
static uint64_t map_all(bool scalable, bool top)
{
    uint64_t *leaves = take_table();
    uint64_t *root = take_table();

    for (uint64_t i = 0; i < ENTRIES; i++)
        leaves[i] = i * GIB | (scalable ? FIRST_ALL | FIRST_LARGE : SECOND_ALL | SECOND_LARGE);
    root[0] = (uint64_t)leaves | (scalable ? FIRST_ALL : SECOND_ALL);
    return (uint64_t)(top ? root : leaves);
}

/* 9.1, 9.3: every bus goes to one table, all of whose devices go to one tree. */
static uint64_t legacy_root(void)
{
    bool four_levels = read64(VTD_CAP) & 1ull << 10; /* SAGAW */
    uint64_t tree = map_all(false, four_levels);
    uint64_t *root = take_table();
    uint64_t *contexts = take_table();

    for (unsigned i = 0; i < 256; i++) {
        contexts[2 * i] = tree | PRESENT;
        contexts[2 * i + 1] = FOUND_ID << 8 | (four_levels ? 2 : 1);
        root[2 * i] = (uint64_t)contexts | PRESENT;
    }
    return (uint64_t)root | VTD_RTADDR_TTM_LEGACY;
}

/* 9.2, 9.4 to 9.6 */
static uint64_t scalable_root(void)
{
    uint64_t *root = take_table();
    uint64_t *contexts = take_table();
    uint64_t *directory = take_table();
    uint64_t *pasids = take_table();

    pasids[1] = FOUND_ID;
    pasids[2] = map_all(true, true);
    pasids[0] = 1ull << 6 | 2ull << 2 | PRESENT; /* PGTT: first stage; AW, which QEMU looks at all the same */
    directory[0] = (uint64_t)pasids | PRESENT;
    for (unsigned i = 0; i < 128; i++)
        contexts[4 * i] = (uint64_t)directory | PRESENT;
    for (unsigned i = 0; i < ENTRIES; i++)
        root[i] = (uint64_t)contexts | PRESENT;
    return (uint64_t)root | VTD_RTADDR_TTM_SCALABLE;
}

static void submit(const struct vtd_descriptor *descriptors, unsigned count, bool wide)
{
    unsigned words = wide ? 4 : 2;
    uint64_t *ring = (uint64_t *)(read64(VTD_IQA) & VTD_PAGE_ADDRESS);
    uint64_t tail = read64(VTD_IQT);

    for (unsigned n = 0; n < count; n++, tail += words * 8)
        for (unsigned i = 0; i < words; i++)
            ring[tail / 8 + i] = descriptors[n].word[i];
    __asm__ volatile("wbinvd" ::: "memory"); /* tables too: the unit may not snoop */
    write64(VTD_IQT, tail);
}

static void start_queue(bool wide)
{
    write64(VTD_IQT, 0);
    write64(VTD_IQA, (uint64_t)take_table() | (wide ? VTD_IQA_DW_256 : 0));
    command(VTD_GCMD_QIE);
}

static void translate(bool scalable)
{
    const struct vtd_descriptor all[] = {
        vtd_descriptor_context_global(),
        scalable ? vtd_descriptor_pasid_cache_global() : vtd_descriptor_context_global(),
        vtd_descriptor_iotlb_global(),
    };

    write64(VTD_RTADDR, scalable ? scalable_root() : legacy_root());
    __asm__ volatile("wbinvd" ::: "memory");
    command(VTD_GCMD_SRTP);
    submit(all, sizeof all / sizeof *all, scalable);
    command(VTD_GCMD_TE);
}

static void remap_interrupts(bool wide)
{
    const struct vtd_descriptor all = vtd_descriptor_interrupt_global();

    write64(VTD_IRTA, (uint64_t)take_table() | VTD_IRTA_S(7));
    __asm__ volatile("wbinvd" ::: "memory");
    command(VTD_GCMD_SIRTP);
    submit(&all, 1, wide);
    command(VTD_GCMD_IRE);
}

/* The last that is left in the queue is no wait, and the event of its waits is not masked. */
void vtd_leave_on(volatile uint8_t *unit, const struct wishes *wishes)
{
    registers = unit;
    if (wishes->queue || wishes->legacy || wishes->scalable || wishes->interrupts)
        start_queue(wishes->scalable);
    if (wishes->legacy || wishes->scalable)
        translate(wishes->scalable);
    if (wishes->interrupts)
        remap_interrupts(wishes->scalable);
    if (wishes->queue) {
        const struct vtd_descriptor last = vtd_descriptor_iotlb_global();

        submit(&last, 1, wishes->scalable);
        write32(VTD_IECTL, 0);
    }
    say("GSTS %x", read32(VTD_GSTS));
}
