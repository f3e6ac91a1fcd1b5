/* SPDX-License-Identifier: BSD-2-Clause */
/* The registers of a remapping unit as the VT-d specification, revision 4.1, defines them: offsets, fields,
 * and what CAP and ECAP say. Written from the specification alone, apart from the driver's own constants. */
#pragma once

#include <stdint.h>

/* --- 11.4: offsets, in bytes --- */

#define SPEC_VER      0x000 /* 32 bits, 11.4.1 */
#define SPEC_CAP      0x008 /* 64, 11.4.2 */
#define SPEC_ECAP     0x010 /* 64, 11.4.3 */
#define SPEC_GCMD     0x018 /* 32, 11.4.4.1 */
#define SPEC_GSTS     0x01c /* 32, 11.4.4.2 */
#define SPEC_RTADDR   0x020 /* 64, 11.4.5 */
#define SPEC_FSTS     0x034 /* 32, 11.4.7.1 */
#define SPEC_FECTL    0x038 /* 32, 11.4.7.2 */
#define SPEC_FEDATA   0x03c /* 32 */
#define SPEC_FEADDR   0x040 /* 32 */
#define SPEC_FEUADDR  0x044 /* 32 */
#define SPEC_PMEN     0x064 /* 32, 11.4.8.1 */
#define SPEC_PLMBASE  0x068 /* 32 */
#define SPEC_PLMLIMIT 0x06c /* 32 */
#define SPEC_PHMBASE  0x070 /* 64 */
#define SPEC_PHMLIMIT 0x078 /* 64 */
#define SPEC_IQH      0x080 /* 64, 11.4.9 */
#define SPEC_IQT      0x088 /* 64 */
#define SPEC_IQA      0x090 /* 64 */
#define SPEC_ICS      0x09c /* 32 */
#define SPEC_IECTL    0x0a0 /* 32 */
#define SPEC_IEDATA   0x0a4 /* 32 */
#define SPEC_IEADDR   0x0a8 /* 32 */
#define SPEC_IEUADDR  0x0ac /* 32 */
#define SPEC_IQERCD   0x0b0 /* 64 */
#define SPEC_IRTA     0x0b8 /* 64, 11.4.10 */

/* --- 11.4.1: version --- */

#define SPEC_VER_MAJOR(v)         ((unsigned)(v) >> 4 & 0xf)
#define SPEC_VER_MINOR(v)         ((unsigned)(v)&0xf)
#define SPEC_VER_OF(major, minor) ((uint32_t)((major) << 4 | (minor)))

/* --- 11.4.2: CAP --- */

#define SPEC_CAP_ND(c)    ((unsigned)((c)&7)) /* 2^(4 + 2 * ND) domain ids; 7 is reserved */
#define SPEC_CAP_AFL      (1ull << 3)         /* advanced fault log */
#define SPEC_CAP_RWBF     (1ull << 4)         /* write buffers that must be flushed */
#define SPEC_CAP_PLMR     (1ull << 5)
#define SPEC_CAP_PHMR     (1ull << 6)
#define SPEC_CAP_CM       (1ull << 7)                   /* caching mode */
#define SPEC_CAP_SAGAW(c) ((unsigned)((c) >> 8 & 0x1f)) /* second-stage levels, bits below */
#define SPEC_SAGAW_3      (1u << 1)
#define SPEC_SAGAW_4      (1u << 2)
#define SPEC_SAGAW_5      (1u << 3)
#define SPEC_CAP_MGAW(c)  ((unsigned)((c) >> 16 & 0x3f)) /* input address width, less one */
#define SPEC_CAP_ZLR      (1ull << 22)
#define SPEC_CAP_FRO(c)   ((unsigned)((c) >> 24 & 0x3ff)) /* of the fault registers, in 16 bytes */
#define SPEC_CAP_SSLPS(c) ((unsigned)((c) >> 34 & 0xf))   /* second-stage large pages, bits below */
#define SPEC_SSLPS_2M     (1u << 0)
#define SPEC_SSLPS_1G     (1u << 1)
#define SPEC_CAP_PSI      (1ull << 39)
#define SPEC_CAP_NFR(c)   ((unsigned)((c) >> 40 & 0xff)) /* fault registers, less one */
#define SPEC_CAP_MAMV(c)  ((unsigned)((c) >> 48 & 0x3f))
#define SPEC_CAP_DWD      (1ull << 54)
#define SPEC_CAP_DRD      (1ull << 55)
#define SPEC_CAP_FS1GP    (1ull << 56)
#define SPEC_CAP_PI       (1ull << 59)
#define SPEC_CAP_FS5LP    (1ull << 60)
#define SPEC_CAP_ECMDS    (1ull << 61)
#define SPEC_CAP_ESIRTPS  (1ull << 62)
#define SPEC_CAP_ESRTPS   (1ull << 63)

