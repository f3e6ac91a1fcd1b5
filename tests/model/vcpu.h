/* SPDX-License-Identifier: BSD-2-Clause */
/* A CPU that runs a guest: its TLB and its caches of table entries for one tree, tagged as the manuals say,
 * which outlive an exit and go only by an invalidation that the CPU itself carries out. */
#pragma once

#include "tests/model/cache.h"
#include <stdbool.h>
#include <stdint.h>

enum vcpu_format {
    VCPU_NESTED, /* AMD nested paging: x86 long-mode tables, accessed and dirty always kept */
    VCPU_EPT,    /* Intel EPT; accessed and dirty by EPTP bit 6 */
};

struct vcpu {
    const char *name;
    enum vcpu_format format;
    uint64_t root;
    unsigned levels;
    bool accessed_dirty;
    bool in_guest; /* between vcpu_enter() and vcpu_exit() */
    bool entered;  /* at least once, and always on this CPU */
    unsigned cpu;
    unsigned ahead_pages; /* walks ahead within so many pages around an access, a power of two; 0: never */
    uint64_t last_gpa;    /* of the last access */
    struct unit_caches caches; /* the TLB (translations) and the caches of table entries (tables) */
};

/* levels is 4 or 5. Twice for two CPUs that run one tree: what a CPU caches is its own. */
void vcpu_make(struct vcpu *vcpu, const char *name, enum vcpu_format format, uint64_t root, unsigned levels,
               bool accessed_dirty);

/* The guest runs, on the agent's CPU, always the same; and stops. Its caches stay. Meanwhile the CPU may walk
 * ahead, and memory that they point to must not be freed. */
void vcpu_enter(struct vcpu *vcpu);
void vcpu_exit(struct vcpu *vcpu);

/* One access of the guest at gpa; only in the guest. False on a violation (nothing mapped, or read-only),
 * with *hpa where it went otherwise. The write itself counts as done when this returns. */
bool vcpu_access(struct vcpu *vcpu, uint64_t gpa, bool write, uint64_t *hpa);

/* Drops everything that this CPU holds of the tree: single-context INVEPT, or a flush of the ASID at the next
 * VMRUN. Only on its own CPU, outside the guest. */
void vcpu_flush(struct vcpu *vcpu);
