/* SPDX-License-Identifier: BSD-2-Clause */
/* Domains whose devices go through VT-d units. */
#pragma once

#include "iommu/domain.h"
#include "iommu/vtd/stage.h"
#include "lib/pci_address.h"
#include <stdbool.h>

/* Requests into this window are interrupts and are never translated (3.14). */
#define VTD_INTERRUPT_WINDOW_FIRST 0xfee00000ull
#define VTD_INTERRUPT_WINDOW_END   0xfef00000ull

/* The ops of domains of a stage. */
const struct iommu_domain_ops *vtd_domain_ops(enum vtd_stage stage);

/* An RMRR names the device: it is in no domain but the firmware's. */
bool vtd_device_is_reserved(struct pci_address device);

/* The configuration lets the device pass through. */
bool vtd_device_is_trusted(struct pci_address device);
