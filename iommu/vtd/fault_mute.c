/* SPDX-License-Identifier: BSD-2-Clause */
/* FPD of a context entry (9.3, 9.4) keeps faults from being recorded, also while the entry is not present:
 * those of Table 30 that are "qualified", all but what makes tables unreadable (7.1.1). */
#include "iommu/vtd/fault_mute.h"
#include "iommu/vtd/context.h"
#include "iommu/vtd/descriptor.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/mutant.h"
#include "lib/spinlock.h"
#include "lib/units.h"

#define MUTED_MAX 64
#define MUTED_NS  NS_PER_S

enum state { FREE, WANTED, MUTED };

struct muted {
    enum state state;
    struct vtd_unit *unit;
    struct pci_address device;
    uint64_t until_ns;
};

static struct spinlock lock; /* taken in interrupts too */
static struct muted table[MUTED_MAX];

static void look(struct platform_event *event);

static struct platform_event look_event = {.run = look};

/* A bit that no other cache is tagged with may change while the entry is present, and only the context cache
 * has it (6.2.2.1). Attach and detach may write the entry at the same time: all change only their own bits of
 * this word, each by one atomic access (context.h). */
static int set_fpd(struct vtd_unit *unit, struct pci_address device, bool on)
{
    uint64_t *entry = vtd_context_make(unit, device);
    /* All of it: in legacy mode one device's part goes by a domain id (6.5.2.1), and this is rare. */
    const struct vtd_descriptor step = vtd_descriptor_context_global();

    if (!entry)
        return ERR_NOMEM;
    if (on)
        atomic_fetch_or(&entry[0], VTD_CONTEXT_FPD);
    else
        atomic_fetch_and(&entry[0], ~VTD_CONTEXT_FPD);
    vtd_unit_sync_table(unit, entry, sizeof *entry);
    return vtd_queue_run(&unit->queue, &step, 1);
}

/* Takes the next entry in the state whose time has come out of it, and says what it was. */
static bool claim(enum state from, enum state to, uint64_t now, struct muted *claimed)
{
    uint64_t saved = spin_lock_irq(&lock);
    bool found = false;

    for (unsigned i = 0; i < MUTED_MAX && !found; i++) {
        if (table[i].state != from || table[i].until_ns > now)
            continue;
        table[i].state = to;
        table[i].until_ns = now + MUTED_NS;
        *claimed = table[i];
        found = true;
    }
    spin_unlock_irq(&lock, saved);
    return found;
}

/* Whether there is anything left to do, and in how long. */
static bool next_look(uint64_t *delay_ns)
{
    uint64_t saved = spin_lock_irq(&lock);
    uint64_t now = platform_time_ns(), next = ~0ull;

    for (unsigned i = 0; i < MUTED_MAX; i++)
        if (table[i].state != FREE && table[i].until_ns < next)
            next = table[i].until_ns;
    spin_unlock_irq(&lock, saved);
    *delay_ns = next > now ? next - now : 0;
    return next != ~0ull;
}

static void look(struct platform_event *event)
{
    uint64_t now = platform_time_ns(), delay_ns;
    struct muted claimed;

    while (claim(MUTED, FREE, now, &claimed))
        if (set_fpd(claimed.unit, claimed.device, false))
            log_error("vtd%u: " PCI_FORMAT " stays muted", claimed.unit->index, PCI_ARGS(claimed.device));
    while (claim(WANTED, MUTED, now, &claimed)) {
        int error = set_fpd(claimed.unit, claimed.device, true);

        claimed.unit->fault_mutes++;
        log_warn("vtd%u: " PCI_FORMAT " faults all the time: its faults are not recorded for a second%s%s",
                 claimed.unit->index, PCI_ARGS(claimed.device), error ? ": " : "",
                 error ? error_text(error) : "");
    }
    /* Whoever posted this meanwhile may have asked for what was done here already, so it can come early. */
    if (next_look(&delay_ns))
        platform_event_post(event, delay_ns);
}

/* The device's place, else a free one, else NULL. Under the lock. */
static struct muted *find(const struct vtd_unit *unit, struct pci_address device)
{
    struct muted *place = NULL;

    for (unsigned i = 0; i < MUTED_MAX; i++) {
        if (table[i].state == FREE)
            place = &table[i];
        else if (table[i].unit == unit && pci_address_equal(table[i].device, device))
            return &table[i];
    }
    return place;
}

void vtd_fault_mute(struct vtd_unit *unit, struct pci_address device)
{
    uint64_t saved = spin_lock_irq(&lock);
    struct muted *place = find(unit, device);
    bool wanted = unit->on && place && place->state == FREE && !mutant(NO_FAULT_MUTE);

    if (wanted)
        *place = (struct muted){WANTED, unit, device, 0};
    spin_unlock_irq(&lock, saved);
    if (wanted)
        platform_event_post(&look_event, 0);
}

void vtd_fault_mute_stop(const struct vtd_unit *unit)
{
    uint64_t saved = spin_lock_irq(&lock);

    for (unsigned i = 0; i < MUTED_MAX; i++)
        if (table[i].unit == unit)
            table[i].state = FREE;
    spin_unlock_irq(&lock, saved);
}

bool vtd_fault_any_muted(void)
{
    uint64_t saved = spin_lock_irq(&lock);
    bool any = false;

    for (unsigned i = 0; i < MUTED_MAX; i++)
        any = any || table[i].state != FREE;
    spin_unlock_irq(&lock, saved);
    return any;
}
