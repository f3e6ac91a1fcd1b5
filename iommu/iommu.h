/* SPDX-License-Identifier: BSD-2-Clause */
/* The IOMMU: domains, the devices in them, and the dirty state of their pages. What it can do is asked by
 * iommu/capabilities.h, what it has done by iommu/stats.h, and iommu/track_source.h makes a domain part of a
 * VM's tracker; others include no more of iommu/ than these four.
 * docs/embedding.md has what a hypervisor of its own must do around them.
 *
 * Addresses are IOVA (what a device issues) and HPA (host-physical); ranges are [iova, last], inclusive. What
 * returns int returns 0, or an error of lib/error.h, and then has changed nothing unless it says so.
 * Unless it says otherwise a function may be called on any CPU that runs events, outside RCU read sections,
 * not in an interrupt handler. */
#pragma once

#include "lib/compiler.h"
#include "lib/pci_address.h"
#include "lib/pt/pt.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IOMMU_DOMAIN_NAME_MAX 16

/* A domain is known by this from its creation until iommu_domain_destroy() returns 0; one that could not be
 * destroyed stays, and can be used. Its owner keeps it: a name is for people, and for consoles. */
struct iommu_domain;

enum iommu_translation {
    IOMMU_TRANSLATION_AUTO, /* what all units can do, dirty tracking before all else */
    IOMMU_TRANSLATION_LEGACY,
    IOMMU_TRANSLATION_SECOND_STAGE, /* of scalable mode, as the next one */
    IOMMU_TRANSLATION_FIRST_STAGE,
};

/* Whether harvests may leave out what accessed bits say was not touched (HARVEST_PRUNED()). */
enum iommu_prune {
    /* Where the specification says enough: first stage, no unit in caching mode, and none with the erratum
     * accessed-is-dirty. */
    IOMMU_PRUNE_AUTO,
    /* Where it does not too, and then part of what was left out is looked at all the same: until that finds
     * it, or a harvest that does not prune, a write may be in no report. */
    IOMMU_PRUNE_ON,
    IOMMU_PRUNE_OFF,
};

/* What iommu_init() would choose otherwise; all zero leaves everything to it. */
struct iommu_config {
    enum iommu_translation translation;
    unsigned levels; /* of page tables, 3 to 5 */
    /* Devices that may pass through, and then reach all memory, the hypervisor's too. */
    const struct pci_address *trusted;
    unsigned trusted_count;
    /* Devices that may keep translations themselves (ATS), and then issue requests that no unit checks. */
    const struct pci_address *ats;
    unsigned ats_count;
    bool no_interrupt_remapping;
    bool x2apic; /* the CPUs' local APICs are in x2APIC mode: APIC ids of 32 bits, where units have them */
    bool no_dirty_self_test; /* iommu_self_test() is to do nothing */
    /* Errata that are not believed in, by name, with commas between; "all" for all; NULL for none. Read by
     * iommu_init() only. */
    const char *errata_off;
    /* Functions that cannot be reset may go from one domain to another as they are. */
    bool without_reset;
    enum iommu_prune prune;
};

/* Firmware asks, in its DMAR table, to leave the CPUs in xAPIC mode: who chooses a mode by itself should then
 * not switch to x2APIC. Looks at nothing but the flags; dmar is bytes long, and checked by iommu_init(). */
bool iommu_x2apic_opt_out(const void *dmar, size_t bytes);

/* Starts every unit that the DMAR table names: all devices are blocked from then on but those that an RMRR
 * names, which go on reaching its memory and nothing else. Units may be in use already: they change hands
 * without DMA that nobody checks. Until then devices are kept from memory by bus mastering, which goes off
 * for all functions that pci_scan() has found, so it comes before this. dmar is bytes long and nothing in it
 * is trusted. Once, on the boot CPU. ERR_INVALID (the configuration), ERR_MALFORMED, ERR_UNSUPPORTED,
 * ERR_HARDWARE, ERR_TIMEOUT, ERR_NOMEM: the log says what and where, and no unit is left half on. */
int iommu_init(const void *dmar, size_t bytes, const struct iommu_config *config) MUST_CHECK;

