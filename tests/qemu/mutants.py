#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The demo and the suites are able to fail: images with one guard broken on purpose (lib/mutant.h) do not
pass."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.boot import boot, run_cases
from harness.qemu import SECOND_STAGE_SSADS, Machine, build_dir

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MAKES_OWN = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")
BUILD_SECONDS = 240
COMMAND_SECONDS = 90


def build(mutant):
    """Makes the image with this guard broken; returns its build folder and make's complaints, None if there
    are none."""
    folder = os.path.join(build_dir(), f"mutant-{mutant}")
    environment = {name: value for name, value in os.environ.items() if name not in MAKES_OWN}
    done = subprocess.run(["make", "--no-print-directory", f"BUILD={os.path.relpath(folder, TOP)}",
                           f"MUTANT={mutant}", "all"], cwd=TOP, env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=BUILD_SECONDS,
                          check=False)
    return folder, done.stdout if done.returncode else None


def mutant_fails(report, mutant, command, complaint, iommu=None):
    """Builds it and runs the command in it, which has to complain of just this: not panic, not hang, not be
    content, and not fail for another reason."""
    folder, errors = build(mutant)
    if errors:
        report.ok(False, f"{mutant}: the image builds", errors)
        return
    # The self-test at boot would find two of them first, and then the demo would refuse to run.
    config = "dirty_self_test = off"
    machine = Machine(build=folder, config=config)
    if iommu:
        machine = Machine(build=folder, config=f"{config}\nerrata_off = all", iommu=iommu)
    with boot(f"mutant-{mutant}", machine) as console:
        console.wait_prompt()
        report.contains(console.command(command, COMMAND_SECONDS), complaint, f"{mutant}: {command} says so")


def on_ssads(report, mutant, command, complaint):
    """The same on the QEMU of `make qemu-ssads`, with second-stage tables."""
    mutant_fails(report, mutant, command, complaint, SECOND_STAGE_SSADS)


if __name__ == "__main__":
    run_cases(
        (mutant_fails, "NO_HARVEST_INVALIDATION", "demo", r"verdict: FAIL \(missed \d"),
        (on_ssads, "NO_HARVEST_INVALIDATION", "test stress_leaves",
         r"(?m)^not ok \d+ - stress_leaves: the copies of reported pages are all that was written"),
        (on_ssads, "NO_PWSNP", "test harvest_exactly*",
         r"(?m)^not ok \d+ - harvest_exactly_what_was_written: after writes to three pages"),
        (mutant_fails, "HARVEST_SKIPS_ENTRIES", "demo", r"verdict: FAIL \(missed \d"),
        (mutant_fails, "NO_UNMAP_INVALIDATION", "demo", r"verdict: FAIL \(\d+ of \d+ probes landed"),
        (mutant_fails, "NO_UNMAP_INVALIDATION", "test vtd_far_addresses",
         r"(?m)^not ok \d+ - vtd_far_addresses: both pages are unchanged"),
        (mutant_fails, "FREE_BEFORE_GRACE_PERIOD", "test rcu_torture", r"(?m)^not ok \d+ - rcu_torture"),
    )
