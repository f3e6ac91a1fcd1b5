/* SPDX-License-Identifier: BSD-2-Clause */
/* Names for addresses of code, and the chain of stack frames (all code is compiled with frame pointers). */
#include "arch/cpu/backtrace.h"
#include "arch/cpu/paging.h"
#include "linker/symbols.h"
#include <stdio.h>

static bool is_code(uint64_t address)
{
    return address >= (uintptr_t)image_text_start && address < (uintptr_t)image_text_end;
}

void backtrace_name(uint64_t address, char *text, size_t bytes)
{
    uint32_t low = 0, high = image_symbol_count;

    /* Ends with low symbols at or below address. */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (image_symbols[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || !is_code(address))
        (void)snprintf(text, bytes, "?");
    else
        (void)snprintf(text, bytes, "%s+0x%lx", image_symbols[low - 1].name,
                       (unsigned long)(address - image_symbols[low - 1].address));
}

/* A broken chain must not fault: what it points to is looked up first. */
static bool readable(uint64_t frame_pointer)
{
    struct paging_leaf leaf;

    return frame_pointer % 8 == 0 && (int64_t)frame_pointer < 0 && paging_lookup(frame_pointer, &leaf) &&
           paging_lookup(frame_pointer + 8, &leaf) && !(leaf.rights & PAGING_UNCACHED);
}

unsigned backtrace_walk(uint64_t frame_pointer, uint64_t *addresses, unsigned max)
{
    unsigned count = 0;

    while (count < max && readable(frame_pointer)) {
        const uint64_t *frame = (const uint64_t *)frame_pointer;

        if (!is_code(frame[1]))
            break;
        addresses[count++] = frame[1];
        frame_pointer = frame[0];
    }
    return count;
}
