/* SPDX-License-Identifier: BSD-2-Clause */
/* Fault reasons in words. */
#pragma once

#include <stdint.h>

/* What the code of a fault recording register means, with the name of the condition in the specification
 * (chapter 7 and appendix A). Never NULL. */
const char *vtd_fault_reason(uint8_t reason);
