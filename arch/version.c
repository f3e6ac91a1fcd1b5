/* SPDX-License-Identifier: BSD-2-Clause */
/* The version that the build hands in, in the one file that it rebuilds for it. */
#include "arch/version.h"

#ifndef LULL_VERSION
#define LULL_VERSION "unknown"
#endif

const char lull_version[] = LULL_VERSION;
