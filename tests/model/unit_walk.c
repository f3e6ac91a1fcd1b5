/* SPDX-License-Identifier: BSD-2-Clause */
/* Walks page tables of both stages (3.6, 3.7), from the root or from wherever a table is cached (6.2.5), and
 * sets accessed and dirty. */
#include "lib/units.h"
#include "tests/model/history.h"
#include "tests/model/schedule.h"
#include "tests/model/unit_tables.h"
#include "tests/model/violation.h"

#define ENTRIES_LG2 9
#define LEVELS_MAX  5

/* An entry that was read, and what stands above it. */
struct step {
    uint64_t at;
    uint64_t entry;
    uint64_t next_generation; /* of the table that it points to */
    unsigned level;
    bool readable; /* what it grants, with all above it */
    bool writable;
};

struct path {
    struct step steps[LEVELS_MAX];
    unsigned count;
    bool leaf;      /* the last step is one */
    uint64_t table; /* that is read next, or was read last */
    uint64_t generation;
    unsigned level; /* of its entries */
    bool readable;
    bool writable;
};

enum outcome {
    WALK_DONE,
    WALK_REFUSED,
    WALK_AGAIN, /* an entry changed under the walk */
};

static bool is_second(const struct unit_walk *walk)
{
    return walk->route == ROUTE_SECOND_STAGE;
}

static unsigned span_lg2(unsigned level)
{
    return PAGE_LG2 + ENTRIES_LG2 * level;
}

/* --- entries --- */

/* Whether the unit can have a leaf there. In the first stage 2 MiB need no capability. */
static bool has_leaves(const struct unit *unit, const struct unit_walk *walk, unsigned level)
{
    if (is_second(walk))
        return level == 0 || (level <= 2 && SPEC_CAP_SSLPS(unit->config.cap) >> (level - 1) & 1);
    return level <= 1 || (level == 2 && unit->config.cap & SPEC_CAP_FS1GP);
}

static uint64_t second_stage_reserved(const struct unit *unit, unsigned level, bool leaf)
{
    uint64_t reserved = SPEC_SS_RESERVED;

    if (!leaf || !(unit->config.ecap & SPEC_ECAP_SC))
        reserved |= SPEC_SS_SNP;
    if (leaf && level)
        reserved |= level == 1 ? SPEC_SS_LEAF_LOW_2M : SPEC_SS_LEAF_LOW_1G;
    return reserved;
}

static uint64_t first_stage_reserved(unsigned level, bool leaf)
{
    if (leaf && level)
        return SPEC_LEAF_ABOVE_HAW | (level == 1 ? SPEC_FS_LEAF_LOW_2M : SPEC_FS_LEAF_LOW_1G);
    return SPEC_LEAF_ABOVE_HAW;
}

/* Page size is at the same place in both formats; where no leaf can be it is reserved. */
static bool check_leaf(const struct unit *unit, const struct request *request, const struct unit_walk *walk,
                       const struct step *step)
{
    const char *what = is_second(walk) ? "second-stage entry" : "first-stage entry";
    bool page_size = step->entry & SPEC_SS_PAGE_SIZE;
    bool leaf = step->level == 0 || page_size;
    uint64_t reserved = is_second(walk) ? second_stage_reserved(unit, step->level, leaf)
                                        : first_stage_reserved(step->level, leaf);

    if (!has_leaves(unit, walk, step->level))
        reserved |= SPEC_SS_PAGE_SIZE;
    unit_check_reserved(unit, request, what, step->at, step->entry, reserved);
    return leaf;
}

/* What a refusal is called where something is granted, and not the access; and where nothing is. */
static uint8_t no_permission(const struct unit_walk *walk, const struct request *request)
{
    if (walk->scalable)
        return request->write ? SPEC_SGN_6 : SPEC_SGN_7;
    return request->write ? SPEC_LGN_2 : SPEC_LGN_3;
}

static uint8_t no_entry(const struct unit_walk *walk, const struct request *request)
{
    if (!is_second(walk))
        return SPEC_SFS_2;
    return walk->scalable ? SPEC_SSS_2 : no_permission(walk, request);
}

/* False where the entry stops the walk, with *reason. */
static bool grants(const struct unit_walk *walk, const struct request *request, const struct path *path,
                   struct step *step, uint8_t *reason)
{
    uint64_t entry = step->entry;
    bool present = is_second(walk) ? entry & (SPEC_SS_READ | SPEC_SS_WRITE) : entry & SPEC_FS_PRESENT;

