# SPDX-License-Identifier: BSD-2-Clause
"""What every boot test does: a machine with a console and a log of its own, cases one after another, a clean
end."""

import os
import signal
import sys

from .console import Console
from .qemu import Qemu, build_dir
from .tap import Report


def log_path(name):
    """Where the log of a run is kept."""
    return os.path.join(build_dir(), "logs", f"{name}.log")


def boot(name, machine, echo=None):
    """Powers machine on; a Console to be used in a with statement. The log is build/logs/NAME.log."""
    return Console(Qemu(machine), log_path(name), echo)


def power_off(report, console, what):
    """Checks that the command ends the run through the firmware: QEMU's status is then 0."""
    console.type("poweroff\r")
    status = console.wait_end()
    report.ok(status == 0, f"{what}: poweroff ends the run with status 0", f"status: {status}")


def end_on_signals():
    """Signals that end a program become an exit that unwinds, so that QEMU and temporary files go. Only the
    first does: another one must not cut that short."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def end(number, _):
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        sys.exit(128 + number)

    for number in numbers:
        signal.signal(number, end)


def run_cases(*cases, chosen=None):
    """Runs cases, each a tuple (function, argument...), as one TAP program. Names choose among them, those on
    the command line unless chosen has others."""
    end_on_signals()
    chosen = sys.argv[1:] if chosen is None else chosen
    with Report() as report:
        for function, *arguments in cases:
            name = " ".join([function.__name__] + [str(argument) for argument in arguments])
            if not chosen or any(word in name for word in chosen):
                report.case(name, function, *arguments)
    sys.exit(report.failed != 0)
