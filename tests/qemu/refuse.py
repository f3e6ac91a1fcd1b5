#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Where Lull cannot run it says what is missing, and stops cleanly: no VT-d, no scalable mode, no first
stage, a damaged DMAR."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.boot import boot, run_cases
from harness.qemu import FIRST_STAGE, Machine, debug_exit_status

REFUSED = debug_exit_status(3)
SECONDS = 60

# Offsets into the table that QEMU makes: its header, then one DRHD with a device scope in it.
TABLE_LENGTH = 4
TABLE_CHECKSUM = 9
HOST_ADDRESS_WIDTH = 36
DRHD = 48
LENGTH = 2
BASE = 8
SCOPE = DRHD + 16


def pokes(*bytes_at):
    """The value of dmar_poke for (offset, byte) pairs."""
    return ",".join(f"{offset}:{byte}" for offset, byte in bytes_at)


def offset_text(offset):
    """As C's %#x prints it."""
    return f"{offset:#x}" if offset else "0"


def refuses(report, name, machine, *expected):
    """Boots machine and checks that it stops of itself, with words that match each pattern."""
    with boot(f"refuse-{name}", machine) as console:
        status = console.wait_end(SECONDS)
        report.ok(status == REFUSED, f"{name}: the run ends with the status for it", f"status: {status}")
        report.ok("lull> " not in console.text, f"{name}: there is no prompt")
        for pattern in expected:
            report.contains(console.text, pattern, f"{name}: the console says {pattern}")


def without(report, name, properties, config, *expected):
    """A machine whose intel-iommu has other properties; None: it has none at all."""
    refuses(report, name, Machine(cpus=1, nvme=False, iommu=properties, config=config), r"lull: cannot run: ",
            *expected)


def damaged(report, name, poke, offset, reason):
    """A DMAR in which these bytes are overwritten: refused with the offset and the reason."""
    machine = Machine(cpus=1, nvme=False, config=f"dmar_poke = {poke}")
    refuses(report, name, machine, r"lull: cannot run: ", rf"DMAR: offset {offset_text(offset)}: .*{reason}")


if __name__ == "__main__":
    run_cases(
        (without, "no-vtd", None, "", r"DMAR"),
        (without, "no-scalable-mode", {**FIRST_STAGE, "x-scalable-mode": "off", "x-flts": "off"},
         "iommu = first-stage", r"no unit has first stage translation"),
        (without, "no-second-stage", FIRST_STAGE, "iommu = second-stage",
         r"no unit has second stage translation"),
        (without, "no-five-levels", FIRST_STAGE, "iommu_levels = 5", r"no first stage tables of 5 levels"),
        (damaged, "short-table", pokes((TABLE_LENGTH, 20)), TABLE_LENGTH, "length"),
        (damaged, "long-table", pokes((TABLE_LENGTH + 2, 1)), TABLE_LENGTH, "length"),
        (damaged, "bad-checksum", pokes((TABLE_CHECKSUM, 0), (HOST_ADDRESS_WIDTH, 1)), 0, "checksum"),
        (damaged, "empty-structure", pokes((DRHD + LENGTH, 0)), DRHD, "shorter"),
        (damaged, "structure-beyond-table", pokes((DRHD + LENGTH + 1, 1)), DRHD, "beyond the table"),
        (damaged, "no-registers", pokes(*((DRHD + BASE + byte, 0) for byte in range(8))), DRHD,
         "DRHD: registers"),
        (damaged, "empty-scope", pokes((SCOPE + 1, 0)), SCOPE, "scope"),
    )
