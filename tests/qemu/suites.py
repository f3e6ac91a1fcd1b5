#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""All suites inside the hypervisor, on 1, 2 and 4 CPUs and with both kinds of APIC."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.boot import boot, power_off, run_cases
from harness.qemu import Machine

SUITE_SECONDS = 90


def suites(report, name, machine, apic):
    """Boots machine, which uses this kind of APIC, and passes on what `test *` reports there."""
    with boot(f"suites-{name}", machine) as console:
        console.wait_prompt()
        report.contains(console.command("cpus"), rf"\b{apic}\b", f"{name}: the CPUs run with {apic}")
        report.pass_on(console.command("test *", SUITE_SECONDS), name)
        power_off(report, console, name)


if __name__ == "__main__":
    run_cases(
        (suites, "4-cpus", Machine(), "xAPIC"),
        (suites, "4-cpus-x2apic", Machine(cpu="EPYC,+x2apic"), "x2APIC"),
        (suites, "2-cpus-apic-chosen", Machine(cpus=2, cpu="EPYC,+x2apic", config="apic = xapic"), "xAPIC"),
        (suites, "1-cpu", Machine(cpus=1), "xAPIC"),
    )