/* The same fields, to make a CAP of. */
#define SPEC_CAP_WITH_ND(nd)      ((uint64_t)(nd))
#define SPEC_CAP_WITH_SAGAW(bits) ((uint64_t)(bits) << 8)
#define SPEC_CAP_WITH_MGAW(lg2)   ((uint64_t)((lg2)-1) << 16)
#define SPEC_CAP_WITH_FRO(bytes)  ((uint64_t)(bytes) / 16 << 24)
#define SPEC_CAP_WITH_SSLPS(bits) ((uint64_t)(bits) << 34)
#define SPEC_CAP_WITH_NFR(count)  ((uint64_t)((count)-1) << 40)
#define SPEC_CAP_WITH_MAMV(lg2)   ((uint64_t)(lg2) << 48)

/* --- 11.4.3: ECAP --- */

#define SPEC_ECAP_C      (1ull << 0) /* root, context, PASID, interrupt and legacy page tables are snooped */
#define SPEC_ECAP_QI     (1ull << 1)
#define SPEC_ECAP_DT     (1ull << 2) /* device TLBs */
#define SPEC_ECAP_IR     (1ull << 3)
#define SPEC_ECAP_EIM    (1ull << 4)
#define SPEC_ECAP_PT     (1ull << 6)                    /* pass-through */
#define SPEC_ECAP_SC     (1ull << 7)                    /* snoop control */
#define SPEC_ECAP_IRO(e) ((unsigned)((e) >> 8 & 0x3ff)) /* of the IOTLB registers, in 16 bytes */
#define SPEC_ECAP_MHMV(e)                                                                                    \
    ((unsigned)((e) >> 20 & 0xf)) /* largest mask of an interrupt entry invalidation                         \
                                   */
#define SPEC_ECAP_MTS    (1ull << 25)
#define SPEC_ECAP_NEST   (1ull << 26)
#define SPEC_ECAP_PRS    (1ull << 29)
#define SPEC_ECAP_ERS    (1ull << 30)
#define SPEC_ECAP_SRS    (1ull << 31)
#define SPEC_ECAP_NWFS   (1ull << 33)
#define SPEC_ECAP_EAFS   (1ull << 34)
#define SPEC_ECAP_PSS(e) ((unsigned)((e) >> 35 & 0x1f)) /* PASID width, less one */
#define SPEC_ECAP_PASID  (1ull << 40)
#define SPEC_ECAP_DIT    (1ull << 41)
#define SPEC_ECAP_PDS    (1ull << 42)
#define SPEC_ECAP_SMTS   (1ull << 43) /* scalable mode */
#define SPEC_ECAP_VCS    (1ull << 44)
#define SPEC_ECAP_SSADS  (1ull << 45) /* second-stage accessed and dirty */
#define SPEC_ECAP_SSTS   (1ull << 46)
#define SPEC_ECAP_FSTS   (1ull << 47)
#define SPEC_ECAP_SMPWC  (1ull << 48) /* scalable-mode page walks can be snooped */
#define SPEC_ECAP_RPS    (1ull << 49) /* RID_PASID other than 0 */
#define SPEC_ECAP_PMS    (1ull << 51)
#define SPEC_ECAP_ADMS   (1ull << 52) /* abort-DMA mode */
#define SPEC_ECAP_RPRIVS (1ull << 53)

#define SPEC_ECAP_WITH_IRO(bytes) ((uint64_t)(bytes) / 16 << 8)
#define SPEC_ECAP_WITH_MHMV(lg2)  ((uint64_t)(lg2) << 20)
#define SPEC_ECAP_WITH_PSS(bits)  ((uint64_t)((bits)-1) << 35)

/* --- 11.4.4.1: GCMD; 11.4.4.2: GSTS has the status of each at the same place --- */

#define SPEC_GCMD_TE    (1u << 31)
#define SPEC_GCMD_SRTP  (1u << 30)
#define SPEC_GCMD_SFL   (1u << 29)
#define SPEC_GCMD_EAFL  (1u << 28)
#define SPEC_GCMD_WBF   (1u << 27)
#define SPEC_GCMD_QIE   (1u << 26)
#define SPEC_GCMD_IRE   (1u << 25)
#define SPEC_GCMD_SIRTP (1u << 24)
#define SPEC_GCMD_CFI   (1u << 23)

/* What software keeps of GSTS when it makes the next command of it: all but the one-shots. */
#define SPEC_GCMD_STICKY   0x96ffffffu
#define SPEC_GCMD_DEFINED  0xff800000u
#define SPEC_GCMD_ONE_SHOT (SPEC_GCMD_SRTP | SPEC_GCMD_SFL | SPEC_GCMD_WBF | SPEC_GCMD_SIRTP)

