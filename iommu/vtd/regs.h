/* SPDX-License-Identifier: BSD-2-Clause */
/* The registers of a VT-d unit: where they are and what their bits mean. Sections are those of the VT-d
 * specification, revision 4.1, unless a line says otherwise. */
#pragma once

#include "lib/platform.h"
#include <stdint.h>

/* A register's width is its type, so that an access of the wrong width does not compile. */
struct vtd_reg32 {
    uint16_t offset;
};

struct vtd_reg64 {
    uint16_t offset;
};

/* The mapped registers of one unit. */
struct vtd_registers {
    volatile uint8_t *base;
};

static inline uint32_t vtd_read32(struct vtd_registers registers, struct vtd_reg32 reg)
{
    return platform_mmio_read32(registers.base + reg.offset);
}

static inline uint64_t vtd_read64(struct vtd_registers registers, struct vtd_reg64 reg)
{
    return platform_mmio_read64(registers.base + reg.offset);
}

static inline void vtd_write32(struct vtd_registers registers, struct vtd_reg32 reg, uint32_t value)
{
    platform_mmio_write32(registers.base + reg.offset, value);
}

static inline void vtd_write64(struct vtd_registers registers, struct vtd_reg64 reg, uint64_t value)
{
    platform_mmio_write64(registers.base + reg.offset, value);
}

#define VTD_PAGE_ADDRESS 0xfffffffffffff000ull /* a page's address, wherever one is stored */

/* 11.4.1 Version */
#define VTD_VER          ((struct vtd_reg32){0x000})
#define VTD_VER_MINOR(v) ((v)&0xf)
#define VTD_VER_MAJOR(v) ((v) >> 4 & 0xf)

/* 11.4.2 Capability */
#define VTD_CAP          ((struct vtd_reg64){0x008})
#define VTD_CAP_ND(c)    ((unsigned)((c)&7))
#define VTD_CAP_AFL      (1ull << 3)
#define VTD_CAP_RWBF     (1ull << 4)
#define VTD_CAP_PLMR     (1ull << 5)
#define VTD_CAP_PHMR     (1ull << 6)
#define VTD_CAP_CM       (1ull << 7)
#define VTD_CAP_SAGAW(c) ((unsigned)((c) >> 8 & 0x1f)) /* bit n: n + 2 levels, 1 to 3 */
#define VTD_CAP_MGAW(c)  ((unsigned)((c) >> 16 & 0x3f))
#define VTD_CAP_ZLR      (1ull << 22)
#define VTD_CAP_FRO(c)   ((unsigned)((c) >> 24 & 0x3ff))
#define VTD_CAP_SSLPS_2M (1ull << 34)
#define VTD_CAP_SSLPS_1G (1ull << 35)
#define VTD_CAP_PSI      (1ull << 39)
#define VTD_CAP_NFR(c)   ((unsigned)((c) >> 40 & 0xff))
#define VTD_CAP_MAMV(c)  ((unsigned)((c) >> 48 & 0x3f))
#define VTD_CAP_DWD      (1ull << 54)
#define VTD_CAP_DRD      (1ull << 55)
#define VTD_CAP_FS1GP    (1ull << 56)
#define VTD_CAP_PI       (1ull << 59)
#define VTD_CAP_FS5LP    (1ull << 60)
#define VTD_CAP_ECMDS    (1ull << 61)
#define VTD_CAP_ESIRTPS  (1ull << 62)
#define VTD_CAP_ESRTPS   (1ull << 63)

