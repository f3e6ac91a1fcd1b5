/* SPDX-License-Identifier: BSD-2-Clause */
/* newlib's headers ask for their version here; no code of Lull's does, so the oldest that it is built from
 * will do. */
#pragma once

#define _NEWLIB_VERSION       "3.3.0"
#define __NEWLIB__            3
#define __NEWLIB_MINOR__      3
#define __NEWLIB_PATCHLEVEL__ 0
