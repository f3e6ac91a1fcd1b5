#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Interrupt remapping, with 8-bit and 32-bit APIC ids, and off for each reason: what arrives, what is
blocked, what the console says."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import tap
from harness.boot import boot, power_off, run_cases
from harness.qemu import FIRST_STAGE, Machine

XAPIC, X2APIC = "EPYC", "EPYC,+x2apic"

# The DMAR table's flags, and a byte of QEMU's creator id that takes up what they add to the sum.
FLAGS, INTERRUPT_REMAPPING, X2APIC_OPT_OUT = 37, 1, 2
CREATOR, CREATOR_BYTE = 28, ord("B")


def properties(**more):
    """intel-iommu's, with these beside the usual ones."""
    return {**FIRST_STAGE, **more}


def remapped(report, name, machine, apic, mode):
    """The units remap interrupts in this mode, and CPUs use this kind of APIC."""
    with boot(f"intremap-{name}", machine) as console:
        console.wait_prompt()
        report.contains(console.command("cpus"), rf"\b{apic}\b", f"{name}: the CPUs run with {apic}")
        before = console.command("iommu")
        report.contains(before, rf"interrupt remapping on, {mode} mode; 0 of 4096 entries in use, 0 lost",
                        f"{name}: the unit remaps in {mode} mode")
        output = console.command("test intremap*")
        report.pass_on(output, name)
        skipped = [result.skip for result in tap.parse(output)[0] if result.skip]
        report.ok(skipped == ["this emulator lets the compatibility format through"],
                  f"{name}: nothing but the compatibility format is skipped", *skipped)
        report.contains(output, r"edu's MSI is 0xfee0[0-9a-f]{4}, data 0: remapped",
                        f"{name}: MSIs are remapped")
        report.contains(output, r"I/O APIC's interrupt is remapped", f"{name}: the I/O APIC's are too")
        report.contains(console.command("iommu"), r"; 0 of 4096 entries in use, 0 lost",
                        f"{name}: all entries are free again")
        report.contains(console.command("faults"),
                        r"interrupt: the requester may not use this entry \(0x26\)",
                        f"{name}: the forger is among the faults")
        power_off(report, console, name)


def not_remapped(report, name, machine, reason):
    """Nothing is remapped, for this reason, and interrupts arrive all the same."""
    with boot(f"intremap-{name}", machine) as console:
        console.wait_prompt()
        report.contains(console.command("iommu"), rf"interrupt remapping off: {reason}",
                        f"{name}: the unit says why it remaps nothing")
        output = console.command("test intremap*")
        report.pass_on(output, name)
        skipped = [result.skip for result in tap.parse(output)[0] if result.skip]
        report.ok(skipped == ["edu's unit remaps no interrupts"] * 3,
                  f"{name}: what needs remapping is skipped", *skipped)
        power_off(report, console, name)


def opted_out(report, config, apic):
    """Firmware asks for xAPIC mode: granted, unless lull.cfg says otherwise."""
    flags, creator = INTERRUPT_REMAPPING | X2APIC_OPT_OUT, CREATOR_BYTE - X2APIC_OPT_OUT
    poke = f"dmar_poke = {FLAGS}:{flags},{CREATOR}:{creator}"
    machine = Machine(cpus=2, cpu=X2APIC, iommu=properties(intremap="on", eim="on"), nvme=False,
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
    run_cases(
        (remapped, "xapic", Machine(iommu=properties(intremap="on", eim="off")), "xAPIC", "xAPIC"),
        (remapped, "x2apic", Machine(cpu=X2APIC, iommu=properties(intremap="on", eim="on")), "x2APIC",
         "x2APIC"),
        (remapped, "x2apic-without-eim", Machine(cpu=X2APIC, iommu=properties(intremap="on", eim="off")),
         "x2APIC", "xAPIC"),
        (remapped, "xapic-with-eim", Machine(cpu=XAPIC, cpus=2, iommu=properties(intremap="on", eim="on")),
         "xAPIC", "xAPIC"),
        (remapped, "legacy-mode", Machine(cpus=2, iommu={"intremap": "on", "eim": "off"}), "xAPIC", "xAPIC"),
        (not_remapped, "none", Machine(cpus=2, iommu=properties(intremap="off")), r"the unit has none"),
        (not_remapped, "switched-off", Machine(cpus=2, config="interrupt_remapping = off"),
         r"switched off by the configuration"),
        (opted_out, "", "xAPIC"),
        (opted_out, "apic = x2apic", "x2APIC"),
    )
