/* SPDX-License-Identifier: BSD-2-Clause */
/* How a vCPU goes through its tables: for vcpu.c alone. */
#pragma once

#include "tests/model/vcpu.h"

/* An entry in words, whatever its format. Rights are what it grants by itself. */
struct vcpu_entry {
    bool present;
    bool leaf;
    bool readable;
    bool writable;
    bool dirty; /* no write has to set anything in it */
    uint64_t address;
};

struct vcpu_entry vcpu_entry_decode(const struct vcpu *vcpu, uint64_t entry, unsigned level);

/* What the manual reserves and the entry has; NULL if it is right. */
const char *vcpu_entry_broken(const struct vcpu *vcpu, uint64_t entry, unsigned level);

/* The bits that an access sets in an entry on its way: 0 where the CPU keeps none. dirty: it is the leaf of a
 * write. */
uint64_t vcpu_entry_marks(const struct vcpu *vcpu, bool dirty);

/* Walks from the deepest table whose entry is cached, sets accessed and dirty, and caches the table entries
 * it came by. False when that leads nowhere, or not to what may be written; else *result is not cached yet.
 */
bool vcpu_walk(struct vcpu *vcpu, uint64_t gpa, bool write, struct cached_translation *result);