    if (!present) {
        *reason = no_entry(walk, request);
        return false;
    }
    step->readable = path->readable && (is_second(walk) ? entry & SPEC_SS_READ : true);
    step->writable = path->writable && entry & (is_second(walk) ? SPEC_SS_WRITE : SPEC_FS_WRITE);
    if (!step->readable && !step->writable) {
        *reason = no_entry(walk, request);
        return false;
    }
    /* No request here asks for supervisor privilege. */
    if (!is_second(walk) && !(entry & SPEC_FS_USER)) {
        *reason = SPEC_SGN_2;
        return false;
    }
    return true;
}

/* --- paging-structure caches --- */

struct table_key {
    const struct request *request;
    const struct unit_walk *walk;
};

/* By domain id alone in the second stage, by domain id and PASID in the first (6.2.1). */
static bool matches_table(const void *context, const void *entry)
{
    const struct table_key *key = context;
    const struct cached_table *table = entry;

    return table->first_stage == !is_second(key->walk) && table->did == key->walk->did &&
           (is_second(key->walk) || table->pasid == key->walk->pasid) &&
           key->request->iova >> table->span_lg2 == table->iova >> table->span_lg2;
}

/* Where the walk begins: at the root, or at any table that is cached. False where what is cached is that
 * there is none. */
static bool begin_at(struct unit *unit, const struct request *request, const struct unit_walk *walk,
                     struct path *path)
{
    const struct table_key key = {request, walk};
    const struct cached_table *found[CACHE_ENTRIES_MAX];
    struct cache *cache = &unit->caches.tables;
    unsigned count = 0, choice;

    caches_maybe_drop(&unit->caches);
    for (unsigned i = 0; i < cache->count; i++)
        if (matches_table(&key, cache_entry(cache, i)))
            found[count++] = cache_entry(cache, i);
    *path = (struct path){.table = walk->root,
                          .generation = memory_generation(walk->root),
                          .level = walk->levels - 1,
                          .readable = true,
                          .writable = true};
    choice = count ? schedule_choose(count + 1) : 0;
    if (choice == 0)
        return true;
    path->table = found[choice - 1]->table;
    path->generation = found[choice - 1]->generation;
    path->level = (found[choice - 1]->span_lg2 - PAGE_LG2) / ENTRIES_LG2 - 1;
    path->readable = found[choice - 1]->readable;
    path->writable = found[choice - 1]->writable;
    return path->table;
}

static bool same_table(const void *context, const void *entry)
{
    const struct cached_table *a = context, *b = entry;

    return a->first_stage == b->first_stage && a->did == b->did && a->pasid == b->pasid &&
           a->iova == b->iova && a->span_lg2 == b->span_lg2 && a->table == b->table &&
           a->generation == b->generation && a->readable == b->readable && a->writable == b->writable;
}

/* Keeps the tables on the path. In the first stage an entry is cached only once its accessed bit is set, as
 * are those above it; the specification does not say so of the second stage, where one may be cached by a
 * walk that fails further down, and has set nothing. */
static void fill_tables(struct unit *unit, const struct request *request, const struct unit_walk *walk,
                        const struct path *path)
{
    unsigned tables = path->leaf ? path->count - 1 : path->count;

    for (unsigned i = 0; i < tables && !request->no_fill_iotlb; i++) {
        const struct step *step = &path->steps[i];
        struct cached_table new = {
            .first_stage = !is_second(walk),
            .did = walk->did,
            .pasid = is_second(walk) ? 0 : walk->pasid,
            .iova = align_down(request->iova, 1ull << span_lg2(step->level)),
            .span_lg2 = span_lg2(step->level),
            .table = step->entry & SPEC_TABLE_ADDRESS,
            .generation = step->next_generation,
            .readable = step->readable,
            .writable = step->writable,
        };

        if (!is_second(walk) && !(step->entry & SPEC_FS_ACCESSED))
            return;
        if (cache_find(&unit->caches.tables, same_table, &new))
            continue;
        history("vtd%lu: caches the table of %#lx, 2^%lu bytes, of did %lu, PASID %lu: at %#lx", unit->index,
                new.iova, new.span_lg2, new.did, new.pasid, new.table);
        cache_add(&unit->caches, &unit->caches.tables, &new);
    }
}

/* --- the walk --- */

