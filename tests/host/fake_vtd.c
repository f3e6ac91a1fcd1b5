/* SPDX-License-Identifier: BSD-2-Clause */
/* Remapping units as a register file. */
#include "tests/host/fake_vtd.h"
#include "iommu/vtd/regs.h"
#include "lib/units.h"
#include "tests/host/host.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define STRIDE   0x10000ull
#define FRO      0x220
#define SLOTS    256
#define SET_BITS (VTD_GCMD_SRTP | VTD_GCMD_SIRTP)
#define ONE_BIT  (VTD_GCMD_TE | VTD_GCMD_QIE | VTD_GCMD_IRE | VTD_GCMD_CFI | SET_BITS)

static struct fake_vtd *fakes;
static unsigned fake_count;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static struct fake_vtd *fake_at(uint64_t hpa, unsigned *offset)
{
    *offset = (unsigned)((hpa - FAKE_BASE) % STRIDE);
    return &fakes[(hpa - FAKE_BASE) / STRIDE % fake_count];
}

static void complete(struct fake_vtd *unit, const struct vtd_descriptor *wait)
{
    uint32_t *status = phys_to_virt(wait->word[1]);

    (void)unit;
    __atomic_store_n(status, (uint32_t)(wait->word[0] >> 32), __ATOMIC_RELEASE);
}

static void carry_out(struct fake_vtd *unit, const struct vtd_descriptor *descriptor)
{
    unsigned place = unit->logged % FAKE_LOG;

    unit->log[place] = *descriptor;
    unit->logged++;
    if (descriptor->word[0] == VTD_DESCRIPTOR_INTERRUPT)
        unit->interrupts_owed = false;
    if (unit->on_done)
        unit->on_done(descriptor);
    if (VTD_DESCRIPTOR_TYPE(*descriptor) != VTD_DESCRIPTOR_WAIT)
        return;
    if (unit->waits_held)
        unit->held[unit->held_count++] = place;
    else
        complete(unit, descriptor);
}

/* One descriptor; false when there is none, or the queue has stopped. */
static bool fetch(struct fake_vtd *unit)
{
    const struct vtd_descriptor *ring = phys_to_virt(unit->iqa & VTD_PAGE_ADDRESS);
    struct vtd_descriptor descriptor;

    if (unit->queue_dead || unit->gone || !(unit->gsts & VTD_GSTS_QIES) || unit->iqh == unit->iqt ||
        unit->fsts & (VTD_FSTS_IQE | VTD_FSTS_ITE))
        return false;
    descriptor = ring[unit->iqh / sizeof descriptor];
    if (VTD_DESCRIPTOR_TYPE(descriptor) == unit->refuse_type ||
        (unit->refuses && unit->refuses(&descriptor))) {
        if (VTD_DESCRIPTOR_TYPE(descriptor) == unit->refuse_type)
            unit->refuse_type = 0;
        unit->fsts |= VTD_FSTS_IQE;
        unit->iqercd = 3;
        return false;
    }
    unit->iqh = (unit->iqh + sizeof descriptor) % (SLOTS * sizeof descriptor);
    carry_out(unit, &descriptor);
    if (unit->time_out_in >= 0 && unit->time_out_in-- == 0) {
        unit->fsts |= VTD_FSTS_ITE;
        unit->iqercd = 0x0018ull << 32;
        unit->held_count = 0; /* 6.5.2.11: waits that were pending never complete */
        unit->waits_held = false;
        return false;
    }
    return true;
}

static void run_queue(struct fake_vtd *unit)
{
    if (!unit->queue_lazy)
        while (fetch(unit))
            ;
}

static uint32_t read_gsts(struct fake_vtd *unit)
{
    uint32_t now = unit->gsts;

    if (unit->pending_reads && --unit->pending_reads == 0)
        unit->gsts = unit->pending_gsts;
    return now;
}

/* 6.7: a table before remapping is on, nothing cached of an older one; and only on units that have it. */
static void check_interrupt_rules(struct fake_vtd *unit, uint32_t value, uint32_t changed)
{
    bool comes_on = changed & value & VTD_GCMD_IRE;

    if (changed & (VTD_GCMD_IRE | VTD_GCMD_SIRTP | VTD_GCMD_CFI) && !(unit->ecap & VTD_ECAP_IR))
        unit->broken_rules++;
    if (comes_on && (!(unit->gsts & VTD_GSTS_IRTPS) || unit->interrupts_owed))
        unit->broken_rules++;
    if (comes_on && unit->gsts & VTD_GSTS_CFIS)
        unit->broken_rules++;
}

