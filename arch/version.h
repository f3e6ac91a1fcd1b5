/* SPDX-License-Identifier: BSD-2-Clause */
/* Which build this is. */
#pragma once

/* As git describes it, or "unknown". */
extern const char lull_version[];