/* 11.4.3 Extended Capability */
#define VTD_ECAP        ((struct vtd_reg64){0x010})
#define VTD_ECAP_C      (1ull << 0)
#define VTD_ECAP_QI     (1ull << 1)
#define VTD_ECAP_DT     (1ull << 2)
#define VTD_ECAP_IR     (1ull << 3)
#define VTD_ECAP_EIM    (1ull << 4)
#define VTD_ECAP_PT     (1ull << 6)
#define VTD_ECAP_SC     (1ull << 7)
#define VTD_ECAP_NEST   (1ull << 26)
#define VTD_ECAP_PRS    (1ull << 29)
#define VTD_ECAP_ERS    (1ull << 30)
#define VTD_ECAP_SRS    (1ull << 31)
#define VTD_ECAP_NWFS   (1ull << 33)
#define VTD_ECAP_EAFS   (1ull << 34)
#define VTD_ECAP_PSS(e) ((unsigned)((e) >> 35 & 0x1f))
#define VTD_ECAP_PASID  (1ull << 40)
#define VTD_ECAP_DIT    (1ull << 41)
#define VTD_ECAP_PDS    (1ull << 42)
#define VTD_ECAP_SMTS   (1ull << 43)
#define VTD_ECAP_SSADS  (1ull << 45)
#define VTD_ECAP_SSTS   (1ull << 46)
#define VTD_ECAP_FSTS   (1ull << 47)
#define VTD_ECAP_SMPWC  (1ull << 48)
#define VTD_ECAP_RPS    (1ull << 49)
#define VTD_ECAP_EIMER  (1ull << 61) /* this one and the next since revision 5.0 */
#define VTD_ECAP_IRREQ  (1ull << 62)

/* 11.4.4.1 Global Command, and 11.4.4.2 Global Status, whose bits are at the same places. */
#define VTD_GCMD          ((struct vtd_reg32){0x018})
#define VTD_GSTS          ((struct vtd_reg32){0x01c})
#define VTD_GCMD_TE       (1u << 31)
#define VTD_GCMD_SRTP     (1u << 30)
#define VTD_GCMD_SFL      (1u << 29)
#define VTD_GCMD_WBF      (1u << 27)
#define VTD_GCMD_QIE      (1u << 26)
#define VTD_GCMD_IRE      (1u << 25)
#define VTD_GCMD_SIRTP    (1u << 24)
#define VTD_GCMD_CFI      (1u << 23)
#define VTD_GCMD_ONE_SHOT (VTD_GCMD_SRTP | VTD_GCMD_SFL | VTD_GCMD_WBF | VTD_GCMD_SIRTP)
#define VTD_GSTS_TES      VTD_GCMD_TE
#define VTD_GSTS_WBFS     VTD_GCMD_WBF
#define VTD_GSTS_RTPS     VTD_GCMD_SRTP
#define VTD_GSTS_QIES     VTD_GCMD_QIE
#define VTD_GSTS_IRES     VTD_GCMD_IRE
#define VTD_GSTS_IRTPS    VTD_GCMD_SIRTP
#define VTD_GSTS_CFIS     VTD_GCMD_CFI

_Static_assert(VTD_GCMD_ONE_SHOT == (uint32_t)~0x96ffffffu, "the mask that 11.4.4.1 tells to apply to GSTS");

/* 11.4.5 Root Table Address */
#define VTD_RTADDR              ((struct vtd_reg64){0x020})
#define VTD_RTADDR_TTM          (3ull << 10)
#define VTD_RTADDR_SSIRWE       (1ull << 7)
#define VTD_RTADDR_TTM_LEGACY   (0ull << 10)
#define VTD_RTADDR_TTM_SCALABLE (1ull << 10)

/* 11.4.7.1 Fault Status */
#define VTD_FSTS        ((struct vtd_reg32){0x034})
#define VTD_FSTS_PFO    (1u << 0)
#define VTD_FSTS_PPF    (1u << 1)
#define VTD_FSTS_IQE    (1u << 4)
#define VTD_FSTS_ICE    (1u << 5)
#define VTD_FSTS_ITE    (1u << 6)
#define VTD_FSTS_FRI(f) ((f) >> 8 & 0xff)

/* 11.4.7.2 to 11.4.7.5 Fault Event */
#define VTD_FECTL    ((struct vtd_reg32){0x038})
#define VTD_FECTL_IM (1u << 31)
#define VTD_FEDATA   ((struct vtd_reg32){0x03c})
#define VTD_FEADDR   ((struct vtd_reg32){0x040})
#define VTD_FEUADDR  ((struct vtd_reg32){0x044})