/* Leaves the units in a state that the next system can take: called before reboot and power-off, bus
 * mastering off. When another CPU is in a
 * call, a device whose ATS has just gone off may be cut off for want of an answer: nothing else comes of it.
 */
void iommu_shutdown(void);

/* Leaves the units as they are, at work, for a system that takes them over and leaves their tables' memory
 * alone: what this one still does to them is over, and their interrupts are masked. */
void iommu_hand_over(void);

/* A new domain with nothing mapped and no device. name is copied, and cut to IOMMU_DOMAIN_NAME_MAX - 1 bytes;
 * no two domains have the same. Returns NULL and sets *error: ERR_NOMEM; ERR_UNSUPPORTED: no unit is on, or
 * no domain id is left; ERR_EXISTS: there is a domain of that name. */
struct iommu_domain *iommu_domain_create(const char *name, int *error) MUST_CHECK;

/* The same, but whose devices reach memory untranslated: nothing can be mapped in it (ERR_UNSUPPORTED), and
 * only devices that the configuration trusts can be in it. */
struct iommu_domain *iommu_domain_create_pass_through(const char *name, int *error) MUST_CHECK;

/* Stops tracking, unmaps all that is left and frees the domain; nobody else uses it meanwhile. ERR_BUSY while
 * devices are attached or a tracker tracks it (track_source.h), or when the domain's own fault handler calls;
 * ERR_TIMEOUT, ERR_HARDWARE as iommu_unmap(); ERR_TIMEOUT also: its fault handler does not end. After these
 * two it has no fault handler, and is not tracked. */
int iommu_domain_destroy(struct iommu_domain *domain) MUST_CHECK;

/* The domain of that name, NULL if there is none. Whoever destroys domains by another CPU sees to it that
 * this one stays. */
struct iommu_domain *iommu_domain_find(const char *name);

/* Tries once more what a unit did not confirm before. When this returns 0 no device reaches anything that was
 * unmapped before it was called, with whatever result: pages that a map or an unmap which failed said must
 * not be used may be used again, and the tables that were held back are freed. Devices that were cut off stay
 * so. ERR_TIMEOUT, ERR_HARDWARE: nothing is released, and the devices of the domain on a unit that does not
 * confirm are cut off. */
int iommu_domain_release_quarantine(struct iommu_domain *domain) MUST_CHECK;

/* A unit that does not confirm an invalidation in time is told to drop more; when it does not do that either,
 * all devices that are in the domain and behind this unit are cut off, each with a line in the log: their
 * context entries are not present any more, by none of their PASIDs, and bus mastering (PCI command register)
 * is off. Such a device is still in its domains. It is blocked until it has been detached by all of its
 * PASIDs, and is then attached as any other. Nothing here switches bus mastering on again: its owner does,
 * when the device has been reset and attached; and then looks whether it was cut off meanwhile.
 *
 * Whether a device is cut off, or is being detached, or a detach of it was not confirmed. */
bool iommu_device_is_cut_off(struct pci_address device);

/* ATS: a device that the configuration trusts with it, that has it, and for which unit and platform have it,
 * has it switched on when it is attached, with its DMA stopped meanwhile; else the log says why not, and it
 * is attached without. Unmap, harvest and detach then return after the device has dropped its translations
 * too. If it does not answer it is cut off as above, alone; an unmap returns 0 then, or ERR_TIMEOUT while it
 * has transactions pending. A unit that waits longer than ten seconds for it is taken for one that does not
 * confirm, and devices of others behind it are cut off too. After it has been detached its bus mastering is
 * off. Its PASID capability, if that is used, is set up before it is attached (PCI Express, 10.5.2).
 *
 * Whether it is in a domain and has ATS on. */
bool iommu_device_has_ats(struct pci_address device);

/* Stands for requests that have no PASID. */
#define IOMMU_NO_PASID 0u

