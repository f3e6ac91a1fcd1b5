/* SPDX-License-Identifier: BSD-2-Clause */
/* Decodes the capability registers, and says what this driver cannot do without. */
#include "iommu/vtd/cap.h"
#include "iommu/vtd/regs.h"
#include <stddef.h>

struct flag {
    const char *name;
    uint64_t cap;  /* one bit of CAP, */
    uint64_t ecap; /* or of ECAP */
};

static const struct flag flags[] = {
    {"AFL", VTD_CAP_AFL, 0},     {"RWBF", VTD_CAP_RWBF, 0},       {"PLMR", VTD_CAP_PLMR, 0},
    {"PHMR", VTD_CAP_PHMR, 0},   {"CM", VTD_CAP_CM, 0},           {"ZLR", VTD_CAP_ZLR, 0},
    {"PSI", VTD_CAP_PSI, 0},     {"DWD", VTD_CAP_DWD, 0},         {"DRD", VTD_CAP_DRD, 0},
    {"FS1GP", VTD_CAP_FS1GP, 0}, {"PI", VTD_CAP_PI, 0},           {"FS5LP", VTD_CAP_FS5LP, 0},
    {"ECMDS", VTD_CAP_ECMDS, 0}, {"ESIRTPS", VTD_CAP_ESIRTPS, 0}, {"ESRTPS", VTD_CAP_ESRTPS, 0},
    {"C", 0, VTD_ECAP_C},        {"QI", 0, VTD_ECAP_QI},          {"DT", 0, VTD_ECAP_DT},
    {"IR", 0, VTD_ECAP_IR},      {"EIM", 0, VTD_ECAP_EIM},        {"PT", 0, VTD_ECAP_PT},
    {"SC", 0, VTD_ECAP_SC},      {"NEST", 0, VTD_ECAP_NEST},      {"PRS", 0, VTD_ECAP_PRS},
    {"ERS", 0, VTD_ECAP_ERS},    {"SRS", 0, VTD_ECAP_SRS},        {"NWFS", 0, VTD_ECAP_NWFS},
    {"EAFS", 0, VTD_ECAP_EAFS},  {"PASID", 0, VTD_ECAP_PASID},    {"DIT", 0, VTD_ECAP_DIT},
    {"PDS", 0, VTD_ECAP_PDS},    {"SMTS", 0, VTD_ECAP_SMTS},      {"SSADS", 0, VTD_ECAP_SSADS},
    {"SSTS", 0, VTD_ECAP_SSTS},  {"FSTS", 0, VTD_ECAP_FSTS},      {"SMPWC", 0, VTD_ECAP_SMPWC},
    {"RPS", 0, VTD_ECAP_RPS},    {"EIMER", 0, VTD_ECAP_EIMER},    {"IRREQ", 0, VTD_ECAP_IRREQ},
};

/* A split goes level by level, so 1 GiB leaves are of use only with those of 2 MiB. */
static uint8_t second_leaves(uint64_t cap)
{
    if (!(cap & VTD_CAP_SSLPS_2M))
        return 1;
    return cap & VTD_CAP_SSLPS_1G ? 7 : 3;
}

void vtd_cap_decode(struct vtd_cap *decoded, uint32_t ver, uint64_t cap, uint64_t ecap)
{
    *decoded = (struct vtd_cap){
        .cap = cap,
        .ecap = ecap,
        .version_major = (uint8_t)VTD_VER_MAJOR(ver),
        .version_minor = (uint8_t)VTD_VER_MINOR(ver),
        .domain_ids = 1u << (4 + 2 * VTD_CAP_ND(cap)),
        .guest_width_lg2 = (uint8_t)(VTD_CAP_MGAW(cap) + 1),
        .mask_max = (uint8_t)VTD_CAP_MAMV(cap),
        .fault_offset = (uint16_t)(VTD_CAP_FRO(cap) * 16),
        .fault_count = (uint16_t)(VTD_CAP_NFR(cap) + 1),
        .caching_mode = cap & VTD_CAP_CM,
        .coherent_tables = ecap & VTD_ECAP_C,
        .coherent_walks = ecap & VTD_ECAP_SMPWC,
        .snoop_control = ecap & VTD_ECAP_SC,
        .scalable = ecap & VTD_ECAP_SMTS && ecap & (VTD_ECAP_FSTS | VTD_ECAP_SSTS),
        .first_stage = ecap & VTD_ECAP_FSTS,
        .first_stage_5 = cap & VTD_CAP_FS5LP,
        .first_stage_1g = cap & VTD_CAP_FS1GP,
        .second_stage = ecap & VTD_ECAP_SSTS,
        .second_stage_dirty = ecap & VTD_ECAP_SSADS,
        .second_levels = (uint8_t)((VTD_CAP_SAGAW(cap) & 0xe) << 2),
        .second_leaves = second_leaves(cap),
        .pass_through = ecap & VTD_ECAP_PT,
        .pasid_lg2 = (uint8_t)(ecap & VTD_ECAP_PASID ? VTD_ECAP_PSS(ecap) + 1 : 0),
        .page_selective = cap & VTD_CAP_PSI,
        .write_buffer = cap & VTD_CAP_RWBF,
        .interrupt_remapping = ecap & VTD_ECAP_IR,
        .extended_interrupts = ecap & VTD_ECAP_EIM,
        .x2apic_required = ecap & VTD_ECAP_EIMER,
        .protected_low = cap & VTD_CAP_PLMR,
        .protected_high = cap & VTD_CAP_PHMR,
        .live_mode_change = cap & VTD_CAP_ESRTPS,
        .device_tlb = ecap & VTD_ECAP_DT,
        .device_tlb_throttle = ecap & VTD_ECAP_DIT,
        .page_requests = ecap & VTD_ECAP_PRS,
        .page_request_drain = ecap & VTD_ECAP_PDS,
    };
}

const char *vtd_cap_missing(const struct vtd_cap *cap)
{
    if (!(cap->ecap & VTD_ECAP_QI))
        return "ECAP.QI, queued invalidation";
    if (!cap->scalable && !cap->second_levels)
        return "a stage of translation (ECAP.SMTS with FSTS or SSTS, or CAP.SAGAW)";
    if (cap->write_buffer)
        return "memory writes without a write-buffer flush (CAP.RWBF is set)";
    /* ND = 7 is reserved. Its count would not fit the 16 bits that a PASID entry has for a domain id. */
    if (VTD_CAP_ND(cap->cap) == 7)
        return "a number of domain ids that the specification defines (CAP.ND is 7)";
    return NULL;
}

const char *vtd_cap_name(const struct vtd_cap *cap, unsigned n)
{
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
        if ((cap->cap & flags[i].cap || cap->ecap & flags[i].ecap) && n-- == 0)
            return flags[i].name;
    return NULL;
}
