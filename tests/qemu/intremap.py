#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Interrupt remapping that lull.cfg switches off, and firmware that asks for xAPIC mode. What machines have
otherwise is among tests/qemu/cases."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.boot import boot, power_off, run_cases
from harness.qemu import FIRST_STAGE, Machine

X2APIC = "EPYC,+x2apic"

# The DMAR table's flags, and a byte of QEMU's creator id that takes up what they add to the sum.
FLAGS, INTERRUPT_REMAPPING, X2APIC_OPT_OUT = 37, 1, 2
CREATOR, CREATOR_BYTE = 28, ord("B")


def switched_off(report):
    """lull.cfg takes remapping away, and interrupts arrive all the same."""
    config = "interrupt_remapping = off"
    with boot("intremap-switched-off", Machine(cpus=2, nvme=False, config=config)) as console:
        console.wait_prompt()
        report.contains(console.command("iommu"),
                        r"interrupt remapping off: switched off by the configuration",
                        "switched off: the unit says why it remaps nothing")
        output = console.command("test intremap*")
        report.pass_on(output, "switched off")
        report.contains(output, r"edu's MSI is 0xfee[0-9a-f]{5}, .*: not remapped",
                        "switched off: MSIs are not remapped")
        power_off(report, console, "switched off")


def opted_out(report, config, apic):
    """Firmware asks for xAPIC mode: granted, unless lull.cfg says otherwise."""
    flags, creator = INTERRUPT_REMAPPING | X2APIC_OPT_OUT, CREATOR_BYTE - X2APIC_OPT_OUT
    poke = f"dmar_poke = {FLAGS}:{flags},{CREATOR}:{creator}"
    machine = Machine(cpus=2, cpu=X2APIC, iommu={**FIRST_STAGE, "eim": "on"}, nvme=False,
                      config="\n".join((poke, config)))
    name = f"opted out, {config or 'apic = auto'}"
    with boot(f"intremap-opted-out-{apic}", machine) as console:
        console.wait_prompt()
        report.contains(console.command("cpus"), rf"\b{apic}\b", f"{name}: the CPUs run with {apic}")
        shown = console.command("iommu")
        report.contains(shown, r"x2APIC opted out", f"{name}: the console says so")
        report.contains(shown, rf"interrupt remapping on, {apic} mode", f"{name}: in {apic} mode")
        report.pass_on(console.command("test intremap*"), name)
        power_off(report, console, name)


if __name__ == "__main__":
    run_cases((switched_off,), (opted_out, "", "xAPIC"), (opted_out, "apic = x2apic", "x2APIC"))
