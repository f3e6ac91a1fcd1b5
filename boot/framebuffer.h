/* SPDX-License-Identifier: BSD-2-Clause */
/* The screen that the firmware set up. */
#pragma once

#include "boot/boot_info.h"

/* Fills in framebuffer; its hpa stays 0 where there is no screen, or none whose pixels are plain bytes in
 * memory. */
void framebuffer_find(struct boot_framebuffer *framebuffer);
