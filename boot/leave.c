/* SPDX-License-Identifier: BSD-2-Clause */
/* Leaves boot services. Everything that can fail happens before: each attempt fetches the memory map,
 * translates it, builds the page tables for just that map, and asks to leave with its key. What turns out too
 * small is made larger and the attempt starts again, since allocating changed the map. */
#include "boot/leave.h"
#include "boot/address_space.h"
#include "boot/efi_map.h"
#include "boot/tables.h"
#include "lib/units.h"
#include <cpuid.h>
#include <string.h>

#define ATTEMPTS          16
#define MEMORY_RANGES_MIN 256
#define TABLE_PAGES_MIN   64
#define INSTANCES_MAX     2

#define EFER      0xc0000080
#define EFER_NXE  (1u << 11)
#define CR0_WP    (1ull << 16)
#define CR4_LA57  (1ull << 12)
#define CPUID_NX  (1u << 20)
#define CPUID_GIB (1u << 26)

extern const uint8_t jump_code[], jump_code_end[];

/* What an attempt needs, and what grows between them. */
struct departure {
    struct efi_map efi_map;
    struct memory_map memory[INSTANCES_MAX];
    uint64_t memory_hpa[INSTANCES_MAX]; /* of memory[].range */
    struct tables tables;
};

static uint32_t extended_features(void)
{
    uint32_t a, b, c, d = 0;

    __get_cpuid(0x80000001, &a, &b, &c, &d);
    return d;
}

bool leave_possible(void)
{
    if (extended_features() & CPUID_NX)
        return true;
    say("this CPU cannot forbid execution (NX): not supported, or switched off in the firmware's setup");
    return false;
}

static uint64_t read_cr4(void)
{
    uint64_t value;

    __asm__ volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}

static EFI_STATUS grow(struct blocks *blocks, uint64_t *hpa, uint64_t bytes, uint64_t highest)
{
    if (*hpa != 0)
        block_free(blocks, *hpa);
    *hpa = 0;
    return block_alloc(blocks, EfiLoaderData, bytes, highest, hpa);
}

static EFI_STATUS grow_memory(struct departure *departure, struct blocks *blocks, unsigned n)
{
    struct memory_map *memory = &departure->memory[n];
    uint64_t capacity = memory->capacity == 0 ? MEMORY_RANGES_MIN : memory->capacity * 2;
    EFI_STATUS status =
        grow(blocks, &departure->memory_hpa[n], capacity * sizeof(*memory->range), HIGHEST_ADDRESS);

    memory->range = at(departure->memory_hpa[n]);
    memory->capacity = EFI_ERROR(status) ? 0 : capacity;
    return status;
}

/* All tables are below 4 GiB, since the root must be. */
static EFI_STATUS grow_tables(struct departure *departure, struct blocks *blocks)
{
    struct tables *tables = &departure->tables;
    uint64_t pages = tables->pages == 0 ? TABLE_PAGES_MIN : tables->pages * 2;
    EFI_STATUS status = grow(blocks, &tables->pool, pages * PAGE_SIZE, HIGHEST_32_BIT);

    tables->pages = EFI_ERROR(status) ? 0 : pages;
    return status;
}

/* What one instance may use is reserved for the other. False when there is no room for that in the map. */
static bool divide(struct memory_map *memory, const struct instance *instances, unsigned count, unsigned n)
{
    const struct instance *second = &instances[count - 1];

    if (n == 0)
        return count == 1 ||
               memory_map_set(memory, second->memory_hpa, second->memory_end, BOOT_MEMORY_RESERVED);
    for (uint64_t i = 0; i < memory->count; i++)
        if (memory->range[i].type == BOOT_MEMORY_FREE)
            memory->range[i].type = BOOT_MEMORY_RESERVED;
    return memory_map_set(memory, second->memory_hpa, second->memory_end, BOOT_MEMORY_FREE);
}

/* EFI_SUCCESS, EFI_NOT_READY when something was made larger, or an error. */
static EFI_STATUS build(struct departure *departure, struct blocks *blocks, const struct instance *instances,
                        unsigned count)
{
    departure->tables.used = 0;
    for (unsigned n = 0; n < count; n++) {
        struct memory_map *memory = &departure->memory[n];
        EFI_STATUS status;

        if (!efi_map_translate(&departure->efi_map, blocks, memory) || !divide(memory, instances, count, n))
            status = grow_memory(departure, blocks, n);
        else if (!address_space_build(&departure->tables, memory, &departure->efi_map, &instances[n].image,
                                      instances[n].info))
            status = grow_tables(departure, blocks);
        else
            continue;
        return EFI_ERROR(status) ? status : EFI_NOT_READY;
    }
    return EFI_SUCCESS;
}

/* EFI_SUCCESS with boot services gone, EFI_NOT_READY when it is worth another attempt, or an error. */
static EFI_STATUS attempt(struct departure *departure, EFI_HANDLE loader, struct blocks *blocks,
                          const struct instance *instances, unsigned count)
{
    EFI_STATUS status = efi_map_get(&departure->efi_map);

    if (!EFI_ERROR(status))
        status = build(departure, blocks, instances, count);
    if (EFI_ERROR(status))
        return status;
    status = BS->ExitBootServices(loader, departure->efi_map.key);

    /* The map has changed since it was fetched (UEFI 2.10, 7.4.6). */
    return status == EFI_INVALID_PARAMETER ? EFI_NOT_READY : status;
}

static void prepare_cpu(void)
{
    uint32_t low, high;
    uint64_t cr0;

    __asm__ volatile("cli");
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(EFER));
    __asm__ volatile("wrmsr" : : "a"(low | EFER_NXE), "d"(high), "c"(EFER));
    __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
    __asm__ volatile("mov %0, %%cr0" : : "r"(cr0 | CR0_WP));
}

static void jump(const struct boot_info *info, const struct image *image)
{
    void (*code)(uint64_t root, uint64_t entry, uint64_t argument) =
        (void (*)(uint64_t, uint64_t, uint64_t))at(info->ap_start);

    prepare_cpu();
    code(info->page_tables, image->entry, DIRECT_MAP_BASE + (uint64_t)(uintptr_t)info);
}

EFI_STATUS leave(EFI_HANDLE loader, struct blocks *blocks, const struct instance *instances, unsigned count)
{
    struct departure departure = {
        .tables = {.levels5 = (read_cr4() & CR4_LA57) != 0,
                   .gib_pages = (extended_features() & CPUID_GIB) != 0},
    };
    EFI_STATUS status = EFI_NOT_READY;

    memcpy(at(instances[0].info->ap_start), jump_code, (size_t)(jump_code_end - jump_code));
    for (unsigned i = 0; i < ATTEMPTS && status == EFI_NOT_READY; i++)
        status = attempt(&departure, loader, blocks, instances, count);
    if (EFI_ERROR(status)) {
        efi_map_free(&departure.efi_map);
        return fail(status, "boot services cannot be left: %r", status);
    }
    for (unsigned n = 0; n < count; n++) {
        instances[n].info->memory = departure.memory_hpa[n];
        instances[n].info->memory_count = departure.memory[n].count;
    }
    jump(instances[0].info, &instances[0].image);
    return EFI_ABORTED; /* not reached: the jump does not return */
}
