/* SPDX-License-Identifier: BSD-2-Clause */
/* Modules by name. */
#include "arch/platform/boot_module.h"
#include "lib/log.h"
#include "lib/platform.h"
#include <string.h>

static const struct boot_module *modules;
static uint64_t module_count;

void boot_modules_init(const struct boot_info *info)
{
    modules = phys_to_virt(info->modules);
    module_count = info->module_count;
    for (uint64_t i = 0; i < module_count; i++)
        log_info("module %s: %lu bytes", modules[i].name, (unsigned long)modules[i].bytes);
}

const void *boot_module_find(const char *name, size_t *bytes)
{
    for (uint64_t i = 0; i < module_count; i++) {
        if (!strcmp(modules[i].name, name)) {
            *bytes = modules[i].bytes;
            return phys_to_virt(modules[i].hpa);
        }
    }
    return NULL;
}
