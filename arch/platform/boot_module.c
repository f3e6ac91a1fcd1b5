/* SPDX-License-Identifier: BSD-2-Clause */
/* What modules there are. */
#include "arch/platform/boot_module.h"
#include "lib/log.h"
#include "lib/platform.h"

void boot_modules_log(const struct boot_info *info)
{
    const struct boot_module *modules = phys_to_virt(info->modules);

    for (uint64_t i = 0; i < info->module_count; i++)
        log_info("module %s: %lu bytes", modules[i].name, (unsigned long)modules[i].bytes);
}
