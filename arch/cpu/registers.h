/* SPDX-License-Identifier: BSD-2-Clause */
/* Control registers and model-specific registers, by the names of the SDM (volume 3, 2.5; volume 4). Plain
 * numbers, since the assembler reads this too. */
#pragma once

#define CR0_PE 0x00000001
#define CR0_MP 0x00000002
#define CR0_ET 0x00000010
#define CR0_NE 0x00000020
#define CR0_WP 0x00010000
#define CR0_AM 0x00040000
#define CR0_PG 0x80000000

/* Protected, paged, read-only means read-only in ring 0 too; caches on (INIT leaves CD and NW set); SSE
 * usable (no EM, no TS). */
#define CR0_LULL (CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG)

#define CR4_DE         0x00000008
#define CR4_PAE        0x00000020
#define CR4_MCE        0x00000040
#define CR4_PGE        0x00000080
#define CR4_OSFXSR     0x00000200
#define CR4_OSXMMEXCPT 0x00000400
#define CR4_UMIP       0x00000800
#define CR4_LA57       0x00001000
#define CR4_OSXSAVE    0x00040000
#define CR4_SMEP       0x00100000
#define CR4_SMAP       0x00200000

#define XCR0_X87 0x1
#define XCR0_SSE 0x2
#define XCR0_AVX 0x4

#define MSR_APIC_BASE   0x0000001b
#define MSR_MCG_CAP     0x00000179
#define MSR_MCG_STATUS  0x0000017a
#define MSR_PAT         0x00000277
#define MSR_MC0_STATUS  0x00000401
#define MSR_MC0_ADDRESS 0x00000402
#define MSR_X2APIC      0x00000800
#define MSR_EFER        0xc0000080
#define MSR_GS_BASE     0xc0000101

#define EFER_LME 0x00000100
#define EFER_NXE 0x00000800
