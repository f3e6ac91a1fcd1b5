#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Firmware left VT-d in use (tests/firmware plays it), with a UHCI controller that does DMA all the time:
Lull takes the unit over, says how, and the controller faults nowhere. A line a case."""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import tap
from harness.boot import boot, power_off, run_cases
from harness.qemu import FIRST_STAGE, Machine

SUITE_SECONDS = 60

LEGACY = {"x-scalable-mode": "off", "x-flts": "off", "aw-bits": "48"}
FOUND = "vtd0: found on: "
UHCI = ["-device", "ich9-usb-uhci1,addr=0x1d"]
SOURCE = "00:1d.0"
FEW = "vtd_r*"  # DMA that is mapped, and that is not
LATER = "translation is off while its mode changes: bus mastering is off"

# name, what firmware leaves, properties of intel-iommu, lull.cfg, what the log must say, and must not;
# whether the controller goes on
CASES = (
    ("legacy", "legacy queue interrupts rmrr", LEGACY, "",
     (FOUND + r"translation \(legacy mode\) queue interrupt remapping", "1 devices keep it"),
     (LATER, "nobody kept"), True),
    ("scalable", "scalable queue interrupts rmrr", FIRST_STAGE, "",
     (FOUND + r"translation \(scalable mode\) queue interrupt remapping", "1 devices keep it"),
     (LATER, "nobody kept"), True),
    ("forced-legacy", "legacy queue rmrr", {**FIRST_STAGE, "x-flts": "off", "aw-bits": "48"},
     "iommu = legacy", (FOUND + r"translation \(legacy mode\) queue", "on at .*, legacy mode"),
     (LATER,), True),
    ("other-mode", "legacy queue interrupts rmrr", FIRST_STAGE, "",
     (FOUND + r"translation \(legacy mode\)", LATER, "on at .*, scalable mode"), (), True),
    ("queue", "queue rmrr", FIRST_STAGE, "", (FOUND + "queue$", "1 devices keep it"), (LATER,), True),
    ("interrupts", "queue interrupts", FIRST_STAGE, "interrupt_remapping = off",
     (FOUND + "queue interrupt remapping", "interrupt remapping, which was found on, goes off"), (), False),
    ("ordinary", "scalable queue rmrr ordinary", FIRST_STAGE, "",
     ("does not lie in memory that firmware reserves: refused",), ("devices keep it",), False),
)


def passes(report, console, what, glob):
    """All tests that match pass. What they said."""
    output = console.command(f"test {glob}", SUITE_SECONDS)
    results, wrong = tap.parse(output)
    failed = [result for result in results if not result.passed]
    report.ok(results and not wrong and not failed, f"{what}: test {glob}: {len(results)}", output)
    return output


def taken_over(report, name, left, properties, config, says, says_not, goes_on):
    """From what firmware left to a power-off."""
    machine = Machine(cpus=2, nvme=False, iommu=dict(properties), config=config, extra=UHCI, firmware=left)
    with boot(f"take-over-{name}", machine) as console:
        log = console.wait_prompt()
        for line in says:
            report.contains(log, rf"(?m){line}", f"{name}: it says: {line}")
        for line in says_not:
            report.ok(line not in log, f"{name}: it does not say: {line}", log)
        output = passes(report, console, name, "reserved*")
        report.ok(("it carries out what is put into its schedule" in output) == goes_on,
                  f"{name}: the controller {'goes on' if goes_on else 'is blocked'}", output)
        faults = console.command("faults")
        report.ok(SOURCE not in faults and not re.search(rf"{SOURCE}.* may not", console.text),
                  f"{name}: the controller never faulted", faults)
        passes(report, console, name, "vtd*" if name == "other-mode" else FEW)
        power_off(report, console, name)


if __name__ == "__main__":
    run_cases(*[(taken_over, *case) for case in CASES])
