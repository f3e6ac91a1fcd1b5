/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of fault reasons: legacy mode, interrupt remapping, scalable mode. */
#include "iommu/vtd/fault_reason.h"
#include "lib/compiler.h"
#include <stddef.h>

/* Codes of interrupt remapping, those included that are not defined yet. */
#define FIRST_INTERRUPT 0x20
#define LAST_INTERRUPT  0x2f

/* Tables 30 and 15 of revision 5.1; the latter gives no names. */
#define DMA(code, name, words)                                                                               \
    {                                                                                                        \
        (code), (name), "7.1.3", name ": " words                                                             \
    }
#define INTERRUPT(code, words)                                                                               \
    {                                                                                                        \
        (code), "", "5.1.4.1", "interrupt: " words                                                           \
    }

static const struct vtd_fault_reason reasons[] = {
    DMA(0x01, "LRT.2", "root entry not present"),
    DMA(0x02, "LCT.2", "context entry not present"),
    DMA(0x03, "LCT.4", "context entry invalid"),
    DMA(0x04, "LGN.1", "address beyond the width of the tables"),
    DMA(0x05, "LGN.2", "no permission to write"),
    DMA(0x06, "LGN.3", "no permission to read"),
    DMA(0x07, "LSS.1", "a second-stage table cannot be read"),
    DMA(0x08, "LRT.1", "the root table cannot be read"),
    DMA(0x09, "LCT.1", "the context table cannot be read"),
    DMA(0x0a, "LRT.3", "reserved bits in the root entry"),
    DMA(0x0b, "LCT.3", "reserved bits in the context entry"),
    DMA(0x0c, "LSS.2", "reserved bits in a second-stage entry"),
    DMA(0x0d, "LCT.5", "the context entry refuses this type of request"),
    DMA(0x0e, "LGN.4", "the result is in the interrupt range"),

    INTERRUPT(0x20, "reserved bits in the request"),
    INTERRUPT(0x21, "index beyond the table"),
    INTERRUPT(0x22, "remapping entry not present"),
    INTERRUPT(0x23, "the remapping table cannot be read"),
    INTERRUPT(0x24, "reserved bits in the remapping entry"),
    INTERRUPT(0x25, "compatibility format is blocked"),
    INTERRUPT(0x26, "the requester may not use this entry"),
    INTERRUPT(0x27, "the posted descriptor cannot be accessed"),
    INTERRUPT(0x28, "reserved bits in the posted descriptor"),
    INTERRUPT(0x29, "a request to the interrupt range that is none"),
    INTERRUPT(0x2a, "the unit needs extended interrupt mode (EIMER)"),
    INTERRUPT(0x2b, "the unit needs remapping to be on (IRREQ)"),

    DMA(0x30, "RTA.1", "the root table address register is invalid"),
    DMA(0x31, "RTA.2", "request with PASID while in legacy mode"),
    DMA(0x32, "RTA.3", "page request while in legacy mode"),
    DMA(0x33, "RTA.4", "request while in abort-DMA mode"),
    DMA(0x34, "RTA.5", "execute request, which the unit no longer knows"),
    DMA(0x38, "SRT.1", "the root table cannot be read"),
    DMA(0x39, "SRT.2", "root entry not present"),
    DMA(0x3a, "SRT.3", "reserved bits in the root entry"),
    DMA(0x40, "SCT.1", "the context table cannot be read"),
    DMA(0x41, "SCT.2", "context entry not present"),
    DMA(0x42, "SCT.3", "reserved bits in the context entry"),
    DMA(0x43, "SCT.4", "context entry invalid"),
    DMA(0x44, "SCT.5", "device TLB not enabled in the context entry"),
    DMA(0x45, "SCT.6", "PASID not enabled in the context entry"),
    DMA(0x46, "SCT.7", "PASID beyond the directory"),
    DMA(0x47, "SCT.8", "page requests not enabled in the context entry"),
    DMA(0x48, "SCT.9", "RID_PASID is the PASID of the request, or no PASID at all"),
    DMA(0x49, "SCT.10", "translated request with PASID"),
    DMA(0x50, "SPD.1", "the PASID directory cannot be read"),
    DMA(0x51, "SPD.2", "PASID directory entry not present"),
    DMA(0x52, "SPD.3", "reserved bits in the PASID directory entry"),
    DMA(0x58, "SPT.1", "the PASID table cannot be read"),
    DMA(0x59, "SPT.2", "PASID table entry not present"),
    DMA(0x5a, "SPT.3", "reserved bits in the PASID table entry"),
    DMA(0x5b, "SPT.4", "PASID table entry invalid"),
    DMA(0x5c, "SPT.5", "execute requests not enabled"),
    DMA(0x5d, "SPT.6", "supervisor requests not enabled in the PASID table entry"),
    DMA(0x60, "SPT.9", "address beyond the host permission table"),
    DMA(0x70, "SFS.1", "a first-stage table cannot be read"),
    DMA(0x71, "SFS.2", "first-stage entry not present"),
    DMA(0x72, "SFS.3", "reserved bits in a first-stage entry"),
    DMA(0x73, "SFS.4", "the first-stage root cannot be read"),
    DMA(0x74, "SFS.5", "a first-stage table is beyond the second stage's width"),
    DMA(0x75, "SFS.6", "the second stage forbids reading the first-stage root"),
    DMA(0x76, "SFS.7", "the second stage forbids reading a first-stage table"),
    DMA(0x77, "SFS.8", "the second stage forbids writing accessed or dirty"),
    DMA(0x78, "SSS.1", "a second-stage table cannot be read"),
    DMA(0x79, "SSS.2", "second-stage entry gives no permission"),
    DMA(0x7a, "SSS.3", "reserved bits in a second-stage entry"),
    DMA(0x7b, "SSS.4", "the second-stage root cannot be read"),
    DMA(0x7c, "SSS.5", "accessed or dirty must be set in a second-stage entry, and the walk is not coherent"),
    DMA(0x7d, "SSS.6", "accessed or dirty cannot be set in a second-stage entry"),
    DMA(0x80, "SGN.1", "address not canonical"),
    DMA(0x81, "SGN.2", "user request to a supervisor page"),
    DMA(0x82, "SGN.3", "no permission to execute"),
    DMA(0x83, "SGN.4", "address beyond what the unit can take"),
    DMA(0x84, "SGN.5", "address beyond the second stage's width"),
    DMA(0x85, "SGN.6", "no permission to write"),
    DMA(0x86, "SGN.7", "no permission to read"),
    DMA(0x87, "SGN.8", "the result is in the interrupt range"),
    DMA(0x89, "SGN.10", "PASID beyond what the unit can take"),
    DMA(0x90, "SFS.9", "accessed or dirty must be set, and the walk is not coherent"),
    DMA(0x91, "SFS.10", "accessed or dirty cannot be set in a first-stage entry"),

    DMA(0xa0, "HPT.1", "a host permission table cannot be read"),
    DMA(0xa1, "HPT.2", "reserved bits in a host permission entry"),
    DMA(0xa2, "HPT.3", "the host permission root cannot be read"),
    DMA(0xa3, "HPT.4", "no host permission for a read of length zero"),
    DMA(0xa4, "HPT.5", "no host permission to write"),
    DMA(0xa5, "HPT.6", "no host permission to read"),
};

const struct vtd_fault_reason *vtd_fault_reason_find(uint8_t code)
{
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
        if (reasons[i].code == code)
            return &reasons[i];
    return NULL;
}

const char *vtd_fault_reason(uint8_t code)
{
    const struct vtd_fault_reason *reason = vtd_fault_reason_find(code);

    return reason ? reason->text : "a reason that this version does not know";
}

bool vtd_fault_is_interrupt(uint8_t code)
{
    return code >= FIRST_INTERRUPT && code <= LAST_INTERRUPT;
}