/* 11.4.4.1: one bit at a time, and not before the last one shows. */
static void write_gcmd(struct fake_vtd *unit, uint32_t value)
{
    uint32_t changed = (value ^ unit->gsts) & ~(SET_BITS & ~value);
    uint32_t next = (unit->gsts & SET_BITS) | (value & ONE_BIT);

    if (unit->pending_reads || __builtin_popcount(changed) > 1)
        unit->broken_rules++;
    if (value & SET_BITS && changed & ~(value & SET_BITS))
        unit->broken_rules++;
    if (changed & VTD_GCMD_QIE && value & VTD_GCMD_QIE && unit->iqt != 0)
        unit->broken_rules++;
    if (changed & VTD_GCMD_QIE && !(value & VTD_GCMD_QIE) && unit->iqh != unit->iqt)
        unit->broken_rules++;
    if (changed & VTD_GCMD_TE && value & VTD_GCMD_TE && !(unit->gsts & VTD_GSTS_RTPS))
        unit->broken_rules++;
    check_interrupt_rules(unit, value, changed);
    if (unit->commands_dead)
        return;
    if (value & VTD_GCMD_SIRTP) {
        unit->interrupt_table = unit->irta;
        unit->interrupts_owed = !(unit->cap & VTD_CAP_ESIRTPS);
    }
    unit->pending_gsts = next;
    unit->pending_reads = unit->command_reads;
    if (!unit->pending_reads)
        unit->gsts = next;
    if (!(next & VTD_GCMD_QIE))
        unit->iqh = 0;
}

static void update_ppf(struct fake_vtd *unit)
{
    unit->fsts &= ~VTD_FSTS_PPF;
    for (unsigned i = 0; i < FAKE_FAULTS; i++)
        if (unit->frcd[i][1] & VTD_FRCD_F)
            unit->fsts |= VTD_FSTS_PPF;
}

static uint32_t read32(void *context, uint64_t hpa)
{
    unsigned offset;
    struct fake_vtd *unit = fake_at(hpa, &offset);
    uint32_t value = 0;

    (void)context;
    pthread_mutex_lock(&mutex);
    if (unit->gone)
        value = ~0u;
    else if (offset == VTD_VER.offset)
        value = unit->ver;
    else if (offset == VTD_GSTS.offset)
        value = read_gsts(unit);
    else if (offset == VTD_FSTS.offset)
        value = unit->fsts;
    else if (offset == VTD_PMEN.offset)
        value = unit->pmen;
    else
        unit->broken_rules++;
    pthread_mutex_unlock(&mutex);
    return value;
}

static uint64_t read64(void *context, uint64_t hpa)
{
    unsigned offset;
    struct fake_vtd *unit = fake_at(hpa, &offset);
    uint64_t value = 0;

    (void)context;
    pthread_mutex_lock(&mutex);
    if (unit->gone)
        value = ~0ull;
    else if (offset == VTD_CAP.offset)
        value = unit->cap;
    else if (offset == VTD_ECAP.offset)
        value = unit->ecap;
    else if (offset == VTD_IQH.offset)
        value = unit->iqh;
    else if (offset == VTD_IQT.offset)
        value = unit->iqt;
    else if (offset == VTD_IQERCD.offset)
        value = unit->iqercd;
    else if (offset >= FRO && offset < FRO + 16 * FAKE_FAULTS)
        value = unit->frcd[(offset - FRO) / 16][(offset - FRO) / 8 % 2];
    else
        unit->broken_rules++;
    pthread_mutex_unlock(&mutex);
    return value;
}

static void write32(void *context, uint64_t hpa, uint32_t value)
{
    unsigned offset;
    struct fake_vtd *unit = fake_at(hpa, &offset);

    (void)context;
    pthread_mutex_lock(&mutex);
    if (offset == VTD_GCMD.offset) {
        write_gcmd(unit, value);
    } else if (offset == VTD_FSTS.offset) {
        unit->fsts &= ~(value & (VTD_FSTS_PFO | VTD_FSTS_IQE | VTD_FSTS_ICE | VTD_FSTS_ITE));
        run_queue(unit);
    } else if (offset == VTD_FECTL.offset) {
        unit->fectl = value;
    } else if (offset == VTD_FEDATA.offset) {
        unit->fedata = value;
    } else if (offset == VTD_FEADDR.offset) {
        unit->feaddr = value;
    } else if (offset == VTD_FEUADDR.offset) {
        unit->feuaddr = value;
        unit->broken_rules += !(unit->ecap & VTD_ECAP_EIM);
    } else if (offset == VTD_PMEN.offset) {
        unit->pmen = value & VTD_PMEN_EPM ? value | VTD_PMEN_PRS : 0;
    } else {
        unit->broken_rules++;
    }
    pthread_mutex_unlock(&mutex);
}

