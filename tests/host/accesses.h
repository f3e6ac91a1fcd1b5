/* SPDX-License-Identifier: BSD-2-Clause */
/* Every access to page tables by code that was built with -fsanitize=thread (the Makefile does so for
 * test_pt_stores), shown to a test before it happens. */
#pragma once

#include <stdint.h>

enum access {
    ACCESS_READ,
    ACCESS_PLAIN_STORE,  /* by ordinary C */
    ACCESS_ATOMIC_STORE, /* whole, but of a value decided before */
    ACCESS_LOCKED,       /* read-modify-write */
};

/* hook is called before each access to the arena, but not for what it does itself; NULL for none. */
void accesses_watch(void (*hook)(enum access access, const volatile uint64_t *entry));