/* Moves a device from blocked into a domain; its DMA is translated when this returns. What a unit cannot keep
 * apart from it comes along: the whole of its group (iommu_group_visit()), with all requester ids. With a
 * PASID it is only its requests that have this one, and the device may be in another domain by each of its
 * PASIDs and by IOMMU_NO_PASID; it is alone in its group then. A group that has been in another domain since
 * it was last reset is reset first, if pci_scan() has found its functions: bus mastering is off after that,
 * so whoever drives a device switches it on when it is attached; that takes 100 ms a function. ERR_NOT_FOUND:
 * no unit covers the device; ERR_BUSY: it is in a domain already by this PASID, by itself or with its group,
 * or on its way; ERR_UNSUPPORTED: firmware goes on using it or one of its group (RMRR), its unit lacks what
 * the domain is made of, nobody said that the device may pass through, it shares a group and there is a
 * PASID, it cannot be reset and would have to be, or it is a port of PCI Express; ERR_RANGE: its requests
 * cannot have this PASID; ERR_NOMEM, ERR_TIMEOUT, ERR_HARDWARE (also: a device is cut off, and is in a domain
 * by another PASID; or others of this domain behind its unit are being cut off). After an error all are
 * blocked still; the log has named what is in the way. */
int iommu_attach(struct iommu_domain *domain, struct pci_address device, uint32_t pasid) MUST_CHECK;

/* Blocks a device again, and its group with it, whichever of them was named when they were attached. When
 * this returns 0 none of their DMA is under way. ERR_NOT_FOUND: it is not in this domain; ERR_BUSY: another
 * CPU is moving its group; ERR_TIMEOUT, ERR_HARDWARE: their entries are gone, but a unit did not
 * confirm: they are cut off, by their other PASIDs too. */
int iommu_detach(struct iommu_domain *domain, struct pci_address device, uint32_t pasid) MUST_CHECK;

/* Calls visit for each requester id of the group that a device is in, its own included: of functions that
 * share an id behind a bridge to PCI, or that can reach each other without a unit seeing it since ACS is
 * missing between them. alias: it is not an id of one of these functions themselves. Needs pci_scan(): a
 * device that it did not find is alone. ERR_UNSUPPORTED: a port of PCI Express; ERR_NOMEM. */
int iommu_group_visit(struct pci_address device,
                      void (*visit)(void *context, struct pci_address id, bool alias), void *context)
    MUST_CHECK;

/* Maps [iova, last] to hpa on, with the largest leaves that alignment and the units allow. Changes nothing
 * when it fails: ERR_INVALID, ERR_RANGE (not whole pages, or beyond what the units translate), ERR_FORBIDDEN
 * (the target is neither all of it memory allocated as PAGE_DMA, nor all of it memory of somebody else's that
 * platform_memory_is_for_devices() says yes to), ERR_EXISTS (something is mapped there), ERR_NOMEM.
 * ERR_TIMEOUT, ERR_HARDWARE: it failed, part of it stood for a moment, and a unit did not confirm that it is
 * gone: the pages must not be used again, as after an unmap that fails so. Callers on disjoint ranges need no
 * lock. */
int iommu_map(struct iommu_domain *domain, uint64_t iova, uint64_t last, uint64_t hpa, unsigned prot)
    MUST_CHECK;

/* Unmaps what is mapped in [iova, last]; holes are fine. When it returns 0 no device reaches those pages any
 * more. dirty (may be NULL) gets the pages that were dirty: of a domain that is not tracked that is what
 * units happened to set. ERR_INVALID, ERR_RANGE, ERR_NOMEM (to split a large leaf that reaches beyond the
 * range): nothing changed. ERR_TIMEOUT, ERR_HARDWARE: unmapped, but a unit did not confirm, and its devices
 * are cut off, or a device that was cut off has DMA under way: the pages must not be used again before
 * iommu_domain_release_quarantine() has returned 0. */
int iommu_unmap(struct iommu_domain *domain, uint64_t iova, uint64_t last, struct dirty_bitmap *dirty)
    MUST_CHECK;

/* Where iova goes: true, and *leaf; false if nowhere. A device may still go by what was there before, until
 * the unmap that took it out has returned. */
bool iommu_lookup(struct iommu_domain *domain, uint64_t iova, struct pt_leaf *leaf);

