/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine, compiled for VT-d second stage. */
#include "lib/pt/fmt_vtdss.h"

#define PT_INSTANCE pt_vtdss
#define PT_FORMAT   VTDSS_FORMAT
#define PT_NAME     "vtdss"
#define PT_PROT     VTDSS_PROT

#include "lib/pt/instance.h"
