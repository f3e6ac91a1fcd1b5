/* SPDX-License-Identifier: BSD-2-Clause */
/* The units that configs.h promises: VER, CAP and ECAP of each. */
#include "tests/model/configs.h"
#include "tests/model/spec_registers.h"
#include <stddef.h>

/* Registers: the IOTLB registers that nobody uses, and few fault registers, so that they overflow. */
#define IOTLB_AT  0xf0
#define FAULTS_AT 0x220
#define FAULTS    4

#define CAP_EVERY                                                                                            \
    (SPEC_CAP_WITH_ND(6) | SPEC_CAP_WITH_FRO(FAULTS_AT) | SPEC_CAP_WITH_NFR(FAULTS) | SPEC_CAP_ZLR)

#define CAP_MODERN                                                                                           \
    (CAP_EVERY | SPEC_CAP_PLMR | SPEC_CAP_PHMR | SPEC_CAP_WITH_SAGAW(SPEC_SAGAW_3 | SPEC_SAGAW_4) |          \
     SPEC_CAP_WITH_MGAW(48) | SPEC_CAP_WITH_SSLPS(SPEC_SSLPS_2M | SPEC_SSLPS_1G) | SPEC_CAP_PSI |            \
     SPEC_CAP_DWD | SPEC_CAP_DRD | SPEC_CAP_FS1GP | SPEC_CAP_ESRTPS | SPEC_CAP_ESIRTPS)

#define MASK_LARGE SPEC_CAP_WITH_MAMV(18)
#define MASK_SMALL SPEC_CAP_WITH_MAMV(9)

#define ECAP_EVERY                                                                                           \
    (SPEC_ECAP_QI | SPEC_ECAP_DT | SPEC_ECAP_IR | SPEC_ECAP_EIM | SPEC_ECAP_PT | SPEC_ECAP_SC |              \
     SPEC_ECAP_WITH_IRO(IOTLB_AT) | SPEC_ECAP_WITH_MHMV(15))

#define ECAP_SCALABLE                                                                                        \
    (ECAP_EVERY | SPEC_ECAP_SMTS | SPEC_ECAP_FSTS | SPEC_ECAP_SSTS | SPEC_ECAP_SSADS | SPEC_ECAP_PASID |     \
     SPEC_ECAP_WITH_PSS(20) | SPEC_ECAP_RPS | SPEC_ECAP_SRS | SPEC_ECAP_NWFS)

#define ECAP_MODERN (ECAP_SCALABLE | SPEC_ECAP_C | SPEC_ECAP_SMPWC)

const struct unit_config unit_modern = {
    .name = "modern",
    .ver = SPEC_VER_OF(6, 0),
    .cap = CAP_MODERN | MASK_LARGE,
    .ecap = ECAP_MODERN,
};

const struct unit_config unit_names_nobody = {
    .name = "modern, names nobody",
    .ver = SPEC_VER_OF(6, 0),
    .cap = CAP_MODERN | MASK_LARGE,
    .ecap = ECAP_MODERN,
    .names_nobody = true,
};

/* An old one also in that a new root table leaves its caches as they are (ESRTPS, ESIRTPS). */
const struct unit_config unit_incoherent = {
    .name = "incoherent",
    .ver = SPEC_VER_OF(1, 0),
    .cap = (CAP_MODERN | MASK_LARGE) & ~(SPEC_CAP_ESRTPS | SPEC_CAP_ESIRTPS | SPEC_CAP_PLMR | SPEC_CAP_PHMR),
    .ecap = ECAP_SCALABLE,
};

const struct unit_config unit_caching_mode = {
    .name = "caching mode",
    .ver = SPEC_VER_OF(4, 0),
    .cap = CAP_MODERN | MASK_LARGE | SPEC_CAP_CM,
    .ecap = ECAP_MODERN,
};

const struct unit_config unit_small_mask = {
    .name = "small mask",
    .ver = SPEC_VER_OF(5, 0),
    .cap = CAP_MODERN | MASK_SMALL,
    .ecap = ECAP_MODERN,
};

