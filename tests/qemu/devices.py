#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Machines with other devices than the tests want: what cannot be shown is skipped with the reason."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import tap
from harness.boot import boot, power_off, run_cases
from harness.demo import check_pass
from harness.qemu import Machine

DEMO_SECONDS = 90


def skips(report, console, glob, reason):
    """Each test of glob is skipped for this reason, and none fails."""
    output = console.command(f"test {glob}")
    results, wrong = tap.parse(output)
    report.ok(not wrong and results and all(result.skip and reason in result.skip for result in results),
              f"test {glob} is skipped: {reason}", output)


def edu_that_cuts_addresses(report):
    """QEMU's default for edu: addresses of 28 bits."""
    with boot("edu-mask", Machine(edu=False, extra=["-device", "edu"])) as console:
        console.wait_prompt()
        skips(report, console, "vtd_w*", "edu cuts addresses")
        output = console.command("demo", DEMO_SECONDS)
        check_pass(report, output, "demo without edu")
        report.contains(output, r" 0 of them edu's", "demo without edu: none of the commands is edu's")
        power_off(report, console, "edu with 28 bits")


def no_device(report):
    """Nothing that could issue DMA."""
    with boot("no-device", Machine(cpus=2, nvme=False, edu=False)) as console:
        console.wait_prompt()
        skips(report, console, "nvme*", "there is no NVMe controller")
        skips(report, console, "vtd_w*", "there is no edu device")
        output = console.command("demo")
        report.contains(output, "demo: no NVMe controller", "the demo says that it wants NVMe")
        report.ok("verdict" not in output, "and gives no verdict", output)
        power_off(report, console, "no device")


if __name__ == "__main__":
    run_cases((edu_that_cuts_addresses,), (no_device,))
