/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of fault reasons: legacy mode, interrupt remapping, scalable mode. */
#include "iommu/vtd/fault_reason.h"
#include "lib/compiler.h"
#include <stddef.h>

struct reason {
    uint8_t code;
    const char *text;
};

static const struct reason reasons[] = {
    {0x01, "LRT.2: root entry not present"},
    {0x02, "LCT.2: context entry not present"},
    {0x03, "LCT.4: context entry invalid"},
    {0x04, "LGN.1: address beyond the width of the tables"},
    {0x05, "LGN.2: no permission to write"},
    {0x06, "LGN.3: no permission to read"},
    {0x07, "LSS.1: a second-stage table cannot be read"},
    {0x08, "LRT.1: the root table cannot be read"},
    {0x09, "LCT.1: the context table cannot be read"},
    {0x0a, "LRT.3: reserved bits in the root entry"},
    {0x0b, "LCT.3: reserved bits in the context entry"},
    {0x0c, "LSS.2: reserved bits in a second-stage entry"},
    {0x0d, "LCT.5: the context entry refuses this type of request"},
    {0x0e, "LGN.4: the result is in the interrupt range"},

    {0x20, "interrupt: reserved bits in the request"},
    {0x21, "interrupt: index beyond the table"},
    {0x22, "interrupt: remapping entry not present"},
    {0x23, "interrupt: the remapping table cannot be read"},
    {0x24, "interrupt: reserved bits in the remapping entry"},
    {0x25, "interrupt: compatibility format is blocked"},
    {0x26, "interrupt: the requester may not use this entry"},
    {0x27, "interrupt: the posted descriptor cannot be accessed"},
    {0x28, "interrupt: reserved bits in the posted descriptor"},
    {0x29, "interrupt: a request to the interrupt range that is none"},
    {0x2a, "interrupt: the unit needs extended interrupt mode (EIMER)"},
    {0x2b, "interrupt: the unit needs remapping to be on (IRREQ)"},

    {0x30, "the root table address register is invalid"},
    {0x31, "request with PASID while in legacy mode"},
    {0x32, "page request while in legacy mode"},
    {0x33, "request while in abort-DMA mode"},
    {0x34, "execute request, which the unit no longer knows"},
    {0x38, "SRT.1: the root table cannot be read"},
    {0x39, "SRT.2: root entry not present"},
    {0x3a, "SRT.3: reserved bits in the root entry"},
    {0x40, "SCT.1: the context table cannot be read"},
    {0x41, "SCT.2: context entry not present"},
    {0x42, "SCT.3: reserved bits in the context entry"},
    {0x43, "SCT.4: context entry invalid"},
    {0x44, "SCT.5: device TLB not enabled in the context entry"},
    {0x45, "SCT.6: PASID not enabled in the context entry"},
    {0x46, "SCT.7: PASID beyond the directory"},
    {0x47, "SCT.8: page requests not enabled in the context entry"},
    {0x48, "SCT.9: RID_PASID invalid, or the PASID of a request that has one"},
    {0x49, "SCT.10: translated request with PASID"},
    {0x50, "SPD.1: the PASID directory cannot be read"},
    {0x51, "SPD.2: PASID directory entry not present"},
    {0x52, "SPD.3: reserved bits in the PASID directory entry"},
    {0x58, "SPT.1: the PASID table cannot be read"},
    {0x59, "SPT.2: PASID table entry not present"},
    {0x5a, "SPT.3: reserved bits in the PASID table entry"},
    {0x5b, "SPT.4: PASID table entry invalid"},
    {0x5c, "SPT.5: execute requests not enabled"},
    {0x5d, "SPT.6: supervisor requests not enabled in the PASID table entry"},
    {0x60, "SPT.9: address beyond the host permission table"},
    {0x70, "SFS.1: a first-stage table cannot be read"},
    {0x71, "SFS.2: first-stage entry not present"},
    {0x72, "SFS.3: reserved bits in a first-stage entry"},
    {0x73, "SFS.4: the first-stage root cannot be read"},
    {0x74, "SFS.5: a first-stage table is beyond the second stage's width"},
    {0x75, "SFS.6: the second stage forbids reading the first-stage root"},
    {0x76, "SFS.7: the second stage forbids reading a first-stage table"},
    {0x77, "SFS.8: the second stage forbids writing accessed or dirty"},
    {0x78, "SSS.1: a second-stage table cannot be read"},
    {0x79, "SSS.2: second-stage entry gives no permission"},
    {0x7a, "SSS.3: reserved bits in a second-stage entry"},
    {0x7b, "SSS.4: the second-stage root cannot be read"},
    {0x7c, "SSS.5: accessed or dirty must be set in a second-stage entry, and the walk is not coherent"},
    {0x7d, "SSS.6: accessed or dirty cannot be set in a second-stage entry"},
    {0x80, "SGN.1: address not canonical"},
    {0x81, "SGN.2: user request to a supervisor page"},
    {0x82, "SGN.3: no permission to execute"},
    {0x83, "SGN.4: address beyond what the unit can take"},
    {0x84, "SGN.5: address beyond the second stage's width"},
    {0x85, "SGN.6: no permission to write"},
    {0x86, "SGN.7: no permission to read"},
    {0x87, "SGN.8: the result is in the interrupt range"},
    {0x89, "SGN.10: PASID beyond what the unit can take"},
    {0x90, "SFS.9: accessed or dirty must be set, and the walk is not coherent"},
    {0x91, "SFS.10: accessed or dirty cannot be set in a first-stage entry"},

    {0xa0, "HPT.1: a host permission table cannot be read"},
    {0xa1, "HPT.2: reserved bits in a host permission entry"},
    {0xa2, "HPT.3: the host permission root cannot be read"},
    {0xa3, "HPT.4: no host permission for a read of length zero"},
    {0xa4, "HPT.5: no host permission to write"},
    {0xa5, "HPT.6: no host permission to read"},
};

const char *vtd_fault_reason(uint8_t reason)
{
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
        if (reasons[i].code == reason)
            return reasons[i].text;
    return "a reason that this version does not know";
}
