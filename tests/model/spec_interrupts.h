/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupt requests and interrupt-remapping table entries as the VT-d specification, revision 4.1, defines
 * them (5.1, 9.9). Written from the specification alone. */
#pragma once

#include <stdint.h>

/* 5.1.2: the address of a message. Bits 31:20 are FEEh, higher ones 0. */
#define SPEC_MESSAGE_RANGE(address) ((address) >> 20 == 0xfee)
#define SPEC_MESSAGE_REMAPPABLE     (1ull << 4)
#define SPEC_MESSAGE_SHV            (1ull << 3)
#define SPEC_MESSAGE_HANDLE(address)                                                                         \
    ((uint32_t)((address) >> 5 & 0x7fff) | (uint32_t)((address) >> 2 & 1) << 15)
#define SPEC_MESSAGE_WITH_HANDLE(h)  ((uint64_t)((h)&0x7fff) << 5 | (uint64_t)((h) >> 15 & 1) << 2)
#define SPEC_MESSAGE_SUBHANDLE(data) ((uint32_t)(data)&0xffff)

/* 9.9: the entry for remapped interrupts, of 128 bits. */
#define SPEC_IRTE_P                   (1ull << 0)
#define SPEC_IRTE_FPD                 (1ull << 1)
#define SPEC_IRTE_DLM(word0)          ((unsigned)((word0) >> 5 & 7)) /* 3 and 6 are reserved */
#define SPEC_IRTE_IM                  (1ull << 15)                   /* posted; needs CAP.PI */
#define SPEC_IRTE_VECTOR(word0)       ((uint8_t)((word0) >> 16))
#define SPEC_IRTE_WITH_VECTOR(v)      ((uint64_t)(v) << 16)
#define SPEC_IRTE_DESTINATION(word0)  ((uint32_t)((word0) >> 32))
#define SPEC_IRTE_WITH_DESTINATION(d) ((uint64_t)(d) << 32)
#define SPEC_IRTE_RESERVED            0xff007000ull
#define SPEC_IRTE_RESERVED_XAPIC      0xffff00ff00000000ull /* without EIME the destination is bits 47:40 */
#define SPEC_IRTE_SID(word1)          ((uint16_t)(word1))
#define SPEC_IRTE_SQ(word1)           ((unsigned)((word1) >> 16 & 3))
#define SPEC_IRTE_WITH_SQ(sq)         ((uint64_t)(sq) << 16)
#define SPEC_IRTE_SVT(word1)          ((unsigned)((word1) >> 18 & 3))
#define SPEC_IRTE_WITH_SVT(svt)       ((uint64_t)(svt) << 18)
#define SPEC_SVT_NONE                 0
#define SPEC_SVT_SID                  1 /* but for the bits that SQ leaves out */
#define SPEC_SVT_BUS                  2 /* the bus lies between the upper byte of SID and the lower one */
#define SPEC_SVT_RESERVED             3
#define SPEC_IRTE_RESERVED_1          0xfffffffffff00000ull

/* 5.1.4: why an interrupt request is refused. */
#define SPEC_FAULT_IR_REQUEST_RESERVED 0x20
#define SPEC_FAULT_IR_INDEX            0x21
#define SPEC_FAULT_IR_NOT_PRESENT      0x22
#define SPEC_FAULT_IR_TABLE            0x23
#define SPEC_FAULT_IR_ENTRY_RESERVED   0x24
#define SPEC_FAULT_IR_COMPATIBILITY    0x25
#define SPEC_FAULT_IR_SOURCE           0x26
