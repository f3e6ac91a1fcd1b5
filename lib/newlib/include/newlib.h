/* SPDX-License-Identifier: BSD-2-Clause */
/* newlib's configuration, in the place of the one that its configure script would make: tools/newlib builds
 * only the parts of it that Lull uses. The names are newlib's. */
#pragma once

#include <_newlib_version.h>

#define _WANT_REENT_SMALL                1 /* struct _reent allocates what is rarely used */
#define __DYNAMIC_REENT__                1 /* errno and its like are the calling CPU's: __getreent() */
#define _RETARGETABLE_LOCKING            1 /* locks are lib/newlib/lock.c's */
#define _WANT_IO_LONG_LONG               1 /* %llx */
#define _WANT_IO_C99_FORMATS             1 /* %zu, %hhx, %jd */
#define _MB_LEN_MAX                      1
#define _LITE_EXIT                       1
#define _REENT_CHECK_VERIFY              1
#define _HAVE_CC_INHIBIT_LOOP_TO_LIBCALL 1
#define _HAVE_LONG_DOUBLE                1
