/* SPDX-License-Identifier: BSD-2-Clause */
/* The loader: a UEFI application with the hypervisor inside. It collects what struct boot_info holds, leaves
 * boot services and jumps. Whatever goes wrong before that is said on the firmware's console, and the boot
 * menu goes on. */
#include "boot/acpi.h"
#include "boot/file.h"
#include "boot/image.h"
#include "boot/leave.h"
#include "boot/loader.h"
#include "lib/config.h"
#include "lib/units.h"
#include <string.h>

#define LOW_MEMORY_END  0xa0000ull
#define READING_TIME_US 3000000

EFI_STATUS efi_main(EFI_HANDLE handle, EFI_SYSTEM_TABLE *system);

/* Other CPUs start in real mode, at a page whose number fits a byte. */
static EFI_STATUS take_ap_start(struct blocks *blocks, uint64_t *hpa)
{
    /* As code, since firmware may forbid execution in data, and the jump happens there. */
    EFI_STATUS status = block_alloc(blocks, EfiLoaderCode, PAGE_SIZE, LOW_MEMORY_END - 1, hpa);

    if (EFI_ERROR(status) || *hpa == 0)
        return fail(EFI_OUT_OF_RESOURCES, "no free page below 640 KiB for starting the other CPUs");
    return EFI_SUCCESS;
}

static EFI_STATUS make_info(struct blocks *blocks, const struct files *files, struct boot_info **info)
{
    uint64_t modules_bytes = files->module_count * sizeof(struct boot_module);
    uint64_t hpa;

    if (EFI_ERROR(block_alloc(blocks, EfiLoaderData, sizeof(**info) + modules_bytes, HIGHEST_ADDRESS, &hpa)))
        return fail(EFI_OUT_OF_RESOURCES, "no memory for the boot information");
    *info = at(hpa);
    (*info)->magic = BOOT_INFO_MAGIC;
    (*info)->config = files->config;
    (*info)->modules = hpa + sizeof(**info);
    (*info)->module_count = files->module_count;
    memcpy(at((*info)->modules), files->module, modules_bytes);
    return EFI_SUCCESS;
}

static EFI_STATUS find_acpi(struct blocks *blocks, struct boot_info *info)
{
    struct efi_map map = {0};
    EFI_STATUS status = efi_map_get(&map);

    if (EFI_ERROR(status))
        return fail(status, "firmware gives no memory map: %r", status);
    efi_map_report(&map);
    info->rsdp = acpi_rsdp();
    status = acpi_copy_dmar(info->rsdp, &map, at(info->config), blocks, &info->dmar, &info->dmar_bytes);
    efi_map_free(&map);
    return status;
}

static EFI_STATUS load_image(struct blocks *blocks, struct instance *instance)
{
    EFI_STATUS status = image_load(blocks, &instance->image);

    if (EFI_ERROR(status))
        return status;
    instance->info->image = instance->image.hpa;
    instance->info->image_end = instance->image.hpa + instance->image.bytes;
    return EFI_SUCCESS;
}

/* What is not its own it shares with the first. */
static EFI_STATUS make_second(struct blocks *blocks, struct boot_info *first, uint64_t bytes,
                              struct instance *second)
{
    uint64_t hpa;

    if (EFI_ERROR(block_alloc(blocks, EfiLoaderData, sizeof(*first), HIGHEST_ADDRESS, &hpa)) ||
        EFI_ERROR(block_alloc(blocks, EfiLoaderData, bytes, HIGHEST_ADDRESS, &second->memory_hpa)))
        return fail(EFI_OUT_OF_RESOURCES, "no memory for a second Lull (lull.cfg: chain)");
    second->memory_end = second->memory_hpa + bytes;
    second->info = at(hpa);
    *second->info = *first;
    first->next = hpa;
    return load_image(blocks, second);
}

static EFI_STATUS make_instances(struct blocks *blocks, struct boot_info *info, struct instance *instances,
                                 unsigned *count)
{
    char value[CONFIG_VALUE_MAX];
    const char *number = value;
    uint64_t mib;
    EFI_STATUS status;

    instances[0].info = info;
    *count = 1;
    status = load_image(blocks, &instances[0]);
    if (EFI_ERROR(status) || !config_get(at(info->config), "chain", value, sizeof(value)) ||
        !config_number(&number, UINT32_MAX, &mib))
        return status;
    *count = 2;
    return make_second(blocks, info, mib * MIB, &instances[1]);
}

/* Does not come back if all goes well. */
static EFI_STATUS start(EFI_HANDLE handle, struct blocks *blocks)
{
    static struct files files;
    struct instance instances[2] = {{0}};
    struct boot_info *info;
    unsigned count;
    EFI_STATUS status;

    if (!leave_possible())
        return EFI_UNSUPPORTED;
    status = files_read(handle, blocks, &files);
    if (!EFI_ERROR(status))
        status = make_info(blocks, &files, &info);
    if (!EFI_ERROR(status))
        status = find_acpi(blocks, info);
    if (!EFI_ERROR(status))
        status = take_ap_start(blocks, &info->ap_start);
    if (EFI_ERROR(status))
        return status;
    info->runtime_services = (uint64_t)(uintptr_t)RT;
    status = make_instances(blocks, info, instances, &count);
    return EFI_ERROR(status) ? status : leave(handle, blocks, instances, count);
}

/* Called by GNU-EFI's start-up code, by the calling convention of System V. */
EFI_STATUS efi_main(EFI_HANDLE handle, EFI_SYSTEM_TABLE *system)
{
    static struct blocks blocks;
    EFI_STATUS status;

    InitializeLib(handle, system);
    status = start(handle, &blocks);
    blocks_free(&blocks);
    say("not started");
    BS->Stall(READING_TIME_US); /* the boot menu may clear the screen */
    return status;
}
