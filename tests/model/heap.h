/* SPDX-License-Identifier: BSD-2-Clause */
/* The heap of a run. */
#pragma once

#include <stddef.h>

void heap_init(void);

/* What is on it now is on it again after heap_restore(), and nothing else. */
void heap_save(void);
void heap_restore(void);
