#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Memory above 4 GiB is found, and devices reach it."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.boot import boot, power_off, run_cases
from harness.qemu import Machine


def above_4_gib(report):
    """5 GiB: q35 puts 3 of them above 4 GiB. Of what lies below, firmware has a part of each gigabyte, so
    that a whole one, as the test of 1 GiB leaves takes it, is above."""
    with boot("memory-5g", Machine(cpus=2, memory="5G")) as console:
        console.wait_prompt()
        report.contains(console.command("mem"), r"(?m)^0x0*1[0-9a-f]{8} to .* free\b",
                        "5 GiB: mem shows free memory above 4 GiB")
        suites = console.command("test vtd*")
        report.pass_on(suites, "5 GiB")
        report.contains(suites, r"(?m)^ok .*vtd_leaf_1g: the data is at",
                        "5 GiB: a device wrote to a gigabyte above 4 GiB")
        power_off(report, console, "5 GiB")


if __name__ == "__main__":
    run_cases((above_4_gib,))
