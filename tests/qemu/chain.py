#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Lull started by Lull: the second one takes over units that are on, with a device at work."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.boot import boot, power_off, run_cases
from harness.qemu import FIRST_STAGE, Machine

SECONDS = 60
CHAIN_MIB = 256

FIRST = {**FIRST_STAGE, "intremap": "on", "eim": "on"}
LEGACY = {"x-scalable-mode": "off", "x-flts": "off", "aw-bits": "48", "intremap": "on", "eim": "off"}


def handed_over(report, name, machine, mode):
    """Each unit is found on, changes hands without being off, and works."""
    with boot(f"chain-{name}", machine) as console:
        console.wait_prompt()
        report.contains(console.command("transfer"), "a transfer of .* is under way",
                        f"{name}: edu is at work")
        start = console.command("chain", SECONDS)
        report.contains(start, rf"vtd0: found on: translation \({mode}\) queue interrupt remapping",
                        f"{name}: the second Lull finds all of it on")
        report.ok("translation is off" not in start, f"{name}: translation was never off", start)
        report.contains(start, r"bus mastering switched off \([1-9][0-9]* functions had it on\)",
                        f"{name}: edu was at work still")
        report.contains(console.command("mem"), rf"\b{CHAIN_MIB} MiB in the allocator",
                        f"{name}: it has the memory that was set aside")
        report.contains(console.command("faults"), r"^0 faults since start", f"{name}: no fault")
        report.contains(console.command("cpus"), r"(?m)^ *1\b", f"{name}: the other CPU was started again")
        for glob in ("vtd*", "intremap*", "cpu*"):
            report.pass_on(console.command(f"test {glob}", SECONDS), name)
        report.contains(console.command("chain"), "no second Lull", f"{name}: there is no third")
        power_off(report, console, name)


def nobody(report):
    """Without memory for a second one there is none."""
    with boot("chain-nobody", Machine(cpus=1, nvme=False)) as console:
        console.wait_prompt()
        report.contains(console.command("chain"), "no second Lull was made ready",
                        "chain says that there is none")
        power_off(report, console, "nobody")


if __name__ == "__main__":
    CHAIN = f"chain = {CHAIN_MIB}\n"
    run_cases(
        (handed_over, "first-stage",
         Machine(cpus=2, cpu="EPYC,+x2apic", iommu=FIRST, nvme=False, config=CHAIN), "scalable mode"),
        (handed_over, "legacy", Machine(cpus=2, iommu=LEGACY, nvme=False, config=CHAIN), "legacy mode"),
        (nobody,),
    )
