/* SPDX-License-Identifier: BSD-2-Clause */
/* What the NVM Express base specification (revision 1.4; sections in brackets) says about registers, commands
 * and completions: what drivers that change nothing on a drive need. */
#pragma once

#include <stdint.h>

/* Controller registers [3.1]. */
enum nvme_register {
    NVME_CAP = 0x00, /* 64 bits */
    NVME_VS = 0x08,
    NVME_INTMS = 0x0c,
    NVME_CC = 0x14,
    NVME_CSTS = 0x1c,
    NVME_AQA = 0x24,
    NVME_ASQ = 0x28, /* 64 bits */
    NVME_ACQ = 0x30, /* 64 bits */
    NVME_DOORBELLS = 0x1000,
};

#define NVME_CAP_MQES(cap)    ((uint32_t)(cap)&0xffff)
#define NVME_CAP_TO(cap)      ((uint32_t)((cap) >> 24 & 0xff)) /* in units of 500 ms */
#define NVME_CAP_DSTRD(cap)   ((uint32_t)((cap) >> 32 & 0xf))
#define NVME_CAP_CSS_NVM      (1ull << 37)
#define NVME_CAP_CSS_SEVERAL  (1ull << 43)
#define NVME_CAP_MPSMIN(cap)  ((uint32_t)((cap) >> 48 & 0xf))
#define NVME_CC_EN            (1u << 0)
#define NVME_CC_CSS_NVM       (0u << 4)
#define NVME_CC_CSS_SEVERAL   (6u << 4)
#define NVME_CC_SHN_MASK      (3u << 14)
#define NVME_CC_SHN_NORMAL    (1u << 14)
#define NVME_CC_IOSQES_64     (6u << 16)
#define NVME_CC_IOCQES_16     (4u << 20)
#define NVME_CSTS_RDY         (1u << 0)
#define NVME_CSTS_CFS         (1u << 1)
#define NVME_CSTS_SHST_MASK   (3u << 2)
#define NVME_CSTS_SHST_DONE   (2u << 2)
#define NVME_CSTS_GONE        0xffffffffu /* what an absent function reads as */
#define NVME_AQA_SIZES(depth) (((depth)-1u) << 16 | ((depth)-1u))
#define NVME_VS_1_1           0x00010100u

enum nvme_admin_opcode {
    NVME_CREATE_SQ = 0x01,
    NVME_CREATE_CQ = 0x05,
    NVME_IDENTIFY = 0x06,
    NVME_SET_FEATURES = 0x09,
};

enum nvme_opcode {
    NVME_READ = 0x02,
};

enum nvme_cns { /* what to identify */
                NVME_CNS_NAMESPACE = 0,
                NVME_CNS_CONTROLLER = 1,
                NVME_CNS_ACTIVE_LIST = 2,
};

#define NVME_FEATURE_QUEUES       0x07
#define NVME_QUEUE_CONTIGUOUS     1u
#define NVME_CREATE_SIZE(depth)   (((depth)-1u) << 16)
#define NVME_CREATE_CQ_OF_SQ(cq)  ((uint32_t)(cq) << 16)
#define NVME_QUEUES_WANTED(count) (((count)-1u) << 16 | ((count)-1u))

/* Identify data, byte offsets [5.15.2]. */
enum nvme_identify {
    NVME_ID_SERIAL = 4,
    NVME_ID_SERIAL_BYTES = 20,
    NVME_ID_MODEL = 24,
    NVME_ID_MODEL_BYTES = 40,
    NVME_ID_MDTS = 77,
    NVME_ID_RTD3E = 88, /* microseconds; 0: not said */
    NVME_NS_NSZE = 0,
    NVME_NS_FLBAS = 26,
    NVME_NS_LBAF = 128,
};

#define NVME_FLBAS_FORMAT(flbas) ((flbas)&0xfu)
#define NVME_LBAF_MS(lbaf)       ((lbaf)&0xffffu)
#define NVME_LBAF_LBADS(lbaf)    ((lbaf) >> 16 & 0xffu)

/* A submission queue's entry [4.2]. */
struct nvme_command {
    uint32_t cdw0; /* opcode, and the command identifier << 16 */
    uint32_t nsid;
    uint64_t reserved;
    uint64_t metadata;
    uint64_t prp1;
    uint64_t prp2;
    uint32_t cdw10;
    uint32_t cdw11;
    uint32_t cdw12;
    uint32_t cdw13;
    uint32_t cdw14;
    uint32_t cdw15;
};

/* A completion queue's entry [4.6]. */
struct nvme_completion {
    uint32_t dw0;
    uint32_t reserved;
    uint16_t sq_head;
    uint16_t sq_id;
    uint32_t dw3; /* command identifier, phase bit, status */
};

_Static_assert(sizeof(struct nvme_command) == 64, "submission queue entries have 64 bytes");
_Static_assert(sizeof(struct nvme_completion) == 16, "completion queue entries have 16 bytes");

#define NVME_DW3_PHASE       (1u << 16)
#define NVME_DW3_CID(dw3)    ((uint16_t)(dw3))
#define NVME_DW3_STATUS(dw3) ((uint16_t)((dw3) >> 17))

/* A status: code in bits 7:0, type of code in bits 10:8. */
#define NVME_STATUS_CODE(status) ((status)&0x7ffu)

/* Where the doorbells of I/O queue queue (0: the admin queue) and of those before it end. */
static inline uint64_t nvme_doorbells_end(uint64_t cap, unsigned queue)
{
    return NVME_DOORBELLS + ((2ull * queue + 2) << (2 + NVME_CAP_DSTRD(cap)));
}
