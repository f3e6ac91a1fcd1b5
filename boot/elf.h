/* SPDX-License-Identifier: BSD-2-Clause */
/* What a loader needs of the ELF format: the file header and the program headers (System V ABI, "Object
 * Files"). */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct elf_header {
    uint8_t ident[16];
    uint16_t type;
    uint16_t machine;
    uint32_t version;
    uint64_t entry;
    uint64_t program_headers; /* offset in the file */
    uint64_t section_headers;
    uint32_t flags;
    uint16_t header_bytes;
    uint16_t program_header_bytes;
    uint16_t program_header_count;
    uint16_t section_header_bytes;
    uint16_t section_header_count;
    uint16_t section_names;
};

_Static_assert(sizeof(struct elf_header) == 64, "ELF-64 file header");

struct elf_segment {
    uint32_t type;
    uint32_t flags;
    uint64_t offset; /* in the file */
    uint64_t va;
    uint64_t pa;
    uint64_t file_bytes;
    uint64_t memory_bytes;
    uint64_t align;
};

_Static_assert(sizeof(struct elf_segment) == 56, "ELF-64 program header");

#define ELF_IDENT          "\177ELF\2\1\1" /* 64 bits, little-endian, version 1 */
#define ELF_IDENT_BYTES    7
#define ELF_MACHINE_X86_64 62
#define ELF_SEGMENT_LOAD   1
#define ELF_EXECUTE        1u
#define ELF_WRITE          2u
