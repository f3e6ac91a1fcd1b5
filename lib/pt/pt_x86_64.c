/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine, compiled for x86 long mode. */
#include "lib/pt/fmt_x86_64.h"

#define PT_INSTANCE pt_x86_64
#define PT_FORMAT   X86_64_FORMAT
#define PT_NAME     "x86_64"
#define PT_PROT     X86_64_PROT

#include "lib/pt/instance.h"
