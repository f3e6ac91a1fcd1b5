/* SPDX-License-Identifier: BSD-2-Clause */
/* Random operations on one format, held against the plain reference. */
#pragma once

#include "lib/pt/pt.h"

/* A test program of its own for each format, so that they run side by side. */
int pt_oracle_main(const struct pt_ops *of);
