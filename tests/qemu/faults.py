#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A device that faults in a loop: its own share of the log, a console that answers, and another device's
faults. Errata that are switched off."""

import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.boot import boot, power_off, run_cases
from harness.qemu import Machine, debug_exit_status

REFUSED = debug_exit_status(3)
SECONDS = 60
ANSWER_SECONDS = 2
SECOND_EDU = ["-device", "edu,dma_mask=0xffffffffffffffff"]


def storm(report):
    """The suite makes the storm; the console is asked right after it, when what it left is still told of."""
    with boot("faults-storm", Machine(extra=SECOND_EDU)) as console:
        console.wait_prompt()
        output = console.command("test vtd_fault_storm", SECONDS)
        report.pass_on(output, "storm")
        report.ok("of another device come through" in output, "there was another device")
        lines = [line for line in output.splitlines() if " may not " in line]
        report.ok(1 <= len(lines) <= 16 * 10, "the log has some of the faults, and not all",
                  f"{len(lines)} lines")
        began = time.monotonic()
        table = console.command("faults")
        report.ok(time.monotonic() - began < ANSWER_SECONDS, "faults answers at once")
        muted = "[1-9]" if "it was muted" in output else "0"
        report.contains(table, rf"vtd0: .* storms.* devices muted {muted}", "faults tells of the storm")
        objects = [json.loads(line) for line in console.command("faults --json").splitlines()]
        report.ok(objects[-1]["result"] == "ok", "faults --json ends well")
        devices = [entry for entry in objects if "only_counted" in entry]
        report.ok(any(entry["only_counted"] > 0 and entry["writes"] > 0 for entry in devices),
                  "faults --json has the device", str(devices))
        power_off(report, console, "storm")


def errata_off(report):
    """A repaired emulator is believed: what `iommu` names is what is left."""
    with boot("errata-off", Machine(cpus=1, nvme=False, config="errata_off = accessed-is-dirty")) as console:
        console.wait_prompt()
        output = console.command("iommu")
        report.contains(output, r"erratum dirty-without-coherence \(QEMU",
                        "an erratum is named with its source")
        report.ok("accessed-is-dirty" not in output, "one that is switched off is not", output)
        power_off(report, console, "errata")


def unknown_erratum(report):
    """A name that nobody knows is not passed over."""
    with boot("errata-unknown", Machine(cpus=1, nvme=False, config="errata_off = dirty-bit")) as console:
        status = console.wait_end(SECONDS)
        report.ok(status == REFUSED, "an unknown erratum: the run ends with the status for it",
                  f"status: {status}")
        report.contains(console.text, r'no erratum is called "dirty-bit"', "its name is said")


if __name__ == "__main__":
    run_cases((storm,), (errata_off,), (unknown_erratum,))