const struct unit_config unit_no_page_selective = {
    .name = "no page-selective invalidation",
    .ver = SPEC_VER_OF(5, 0),
    .cap = CAP_MODERN & ~SPEC_CAP_PSI,
    .ecap = ECAP_MODERN,
};

/* What is about the second stage alone is 0 then: SAGAW, SSLPS, PSI, MAMV (11.4.2). */
const struct unit_config unit_first_stage_only = {
    .name = "first stage only",
    .ver = SPEC_VER_OF(6, 0),
    .cap = CAP_MODERN &
           ~(SPEC_CAP_WITH_SAGAW(SPEC_SAGAW_3 | SPEC_SAGAW_4) | SPEC_CAP_WITH_SSLPS(0xf) | SPEC_CAP_PSI),
    .ecap = ECAP_MODERN & ~(SPEC_ECAP_SSTS | SPEC_ECAP_SSADS),
};

const struct unit_config unit_five_levels = {
    .name = "five levels",
    .ver = SPEC_VER_OF(6, 0),
    .cap = (CAP_MODERN & ~SPEC_CAP_WITH_MGAW(64)) | SPEC_CAP_WITH_MGAW(57) |
           SPEC_CAP_WITH_SAGAW(SPEC_SAGAW_5) | SPEC_CAP_FS5LP | MASK_LARGE,
    .ecap = ECAP_MODERN,
};

const struct unit_config unit_old = {
    .name = "old",
    .ver = SPEC_VER_OF(1, 0),
    .cap = CAP_EVERY | SPEC_CAP_RWBF | SPEC_CAP_PLMR | SPEC_CAP_PHMR |
           SPEC_CAP_WITH_SAGAW(SPEC_SAGAW_3 | SPEC_SAGAW_4) | SPEC_CAP_WITH_MGAW(48) |
           SPEC_CAP_WITH_SSLPS(SPEC_SSLPS_2M) | SPEC_CAP_PSI | MASK_SMALL | SPEC_CAP_DWD | SPEC_CAP_DRD,
    .ecap = SPEC_ECAP_QI | SPEC_ECAP_DT | SPEC_ECAP_IR | SPEC_ECAP_PT | SPEC_ECAP_WITH_IRO(IOTLB_AT) |
            SPEC_ECAP_WITH_MHMV(15),
};

const struct unit_config unit_legacy = {
    .name = "legacy",
    .ver = SPEC_VER_OF(1, 0),
    .cap = CAP_EVERY | SPEC_CAP_PLMR | SPEC_CAP_PHMR | SPEC_CAP_WITH_SAGAW(SPEC_SAGAW_3 | SPEC_SAGAW_4) |
           SPEC_CAP_WITH_MGAW(48) | SPEC_CAP_WITH_SSLPS(SPEC_SSLPS_2M) | SPEC_CAP_PSI | MASK_SMALL |
           SPEC_CAP_DWD | SPEC_CAP_DRD,
    .ecap = SPEC_ECAP_QI | SPEC_ECAP_DT | SPEC_ECAP_IR | SPEC_ECAP_PT | SPEC_ECAP_WITH_IRO(IOTLB_AT) |
            SPEC_ECAP_WITH_MHMV(15),
};

const struct unit_config *const unit_configs_second_stage[] = {
    &unit_modern,
    &unit_caching_mode,
    &unit_incoherent,
    &unit_small_mask,
    &unit_no_page_selective,
    &unit_five_levels,
    NULL,
};

const struct unit_config *const unit_configs_legacy[] = {
    &unit_legacy,      &unit_modern, &unit_caching_mode, &unit_incoherent, &unit_no_page_selective,
    &unit_five_levels, NULL,
};

const struct unit_config *const unit_configs_first_stage[] = {
    &unit_modern,
    &unit_caching_mode,
    &unit_incoherent,
    &unit_small_mask,
    &unit_no_page_selective,
    &unit_five_levels,
    &unit_first_stage_only,
    NULL,
};