/* Splits every leaf that meets [iova, last] and is larger than level's (0: 4 KiB, 1: 2 MiB, 2: 1 GiB), with
 * DMA, other mappers and harvests going on: each part is dirty if the leaf was. The range is the caller's, as
 * that of a map. ERR_INVALID, ERR_RANGE; ERR_NOMEM: some are split, and the others can be once there is
 * memory. ERR_TIMEOUT, ERR_HARDWARE: a unit did not confirm, and its devices are cut off; what is split stays
 * so. */
int iommu_split(struct iommu_domain *domain, uint64_t iova, uint64_t last, unsigned level) MUST_CHECK;

/* The opposite: makes one leaf of what lies within [iova, last] wherever it fits one, dirty if any part was,
 * or is written until this returns. Beside it nobody maps, unmaps or splits in the range. ERR_INVALID,
 * ERR_RANGE. ERR_TIMEOUT, ERR_HARDWARE: merged, and dirty, but a unit did not confirm, and its devices are
 * cut off. */
int iommu_merge(struct iommu_domain *domain, uint64_t iova, uint64_t last) MUST_CHECK;

/* --- which pages were written --- */

enum iommu_tracking {
    IOMMU_TRACKING_OFF,
    IOMMU_TRACKING_DIRTY_BITS,   /* that units keep: what was written, and at worst some more */
    IOMMU_TRACKING_ALL_WRITABLE, /* every page that is mapped writable, at each harvest: works on all units */
};

struct iommu_track {
    enum iommu_tracking how;
    unsigned level; /* maps that begin while it is tracked make no leaves larger than this level's: 0, 1, 2 */
    bool no_pruning; /* HARVEST_PRUNED() of a harvest means nothing, so that it can be compared with one that
                        has pruned */
    /* NULL; or where what leaves the tree is reported, by whole pages, as far as it reaches: by every
     * iommu_unmap() beside its own bitmap, and by maps that are taken back. What is
     * reported there is final: no device reaches the page by the mapping that went. It may be emptied at any
     * time, by atomic exchanges of its words. */
    struct dirty_bitmap *unmapped;
};

/* Starts to track a domain, on whatever units and devices it is, with DMA going on; changes how it is
 * tracked; or stops it. Devices that are attached and detached meanwhile, or later, are tracked too. When a
 * start returns 0, every write that a device makes from then on will be reported: by iommu_harvest() or, if
 * it leaves the tree, to track->unmapped. Pages that were written before may be reported too. *track is
 * copied; track->unmapped belongs to the domain until a stop, or a change to another one, has returned.
 *
 * Only a domain that is off can be tracked another way (how); level, no_pruning and unmapped can change at
 * any time. A stop of what is off does nothing. ERR_INVALID: the arguments, or how would change.
 * ERR_UNSUPPORTED: the domain cannot be tracked by dirty bits, for a reason that the log has (and
 * iommu_domain_info()); the caller may ask for IOMMU_TRACKING_ALL_WRITABLE then. ERR_BUSY: another CPU is in
 * here, or the domain is part of a tracker (track_source.h). ERR_TIMEOUT, ERR_HARDWARE: a unit did not
 * confirm. A start is undone then, and no device is tracked; devices of a unit that does not even confirm
 * that are cut off. A stop is carried out all the same. Whatever is returned, the domain has let go of the
 * bitmap of before when it was to: that takes a grace period of RCU, in which this CPU reports its quiescent
 * states. */
int iommu_domain_track(struct iommu_domain *domain, const struct iommu_track *track) MUST_CHECK;