/* 11.4.7.6 Fault Recording: 16 bytes each, from CAP.FRO * 16 on. Bits of the upper half,
 * but for the index of an interrupt. */
#define VTD_FRCD_LOW(offset, n)  ((struct vtd_reg64){(uint16_t)((offset) + 16 * (n))})
#define VTD_FRCD_HIGH(offset, n) ((struct vtd_reg64){(uint16_t)((offset) + 16 * (n) + 8)})
#define VTD_FRCD_F               (1ull << 63)
#define VTD_FRCD_T1              (1ull << 62)
#define VTD_FRCD_T2              (1ull << 28)
#define VTD_FRCD_PP              (1ull << 31)
#define VTD_FRCD_EXE             (1ull << 30)
#define VTD_FRCD_PRIV            (1ull << 29)
#define VTD_FRCD_INDEX(low)      ((uint16_t)((low) >> 48))
#define VTD_FRCD_PASID(high)     ((uint32_t)((high) >> 40 & 0xfffff))
#define VTD_FRCD_FR(high)        ((uint8_t)((high) >> 32))
#define VTD_FRCD_SID(high)       ((uint16_t)(high))

/* 11.4.8.1 Protected Memory Enable */
#define VTD_PMEN     ((struct vtd_reg32){0x064})
#define VTD_PMEN_EPM (1u << 31)
#define VTD_PMEN_PRS (1u << 0)

/* 11.4.8.2 to 11.4.8.5: the regions, inclusive; a unit takes the low bits of a limit for ones. The low one
 * ends below 4 GiB, where the high one begins. */
#define VTD_PLMBASE  ((struct vtd_reg32){0x068})
#define VTD_PLMLIMIT ((struct vtd_reg32){0x06c})
#define VTD_PHMBASE  ((struct vtd_reg64){0x070})
#define VTD_PHMLIMIT ((struct vtd_reg64){0x078})

/* 11.4.9 Invalidation Queue. Head and tail are byte offsets into the queue. */
#define VTD_IQH        ((struct vtd_reg64){0x080})
#define VTD_IQT        ((struct vtd_reg64){0x088})
#define VTD_IQA        ((struct vtd_reg64){0x090})
#define VTD_IQA_DW_256 (1ull << 11)
#define VTD_IQA_QS(a)  ((unsigned)((a)&7))
#define VTD_IECTL      ((struct vtd_reg32){0x0a0})
#define VTD_IECTL_IM   (1u << 31)
#define VTD_IQERCD     ((struct vtd_reg64){0x0b0})

/* 11.4.9.9: why the queue stopped, and whose invalidation timed out. 0 on units that do not tell. */
#define VTD_IQERCD_IQEI(r)   ((unsigned)((r)&0xf))
#define VTD_IQERCD_ITESID(r) ((uint16_t)((r) >> 32))

/* 11.4.11 Page Request Queue, head and tail as those of the invalidation queue; its status. */
#define VTD_PQH      ((struct vtd_reg64){0x0c0})
#define VTD_PQT      ((struct vtd_reg64){0x0c8})
#define VTD_PQA      ((struct vtd_reg64){0x0d0})
#define VTD_PRS      ((struct vtd_reg32){0x0dc})
#define VTD_PRS_PPR  (1u << 0)
#define VTD_PRS_PRO  (1u << 1)
#define VTD_PECTL    ((struct vtd_reg32){0x0e0})
#define VTD_PECTL_IM (1u << 31)

/* 11.4.10 Interrupt Remapping Table Address: the table has 2^(S + 1) entries. */
#define VTD_IRTA      ((struct vtd_reg64){0x0b8})
#define VTD_IRTA_EIME (1ull << 11)
#define VTD_IRTA_S(s) ((uint64_t)(s))
