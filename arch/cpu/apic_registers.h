/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers of the local APIC (SDM volume 3, 11.4.1 and 11.12.1), by their offset in xAPIC mode; in x2APIC
 * mode each is an MSR. */
#pragma once

#define APIC_ID           0x020
#define APIC_VERSION      0x030
#define APIC_TPR          0x080
#define APIC_EOI          0x0b0
#define APIC_SVR          0x0f0
#define APIC_ISR          0x100 /* eight of them, 0x10 apart */
#define APIC_ESR          0x280
#define APIC_LVT_CMCI     0x2f0
#define APIC_ICR          0x300
#define APIC_ICR_HIGH     0x310 /* xAPIC only */
#define APIC_LVT_TIMER    0x320
#define APIC_LVT_THERMAL  0x330
#define APIC_LVT_PERF     0x340
#define APIC_LVT_LINT0    0x350
#define APIC_LVT_LINT1    0x360
#define APIC_LVT_ERROR    0x370
#define APIC_TIMER_START  0x380
#define APIC_TIMER_NOW    0x390
#define APIC_TIMER_DIVIDE 0x3e0

#define APIC_BYTES 0x1000

#define APIC_BASE_EXTD    (1ull << 10)
#define APIC_BASE_ENABLE  (1ull << 11)
#define APIC_BASE_ADDRESS 0x000ffffffffff000ull

#define SVR_ENABLE 0x100u

#define ICR_FIXED       0x000u
#define ICR_NMI         0x400u
#define ICR_INIT        0x500u
#define ICR_STARTUP     0x600u
#define ICR_PENDING     0x1000u /* xAPIC only */
#define ICR_ASSERT      0x4000u
#define ICR_HIGH_ID(id) ((id) << 24)

#define LVT_NMI      0x400u
#define LVT_MASKED   0x10000u
#define LVT_PERIODIC 0x20000u

#define TIMER_DIVIDE_BY_16 0x3u
#define TIMER_DIVISOR      16
