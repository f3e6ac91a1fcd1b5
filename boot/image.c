/* SPDX-License-Identifier: BSD-2-Clause */
/* Unpacks the hypervisor's ELF image. It has a fixed virtual address, so nothing needs relocation. */
#include "boot/image.h"
#include "boot/elf.h"
#include "lib/compiler.h"
#include "lib/units.h"
#include <string.h>

extern const uint8_t lull_image[], lull_image_end[];

/* The next loadable segment from number *n on, or NULL; *n is then the one behind it. */
static const struct elf_segment *next_segment(unsigned *n)
{
    const struct elf_header *header = (const void *)lull_image;
    const struct elf_segment *segments = (const void *)(lull_image + header->program_headers);

    while (*n < header->program_header_count) {
        const struct elf_segment *segment = &segments[(*n)++];

        if (segment->type == ELF_SEGMENT_LOAD && segment->memory_bytes > 0)
            return segment;
    }
    return NULL;
}

/* The file was made in the same build; this finds a copy that was damaged since. */
static bool file_sane(uint64_t file_bytes)
{
    const struct elf_header *header = (const void *)lull_image;
    const struct elf_segment *segment;

    if (file_bytes < sizeof(*header) || memcmp(header->ident, ELF_IDENT, ELF_IDENT_BYTES) != 0 ||
        header->machine != ELF_MACHINE_X86_64 || header->program_header_bytes != sizeof(*segment) ||
        header->program_headers > file_bytes ||
        header->program_header_count > (file_bytes - header->program_headers) / sizeof(*segment))
        return false;
    for (unsigned n = 0; (segment = next_segment(&n));)
        if (!is_aligned(segment->va, PAGE_SIZE) || segment->va < IMAGE_BASE ||
            segment->memory_bytes > -segment->va || segment->file_bytes > segment->memory_bytes ||
            segment->offset > file_bytes || segment->file_bytes > file_bytes - segment->offset)
            return false;
    return true;
}

EFI_STATUS image_load(struct blocks *blocks, struct image *image)
{
    uint64_t file_bytes = (uint64_t)(lull_image_end - lull_image);
    const struct elf_segment *segment;

    if (!file_sane(file_bytes))
        return fail(EFI_LOAD_ERROR, "the hypervisor's image is damaged");

    image->bytes = 0;
    image->entry = ((const struct elf_header *)(const void *)lull_image)->entry;
    for (unsigned n = 0; (segment = next_segment(&n));) {
        uint64_t end = align_up(segment->va + segment->memory_bytes, PAGE_SIZE) - IMAGE_BASE;

        if (end > image->bytes)
            image->bytes = end;
    }
    if (EFI_ERROR(block_alloc(blocks, EfiLoaderData, image->bytes, HIGHEST_ADDRESS, &image->hpa)))
        return fail(EFI_OUT_OF_RESOURCES, "no memory for the hypervisor's image (%ld bytes)", image->bytes);
    for (unsigned n = 0; (segment = next_segment(&n));)
        memcpy(at(image->hpa + segment->va - IMAGE_BASE), lull_image + segment->offset, segment->file_bytes);
    return EFI_SUCCESS;
}

bool image_map(const struct image *image, struct tables *tables, uint64_t root)
{
    const struct elf_segment *segment;

    for (unsigned n = 0; (segment = next_segment(&n));) {
        uint64_t rights = segment->flags & ELF_WRITE ? TABLES_WRITE : 0;

        if (!(segment->flags & ELF_EXECUTE))
            rights |= TABLES_NO_EXECUTE;
        if (!tables_map(tables, root, segment->va, image->hpa + segment->va - IMAGE_BASE,
                        align_up(segment->memory_bytes, PAGE_SIZE), rights))
            return false;
    }
    return true;
}
