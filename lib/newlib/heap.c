/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory under malloc(): one block of fixed size from the page allocator, taken when it is first needed.
 */
#include "lib/page_alloc.h"
#include "lib/units.h"
#include <errno.h>
#include <sys/types.h>

#define HEAP_ORDER 12 /* 16 MiB */
#define HEAP_BYTES (PAGE_SIZE << HEAP_ORDER)

/* newlib's reentrant wrapper reads errno from here. */
#undef errno
int errno;

void *_sbrk(ptrdiff_t increment);

/* Called by malloc() and its like under newlib's malloc lock. */
void *_sbrk(ptrdiff_t increment)
{
    static char *heap;
    static size_t used;
    char *old_end;

    if (!heap)
        heap = pages_alloc(HEAP_ORDER, PAGE_HYPERVISOR);
    if (!heap || increment > (ptrdiff_t)(HEAP_BYTES - used) || increment < -(ptrdiff_t)used) {
        errno = ENOMEM;
        return (void *)-1; /* as sbrk() says it */
    }
    old_end = heap + used;
    used = (size_t)((ptrdiff_t)used + increment);
    return old_end;
}
