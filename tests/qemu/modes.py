#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Each way to translate that QEMU's VT-d has: DMA of real drivers lands where it is mapped and nowhere else,
and what is refused is recorded. A line a case."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import tap
from harness.boot import boot, power_off, run_cases
from harness.qemu import FIRST_STAGE, Machine

SUITE_SECONDS = 60

LEGACY = {"x-scalable-mode": "off", "x-flts": "off", "aw-bits": "48"}
SECOND_STAGE = {"x-scalable-mode": "on", "x-flts": "off", "aw-bits": "48"}

LEGACY_39 = {**LEGACY, "aw-bits": "39"}
CACHING = {"caching-mode": "on"}
SNOOP = {"snoop-control": "on"}

# name, properties of intel-iommu, lull.cfg, what `iommu` must say
CASES = (
    ("legacy", LEGACY, "", "legacy mode", "second stage, 4 levels, 48 bits"),
    ("legacy-39", LEGACY_39, "", "legacy mode", "second stage, 3 levels, 39 bits"),
    ("legacy-3-levels", LEGACY, "iommu_levels = 3", "legacy mode", "second stage, 3 levels, 39 bits"),
    ("legacy-caching", LEGACY | CACHING, "", "legacy mode", "second stage, 4 levels, 48 bits"),
    ("legacy-snoop", LEGACY | SNOOP, "", "legacy mode", "second stage, 4 levels, 48 bits"),
    ("second-stage", SECOND_STAGE, "", "scalable mode", "second stage, 4 levels, 48 bits"),
    ("second-caching", SECOND_STAGE | CACHING, "", "scalable mode", "second stage, 4 levels, 48 bits"),
    ("first-stage", FIRST_STAGE, "iommu = first-stage", "scalable mode", "first stage, 4 levels, 47 bits"),
)


def translates(report, name, properties, config, mode, tables):
    """The suites about DMA, in one mode."""
    with boot(f"mode-{name}", Machine(cpus=2, iommu=dict(properties), config=config)) as console:
        console.wait_prompt()
        said = console.command("iommu")
        report.contains(said, mode, f"{name}: iommu says {mode}")
        report.contains(said, f"domains: {tables}", f"{name}: domains are {tables}")
        for glob in ("vtd*", "nvme*"):
            output = console.command(f"test {glob}", SUITE_SECONDS)
            results, wrong = tap.parse(output)
            failed = [result for result in results if not result.passed]
            report.ok(results and not wrong and not failed, f"{name}: test {glob}: {len(results)}", output)
        power_off(report, console, name)


if __name__ == "__main__":
    run_cases(*[(translates, *case) for case in CASES])
