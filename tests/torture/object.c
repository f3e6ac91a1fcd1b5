/* SPDX-License-Identifier: BSD-2-Clause */
/* The objects that readers look at, and the oracle: while a reader holds one it is not a single grace period
 * old, and its words do not change. */
#include "lib/page_alloc.h"
#include "tests/torture/torture.h"

#define DEAD PAGE_POISON

struct object *slots[SLOTS];
struct tally tally;
uint32_t stop;

static uint64_t serials;

struct object *object_make(void)
{
    struct object *object = pages_alloc(0, PAGE_HYPERVISOR);
    uint64_t serial = atomic_fetch_add(&serials, 1u) + 1;

    if (!object) {
        /* All that is unlinked may be with callbacks of ours, which the allocator knows nothing of. */
        tally_add(&tally.dry, 1);
        for (unsigned i = 0; i < GENERATIONS; i++)
            rcu_barrier();
        object = pages_alloc(0, PAGE_HYPERVISOR);
    }
    if (!object)
        return NULL;
    for (unsigned i = 0; i < ARRAY_SIZE(object->words); i++)
        object->words[i] = serial;
    tally_add(&tally.made, 1);
    return object;
}

void object_free(struct object *object)
{
    for (unsigned i = 0; i < ARRAY_SIZE(object->words); i++)
        object->words[i] = DEAD;
    pages_free(object);
    tally_add(&tally.freed, 1);
}

static void grow_older(struct rcu_head *head)
{
    struct object *object = CONTAINER_OF(head, struct object, head);

    if (atomic_fetch_add(&object->age, 1u) + 1 < GENERATIONS)
        call_rcu(head, grow_older);
    else
        object_free(object);
}

void object_free_in_generations(struct object *object)
{
    call_rcu(&object->head, grow_older);
}

void object_look(struct object *object, unsigned looks)
{
    /* Plain reads, so that ThreadSanitizer judges too; volatile, so that each is made. */
    const volatile uint64_t *words = object->words;
    uint64_t serial = words[0];
    bool alive = serial && serial != DEAD;

    for (unsigned i = 0; i < looks; i++)
        alive = alive && words[i % ARRAY_SIZE(object->words)] == serial;
    tally_add(&tally.looks, looks);
    if (!alive)
        tally_add(&tally.dead, 1);
    if (atomic_read(&object->age))
        tally_add(&tally.too_old, 1);
    if (!alive || atomic_read(&object->age))
        atomic_write(&stop, 1u);
}
