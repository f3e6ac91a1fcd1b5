/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables that a unit walks, as the VT-d specification, revision 4.1, defines them in chapter 9, and the
 * reasons with which it refuses a request (7.1.3). Written from the specification alone, apart from the
 * driver's own constants. */
#pragma once

#include <stdint.h>

/* Width of host-physical addresses (8.1, HAW). Address bits from there on are reserved in every entry. */
#define SPEC_HAW 46

#define SPEC_TABLE_ADDRESS  0x00003ffffffff000ull
#define SPEC_ABOVE_HAW      0xffffc00000000000ull /* root, context and PASID entries: up to bit 63 */
#define SPEC_LEAF_ABOVE_HAW 0x000fc00000000000ull /* page-table entries: up to bit 51 */

/* Requests to this range are interrupts (3.14). */
#define SPEC_INTERRUPT_FIRST 0xfee00000ull
#define SPEC_INTERRUPT_LAST  0xfeefffffull

/* --- 9.1 root entry, 9.2 scalable-mode root entry: one half for 16 devices, 128 functions --- */

#define SPEC_ROOT_BYTES    16
#define SPEC_ROOT_PRESENT  (1ull << 0)
#define SPEC_ROOT_RESERVED (0xffeull | SPEC_ABOVE_HAW)

/* --- 9.3 context entry --- */

#define SPEC_CONTEXT_BYTES         16
#define SPEC_CONTEXT_PRESENT       (1ull << 0)
#define SPEC_CONTEXT_FPD           (1ull << 1) /* record no faults; also where the entry is not present */
#define SPEC_CONTEXT_TT(w)         ((unsigned)((w) >> 2 & 3))
#define SPEC_CONTEXT_WITH_TT(tt)   ((uint64_t)(tt) << 2)
#define SPEC_TT_UNTRANSLATED       0 /* second stage; no translation requests, no translated ones */
#define SPEC_TT_DEVICE_TLB         1 /* second stage; these too */
#define SPEC_TT_PASS_THROUGH       2
#define SPEC_CONTEXT_RESERVED_0    (0xff0ull | SPEC_ABOVE_HAW)
#define SPEC_CONTEXT_AW(w)         ((unsigned)((w)&7)) /* word 1: levels less two */
#define SPEC_CONTEXT_DID(w)        ((uint16_t)((w) >> 8))
#define SPEC_CONTEXT_WITH_DID(did) ((uint64_t)(did) << 8)
#define SPEC_CONTEXT_IGNORED_1     0x78ull
#define SPEC_CONTEXT_RESERVED_1    0xffffffffff000080ull

/* --- 9.4 scalable-mode context entry --- */

#define SPEC_SM_CONTEXT_BYTES        32
#define SPEC_SM_CONTEXT_DTE          (1ull << 2) /* device TLB; reserved without ECAP.DT */
#define SPEC_SM_CONTEXT_PASIDE       (1ull << 3) /* requests with PASID; reserved without ECAP.PASID */
#define SPEC_SM_CONTEXT_PRE          (1ull << 4) /* page requests; reserved without ECAP.PRS */
#define SPEC_SM_CONTEXT_PDTS(w)      ((unsigned)((w) >> 9 & 7))
#define SPEC_SM_CONTEXT_PASIDS(w)    (1ull << (SPEC_SM_CONTEXT_PDTS(w) + 7 + 6))
#define SPEC_SM_CONTEXT_RESERVED_0   (0x1e0ull | SPEC_ABOVE_HAW)
#define SPEC_SM_CONTEXT_RID_PASID(w) ((uint32_t)((w)&0xfffff)) /* word 1; reserved without ECAP.RPS */
#define SPEC_SM_CONTEXT_RID_PRIV     (1ull << 20)              /* reserved without ECAP.RPRIVS */
#define SPEC_SM_CONTEXT_RESERVED_1   0xffffffffffe00000ull

/* --- 9.5 scalable-mode PASID directory entry: for 64 PASIDs --- */

#define SPEC_PASID_DIRECTORY_INDEX(pasid) ((pasid) >> 6)
#define SPEC_PASID_DIRECTORY_PRESENT      (1ull << 0)
#define SPEC_PASID_DIRECTORY_FPD          (1ull << 1)
#define SPEC_PASID_DIRECTORY_RESERVED     (0xffcull | SPEC_ABOVE_HAW)

/* --- 9.6 scalable-mode PASID table entry --- */

#define SPEC_PASID_BYTES           64
#define SPEC_PASID_WORDS           8
#define SPEC_PASID_WORDS_USED      3
#define SPEC_PASID_INDEX(pasid)    ((pasid)&63)
#define SPEC_PASID_PRESENT         (1ull << 0)
#define SPEC_PASID_FPD             (1ull << 1)
#define SPEC_PASID_AW(w)           ((unsigned)((w) >> 2 & 7)) /* second-stage levels less two */
#define SPEC_PASID_WITH_AW(aw)     ((uint64_t)(aw) << 2)
#define SPEC_PASID_PGTT(w)         ((unsigned)((w) >> 6 & 7))
#define SPEC_PASID_WITH_PGTT(pgtt) ((uint64_t)(pgtt) << 6)
#define SPEC_PGTT_FIRST_STAGE      1
#define SPEC_PGTT_SECOND_STAGE     2
#define SPEC_PGTT_NESTED           3
#define SPEC_PGTT_PASS_THROUGH     4
#define SPEC_PASID_SSADE           (1ull << 9) /* reserved without ECAP.SSADS */
#define SPEC_PASID_RESERVED_0      (0xc20ull | SPEC_ABOVE_HAW)
#define SPEC_PASID_SECOND_STAGE_0                                                                            \
    (SPEC_PASID_WITH_AW(7) | SPEC_PASID_SSADE | SPEC_TABLE_ADDRESS) /* ECAP.SSTS */
