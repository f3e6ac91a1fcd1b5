/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the stacks are: CPU 0's in the image, all others in an area of their own, a slot of fixed size each,
 * used from its top down. */
#include "arch/cpu/stack.h"
#include "arch/cpu/layout.h"
#include "arch/cpu/paging.h"
#include "arch/cpu/segments.h"
#include "lib/log.h"
#include "lib/page_alloc.h"
#include "lib/platform.h"
#include "lib/units.h"

/* At least half of each slot stays unmapped: one large step over the guard page must not land in a neighbour.
 */
#define SLOT_BYTES (2 * STACK_PAGES * PAGE_SIZE)

struct ist_stack {
    char guard[PAGE_SIZE];
    char memory[STACK_IST_PAGES * PAGE_SIZE];
};

extern char boot_stack_guard[PAGE_SIZE], boot_stack_top[]; /* in entry.S */

static struct ist_stack boot_ist[IST_COUNT] __attribute__((aligned(PAGE_SIZE)));

static unsigned slots; /* in use */

uintptr_t stack_boot_top(void)
{
    return (uintptr_t)boot_stack_top;
}

uintptr_t stack_boot_ist_top(unsigned ist)
{
    return (uintptr_t)boot_ist[ist - 1].memory + sizeof(boot_ist[ist - 1].memory);
}

void stack_guard_boot(void)
{
    bool done = paging_unmap_page((uintptr_t)boot_stack_guard);

    for (unsigned i = 0; i < IST_COUNT; i++)
        done &= paging_unmap_page((uintptr_t)boot_ist[i].guard);
    if (!done)
        log_error("stack: the image is not mapped by small pages: cpu 0 has no guard pages");
}

uintptr_t stack_alloc(unsigned pages)
{
    uintptr_t top = STACKS_BASE + (slots + 1) * SLOT_BYTES;

    for (unsigned i = 1; i <= pages; i++) {
        void *page = pages_alloc(0, PAGE_HYPERVISOR);

        if (!page || !paging_map(top - i * PAGE_SIZE, virt_to_phys(page), PAGE_SIZE, PAGING_WRITE)) {
            log_error("stack: no memory for a stack of %u pages", pages);
            return 0;
        }
    }
    slots++;
    return top;
}

bool stack_is_guard(uintptr_t address)
{
    struct paging_leaf leaf;

    if (address - (uintptr_t)boot_stack_guard < PAGE_SIZE)
        return true;
    for (unsigned i = 0; i < IST_COUNT; i++)
        if (address - (uintptr_t)boot_ist[i].guard < PAGE_SIZE)
            return true;
    return address - STACKS_BASE < slots * SLOT_BYTES && !paging_lookup(address, &leaf);
}
