/* SPDX-License-Identifier: BSD-2-Clause */
/* An updater's thread: replaces objects, and frees the old ones in each way that there is. */
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/rcu_pages.h"
#include "tests/host/host.h"
#include "tests/torture/torture.h"
#include <stdlib.h>

#define LIST_MAX 8u

static struct object **own_slot(struct player *self, unsigned i)
{
    return &slots[(self->cpu - UPDATER_CPU) * SLOTS_EACH + i];
}

/* Puts a new object into a random slot of ours; the old one, unlinked. */
static struct object *replace(struct player *self)
{
    struct object **slot = own_slot(self, random_below(&self->random, SLOTS_EACH));
    struct object *old = *slot, *object = object_make();

    if (!object)
        abort();
    rcu_assign_pointer(slot, object);
    return old;
}

static void free_as_pages(struct player *self)
{
    unsigned count = 1 + random_below(&self->random, LIST_MAX);
    struct list pages;

    list_init(&pages);
    for (unsigned i = 0; i < count; i++)
        list_append(&pages, &page_of(replace(self))->link);
    tally_add(&tally.freed, count);
    rcu_free_pages(&pages);
    tally_add(&tally.by_pages, 1);
}

static void free_after_poll(struct object *object)
{
    uint64_t state = rcu_get_state();

    while (!rcu_poll(state)) {
        platform_relax();
        rcu_quiescent();
    }
    object_free(object);
    tally_add(&tally.by_poll, 1);
}

struct flag {
    struct rcu_head head;
    uint64_t raised; /* atomic */
};

static void raise_flag(struct rcu_head *head)
{
    atomic_write(&CONTAINER_OF(head, struct flag, head)->raised, 1u);
}

/* The callback may have gone to another CPU before the barrier asks. */
static void check_barrier(bool leave)
{
    struct flag *flag = calloc(1, sizeof(*flag));

    if (!flag)
        abort();
    call_rcu(&flag->head, raise_flag);
    if (leave)
        be_absent(10);
    rcu_barrier();
    tally_add(&tally.barriers, 1);
    if (!atomic_read(&flag->raised)) {
        tally_add(&tally.early, 1);
        return; /* it is not ours to free: its callback will run */
    }
    free(flag);
}

static void update(struct player *self)
{
    uint32_t dice = random_below(&self->random, 256);

    if (dice < 2) {
        check_barrier(dice == 0);
    } else if (dice < 4) {
        struct object *old = replace(self);

        synchronize_rcu();
        object_free(old);
        tally_add(&tally.by_wait, 1);
    } else if (dice < 8) {
        struct object *old = replace(self);

        synchronize_rcu_expedited();
        object_free(old);
        tally_add(&tally.by_expedited, 1);
    } else if (dice < 12) {
        free_after_poll(replace(self));
    } else if (dice < 80) {
        free_as_pages(self);
    } else {
        object_free_in_generations(replace(self));
        tally_add(&tally.by_call, 1);
    }
}

static void fill_slots(struct player *self)
{
    for (unsigned i = 0; i < SLOTS_EACH; i++) {
        struct object *object = object_make();

        if (!object)
            abort();
        rcu_assign_pointer(own_slot(self, i), object);
    }
}

static void clear_slots(struct player *self)
{
    for (unsigned i = 0; i < SLOTS_EACH; i++) {
        struct object *old = *own_slot(self, i);

        rcu_assign_pointer(own_slot(self, i), NULL);
        object_free_in_generations(old);
    }
}

void *updater(void *player)
{
    struct player *self = player;

    host_set_cpu(self->cpu);
    rcu_cpu_online();
    fill_slots(self);
    while (!atomic_read(&stop)) {
        update(self);
        if (random_below(&self->random, 4) == 0)
            rcu_quiescent();
        if (random_below(&self->random, 256) == 0)
            be_absent(10);
    }
    clear_slots(self);
    rcu_cpu_offline(); /* with callbacks waiting */
    return NULL;
}
