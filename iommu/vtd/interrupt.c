/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupt remapping of units, and the interrupts that go through them. */
#include "iommu/vtd/interrupt.h"
#include "iommu/vtd/vtd.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/mutant.h"

/* 5.1.2.2: a message in remappable format, by index (SHV: and the subhandle in its data, which is 0). */
#define MESSAGE_BASE         0xfee00000ull
#define MESSAGE_REMAPPABLE   (1ull << 4)
#define MESSAGE_SHV          (1ull << 3)
#define MESSAGE_INDEX(i)     ((uint64_t)((i)&0x7fff) << 5 | (uint64_t)((i) >> 15) << 2)
#define MESSAGE_XAPIC_ID(id) ((uint64_t)(id) << 12) /* 5.1.2.1, compatibility format */
#define XAPIC_ID_MAX         254u
#define X2APIC_ID_MAX        (~0u - 1)
#define VECTOR_MIN           16

/* --- on and off --- */

void vtd_interrupt_choose(struct vtd_unit *unit, const struct iommu_config *config, const struct dmar *dmar)
{
    struct vtd_interrupts *interrupts = &unit->interrupts;

    if (config->no_interrupt_remapping)
        interrupts->why_not = "switched off by the configuration";
    else if (!unit->cap.interrupt_remapping)
        interrupts->why_not = "the unit has none (ECAP.IR)";
    else if (!dmar->interrupt_remapping)
        interrupts->why_not = "the DMAR table says that the platform has none (INTR_REMAP)";
    else if (unit->cap.x2apic_required && !config->x2apic)
        interrupts->why_not = "the unit asks for x2APIC mode (ECAP.EIMER), and the CPUs are not in it";
    interrupts->wanted = !interrupts->why_not;
    interrupts->extended = interrupts->wanted && config->x2apic && unit->cap.extended_interrupts;
    if (interrupts->why_not)
        log_warn("vtd%u: no interrupt remapping: %s; a device with bus mastering can raise any interrupt",
                 unit->index, interrupts->why_not);
    else if (config->x2apic && !interrupts->extended)
        log_info("vtd%u: interrupts reach APIC ids up to %u, since the unit lacks ECAP.EIM", unit->index,
                 XAPIC_ID_MAX);
}

static int set_table(struct vtd_unit *unit)
{
    const struct vtd_descriptor all = vtd_descriptor_interrupt_global();
    const struct vtd_irt *table = &unit->interrupts.table;
    int error;

    vtd_unit_sync_table(unit, table->entries, VTD_IRT_ENTRIES * sizeof *table->entries);
    vtd_write64(unit->registers, VTD_IRTA,
                virt_to_phys(table->entries) | (unit->interrupts.extended ? VTD_IRTA_EIME : 0) |
                    VTD_IRTA_S(VTD_IRT_ENTRIES_LG2 - 1));
    error = vtd_unit_command(unit, VTD_GCMD_SIRTP, true);
    /* 6.7. Units with CAP.ESIRTPS have done that by themselves; once more costs nothing here. */
    return error ? error : vtd_queue_run(&unit->queue, &all, 1);
}

static bool is_remapping(const struct vtd_unit *unit)
{
    return vtd_read32(unit->registers, VTD_GSTS) & VTD_GSTS_IRES;
}

/* What was found on stays on while its table changes: what is under way goes by the old one or by the new one
 * (6.7), and nobody waits for it any more. But EIME must not change meanwhile (11.4.10). */
static int take_over(struct vtd_unit *unit)
{
    const struct vtd_interrupts *interrupts = &unit->interrupts;

    if (!is_remapping(unit) ||
        (interrupts->wanted && !(unit->found_table & VTD_IRTA_EIME) == !interrupts->extended))
        return 0;
    log_warn("vtd%u: interrupt remapping, which was found on, goes off%s", unit->index,
             interrupts->wanted ? " while the size of APIC ids changes" : "");
    return vtd_unit_command(unit, VTD_GCMD_IRE, false);
}