#define SPEC_PASID_DID(w)          ((uint16_t)(w))                  /* word 1 */
#define SPEC_PASID_PWSNP           (1ull << 23)          /* page walks snoop; reserved without ECAP.SMPWC */
#define SPEC_PASID_PGSNP           (1ull << 24)          /* accesses snoop; reserved without ECAP.SC */
#define SPEC_PASID_MEMORY_TYPES    0xfffffffffe000000ull /* CD to PAT: reserved without ECAP.MTS */
#define SPEC_PASID_RESERVED_1      0x00000000007f0000ull
#define SPEC_PASID_SRE             (1ull << 0)                /* word 2; reserved without ECAP.SRS */
#define SPEC_PASID_ERE             (1ull << 1)                /* reserved without ECAP.ERS */
#define SPEC_PASID_FSPM(w)         ((unsigned)((w) >> 2 & 3)) /* 0: four levels, 1: five */
#define SPEC_PASID_WITH_FSPM(fspm) ((uint64_t)(fspm) << 2)
#define SPEC_PASID_EAFE            (1ull << 7) /* reserved without ECAP.EAFS */
#define SPEC_PASID_WPE             (1ull << 4)
#define SPEC_PASID_RESERVED_2      (0xf00ull | SPEC_ABOVE_HAW)
#define SPEC_PASID_FIRST_STAGE_2                                                                             \
    (SPEC_PASID_WITH_FSPM(3) | SPEC_PASID_WPE | SPEC_TABLE_ADDRESS) /* ECAP.FSTS */

/* --- 9.7 first-stage page-table entries --- */

#define SPEC_FS_PRESENT     (1ull << 0)
#define SPEC_FS_WRITE       (1ull << 1)
#define SPEC_FS_USER        (1ull << 2)
#define SPEC_FS_ACCESSED    (1ull << 5)
#define SPEC_FS_DIRTY       (1ull << 6)           /* leaves; ignored elsewhere */
#define SPEC_FS_PAGE_SIZE   (1ull << 7)           /* at levels 1 and 2; reserved above, PAT below */
#define SPEC_FS_LEAF_LOW_2M 0x00000000001fe000ull /* bit 12 is PAT */
#define SPEC_FS_LEAF_LOW_1G 0x000000003fffe000ull

/* --- 9.8 second-stage page-table entries --- */

#define SPEC_SS_READ        (1ull << 0) /* present means one of the two */
#define SPEC_SS_WRITE       (1ull << 1)
#define SPEC_SS_PAGE_SIZE   (1ull << 7) /* at levels 1 and 2 by CAP.SSLPS; reserved above */
#define SPEC_SS_ACCESSED    (1ull << 8)
#define SPEC_SS_DIRTY       (1ull << 9)  /* leaves; ignored elsewhere */
#define SPEC_SS_SNP         (1ull << 11) /* leaves with ECAP.SC; reserved elsewhere */
#define SPEC_SS_RESERVED    (1ull << 62 | SPEC_LEAF_ABOVE_HAW)
#define SPEC_SS_LEAF_LOW_2M 0x00000000001ff000ull
#define SPEC_SS_LEAF_LOW_1G 0x000000003ffff000ull

/* --- 7.1.3: why a request is refused. What software causes by reserved bits or by an entry that makes no
 * sense is called out instead. --- */

/* Legacy mode. */
#define SPEC_LRT_2 0x01 /* root entry not present */
#define SPEC_LCT_2 0x02 /* context entry not present */
#define SPEC_LGN_1 0x04 /* address beyond the tables' width, or MGAW */
#define SPEC_LGN_2 0x05 /* no permission to write */
#define SPEC_LGN_3 0x06 /* no permission to read */
#define SPEC_LCT_5 0x0d /* the context entry blocks translation requests and translated ones */
#define SPEC_LGN_4 0x0e /* the result is in the interrupt range */

/* Both, and scalable mode. */
#define SPEC_RTA_2 0x31 /* request with PASID in legacy mode */
#define SPEC_SRT_2 0x39 /* root entry not present */
#define SPEC_SCT_2 0x41 /* context entry not present */
#define SPEC_SCT_5 0x44 /* device TLB not enabled */
#define SPEC_SCT_6 0x45 /* PASID not enabled */
#define SPEC_SCT_7 0x46 /* PASID beyond the directory */
#define SPEC_SCT_9 0x48 /* request with the PASID that stands for those without (RID_PASID) */
#define SPEC_SPD_2 0x51 /* PASID directory entry not present */
#define SPEC_SPT_2 0x59 /* PASID table entry not present */
#define SPEC_SFS_2 0x71 /* first-stage entry not present */
#define SPEC_SSS_2 0x79 /* second-stage entry gives no permission */
#define SPEC_SSS_5 0x7c /* accessed or dirty must be set there, and the walk does not snoop */
#define SPEC_SGN_1 0x80 /* address not canonical */
#define SPEC_SGN_2 0x81 /* user request to a supervisor page */
#define SPEC_SGN_4 0x83 /* address beyond what the unit takes */
#define SPEC_SGN_5 0x84 /* address beyond the second stage's width */
#define SPEC_SGN_6 0x85 /* no permission to write */
#define SPEC_SGN_7 0x86 /* no permission to read */
#define SPEC_SGN_8 0x87 /* the result is in the interrupt range */
#define SPEC_SFS_9 0x90 /* accessed or dirty must be set in the first stage, and the walk does not snoop */