/* Reads, and unless HARVEST_KEEP clears, the dirty state of [iova, last] of a domain that is tracked into
 * bitmap, and returns after the invalidation: every write that a device completed before this returned is in
 * this bitmap, or will be in the next one. What an unmap beside it has taken out is in neither, but in
 * track->unmapped when that has returned; what was written beside a merge, in the bitmap of a harvest that
 * begins when that has returned. Both are counted in stats->leaving: so who wants to have all, since writers
 * have stopped, harvests until one adds nothing to that. Runs beside map and unmap without blocking either;
 * two harvests of one range must not run at once, those of several ranges may.
 *
 * flags: 0, or HARVEST_PRUNED(n) to leave out what accessed bits say was not touched since the last harvest,
 * as far as this domain may do that (struct iommu_domain_info); n is one more from pass to pass, and the same
 * for all harvests of one: where the domain audits it says which share of what is left out is looked at all
 * the same. The first harvest of a range and those after which nothing may be missing come without. A large
 * leaf that reaches beyond the range is not cleared, so each harvest reports its part of it; with
 * HARVEST_WHOLE_LEAVES it is, and that pages beyond the range were written is forgotten. stats (may be NULL)
 * is added to.
 *
 * ERR_INVALID: range, bitmap or flags, or the domain is not tracked; ERR_RANGE; ERR_UNSUPPORTED (nothing is
 * translated in it). ERR_TIMEOUT, ERR_HARDWARE: a unit did not confirm, and its devices are cut off. The
 * bitmap has what was found then, and the caller keeps it: these pages are not reported again unless they are
 * written again, but they may be being written still, so that they are to be copied (once more) after a later
 * harvest of the domain that returned 0. */
int iommu_harvest(struct iommu_domain *domain, uint64_t iova, uint64_t last, struct dirty_bitmap *bitmap,
                  unsigned flags, struct harvest_stats *stats) MUST_CHECK;

/* Calls visit for each leaf that meets [iova, last], until it returns false. */
void iommu_domain_visit(struct iommu_domain *domain, uint64_t iova, uint64_t last,
                        bool (*visit)(void *context, const struct pt_leaf *leaf), void *context);

enum iommu_request {
    IOMMU_REQUEST_READ,
    IOMMU_REQUEST_WRITE,
    IOMMU_REQUEST_ATOMIC,    /* reads and writes */
    IOMMU_REQUEST_PAGE,      /* a page request */
    IOMMU_REQUEST_INTERRUPT, /* through interrupt remapping */
};

/* A request of a device that a unit refused. */
struct iommu_fault {
    uint64_t time_ns;
    struct pci_address device;
    enum iommu_request request;
    bool write;               /* the request writes memory */
    bool execute;             /* the device asked for permission to execute, */
    bool privileged;          /* and as privileged: both are known only with a PASID */
    uint64_t iova;            /* of the page; 0 of an interrupt */
    uint16_t interrupt_index; /* of the remapping table */
    bool has_pasid;
    uint32_t pasid;
    uint8_t reason;         /* the spec's code */
    const char *text;       /* and what it means */
    uint64_t domain_number; /* that the device was in: unlike names it never comes again; 0: in none */
    char domain[IOMMU_DOMAIN_NAME_MAX]; /* its name */
    uint64_t skipped;                   /* the device's faults before this one that were only counted */
    bool limited; /* as further ones will be: the device has had its share of this second */
};

/* Faults since start; and the newest that were recorded, newest first: fills at most max, returns how many.
 * Of each device so many a second are recorded, and the others are counted (iommu/fault_devices.h). */
uint64_t iommu_fault_count(void);
unsigned iommu_faults(struct iommu_fault *faults, unsigned max);

/* A fault as a sentence for people, cut to bytes: "0000:00:03.0 (guest) may not write 0x1000: ...". Any
 * context. */
void iommu_fault_text(const struct iommu_fault *fault, char *text, size_t bytes);

/* --- interrupts ---
 *
 * Where a unit remaps interrupts, a device raises only those that it has an entry for, and each entry belongs
 * to one source: what a device sends beyond that is blocked and is a fault. The units' own interrupts
 * (faults) are never remapped. */

enum iommu_source_match {
    IOMMU_SOURCE_FUNCTION, /* the function alone */
    IOMMU_SOURCE_DEVICE,   /* all functions of its device: one that uses phantom functions */
    IOMMU_SOURCE_BUSES,    /* all on the buses from its own to last_bus: what a bridge to PCI passes on */
};

/* Who may raise an interrupt. */
struct iommu_interrupt_source {
    struct pci_address device;
    enum iommu_source_match match;
    uint8_t last_bus; /* IOMMU_SOURCE_BUSES only */
};

