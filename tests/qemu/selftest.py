#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The self-test of accessed and dirty bits at boot: it passes, it can fail and is then believed, and where it
cannot be done it says why."""

import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.boot import boot, power_off, run_cases
from harness.qemu import Machine

LEGACY = {"x-scalable-mode": "off", "x-flts": "off"}
LINE = r"vtd0: accessed/dirty self-test: "
REFUSAL = r"dirty pages cannot be tracked: a unit failed its accessed/dirty self-test"


def says(report, console, what, result, text):
    """`iommu` and its JSON form agree on the result."""
    report.contains(console.command("iommu"), rf"accessed/dirty self-test {text}", f"{what}: iommu says so")
    objects = [json.loads(line) for line in console.command("iommu stats --json").splitlines()]
    units = [entry["self_test"]["result"] for entry in objects if "unit" in entry]
    report.ok(units == [result], f"{what}: so does its JSON form", str(units))


def passes(report):
    """The stock QEMU, as the errata table knows it. The suite runs the test again."""
    with boot("selftest-passes", Machine(cpus=1)) as console:
        console.wait_prompt()
        says(report, console, "first stage", "passed", r"passed by 0000:00:01\.0, leaves of 4 KiB and 2 MiB; "
             r"a page that is only read counts as written")
        report.contains(console.command("log"), LINE + "passed by", "first stage: the log has it")
        report.contains(console.command("pci"), r"(?m)^0000:00:01\.0 .* off +\S+ +NVMe",
                        "first stage: its DMA is off")
        report.ok(" 0000:00:01.0" not in console.command("domains"), "first stage: it is in no domain")
        report.pass_on(console.command("test vtd_self_test", 60), "again")
        power_off(report, console, "passes")


def fails(report):
    """The same QEMU, taken at its word: a leaf that is accessed never becomes dirty. The test finds it, and
    nobody is allowed to rely on it."""
    machine = Machine(cpus=2, config="errata_off = accessed-is-dirty")
    with boot("selftest-fails", machine) as console:
        console.wait_prompt()
        step = "a page that was written again after a harvest is not reported"
        says(report, console, "a unit that loses dirty bits", "failed", rf"FAILED by 0000:00:01\.0: {step}")
        log = console.command("log")
        report.contains(log, rf"error: {LINE}FAILED by 0000:00:01\.0: {step}", "it is an error in the log")
        report.contains(log, f"vtd: {REFUSAL}", "and what follows is said")
        demo = console.command("demo")
        report.contains(demo, f"demo: {REFUSAL}", "the demo is refused by name")
        report.ok("verdict: PASS" not in demo, "and does not pass", demo)
        power_off(report, console, "fails")


def not_tested(report, name, properties, why):
    """Nothing to test, or nothing to test it with: that is no failure, and the boot goes on."""
    with boot(f"selftest-{name}", Machine(cpus=1, **properties)) as console:
        console.wait_prompt()
        says(report, console, name, "not tested", f"not tested: {why}")
        report.ok("self-test: " not in console.command("log"), f"{name}: no device was touched")
        power_off(report, console, name)


if __name__ == "__main__":
    run_cases(
        (passes,),
        (fails,),
        (not_tested, "legacy", {"iommu": LEGACY}, "keeps no dirty bits"),
        (not_tested, "no-nvme", {"nvme": False}, "no device that this version can drive is behind it"),
        (not_tested, "off", {"config": "dirty_self_test = off"}, "switched off"),
    )