static void write64(void *context, uint64_t hpa, uint64_t value)
{
    unsigned offset;
    struct fake_vtd *unit = fake_at(hpa, &offset);

    (void)context;
    pthread_mutex_lock(&mutex);
    if (offset == VTD_RTADDR.offset) {
        unit->rtaddr = value;
    } else if (offset == VTD_IRTA.offset) {
        unit->irta = value;
        unit->broken_rules += value & VTD_IRTA_EIME && !(unit->ecap & VTD_ECAP_EIM);
    } else if (offset == VTD_IQA.offset) {
        unit->iqa = value;
        unit->broken_rules += (unit->gsts & VTD_GSTS_QIES) != 0;
    } else if (offset == VTD_IQT.offset) {
        unit->iqt = value;
        unit->broken_rules += value % sizeof(struct vtd_descriptor) != 0;
        run_queue(unit);
    } else if (offset >= FRO && offset < FRO + 16 * FAKE_FAULTS && (offset - FRO) % 16 == 8) {
        unit->frcd[(offset - FRO) / 16][1] &= ~(value & VTD_FRCD_F);
        update_ppf(unit);
    } else {
        unit->broken_rules++;
    }
    pthread_mutex_unlock(&mutex);
}

void fake_vtd_install(struct fake_vtd *units, unsigned count)
{
    static const struct host_mmio_ops ops = {read32, read64, write32, write64, NULL};

    memset(units, 0, count * sizeof *units);
    for (unsigned i = 0; i < count; i++) {
        units[i].ver = 0x10;
        units[i].cap = FAKE_CAP;
        units[i].ecap = FAKE_ECAP;
        units[i].fectl = VTD_FECTL_IM;
        units[i].time_out_in = -1;
    }
    fakes = units;
    fake_count = count;
    host_set_mmio(&ops);
}

static size_t put_drhd(uint8_t *drhd, unsigned index, bool include_all)
{
    uint64_t base = FAKE_BASE + index * STRIDE;

    memset(drhd, 0, 24);
    drhd[2] = 16;
    drhd[4] = include_all;
    memcpy(drhd + 8, &base, sizeof base);
    if (include_all)
        return 16;
    /* One endpoint: bus 0, device 3, function 0. */
    drhd[2] = 24;
    drhd[16] = 1;
    drhd[17] = 8;
    drhd[22] = FAKE_DEVFN_NVME >> 3;
    return 24;
}

void fake_vtd_seal(uint8_t *table, size_t bytes)
{
    uint8_t sum = 0;

    table[4] = (uint8_t)bytes;
    table[5] = (uint8_t)(bytes >> 8);
    table[9] = 0;
    for (size_t i = 0; i < bytes; i++)
        sum = (uint8_t)(sum + table[i]);
    table[9] = (uint8_t)-sum;
}

size_t fake_vtd_dmar(uint8_t *table, unsigned count, const char *oem_id)
{
    size_t bytes = 48;

    memset(table, 0, bytes);
    memcpy(table, "DMAR", 4);
    memcpy(table + 10, oem_id, 6);
    memcpy(table + 16, "LULLTEST", 8);
    table[36] = 47;
    table[37] = 1; /* INTR_REMAP */
    for (unsigned i = 0; i < count; i++)
        bytes += put_drhd(table + bytes, i, i == count - 1);
    fake_vtd_seal(table, bytes);
    return bytes;
}

void fake_vtd_step(void)
{
    pthread_mutex_lock(&mutex);
    for (unsigned i = 0; i < fake_count; i++) {
        if (fakes[i].on_step)
            fakes[i].on_step(&fakes[i]);
        if (fakes[i].queue_lazy)
            fetch(&fakes[i]);
    }
    pthread_mutex_unlock(&mutex);
}

void fake_vtd_release(struct fake_vtd *unit)
{
    unit->waits_held = false;
    for (unsigned i = 0; i < unit->held_count; i++)
        complete(unit, &unit->log[unit->held[i]]);
    unit->held_count = 0;
}

unsigned fake_vtd_count(const struct fake_vtd *unit, unsigned type)
{
    unsigned count = 0;

    for (unsigned i = 0; i < unit->logged && i < FAKE_LOG; i++)
        count += VTD_DESCRIPTOR_TYPE(unit->log[i]) == type;
    return count;
}

