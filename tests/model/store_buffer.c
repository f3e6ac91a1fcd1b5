/* SPDX-License-Identifier: BSD-2-Clause */
/* Store buffers of CPUs. */
#include "tests/model/store_buffer.h"
#include "tests/model/machine.h"
#include "tests/model/memory.h"
#include "tests/model/schedule.h"
#include <stdbool.h>
#include <string.h>

#define STORES_MAX 8

/* While its CPU runs what is in the buffer is in memory, so that the CPU finds what it stored; while others
 * run it is not. */
struct store {
    volatile void *address;
    unsigned bytes;
    uint64_t value;
    uint64_t before; /* what others see: of use while the CPU runs */
};

static struct store_buffer {
    struct store stores[STORES_MAX];
    unsigned count;
} buffers[MACHINE_CPUS];

static struct store_buffer *buffer_of(const struct agent *agent)
{
    return agent && agent_kind(agent) == AGENT_CPU ? &buffers[agent_cpu(agent)] : NULL;
}

static struct store_buffer *mine(void)
{
    return buffer_of(agent_current());
}

/* Little-endian: the low bytes come first. */
static void write(const struct store *store, uint64_t value)
{
    memcpy((void *)(uintptr_t)store->address, &value, store->bytes);
}

static void apply(struct store *store)
{
    memcpy(&store->before, (const void *)(uintptr_t)store->address, store->bytes);
    write(store, store->value);
}

void store_buffer_leave(const struct agent *agent)
{
    struct store_buffer *buffer = buffer_of(agent);

    for (unsigned i = buffer ? buffer->count : 0; i--;)
        write(&buffer->stores[i], buffer->stores[i].before);
}

void store_buffer_return(const struct agent *agent)
{
    struct store_buffer *buffer = buffer_of(agent);

    for (unsigned i = 0; buffer && i < buffer->count; i++)
        apply(&buffer->stores[i]);
}

static void drain_oldest(struct store_buffer *buffer)
{
    memory_check_software(buffer->stores[0].address, buffer->stores[0].bytes, true);
    buffer->count--;
    memmove(&buffer->stores[0], &buffer->stores[1], buffer->count * sizeof buffer->stores[0]);
}

bool store_buffer_is_empty(void)
{
    const struct store_buffer *buffer = mine();

    return !buffer || !buffer->count;
}

void store_buffer_drain(void)
{
    struct store_buffer *buffer = mine();

    while (buffer && buffer->count)
        drain_oldest(buffer);
}

void store_buffer_store(volatile void *address, unsigned bytes, uint64_t value)
{
    struct store_buffer *buffer = memory_in_allocator() ? NULL : mine();
    struct store store = {address, bytes, value, 0};

    apply(&store);
    if (!buffer || (!buffer->count && !schedule_chance(4)))
        return;
    if (buffer->count == STORES_MAX)
        drain_oldest(buffer);
    buffer->stores[buffer->count++] = store;
}

static bool overlaps(const struct store_buffer *buffer, uintptr_t from, uintptr_t end)
{
    for (unsigned i = 0; i < buffer->count; i++) {
        uintptr_t at = (uintptr_t)buffer->stores[i].address;

        if (at < end && from < at + buffer->stores[i].bytes)
            return true;
    }
    return false;
}

void store_buffer_drain_for(const volatile void *address, unsigned bytes)
{
    const struct store_buffer *buffer = mine();

    if (buffer && overlaps(buffer, (uintptr_t)address, (uintptr_t)address + bytes))
        store_buffer_drain();
}

void store_buffer_step(void)
{
    struct store_buffer *buffer = mine();

    if (buffer && buffer->count && schedule_chance(4))
        drain_oldest(buffer);
}