/* Reads down to a leaf. False when an entry stops it. */
static bool read_path(struct unit *unit, const struct request *request, const struct unit_walk *walk,
                      struct path *path, uint8_t *reason)
{
    const char *what = is_second(walk) ? "second-stage table" : "first-stage table";

    while (!path->leaf) {
        struct step *step = &path->steps[path->count];

        step->level = path->level;
        step->at = path->table + (request->iova >> span_lg2(path->level) & ((1u << ENTRIES_LG2) - 1)) * 8;
        step->entry = memory_read(walk->view, step->at, what);
        memory_check_table(path->table, path->generation, what);
        if (!grants(walk, request, path, step, reason))
            return false;
        path->count++;
        path->readable = step->readable;
        path->writable = step->writable;
        path->leaf = check_leaf(unit, request, walk, step);
        if (path->leaf)
            break;
        path->table = step->entry & SPEC_TABLE_ADDRESS;
        path->generation = step->next_generation = memory_generation(path->table);
        path->level--;
    }
    return true;
}

/* Whether the leaf gives what the request must have. A translation request is content with less. */
static bool permitted(const struct request *request, const struct unit_walk *walk, const struct path *path,
                      uint8_t *reason)
{
    bool asks = request->type == REQUEST_TRANSLATION;

    if (request->write ? path->writable || (asks && path->readable) : path->readable)
        return true;
    *reason = no_permission(walk, request);
    return false;
}

/* The bits that must be set in an entry of the path before the translation may be used (3.6.2, 3.7.2). */
static uint64_t wanted_bits(const struct request *request, const struct unit_walk *walk,
                            const struct path *path, unsigned i)
{
    uint64_t bits = is_second(walk) ? SPEC_SS_ACCESSED : SPEC_FS_ACCESSED;

    if (i == path->count - 1 && request->write && path->writable)
        bits |= is_second(walk) ? SPEC_SS_DIRTY : SPEC_FS_DIRTY;
    return walk->accessed_dirty ? bits : 0;
}

/* Sets accessed and dirty, from the root down, each by one atomic update of what the walk has read. */
static enum outcome set_bits(const struct request *request, const struct unit_walk *walk, struct path *path,
                             uint8_t *reason)
{
    for (unsigned i = 0; i < path->count; i++) {
        struct step *step = &path->steps[i];
        uint64_t desired = step->entry | wanted_bits(request, walk, path, i);
        uint64_t expected = step->entry;

        if (desired == step->entry)
            continue;
        if (walk->view != MEMORY_SNOOPED) {
            *reason = is_second(walk) ? SPEC_SSS_5 : SPEC_SFS_9;
            return WALK_REFUSED;
        }
        if (!memory_update(step->at, &expected, desired, "accessed and dirty bits"))
            return WALK_AGAIN;
        step->entry = desired;
    }
    return WALK_DONE;
}

/* The accessed bit may also be set for a request that is refused then (3.6.2, 3.7.2), and so a table be
 * cached below which nothing was ever mapped. Not the dirty bit. */
static void set_accessed_of_refused(const struct unit_walk *walk, struct path *path)
{
    uint64_t accessed = is_second(walk) ? SPEC_SS_ACCESSED : SPEC_FS_ACCESSED;

    if (!walk->accessed_dirty || walk->view != MEMORY_SNOOPED || !path->count || schedule_choose(2) == 0)
        return;
    for (unsigned i = 0; i < path->count; i++) {
        struct step *step = &path->steps[i];
        uint64_t expected = step->entry;

        if (step->entry & accessed)
            continue;
        if (!memory_update(step->at, &expected, step->entry | accessed, "accessed bit of a refused request"))
            return;
        step->entry |= accessed;
    }
}

static void fill_translation(struct unit *unit, const struct request *request, const struct unit_walk *walk,
                             const struct path *path, struct cached_translation *result)
{
    const struct step *leaf = &path->steps[path->count - 1];
    unsigned page_lg2 = span_lg2(leaf->level);
    uint64_t dirty = is_second(walk) ? SPEC_SS_DIRTY : SPEC_FS_DIRTY;

    *result = (struct cached_translation){
        .present = true,
        .first_stage = !is_second(walk),
        .source_id = request->source_id,
        .for_pasid = request->has_pasid,
        .did = walk->did,
        .pasid = walk->pasid,
        .iova = align_down(request->iova, 1ull << page_lg2),
        .page_lg2 = page_lg2,
        .hpa = align_down(leaf->entry & SPEC_TABLE_ADDRESS, 1ull << page_lg2),
        .readable = path->readable,
        .writable = path->writable,
        .dirty = !walk->accessed_dirty || leaf->entry & dirty,
        .table = align_down(leaf->at, PAGE_SIZE),
        .generation = path->generation,
    };
    unit_iotlb_fill(unit, request, result);
}

