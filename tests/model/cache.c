/* SPDX-License-Identifier: BSD-2-Clause */
/* Caches as lists of entries in no order, from which one goes when it is invalidated, displaced, or by whim.
 */
#include "tests/model/cache.h"
#include "tests/model/choices.h"
#include "tests/model/schedule.h"
#include "tests/model/violation.h"
#include <stdlib.h>
#include <string.h>

void cache_make(struct cache *cache, size_t entry_bytes)
{
    cache->entries = calloc(CACHE_ENTRIES_MAX, entry_bytes);
    cache->entry_bytes = entry_bytes;
    cache->count = 0;
    expect(cache->entries);
}

/* Units that keep everything find most; but one that forgets shows what the others hide. It is chosen before
 * the run is out of its calm. */
static unsigned choose_temper(void)
{
    static const unsigned tempers[] = {0, 0, 0, 16, 4, 1};

    return choices_mode() == CHOICES_RANDOM ? tempers[choices_choose(sizeof tempers / sizeof *tempers)] : 0;
}

void caches_make(struct unit_caches *caches)
{
    cache_make(&caches->translations, sizeof(struct cached_translation));
    cache_make(&caches->tables, sizeof(struct cached_table));
    cache_make(&caches->contexts, sizeof(struct cached_context));
    cache_make(&caches->pasids, sizeof(struct cached_pasid));
    cache_make(&caches->interrupts, sizeof(struct cached_interrupt));
    caches->temper = choose_temper();
}

void *cache_entry(struct cache *cache, unsigned n)
{
    return (char *)cache->entries + n * cache->entry_bytes;
}

static void drop_nth(struct cache *cache, unsigned n)
{
    cache->count--;
    if (n != cache->count)
        memcpy(cache_entry(cache, n), cache_entry(cache, cache->count), cache->entry_bytes);
}

/* Two of the same would make lookups a choice between them, which is none. */
static bool has(struct cache *cache, const void *entry)
{
    for (unsigned n = 0; n < cache->count; n++)
        if (memcmp(cache_entry(cache, n), entry, cache->entry_bytes) == 0)
            return true;
    return false;
}

void cache_add(struct unit_caches *caches, struct cache *cache, const void *entry)
{
    if ((caches && caches->temper == 1) || has(cache, entry))
        return;
    if (cache->count == CACHE_ENTRIES_MAX)
        drop_nth(cache, schedule_choose(cache->count));
    memcpy(cache_entry(cache, cache->count++), entry, cache->entry_bytes);
}

unsigned cache_drop(struct cache *cache, bool (*matches)(const void *context, const void *entry),
                    const void *context)
{
    unsigned dropped = 0;

    for (unsigned n = cache->count; n-- > 0;) {
        if (!matches(context, cache_entry(cache, n)))
            continue;
        drop_nth(cache, n);
        dropped++;
    }
    return dropped;
}

void *cache_find(struct cache *cache, bool (*matches)(const void *context, const void *entry),
                 const void *context)
{
    unsigned found = 0;
    unsigned chosen;

    for (unsigned n = 0; n < cache->count; n++)
        found += matches(context, cache_entry(cache, n));
    if (!found)
        return NULL;
    chosen = found == 1 ? 0 : schedule_choose(found);
    for (unsigned n = 0;; n++)
        if (matches(context, cache_entry(cache, n)) && chosen-- == 0)
            return cache_entry(cache, n);
}

void caches_maybe_drop(struct unit_caches *caches)
{
    struct cache *all[] = {&caches->translations, &caches->tables, &caches->contexts, &caches->pasids,
                           &caches->interrupts};
    unsigned total = 0;
    unsigned chosen;

    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        total += all[i]->count;
    if (caches->temper < 2 || !total || !schedule_chance(caches->temper))
        return;
    chosen = schedule_choose(total);
    for (unsigned i = 0;; i++) {
        if (chosen < all[i]->count) {
            drop_nth(all[i], chosen);
            return;
        }
        chosen -= all[i]->count;
    }
}
