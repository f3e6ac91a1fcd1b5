/* SPDX-License-Identifier: BSD-2-Clause */
/* Remapping units as a register file. */
#include "tests/host/fake_vtd.h"
#include "iommu/vtd/regs.h"
#include "lib/units.h"
#include "tests/host/host.h"
#include <pthread.h>
#include <string.h>

#define STRIDE   0x10000ull
#define FRO      0x220
#define WAIT_SW  (1ull << 5) /* 6.5.2.9 */
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
    if (wait->word[0] & WAIT_SW)
        __atomic_store_n(status, (uint32_t)(wait->word[0] >> 32), __ATOMIC_RELEASE);
}

static void carry_out(struct fake_vtd *unit, const struct vtd_descriptor *descriptor)
{
    unsigned place = unit->logged % FAKE_LOG;

    unit->log[place] = *descriptor;
    unit->logged++;
    if (descriptor->word[0] == VTD_DESCRIPTOR_INTERRUPT)
        unit->interrupts_owed = false;
    unit->ends_in_wait = VTD_DESCRIPTOR_TYPE(*descriptor) == VTD_DESCRIPTOR_WAIT;
    if (descriptor->word[0] == vtd_descriptor_context_global().word[0])
        unit->contexts_owed = false;
    if (descriptor->word[0] == vtd_descriptor_iotlb_global().word[0] && !unit->contexts_owed)
        unit->iotlb_owed = false;
    if (unit->on_done)
        unit->on_done(descriptor);
    if (VTD_DESCRIPTOR_TYPE(*descriptor) != VTD_DESCRIPTOR_WAIT)
        return;
    if (unit->waits_held)
        unit->held[unit->held_count++] = place;
    else
        complete(unit, descriptor);
}

static unsigned slot_bytes(const struct fake_vtd *unit)
{
    return unit->iqa & VTD_IQA_DW_256 ? 32 : 16;
}

static bool time_out(struct fake_vtd *unit, uint16_t device)
{
    unit->fsts |= VTD_FSTS_ITE;
    unit->iqercd = (uint64_t)device << 32;
    unit->held_count = 0; /* 6.5.2.11: waits that were pending never complete */
    unit->waits_held = false;
    return false;
}