#define SPEC_GSTS_TES   SPEC_GCMD_TE
#define SPEC_GSTS_RTPS  SPEC_GCMD_SRTP
#define SPEC_GSTS_WBFS  SPEC_GCMD_WBF
#define SPEC_GSTS_QIES  SPEC_GCMD_QIE
#define SPEC_GSTS_IRES  SPEC_GCMD_IRE
#define SPEC_GSTS_IRTPS SPEC_GCMD_SIRTP
#define SPEC_GSTS_CFIS  SPEC_GCMD_CFI

/* --- 11.4.5: RTADDR --- */

#define SPEC_PAGE_ADDRESS         0xfffffffffffff000ull
#define SPEC_RTADDR_TTM(r)        ((unsigned)((r) >> 10 & 3))
#define SPEC_TTM_LEGACY           0
#define SPEC_TTM_SCALABLE         1
#define SPEC_TTM_RESERVED         2
#define SPEC_TTM_ABORT            3
#define SPEC_RTADDR_WITH_TTM(ttm) ((uint64_t)(ttm) << 10)
#define SPEC_RTADDR_RESERVED      0x3ffull

/* --- 11.4.7: faults --- */

#define SPEC_FSTS_PFO         (1u << 0)
#define SPEC_FSTS_PPF         (1u << 1)
#define SPEC_FSTS_AFO         (1u << 2)
#define SPEC_FSTS_APF         (1u << 3)
#define SPEC_FSTS_IQE         (1u << 4)
#define SPEC_FSTS_ICE         (1u << 5)
#define SPEC_FSTS_ITE         (1u << 6)
#define SPEC_FSTS_FRI(f)      ((unsigned)(f) >> 8 & 0xff)
#define SPEC_FSTS_WITH_FRI(n) ((uint32_t)(n) << 8)
#define SPEC_FSTS_QUEUE       (SPEC_FSTS_IQE | SPEC_FSTS_ICE | SPEC_FSTS_ITE)

/* FECTL (11.4.7.2) and IECTL (11.4.9.5) */
#define SPEC_EVENT_IM (1u << 31)
#define SPEC_EVENT_IP (1u << 30)

/* FRCD (11.4.7.6): bits of the upper 64. The lower have the page's address, or the interrupt's index. */
#define SPEC_FRCD_F              (1ull << 63)
#define SPEC_FRCD_T1             (1ull << 62)
#define SPEC_FRCD_AT(h)          ((unsigned)((h) >> 60 & 3))
#define SPEC_FRCD_WITH_AT(at)    ((uint64_t)(at) << 60)
#define SPEC_FRCD_PASID(h)       ((uint32_t)((h) >> 40 & 0xfffff))
#define SPEC_FRCD_WITH_PASID(p)  ((uint64_t)(p) << 40)
#define SPEC_FRCD_REASON(h)      ((uint8_t)((h) >> 32))
#define SPEC_FRCD_WITH_REASON(r) ((uint64_t)(r) << 32)
#define SPEC_FRCD_PP             (1ull << 31)
#define SPEC_FRCD_EXE            (1ull << 30)
#define SPEC_FRCD_PRIV           (1ull << 29)
#define SPEC_FRCD_T2             (1ull << 28)
#define SPEC_FRCD_SOURCE(h)      ((uint16_t)(h))
#define SPEC_FRCD_LOW_INDEX(i)   ((uint64_t)(i) << 48)

/* --- 11.4.8: protected memory --- */

#define SPEC_PMEN_EPM (1u << 31)
#define SPEC_PMEN_PRS (1u << 0)

/* --- 11.4.9: the invalidation queue. Head and tail are offsets in bytes. --- */

#define SPEC_IQ_OFFSET               0x7fff0ull /* bits 18:4; with 256-bit descriptors bit 4 is reserved */
#define SPEC_IQA_DW                  (1ull << 11)
#define SPEC_IQA_QS(q)               ((unsigned)((q)&7)) /* 2^QS pages */
#define SPEC_IQA_RESERVED            0x7f8ull
#define SPEC_IQA_BYTES(q)            (0x1000ull << SPEC_IQA_QS(q))
#define SPEC_IQERCD_IQEI             0xfull
#define SPEC_IQERCD_WITH_ITESID(sid) ((uint64_t)(sid) << 32)
#define SPEC_IQERCD_WITH_ICESID(sid) ((uint64_t)(sid) << 48)
#define SPEC_ICS_IWC                 (1u << 0)

/* --- 11.4.10: IRTA --- */

#define SPEC_IRTA_EIME       (1ull << 11)
#define SPEC_IRTA_S(i)       ((unsigned)((i)&0xf)) /* 2^(S + 1) entries */
#define SPEC_IRTA_ENTRIES(i) (2u << SPEC_IRTA_S(i))
#define SPEC_IRTA_RESERVED   0x7f0ull
