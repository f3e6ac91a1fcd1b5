/* SPDX-License-Identifier: BSD-2-Clause */
/* Which lines were flushed from the caches and are still on their way to memory. */
#include "tests/model/write_buffer.h"
#include "tests/model/history.h"
#include "tests/model/memory_lines.h"

/* When it is full, what has been in it longest reaches memory. */
#define SPANS_MAX 64

struct span {
    uint64_t hpa;
    uint64_t bytes; /* 0 for none */
};

static bool exists;
static struct span spans[SPANS_MAX];
static unsigned next;

void write_buffer_make(void)
{
    exists = true;
}

static void reach_memory(struct span *span)
{
    if (span->bytes)
        lines_write_back(span->hpa, span->bytes);
    span->bytes = 0;
}

bool write_buffer_take(uint64_t hpa, uint64_t bytes)
{
    if (!exists)
        return false;
    reach_memory(&spans[next]);
    spans[next] = (struct span){hpa, bytes};
    next = (next + 1) % SPANS_MAX;
    return true;
}

void write_buffer_drain(void)
{
    if (!exists)
        return;
    for (unsigned i = 0; i < SPANS_MAX; i++)
        reach_memory(&spans[i]);
    history("the write buffer is drained");
}