int vtd_interrupt_start(struct vtd_unit *unit)
{
    int error = take_over(unit);

    if (error || !unit->interrupts.wanted)
        return error;
    error = vtd_irt_init(&unit->interrupts.table);
    if (error) {
        log_error("vtd%u: no memory for the interrupt-remapping table", unit->index);
        return error;
    }
    error = set_table(unit);
    /* Before any interrupt is remapped: the compatibility format would get round all entries (5.1.4). */
    if (!error && vtd_read32(unit->registers, VTD_GSTS) & VTD_GSTS_CFIS)
        error = vtd_unit_command(unit, VTD_GCMD_CFI, false);
    if (!error && !is_remapping(unit))
        error = vtd_unit_command(unit, VTD_GCMD_IRE, true);
    unit->interrupts.on = !error;
    return error;
}

bool vtd_interrupt_stop(struct vtd_unit *unit)
{
    const struct vtd_descriptor all = vtd_descriptor_interrupt_global();

    unit->interrupts.on = false;
    if (!unit->interrupts.table.entries)
        return true; /* it was never on */
    if (is_remapping(unit) && vtd_unit_command(unit, VTD_GCMD_IRE, false))
        return false;
    /* Nothing of the table stays cached when its memory goes. Once the queue is off that has been done. */
    return !(vtd_read32(unit->registers, VTD_GSTS) & VTD_GSTS_QIES) ||
           vtd_queue_run(&unit->queue, &all, 1) == 0;
}

/* --- entries --- */

static int invalidate(struct vtd_unit *unit, uint16_t index)
{
    const struct vtd_descriptor one = vtd_descriptor_interrupt(index);

    return mutant(INTERRUPT_NOT_INVALIDATED) ? 0 : vtd_queue_run(&unit->queue, &one, 1);
}

/* Under the table's lock. */
static void write_entry(struct vtd_unit *unit, uint16_t index, struct vtd_irte value)
{
    struct vtd_irte *entry = &unit->interrupts.table.entries[index];

    vtd_irte_write(entry, value);
    vtd_unit_sync_table(unit, entry, sizeof *entry);
}

uint32_t vtd_interrupt_apic_id_max(const struct vtd_unit *unit)
{
    return unit->interrupts.extended ? X2APIC_ID_MAX : XAPIC_ID_MAX;
}

static int check_target(const struct vtd_unit *unit, const struct iommu_interrupt_target *target)
{
    if (target->vector < VECTOR_MIN)
        return ERR_INVALID;
    return target->apic_id > vtd_interrupt_apic_id_max(unit) ? ERR_RANGE : 0;
}

static bool source_is_valid(const struct iommu_interrupt_source *source)
{
    return source->match == IOMMU_SOURCE_FUNCTION || source->match == IOMMU_SOURCE_DEVICE ||
           (source->match == IOMMU_SOURCE_BUSES && source->last_bus >= source->device.bus);
}

/* Nobody is to find the entry any more; the unit forgets it before somebody else gets it. */
static int give_up(struct vtd_unit *unit, uint16_t index)
{
    struct vtd_irt *table = &unit->interrupts.table;
    int error = invalidate(unit, index);

    if (error)
        log_error("vtd%u: interrupt entry %u is not used again: %s", unit->index, index, error_text(error));
    spin_lock(&table->lock);
    vtd_irt_release(table, index, error != 0);
    spin_unlock(&table->lock);
    return error;
}

/* Writes the entry if it is this owner's still. */
static bool replace(struct vtd_unit *unit, const struct iommu_interrupt *interrupt, uint64_t word0)
{
    struct vtd_irt *table = &unit->interrupts.table;
    bool owned;

    spin_lock(&table->lock);
    owned = vtd_irt_owns(table, interrupt->index, interrupt->serial);
    if (owned && !word0)
        vtd_irt_disown(table, interrupt->index);
    if (owned)
        write_entry(unit, interrupt->index,
                    (struct vtd_irte){{word0, word0 ? table->entries[interrupt->index].word[1] : 0}});
    spin_unlock(&table->lock);
    return owned;
}

static int alloc_remapped(struct vtd_unit *unit, struct vtd_irte entry, struct iommu_interrupt *interrupt)
{
    struct vtd_irt *table = &unit->interrupts.table;
    struct iommu_interrupt made;
    uint64_t serial;
    uint16_t index;
    int error;

    spin_lock(&table->lock);
    error = vtd_irt_take(table, &index, &serial);
    if (!error)
        write_entry(unit, index, entry);
    spin_unlock(&table->lock);
    if (error) {
        log_error("vtd%u: all %u interrupt entries are in use", unit->index, VTD_IRT_ENTRIES);
        return error;
    }
    made = (struct iommu_interrupt){
        .address = MESSAGE_BASE | MESSAGE_REMAPPABLE | MESSAGE_SHV | MESSAGE_INDEX(index),
        .remapped = true,
        .index = index,
        .unit = (uint8_t)unit->index,
        .serial = serial,
    };
    /* 6.1: caching mode keeps that an entry is not present. */
    if (unit->cap.caching_mode)
        error = invalidate(unit, index);
    if (error) {
        replace(unit, &made, 0);
        give_up(unit, index);
        return error;
    }
    *interrupt = made;
    return 0;
}

