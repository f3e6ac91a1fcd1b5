/* SPDX-License-Identifier: BSD-2-Clause */
/* The smallest hypervisor that is right: CPUs that run one guest, and whoever changes its tree. What a wrong
 * one leaves out or does otherwise is said by its mistake. */
#pragma once

#include "iommu/domain.h"
#include "lib/spinlock.h"
#include "tests/model/machine.h"
#include "tests/model/oracle.h"
#include "tests/model/vcpu.h"

enum guest_mistake {
    GUEST_RIGHT,
    GUEST_FLUSHES_NOTHING,
    GUEST_WAITS_FOR_NOBODY,       /* kicks, and goes on at once */
    GUEST_FORGETS_EARLIER_CPUS,   /* only CPUs that are in the guest are asked to flush */
    GUEST_TESTS_TOO_EARLY,        /* a CPU tests for a request, and then says that it is in the guest */
    GUEST_ENTERS_WITHOUT_FENCE,   /* the test may be made before in_guest is seen by others */
    GUEST_REQUESTS_WITHOUT_FENCE, /* in_guest may be read before the request is seen by the CPU */
    GUEST_FREES_BEFORE_FLUSH,     /* table pages go after the grace period alone */
    GUEST_HARVEST_FLUSHES_NOTHING,
    GUEST_HARVEST_COPIES_BEFORE_FLUSH,
    GUEST_HARVEST_STORES,          /* clears dirty by a plain store */
    GUEST_HARVEST_STORES_ACCESSED, /* and accessed with it */
    GUEST_HARVEST_RETRACTS,        /* takes each entry out, and puts it back clean */
};

/* --- bare_guest.c: entering, leaving, flushing --- */

struct guest_cpu {
    struct vcpu vcpu;
    uint32_t in_guest; /* the CPU is in the guest, or about to be; this and the rest are atomic */
    uint32_t kicked;   /* the interrupt that ends a run of the guest */
    uint32_t wanted;   /* flushes that were asked for, */
    uint32_t flushed;  /* and the last that was done */
};

struct guest {
    struct iommu_domain_ops ops; /* of its domain, if it has one */
    struct iommu_domain *domain;
    unsigned levels; /* of the domain's tree */
    enum guest_mistake mistake;
    struct guest_cpu cpus[MACHINE_CPUS];
};

/* All CPUs may run the guest in the tree at root. */
void guest_make(struct guest *guest, enum vcpu_format format, uint64_t root, unsigned levels,
                bool accessed_dirty);

/* The same for a nested tree that a new domain makes, through the engine; no device can be attached. */
void guest_make_domain(struct guest *guest, unsigned levels);

/* On the CPU that runs the guest: it is in extended quiescence from enter to leave. */
void guest_enter(struct guest *guest);
void guest_leave(struct guest *guest);

/* This CPU, in the guest, has to leave. */
bool guest_is_kicked(struct guest *guest);

/* The vCPU of the CPU that asks. */
struct vcpu *guest_vcpu(struct guest *guest);

/* Nothing that was changed in the tree before is used any more by any CPU when this returns. On any CPU,
 * outside the guest. */
void guest_flush(struct guest *guest);

/* --- bare_ept.c: an EPT tree by hand, one leaf for each page, with its harvest --- */

#define EPT_PAGES 4

struct ept_guest {
    struct guest guest;
    uint64_t *slots[EPT_PAGES];
    void *pages[EPT_PAGES]; /* what is mapped */
    struct oracle *oracle;
    uint64_t content[EPT_PAGES]; /* how often the guest wrote the page: what is in it */
    uint64_t copy[EPT_PAGES];    /* and what the harvests have copied of it */
};

extern struct ept_guest ept;

/* GPA of a page; neighbours in one table. */
uint64_t ept_gpa(unsigned page);

/* Makes the machine (no unit) and the guest: CPU 0 calls. */
void ept_make(unsigned levels, enum guest_mistake mistake);

/* One call at a time for a page, which is not mapped, or is; and one harvest at a time. */
void ept_map(unsigned page);
void *ept_unmap(unsigned page); /* what was mapped, which is the caller's to free */
void ept_harvest(void);

/* One access of the guest, on its CPU. */
void ept_access(unsigned page, bool write);

/* Programs: the guest on this CPU, several times for a few accesses; and a CPU that maps and unmaps. */
void ept_run(void *context);
void ept_change(void *context);

/* The guest is out for good: VIOLATION_LOST_WRITE if a last harvest does not make the copy what it should be.
 */
void ept_finish(void);

/* --- bare_vm.c: a guest whose domain has two tables of 4 KiB leaves, with programs for its CPUs --- */

#define VM_TABLES 2
#define VM_PAGES  4 /* in each table */

struct vm {
    struct guest guest;
    struct oracle *oracle;
    struct spinlock turn;             /* a guest of one vCPU runs on the CPU that holds it */
    void *pages[VM_TABLES][VM_PAGES]; /* what is mapped; */
    void *large[VM_TABLES];           /* or a large page where the table would be */
};

extern struct vm vm;

/* GPA of a page of a table. */
uint64_t vm_gpa(unsigned table, unsigned page);

/* Makes the machine (no unit) and the guest: CPU 0 calls. */
void vm_start(unsigned levels, enum guest_mistake mistake);

/* One call at a time for a table. Where something is mapped already map does nothing; and unmap takes what is
 * there, its memory goes, and the table with it if it is told to. */
void vm_map(unsigned table, unsigned page);
void vm_map_large(unsigned table);
void vm_unmap_table(unsigned table);
void vm_unlink_table(unsigned table); /* the same, but what was mapped stays allocated */
void vm_harvest(void);

/* One access of the guest, on its CPU. */
void vm_access(unsigned table, unsigned page, bool write);

/* Programs. The guest on this CPU, several times for a few accesses; with others in turn, so that the vCPU
 * moves; and a CPU that maps and unmaps in a table, whose number is context. */
void vm_run(void *context);
void vm_run_in_turn(void *context);
void vm_change(void *context);

/* All others are done: nothing may be lost, and everything can be taken apart. */
void vm_finish(void);