/* Where it goes. */
struct iommu_interrupt_target {
    uint32_t apic_id; /* one CPU's */
    uint8_t vector;   /* 16 to 255 */
    bool level;       /* of an I/O APIC's input that is triggered by its level */
};

/* An interrupt, kept by its owner. address and data are what the device's MSI or MSI-X registers must hold.
 */
struct iommu_interrupt {
    uint64_t address;
    uint32_t data;
    bool remapped;  /* else the unit remaps nothing, and address and data are the target itself */
    uint16_t index; /* of its entry; an I/O APIC's redirection entry has it too */
    uint8_t unit;
    uint64_t serial; /* tells it from who had the entry before */
};

/* Makes an interrupt that may be raised when this returns. ERR_INVALID: a vector below 16, buses that end
 * before they begin; ERR_RANGE: an APIC id that the unit cannot reach (without 32-bit ids those above 254);
 * ERR_NOT_FOUND: no unit that is on covers the device; ERR_NOMEM: the unit's table is full; ERR_TIMEOUT,
 * ERR_HARDWARE: the unit did not confirm, and the interrupt is not there. */
int iommu_interrupt_alloc(const struct iommu_interrupt_source *source,
                          const struct iommu_interrupt_target *target, struct iommu_interrupt *interrupt)
    MUST_CHECK;

/* The same for an I/O APIC, by its id in the MADT. ERR_NOT_FOUND: no unit names it. */
int iommu_interrupt_alloc_ioapic(uint8_t io_apic, const struct iommu_interrupt_target *target,
                                 struct iommu_interrupt *interrupt) MUST_CHECK;

/* Moves an interrupt, which may be raised meanwhile, to another CPU or vector: it goes to the old target or
 * to the new one, and to the new one alone when this has returned 0. address and data stay as they are where
 * it is remapped; elsewhere they change, and the device must be told. target->level stays as it was. Calls
 * for one interrupt may come together, and one of them is the last. ERR_INVALID, ERR_RANGE; ERR_NOT_FOUND: it
 * was freed; nothing changed. ERR_TIMEOUT, ERR_HARDWARE: the unit did not confirm, and it may go either way.
 */
int iommu_interrupt_change(struct iommu_interrupt *interrupt, const struct iommu_interrupt_target *target)
    MUST_CHECK;

/* Takes an interrupt back: when this returns 0 it is raised no more, and each that was raised has reached its
 * CPU. Before that the device has been told not to. Where it is not remapped that is all there is to it.
 * ERR_NOT_FOUND: it was freed before; ERR_TIMEOUT, ERR_HARDWARE: it is gone, but the unit did not confirm: it
 * may come still, and its entry is not used again. */
int iommu_interrupt_free(const struct iommu_interrupt *interrupt) MUST_CHECK;

/* A device's faults since start. */
struct iommu_fault_device {
    struct pci_address device;
    bool others; /* not one device, but all that faulted when the table of devices was full */
    uint64_t faults;
    uint64_t skipped;                   /* of them, not recorded */
    uint64_t reads, writes, interrupts; /* of all of them, by kind */
    struct iommu_fault newest;          /* that was recorded */
};

/* Fills in the n-th device that ever faulted; false if there are not so many. Any context. */
bool iommu_fault_device(unsigned n, struct iommu_fault_device *device);

typedef void iommu_fault_handler(void *context, const struct iommu_fault *fault);

/* Has handler(context, fault) called for each recorded fault of the domain's devices, from now on, by an
 * event on a CPU; NULL for no handler. Calls come one after another. A handler may do all that an event may:
 * map and unmap, detach the device, wait for RCU; but it keeps other devices' faults waiting meanwhile, and
 * its own domain is neither destroyed by it nor given another handler. fault is gone when it returns.
 *
 * When this returns 0 the handler of before is not running, and will not be called again: what its context
 * points to may go. After iommu_detach() no call for that device begins. ERR_BUSY: called by the domain's own
 * handler; nothing changed. ERR_TIMEOUT: the handler of before is replaced, but has been running for a
 * second, and its context must stay. */
int iommu_domain_set_fault_handler(struct iommu_domain *domain, iommu_fault_handler *handler, void *context)
    MUST_CHECK;

