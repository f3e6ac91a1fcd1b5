/* SPDX-License-Identifier: BSD-2-Clause */
/* The vCPU's walk of its tables (Intel SDM volume 3, "EPT Translation Mechanism" and "Accessed and Dirty
 * Flags for EPT"; AMD64 volume 2, 5.4.2 and 15.25). */
#include "tests/model/vcpu_walk.h"
#include "lib/units.h"
#include "tests/model/history.h"
#include "tests/model/violation.h"
#include <inttypes.h>

#define LEVELS_MAX 5

/* One entry that was read. */
struct step {
    unsigned level;
    uint64_t table; /* that it is in */
    uint64_t generation;
    bool readable; /* what all entries above grant */
    bool writable;
    uint64_t at;
    uint64_t value;
    struct vcpu_entry entry;
};

struct path {
    struct step steps[LEVELS_MAX];
    unsigned count; /* the last is a leaf, or not present */
};

static unsigned entry_lg2(unsigned level)
{
    return PAGE_LG2 + 9 * level;
}

/* A table by what it translates. */
struct wanted {
    uint64_t gpa;
    unsigned span_lg2;
};

static bool is_wanted(const void *context, const void *entry)
{
    const struct wanted *wanted = context;
    const struct cached_table *table = entry;

    return table->span_lg2 == wanted->span_lg2 &&
           table->iova == align_down(wanted->gpa, 1ull << table->span_lg2);
}

/* The first step goes into the deepest table whose entry is cached. */
static struct step first_step(struct vcpu *vcpu, uint64_t gpa)
{
    struct step step = {.readable = true, .writable = true};

    for (step.level = 0; step.level + 1 < vcpu->levels; step.level++) {
        struct wanted wanted = {gpa, entry_lg2(step.level + 1)};
        const struct cached_table *cached = cache_find(&vcpu->caches.tables, is_wanted, &wanted);

        if (!cached)
            continue;
        step.table = cached->table;
        step.generation = cached->generation;
        step.readable = cached->readable;
        step.writable = cached->writable;
        return step;
    }
    step.table = vcpu->root;
    step.generation = memory_generation(vcpu->root);
    return step;
}

/* Reads the entry that the step is for. */
static void read_entry(const struct vcpu *vcpu, uint64_t gpa, struct step *step)
{
    const char *what = vcpu->format == VCPU_EPT ? "EPT entry" : "nested page-table entry";
    const char *broken;

    step->at = step->table + (gpa >> entry_lg2(step->level)) % 512 * sizeof(uint64_t);
    step->value = memory_read(MEMORY_SNOOPED, step->at, what);
    memory_check_table(step->table, step->generation, what);
    broken = vcpu_entry_broken(vcpu, step->value, step->level);
    if (broken)
        violation(VIOLATION_RESERVED_BITS, "%s: the %s %#" PRIx64 " for GPA %#" PRIx64 " at level %u %s",
                  vcpu->name, what, step->value, gpa, step->level, broken);
    step->entry = vcpu_entry_decode(vcpu, step->value, step->level);
}

static struct step step_below(const struct step *step)
{
    return (struct step){
        .level = step->level - 1,
        .table = step->entry.address,
        .generation = memory_generation(step->entry.address),
        .readable = step->readable && step->entry.readable,
        .writable = step->writable && step->entry.writable,
    };
}

static void read_path(struct vcpu *vcpu, uint64_t gpa, struct path *path)
{
    struct step *step = path->steps;

    *step = first_step(vcpu, gpa);
    read_entry(vcpu, gpa, step);
    while (step->entry.present && !step->entry.leaf) {
        step[1] = step_below(step);
        read_entry(vcpu, gpa, ++step);
    }
    path->count = (unsigned)(step - path->steps) + 1;
}

static bool path_grants(const struct path *path, bool write)
{
    const struct step *last = &path->steps[path->count - 1];

    if (!last->entry.leaf || !last->readable || !last->entry.readable)
        return false;
    return !write || (last->writable && last->entry.writable);
}

/* Sets accessed in each entry of the path, top down, and dirty in the leaf of a write: only now that all of
 * it was read, which is as late as may be, since none is cached or used yet. False if an entry is another one
 * by now: the walk starts again. */
static bool mark_path(const struct vcpu *vcpu, struct path *path, bool write)
{
    bool grants = path_grants(path, write);

    for (unsigned i = 0; i < path->count; i++) {
        struct step *step = &path->steps[i];
        uint64_t marks = vcpu_entry_marks(vcpu, write && step->entry.leaf);
        uint64_t found = step->value;

        if (!step->entry.present || (step->entry.leaf && !grants) || (step->value & marks) == marks)
            continue;
        if (!memory_update(step->at, &found, step->value | marks, "accessed and dirty bits")) {
            history("finds entry %lx at %lx, and not %lx any more: walks again", found, step->at,
                    step->value);
            return false;
        }
        step->value |= marks;
        step->entry = vcpu_entry_decode(vcpu, step->value, step->level);
    }
    return true;
}

/* Entries that point to tables are cached even where the walk found nothing in the end. Both manuals ask for
 * no more than that the entry was present, and accessed. */
static void cache_tables(struct vcpu *vcpu, uint64_t gpa, const struct path *path)
{
    for (unsigned i = 0; i + 1 < path->count; i++) {
        const struct step *below = &path->steps[i + 1];
        struct cached_table table = {
            .iova = align_down(gpa, 1ull << entry_lg2(below->level + 1)),
            .span_lg2 = entry_lg2(below->level + 1),
            .table = below->table,
            .generation = below->generation,
            .readable = below->readable,
            .writable = below->writable,
        };

        cache_add(&vcpu->caches, &vcpu->caches.tables, &table);
    }
}

bool vcpu_walk(struct vcpu *vcpu, uint64_t gpa, bool write, struct cached_translation *result)
{
    struct path path = {.count = 0};
    const struct step *last;

    do {
        read_path(vcpu, gpa, &path);
    } while (!mark_path(vcpu, &path, write));
    cache_tables(vcpu, gpa, &path);
    last = &path.steps[path.count - 1];
    history("walks %lx from level %lu to entry %lx at level %lu", gpa, path.steps[0].level, last->value,
            last->level);
    if (!path_grants(&path, write))
        return false;
    *result = (struct cached_translation){
        .present = true,
        .iova = align_down(gpa, 1ull << entry_lg2(last->level)),
        .page_lg2 = entry_lg2(last->level),
        .hpa = last->entry.address,
        .readable = true,
        .writable = last->writable && last->entry.writable,
        .dirty = last->entry.dirty,
        .table = last->table,
        .generation = last->generation,
        .target_generation = memory_generation(last->entry.address),
    };
    return true;
}
