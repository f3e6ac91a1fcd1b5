/* SPDX-License-Identifier: BSD-2-Clause */
/* A reader's thread: read sections that nest and are preempted, and between them all that a CPU may do. */
#include "lib/platform.h"
#include "tests/host/host.h"
#include "tests/torture/torture.h"
#include <stdlib.h>

/* A callback that knows the grace period which it must not run before. */
struct message {
    struct rcu_head head;
    uint64_t state;
};

static void receive(struct rcu_head *head)
{
    struct message *message = CONTAINER_OF(head, struct message, head);

    if (!rcu_poll(message->state))
        tally_add(&tally.early, 1);
    free(message);
}

static void send(void)
{
    struct message *message = malloc(sizeof(*message));

    if (!message)
        abort();
    message->state = rcu_get_state();
    call_rcu(&message->head, receive);
}

static void read_some(struct random *random)
{
    unsigned objects = 1 + random_below(random, 16);

    rcu_read_lock();
    while (objects--) {
        struct object *object = rcu_dereference(&slots[random_below(random, SLOTS)]);

        if (!object)
            continue; /* before the start, or at the end */
        rcu_read_lock();
        object_look(object, 1 + random_below(random, 64));
        rcu_read_unlock();
        if (random_below(random, 128) == 0)
            platform_relax(); /* others run on this processor while the reference is held */
        object_look(object, 1);
    }
    rcu_read_unlock();
}

/* As the event loop does before hlt. */
static void nap(void)
{
    while (!rcu_extended_enter()) {
        platform_relax();
        rcu_quiescent();
    }
    platform_relax();
    rcu_extended_exit();
    tally_add(&tally.naps, 1);
}

static void between_sections(struct random *random)
{
    uint32_t dice = random_below(random, 4096);

    if (dice < 4) {
        rcu_cpu_offline();
        platform_relax();
        rcu_cpu_online();
        tally_add(&tally.departures, 1);
    } else if (dice < 12) {
        send();
        be_absent(100);
    } else if (dice < 64) {
        nap();
    } else if (dice < 256) {
        send();
    } else if (dice < 2048) {
        rcu_safe_point(); /* reports only if somebody asked */
    } else {
        rcu_quiescent();
    }
}

void *reader(void *player)
{
    struct player *self = player;

    host_set_cpu(self->cpu);
    rcu_cpu_online();
    while (!atomic_read(&stop)) {
        read_some(&self->random);
        between_sections(&self->random);
    }
    rcu_cpu_offline();
    return NULL;
}