/* --- whether dirty bits can be believed ---
 *
 * Units are tested once, after iommu_init(), by a device behind each: iommu_self_test() with one source after
 * the other, then iommu_self_test_end(). Nobody else makes domains meanwhile. */

/* Where a source's own memory may lie in the test's domain. */
#define IOMMU_DMA_SOURCE_BYTES (256 * 1024ull)

/* A device that accesses memory on demand. None of its functions waits without a deadline. */
struct iommu_dma_source {
    struct pci_address device;

    /* Brings the device, which is blocked and may be doing anything, into the domain. What it needs there it
     * maps in [iova, iova + IOMMU_DMA_SOURCE_BYTES). When it fails the device is blocked still. ERR_TIMEOUT:
     * it does not answer; any other error. */
    int (*open)(struct iommu_dma_source *source, struct iommu_domain *domain, uint64_t iova);

    /* Has the device write, or read, some of the page at iova, which is mapped, and no other page that is
     * under test. What was written has arrived when it returns 0. Errors as open(). */
    int (*write)(struct iommu_dma_source *source, uint64_t iova);
    int (*read)(struct iommu_dma_source *source, uint64_t iova);

    /* Blocks the device again and takes back what open() did. The first error, after everything was tried. */
    int (*close)(struct iommu_dma_source *source);
};

/* Tests the accessed and dirty bits of the unit that the source's device is behind, unless there is a result,
 * nothing to test, or the configuration says not to. The log and `iommu` have the result. */
void iommu_self_test(struct iommu_dma_source *source);

/* No more sources. A unit that failed is not believed: domains made from now on refuse to be tracked. */
void iommu_self_test_end(void);

struct iommu_domain_info {
    char name[IOMMU_DOMAIN_NAME_MAX];
    uint16_t id;               /* on every unit */
    const char *format;        /* of its tables: "x86_64" (first stage), "vtdss" (second stage), "none" */
    unsigned levels;           /* of tables; 0 where nothing is translated, and then the next one is too */
    unsigned devices;          /* in it, each as often as it has PASIDs there */
    uint64_t address_lg2;      /* IOVAs are below 2^this */
    uint64_t tables;           /* page-table pages in the tree */
    uint64_t tables_freed;     /* handed to RCU, ever */
    uint64_t quarantined;      /* held back since an invalidation failed */
    bool tracks_dirty;         /* it can be tracked by dirty bits */
    const char *why_not_dirty; /* in words; NULL where it can */
    bool reads_are_dirty;      /* an erratum: a page that was only read may be reported */
    enum iommu_tracking tracking;
    unsigned track_level;       /* as asked for; while it is tracked */
    bool prunes;                /* HARVEST_PRUNED() is heeded, or would be if it were tracked */
    bool audits;                /* and part of what it leaves out is looked at */
    const char *why_not_prunes; /* in words; NULL where it does */
};

/* Also while domains are visited. */
void iommu_domain_info(struct iommu_domain *domain, struct iommu_domain_info *info);

/* How many leaves of each size a domain has: 4 KiB, 2 MiB, 1 GiB. Also while domains are visited.
 *
 * It is found out by a walk of the tables, when somebody asks. Counters would have to be right through map,
 * unmap, split, merge and lost races, and an unmap would have to read the tables that it detaches as a whole,
 * which it need not otherwise. The walk reads 4 KiB for each table, so 2 MiB of memory for a domain of 1 GiB
 * in small pages, and blocks nobody: between tables it reports a quiescent state. What is mapped or unmapped
 * meanwhile may be counted or not. */
void iommu_domain_count(struct iommu_domain *domain, uint64_t leaves[PT_LEAF_LEVELS]);

/* Calls visit for each domain, and for each requester id in a domain. The lists are locked meanwhile: visit
 * calls nothing of this header but iommu_domain_info() and iommu_domain_count(): the domain stays as long. */
void iommu_domains_visit(void (*visit)(void *context, struct iommu_domain *domain), void *context);
void iommu_devices_visit(struct iommu_domain *domain,
                         void (*visit)(void *context, struct pci_address device, uint32_t pasid),
                         void *context);
