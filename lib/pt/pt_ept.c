/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine, compiled for EPT. */
#include "lib/pt/fmt_ept.h"

#define PT_INSTANCE pt_ept
#define PT_FORMAT   EPT_FORMAT
#define PT_NAME     "ept"
#define PT_PROT     EPT_PROT

#include "lib/pt/instance.h"