void fake_vtd_fault(struct fake_vtd *unit, unsigned n, uint64_t low, uint64_t high)
{
    if (!(unit->fsts & VTD_FSTS_PPF))
        unit->fsts = (unit->fsts & ~0xff00u) | n << 8;
    unit->frcd[n][0] = low;
    unit->frcd[n][1] = high | VTD_FRCD_F;
    update_ppf(unit);
}

#define FIRST_MEMORY GIB
#define LINE         64ull

static uint8_t *shadow;
static uint64_t shadow_bytes;
static void (*on_flush)(void);

static void flush_to_shadow(const void *address, size_t bytes)
{
    uint64_t first = align_down(virt_to_phys(address), LINE);
    uint64_t end = align_up(virt_to_phys(address) + bytes, LINE);

    memcpy(shadow + (first - FIRST_MEMORY), phys_to_virt(first), end - first);
    if (on_flush)
        on_flush();
}

void fake_vtd_use_shadow(uint64_t memory_bytes)
{
    shadow_bytes = memory_bytes;
    shadow = calloc(1, memory_bytes);
    host_set_cache_flush(flush_to_shadow);
}

void fake_vtd_on_flush(void (*look)(void))
{
    on_flush = look;
}

/* What the unit sees of a page of tables. Outside of memory it would read anything at all. */
static const uint64_t *page_seen(const struct fake_vtd *unit, uint64_t hpa)
{
    if (!shadow)
        return phys_to_virt(hpa);
    if (hpa < FIRST_MEMORY || hpa >= FIRST_MEMORY + shadow_bytes)
        abort();
    return unit->ecap & VTD_ECAP_C ? phys_to_virt(hpa) : (const void *)(shadow + (hpa - FIRST_MEMORY));
}

static const uint64_t *next_table(const struct fake_vtd *unit, uint64_t entry)
{
    return entry & 1 ? page_seen(unit, entry & 0x000ffffffffff000ull) : NULL;
}

bool fake_vtd_walk(const struct fake_vtd *unit, uint16_t source_id, uint64_t iova, uint64_t *hpa)
{
    unsigned devfn = source_id & 0xff;
    const uint64_t *table, *entry;

    if (!(unit->gsts & VTD_GSTS_TES))
        return false;
    table = page_seen(unit, unit->rtaddr & VTD_PAGE_ADDRESS);
    table = next_table(unit, table[(source_id >> 8) * 2 + devfn / 128]);
    if (!table)
        return false;
    entry = next_table(unit, table[devfn % 128 * 4]); /* the PASID directory */
    entry = entry ? next_table(unit, entry[0]) : NULL;
    if (!entry || !(entry[0] & 1) || (entry[0] >> 6 & 7) != 1)
        return false;
    table = page_seen(unit, entry[2] & VTD_PAGE_ADDRESS);
    for (int level = 3; table; level--) {
        uint64_t found = table[iova >> (12 + 9 * level) & 511];
        uint64_t mask = (1ull << (12 + 9 * level)) - 1;

        if (level == 0 || found & 1 << 7) {
            *hpa = (found & 0x000ffffffffff000ull & ~mask) | (iova & mask);
            return found & 1;
        }
        table = next_table(unit, found);
    }
    return false;
}

static bool source_matches(uint64_t word1, uint16_t source_id)
{
    uint16_t sid = (uint16_t)word1;
    unsigned bus = source_id >> 8;

    if ((word1 >> 18 & 3) == 2)
        return bus >= sid >> 8 && bus <= (sid & 0xffu);
    return (word1 >> 16 & 3) == 3 ? sid >> 3 == source_id >> 3 : sid == source_id;
}

/* 5.1.4, without a cache. */
uint8_t fake_vtd_interrupt(const struct fake_vtd *unit, uint16_t source_id, uint64_t address, uint32_t data,
                           struct fake_interrupt *interrupt)
{
    uint64_t index = (address >> 5 & 0x7fff) | (address >> 2 & 1) << 15;
    uint64_t table = unit->interrupt_table & VTD_PAGE_ADDRESS;
    const uint64_t *entry;

    if (!(address & 1 << 4))
        return 0x25;
    if (address & 1 << 3)
        index += data & 0xffff;
    if (index >= 2ull << (unit->interrupt_table & 0xf))
        return 0x21;
    entry = page_seen(unit, table + index / 256 * PAGE_SIZE) + index % 256 * 2;
    if (!(entry[0] & 1))
        return 0x22;
    if (!source_matches(entry[1], source_id))
        return 0x26;
    interrupt->vector = (uint8_t)(entry[0] >> 16);
    interrupt->apic_id = (uint32_t)(entry[0] >> (unit->interrupt_table & VTD_IRTA_EIME ? 32 : 40));
    return 0;
}