/* One descriptor; false when there is none, or the queue has stopped. */
static bool fetch(struct fake_vtd *unit)
{
    const uint8_t *ring = phys_to_virt(unit->iqa & VTD_PAGE_ADDRESS);
    struct vtd_descriptor descriptor = {0};
    uint16_t source_id;

    if (unit->queue_dead || unit->gone || !(unit->gsts & VTD_GSTS_QIES) || unit->iqh == unit->iqt ||
        unit->fsts & (VTD_FSTS_IQE | VTD_FSTS_ITE))
        return false;
    memcpy(&descriptor, ring + unit->iqh, slot_bytes(unit));
    if (VTD_DESCRIPTOR_TYPE(descriptor) == unit->refuse_type ||
        (unit->refuses && unit->refuses(&descriptor))) {
        if (VTD_DESCRIPTOR_TYPE(descriptor) == unit->refuse_type)
            unit->refuse_type = 0;
        unit->fsts |= VTD_FSTS_IQE;
        unit->iqercd = 3;
        return false;
    }
    unit->iqh = (unit->iqh + slot_bytes(unit)) % ((uint64_t)PAGE_SIZE << VTD_IQA_QS(unit->iqa));
    carry_out(unit, &descriptor);
    if (unit->time_out_in >= 0 && unit->time_out_in-- == 0)
        return time_out(unit, unit->time_out_device);
    if (unit->silent && vtd_descriptor_owner(&descriptor, &source_id) && unit->silent(&descriptor))
        return time_out(unit, unit->names_nobody ? 0 : source_id);
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

/* 6.6: the mode changes under translation only on units with CAP.ESRTPS; caches are dropped by software on
 * others. */
static void set_root(struct fake_vtd *unit)
{
    if (unit->gsts & VTD_GSTS_TES && (unit->rtaddr ^ unit->root) & (VTD_RTADDR_TTM | VTD_RTADDR_SSIRWE) &&
        !(unit->cap & VTD_CAP_ESRTPS))
        unit->broken_rules++;
    if (unit->rtaddr & VTD_RTADDR_TTM_SCALABLE && !(unit->iqa & VTD_IQA_DW_256))
        unit->broken_rules++;
    unit->root = unit->rtaddr;
    unit->contexts_owed = unit->iotlb_owed = !(unit->cap & VTD_CAP_ESRTPS);
}

static void check_translation_rules(struct fake_vtd *unit, uint32_t value, uint32_t changed)
{
    if (changed & ~value & VTD_GCMD_TE) {
        unit->translated_always = false;
        unit->protected_in_gap = unit->pmen & VTD_PMEN_PRS;
    }
    if (changed & value & VTD_GCMD_TE &&
        (!(unit->gsts & VTD_GSTS_RTPS) || unit->contexts_owed || unit->iotlb_owed))
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
    if (changed & VTD_GCMD_QIE && !(value & VTD_GCMD_QIE) && (unit->iqh != unit->iqt || !unit->ends_in_wait))
        unit->broken_rules++;
    check_translation_rules(unit, value, changed);
    check_interrupt_rules(unit, value, changed);
    if (unit->commands_dead)
        return;
    if (value & VTD_GCMD_SRTP)
        set_root(unit);
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

/* Registers that keep what is written. */
static uint32_t *plain32(struct fake_vtd *unit, unsigned offset)
{
    const struct {
        unsigned offset;
        uint32_t *value;
    } plain[] = {
        {VTD_FECTL.offset, &unit->fectl},     {VTD_FEDATA.offset, &unit->fedata},
        {VTD_FEADDR.offset, &unit->feaddr},   {VTD_FEUADDR.offset, &unit->feuaddr},
        {VTD_PLMBASE.offset, &unit->plmbase}, {VTD_PLMLIMIT.offset, &unit->plmlimit},
        {VTD_IECTL.offset, &unit->iectl},     {VTD_PECTL.offset, &unit->pectl},
    };

    for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
        if (plain[i].offset == offset)
            return plain[i].value;
    return NULL;
}

static uint64_t *plain64(struct fake_vtd *unit, unsigned offset)
{
    const struct {
        unsigned offset;
        uint64_t *value;
    } plain[] = {
        {VTD_RTADDR.offset, &unit->rtaddr},     {VTD_IRTA.offset, &unit->irta},
        {VTD_IQA.offset, &unit->iqa},           {VTD_PHMBASE.offset, &unit->phmbase},
        {VTD_PHMLIMIT.offset, &unit->phmlimit}, {VTD_PQH.offset, &unit->pqh},
        {VTD_PQT.offset, &unit->pqt},           {VTD_PQA.offset, &unit->pqa},
    };

    for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
        if (plain[i].offset == offset)
            return plain[i].value;
    return NULL;
}

/* What must not be written in this state, or on a unit that has no such register. */
static bool breaks_rule(const struct fake_vtd *unit, unsigned offset, uint64_t value)
{
    bool regions = offset >= VTD_PLMBASE.offset && offset <= VTD_PHMLIMIT.offset;
    bool pages = (offset >= VTD_PQH.offset && offset <= VTD_PQA.offset) || offset == VTD_PECTL.offset;

    if (offset == VTD_FEDATA.offset || offset == VTD_FEADDR.offset)
        return !(unit->fectl & VTD_FECTL_IM);
    if (offset == VTD_FEUADDR.offset)
        return !(unit->ecap & VTD_ECAP_EIM);
    if (offset == VTD_IRTA.offset) {
        bool changes = unit->gsts & VTD_GSTS_IRES && (value ^ unit->interrupt_table) & VTD_IRTA_EIME;

        return changes || (value & VTD_IRTA_EIME && !(unit->ecap & VTD_ECAP_EIM));
    }
    if (offset == VTD_IQA.offset)
        return unit->gsts & VTD_GSTS_QIES;
    if (regions)
        return unit->pmen & (VTD_PMEN_EPM | VTD_PMEN_PRS) || !(unit->cap & VTD_CAP_PLMR);
    return pages && !(unit->ecap & VTD_ECAP_PRS);
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
    else if (offset == VTD_PRS.offset)
        value = unit->prs;
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
    else if (plain64(unit, offset))
        value = *plain64(unit, offset);
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
    } else if (offset == VTD_PMEN.offset) {
        if (!unit->protection_dead)
            unit->pmen = value & VTD_PMEN_EPM ? value | VTD_PMEN_PRS : 0;
    } else if (offset == VTD_PRS.offset) {
        unit->prs &= ~value;
    } else if (plain32(unit, offset)) {
        unit->broken_rules += breaks_rule(unit, offset, value);
        *plain32(unit, offset) = value;
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
    if (offset == VTD_IQT.offset) {
        unit->iqt = value;
        unit->broken_rules += value % slot_bytes(unit) != 0;
        run_queue(unit);
    } else if (offset >= FRO && offset < FRO + 16 * FAKE_FAULTS && (offset - FRO) % 16 == 8) {
        unit->frcd[(offset - FRO) / 16][1] &= ~(value & VTD_FRCD_F);
        update_ppf(unit);
    } else if (plain64(unit, offset)) {
        unit->broken_rules += breaks_rule(unit, offset, value);
        *plain64(unit, offset) = value;
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
        units[i].iectl = VTD_IECTL_IM;
        units[i].pectl = VTD_PECTL_IM;
        units[i].ends_in_wait = true;
        units[i].time_out_in = -1;
        units[i].time_out_device = FAKE_DEVFN_NVME;
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

void fake_vtd_found_translating(struct fake_vtd *unit, uint64_t rtaddr)
{
    unit->gsts |= VTD_GSTS_TES | VTD_GSTS_RTPS;
    unit->rtaddr = unit->root = rtaddr;
    unit->translated_always = true;
}

void fake_vtd_found_queue(struct fake_vtd *unit, void *ring, bool wide, unsigned count)
{
    const struct vtd_descriptor context = vtd_descriptor_context_global();

    unit->gsts |= VTD_GSTS_QIES;
    unit->iqa = virt_to_phys(ring) | (wide ? VTD_IQA_DW_256 : 0);
    for (unsigned i = 0; i < count; i++)
        memcpy((uint8_t *)ring + i * slot_bytes(unit), &context, slot_bytes(unit));
    unit->iqt = count * slot_bytes(unit);
}

size_t fake_vtd_add_reserved(uint8_t *table, size_t bytes, uint64_t hpa, uint64_t last, uint8_t scope,
                             unsigned device)
{
    uint8_t *rmrr = table + bytes;

    memset(rmrr, 0, 32);
    rmrr[0] = 1;
    rmrr[2] = 32;
    memcpy(rmrr + 8, &hpa, sizeof hpa);
    memcpy(rmrr + 16, &last, sizeof last);
    rmrr[24] = scope;
    rmrr[25] = 8;
    rmrr[30] = (uint8_t)device;
    fake_vtd_seal(table, bytes + 32);
    return bytes + 32;
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
