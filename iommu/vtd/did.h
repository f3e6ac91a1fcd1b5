/* SPDX-License-Identifier: BSD-2-Clause */
/* Domain ids: what units tag cached translations with. The same number on every unit. */
#pragma once

#include "lib/compiler.h"
#include <stdint.h>

/* ids 1 to count - 1 can be given out. 0 never is: caching mode tags what is not present with it (6.1).
 * ERR_NOMEM. */
int vtd_did_init(uint32_t count) MUST_CHECK;

/* An id that nothing cached is tagged with; 0 when there is none left. */
uint16_t vtd_did_alloc(void) MUST_CHECK;

/* Takes an id back: every unit has completed an invalidation of it since it was last used. */
void vtd_did_free(uint16_t did);