/* That an entry which could point to a table does not, among the table caches (6.2.5.5): software that links
 * a table there has to invalidate more than leaves. */
static void fill_missing_table(struct unit *unit, const struct request *request, const struct unit_walk *walk,
                               unsigned level)
{
    const struct cached_table nothing = {
        .did = walk->did,
        .iova = align_down(request->iova, 1ull << span_lg2(level)),
        .span_lg2 = span_lg2(level),
    };

    if (cache_find(&unit->caches.tables, same_table, &nothing))
        return;
    history("vtd%lu: caches that %#lx of did %lu has no table, 2^%lu bytes", unit->index, nothing.iova,
            nothing.did, nothing.span_lg2);
    cache_add(&unit->caches, &unit->caches.tables, &nothing);
}

/* In caching mode what is not there is kept too, apart from the first stage (6.1). */
static void fill_not_present(struct unit *unit, const struct request *request, const struct unit_walk *walk,
                             const struct path *path)
{
    struct cached_translation nothing = {
        .source_id = request->source_id,
        .for_pasid = request->has_pasid,
        .did = walk->did,
        .pasid = walk->pasid,
        .iova = align_down(request->iova, PAGE_SIZE),
        .page_lg2 = PAGE_LG2,
    };

    if (!is_second(walk) || !(unit->config.cap & SPEC_CAP_CM))
        return;
    unit_iotlb_fill(unit, request, &nothing);
    if (!path->leaf && path->level && !request->no_fill_iotlb)
        fill_missing_table(unit, request, walk, path->level);
}

static enum outcome walk_once(struct unit *unit, struct request *request, const struct unit_walk *walk,
                              struct cached_translation *result, uint8_t *reason)
{
    struct path path;
    enum outcome outcome;
    bool there;

    if (!begin_at(unit, request, walk, &path)) {
        *reason = no_entry(walk, request);
        return WALK_REFUSED;
    }
    there = read_path(unit, request, walk, &path, reason);
    if (!there || !permitted(request, walk, &path, reason)) {
        set_accessed_of_refused(walk, &path);
        fill_tables(unit, request, walk, &path);
        if (!there)
            fill_not_present(unit, request, walk, &path);
        return WALK_REFUSED;
    }
    outcome = set_bits(request, walk, &path, reason);
    if (outcome != WALK_DONE)
        return outcome;
    fill_tables(unit, request, walk, &path);
    fill_translation(unit, request, walk, &path, result);
    return WALK_DONE;
}

/* --- what stands before a walk --- */

/* Whether the tables can translate the address at all. In the first stage software keeps to the lower
 * canonical half and to MGAW (3.6), so beyond that the unit may refuse. */
static bool in_width(const struct unit *unit, const struct request *request, const struct unit_walk *walk,
                     uint8_t *reason)
{
    unsigned width = span_lg2(walk->levels);
    unsigned mgaw = SPEC_CAP_MGAW(unit->config.cap) + 1;
    int64_t sign = (int64_t)request->iova >> (width - 1);

    if (is_second(walk)) {
        *reason = walk->scalable ? SPEC_SGN_5 : SPEC_LGN_1;
        return !(request->iova >> (width < mgaw ? width : mgaw));
    }
    *reason = sign == 0 || sign == -1 ? SPEC_SGN_4 : SPEC_SGN_1;
    return sign == 0 && !(request->iova >> mgaw);
}

bool unit_walk(struct unit *unit, struct request *request, const struct unit_walk *walk,
               struct cached_translation *result, uint8_t *reason)
{
    enum outcome outcome;

    if (!in_width(unit, request, walk, reason))
        return false;
    /* PASID cache and IOTLB are not looked at in one step. */
    schedule_point(POINT_HARDWARE, NULL);
    switch (unit_iotlb_by_tags(unit, request, walk, result)) {
    case HIT_ALLOWED:
        return true;
    case HIT_REFUSED:
        *reason = result->present ? no_permission(walk, request) : no_entry(walk, request);
        return false;
    default:
        break;
    }
    do
        outcome = walk_once(unit, request, walk, result, reason);
    while (outcome == WALK_AGAIN);
    return outcome == WALK_DONE;
}