static void point_at(struct iommu_interrupt *interrupt, const struct iommu_interrupt_target *target)
{
    interrupt->address = MESSAGE_BASE | MESSAGE_XAPIC_ID(target->apic_id);
    interrupt->data = target->vector;
}

static int alloc(struct vtd_unit *unit, const struct iommu_interrupt_source *source,
                 const struct iommu_interrupt_target *target, struct iommu_interrupt *interrupt)
{
    int error;

    if (!unit || !unit->on)
        return ERR_NOT_FOUND;
    error = source_is_valid(source) ? check_target(unit, target) : ERR_INVALID;
    if (error)
        return error;
    if (unit->interrupts.on)
        return alloc_remapped(unit, vtd_irte_make(source, target, unit->interrupts.extended), interrupt);
    *interrupt = (struct iommu_interrupt){.unit = (uint8_t)unit->index};
    point_at(interrupt, target);
    return 0;
}

int iommu_interrupt_alloc(const struct iommu_interrupt_source *source,
                          const struct iommu_interrupt_target *target, struct iommu_interrupt *interrupt)
{
    return alloc(vtd_unit_of(source->device), source, target, interrupt);
}

/* The unit that names an I/O APIC, and the id that this one's interrupts come under (5.1.1, 8.3.1.1). */
static struct vtd_unit *find_ioapic(uint8_t id, struct pci_address *address)
{
    for (unsigned i = 0; i < vtd_unit_count(); i++) {
        const struct dmar_unit *drhd = vtd_unit(i)->drhd;

        for (unsigned n = 0; n < drhd->devices.count; n++) {
            const struct dmar_scope *scope = &drhd->devices.scopes[n];

            if (scope->type == DMAR_SCOPE_IOAPIC && scope->enumeration == id &&
                dmar_scope_resolve(scope, drhd->segment, address))
                return vtd_unit(i);
        }
    }
    return NULL;
}

int iommu_interrupt_alloc_ioapic(uint8_t io_apic, const struct iommu_interrupt_target *target,
                                 struct iommu_interrupt *interrupt)
{
    struct iommu_interrupt_source source = {.match = IOMMU_SOURCE_FUNCTION};
    struct vtd_unit *unit = find_ioapic(io_apic, &source.device);

    return alloc(unit, &source, target, interrupt);
}

/* The unit of an interrupt that somebody hands in; NULL when it is off, or another one by now. */
static struct vtd_unit *unit_of(const struct iommu_interrupt *interrupt)
{
    struct vtd_unit *unit = interrupt->unit < vtd_unit_count() ? vtd_unit(interrupt->unit) : NULL;

    return unit && unit->on && unit->interrupts.on == interrupt->remapped ? unit : NULL;
}

int iommu_interrupt_change(struct iommu_interrupt *interrupt, const struct iommu_interrupt_target *target)
{
    /* Of the source nothing is needed: it stays. */
    const struct iommu_interrupt_source none = {.match = IOMMU_SOURCE_FUNCTION};
    struct vtd_unit *unit = unit_of(interrupt);
    int error = unit ? check_target(unit, target) : ERR_NOT_FOUND;

    if (error)
        return error;
    if (!interrupt->remapped) {
        point_at(interrupt, target);
        return 0;
    }
    if (!replace(unit, interrupt, vtd_irte_make(&none, target, unit->interrupts.extended).word[0]))
        return ERR_NOT_FOUND;
    return invalidate(unit, interrupt->index);
}

int iommu_interrupt_free(const struct iommu_interrupt *interrupt)
{
    struct vtd_unit *unit = unit_of(interrupt);

    if (!unit)
        return ERR_NOT_FOUND;
    if (!interrupt->remapped)
        return 0;
    return replace(unit, interrupt, 0) ? give_up(unit, interrupt->index) : ERR_NOT_FOUND;
}
