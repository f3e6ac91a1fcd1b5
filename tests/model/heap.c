/* SPDX-License-Identifier: BSD-2-Clause */
/* malloc() and its like for all that is linked into the model, out of one piece of memory that a run can be
 * begun with anew. Nothing is reused within a run: what was freed is filled, so that it is noticed. */
#include "tests/model/heap.h"
#include "tests/model/run.h"
#include <string.h>

#define HEAP_BYTES (8u << 20)
#define ALIGN      16u

void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);
void __wrap_free(void *block);

/* Before each block. */
struct header {
    size_t bytes;
    size_t unused;
};

static uint8_t *heap; /* kept */
static uint8_t *saved;
static size_t used;
static size_t saved_bytes;

void heap_init(void)
{
    heap = run_keep(HEAP_BYTES);
}

void heap_save(void)
{
    saved_bytes = used;
    saved = run_keep(saved_bytes + 1);
    memcpy(saved, heap, saved_bytes);
}

void heap_restore(void)
{
    memcpy(heap, saved, saved_bytes);
    used = saved_bytes;
}

void *__wrap_malloc(size_t bytes)
{
    struct header *header = (struct header *)(void *)(heap + used);
    size_t total = (bytes + sizeof *header + ALIGN - 1) / ALIGN * ALIGN;

    if (total > HEAP_BYTES - used)
        return NULL;
    used += total;
    header->bytes = bytes;
    memset(header + 1, 0xa5, bytes);
    return header + 1;
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    void *block = bytes && count > HEAP_BYTES / bytes ? NULL : __wrap_malloc(count * bytes);

    return block ? memset(block, 0, count * bytes) : NULL;
}

void __wrap_free(void *block)
{
    if (block)
        memset(block, 0x5a, ((struct header *)block - 1)->bytes);
}

void *__wrap_realloc(void *old, size_t bytes)
{
    void *block = __wrap_malloc(bytes);
    size_t before = old ? ((struct header *)old - 1)->bytes : 0;

    if (block && old) {
        memcpy(block, old, before < bytes ? before : bytes);
        __wrap_free(old);
    }
    return block;
}
