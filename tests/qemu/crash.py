#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A panic tells what happened, where, and by which way, and ends the run with a status of its own."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.boot import boot, run_cases
from harness.console import Panic
from harness.qemu import Machine, debug_exit_status

PANICKED = debug_exit_status(2)
OTHER_CPU = r"(?m)^cpu0 was at [0-9a-f]{16} \w[.\w]*\+0x"
END = r"(?m)^end of panic$"


def crash(report, kind, *expected):
    """Lets the last of two CPUs crash, and reads what it says."""
    with boot(f"crash-{kind}", Machine(cpus=2, nvme=False, edu=False)) as console:
        console.wait_prompt()
        try:
            output = console.command(f"crash {kind}")
        except Panic as panic:
            output = panic.output
        for pattern in (*expected, OTHER_CPU, END):
            report.contains(output, pattern, f"{kind}: the console says {pattern}")
        report.ok(console.status == PANICKED, f"{kind}: the run ends with a panic's status",
                  f"status: {console.status}")


def frames(*names):
    """A backtrace in which these functions are called one by the other, innermost first; compilers may add to
    their names."""
    return r"(?m)^backtrace:\n" + "".join(rf"  [0-9a-f]{{16}} {name}[.\w]*\+0x[0-9a-f]+\n" for name in names)


if __name__ == "__main__":
    run_cases(
        (crash, "stack",
         r"panic: cpu1: stack overflow: double fault, rsp 0x[0-9a-f]+, guard page hit at 0x[0-9a-f]+\n",
         frames("overflow_stack", "overflow_stack")),
        (crash, "fault", r"panic: cpu1: page fault: write at 0x[0-9a-f]+, nothing is mapped there\n",
         frames("crash_there", "event_")),
    )
