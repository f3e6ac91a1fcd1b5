/* SPDX-License-Identifier: BSD-2-Clause */
/* GDT and TSS of one CPU (SDM volume 3, 3.4.5 and 8.2.3). */
#include "arch/cpu/segments.h"

#define TSS_PRESENT_AVAILABLE (0x89ull << 40)

struct descriptor_pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

void segments_init(struct segments *segments, const uintptr_t ist_top[IST_COUNT])
{
    uint64_t tss = (uintptr_t)&segments->tss;

    segments->tss = (struct tss){.iomap_base = sizeof(struct tss)};
    for (unsigned i = 0; i < IST_COUNT; i++) {
        segments->tss.ist[2 * i] = (uint32_t)ist_top[i];
        segments->tss.ist[2 * i + 1] = (uint32_t)(ist_top[i] >> 32);
    }
    segments->gdt[0] = 0;
    segments->gdt[SELECTOR_CODE / 8] = GDT_CODE;
    segments->gdt[SELECTOR_DATA / 8] = GDT_DATA;
    segments->gdt[SELECTOR_TSS / 8] =
        (sizeof(struct tss) - 1) | (tss & 0xffffff) << 16 | TSS_PRESENT_AVAILABLE | (tss >> 24 & 0xff) << 56;
    segments->gdt[SELECTOR_TSS / 8 + 1] = tss >> 32;
}

void segments_load(struct segments *segments)
{
    struct descriptor_pointer gdtr = {sizeof(segments->gdt) - 1, (uintptr_t)segments->gdt};

    /* FS and GS keep what they have: long mode looks at their bases only, which a load may clear. */
    __asm__ volatile("lgdt %0\n\t"
                     "pushq %1\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:\n\t"
                     "movl %2, %%ds\n\t"
                     "movl %2, %%es\n\t"
                     "movl %2, %%ss\n\t"
                     "ltr %w3"
                     :
                     : "m"(gdtr), "i"(SELECTOR_CODE), "r"(SELECTOR_DATA), "r"(SELECTOR_TSS)
                     : "rax", "memory");
}
