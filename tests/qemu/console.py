#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The console as a person uses it: help, mistakes, editing a line."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.boot import boot, power_off, run_cases
from harness.console import BOOT_SECONDS
from harness.qemu import Machine
from harness.statistics import check_iommu

TYPED_EARLY = 40  # commands
COMMANDS = ("cpus", "demo", "domains", "dump", "faults", "help", "iommu", "log", "mem", "poweroff", "rcu",
            "reboot", "test", "track", "version")
LEFT, RIGHT, UP = "\x1b[D", "\x1b[C", "\x1b[A"
BACKSPACE, HOME, CANCEL, KILL = "\x7f", "\x01", "\x03", "\x15"


def editing(report, console, version):
    """What is typed ends up as the command `version`, or as none."""
    for what, keys in (
            ("backspace", "versionx" + BACKSPACE),
            ("cursor left", "vrsion" + LEFT * 5 + "e"),
            ("cursor right", "vsion" + LEFT * 5 + RIGHT + "er"),
            ("home", "ersion" + HOME + "v"),
            ("^U", "nonsense" + KILL + "version"),
            ("history", UP)):
        report.ok(console.command(keys) == version, f"editing: {what}")
    console.type("nonsense" + CANCEL)
    console.wait_prompt()
    report.ok(console.command("version") == version, "editing: ^C drops the line")


def statistics(report, console):
    """For people and for programs; they add up."""
    report.contains(console.command("iommu stats"), r"(?m)^vtd0 +iotlb_global +\d+$",
                    "iommu stats has kinds")
    found, result = console.objects("iommu stats --json")
    report.ok(result["name"] == "iommu" and result["result"] == "ok", "JSON ends with a result", str(result))
    check_iommu(report, found, "console")
    found, refused = console.objects("version --json")
    report.ok(not found and refused["result"] == "has no --json"
              and refused["command"] == result["command"] + 1,
              "a command without JSON says so", str(refused))


def commands(report):
    """One boot for all of it."""
    with boot("console", Machine()) as console:
        console.wait_prompt()
        listed = console.command("help")
        for command in COMMANDS:
            report.contains(listed, rf"(?m)^\s*{command}\b", f"help lists {command}")
        report.contains(console.command("frobnicate"), r"frobnicate: no such command",
                        "an unknown command is named")
        report.ok(not console.command(""), "an empty line does nothing")
        version = console.command("version")
        report.contains(version, r"(?i)lull", "version names Lull")
        report.ok(console.command("version; version") == f"{version}\n{version}",
                  "a list of commands runs in order")
        report.ok(version not in console.command("frobnicate; version"),
                  "a list ends at the command that fails")
        editing(report, console, version)
        cpus = console.command("cpus")
        report.ok(len([line for line in cpus.splitlines() if "AMD" in line]) == 4, "cpus shows the four CPUs",
                  cpus)
        report.contains(console.command("iommu"), r"\bSMTS\b", "iommu shows what the unit can do")
        statistics(report, console)
        report.contains(console.command("dump nowhere"), r"(?i)dump: .*not", "dump of no domain says so")
        report.ok(" may not " not in console.command("faults"), "faults: there is none")
        power_off(report, console, "console")


def typed_early(report):
    """What is typed while the commands of lull.cfg run comes after them, and goes on while it is read."""
    with boot("typed-early", Machine(cpus=2, config="run = log; log; log")) as console:
        console.wait_for("ready: 2 CPUs", BOOT_SECONDS)
        console.type("version\r" * TYPED_EARLY)
        for _ in range(1 + TYPED_EARLY):
            console.wait_prompt()
        report.ok(True, f"{TYPED_EARLY} commands typed early are all run")
        output = console.command("test cpu_event*")
        report.ok("not ok" not in output and "ok " in output, "and each CPU's events are still run", output)
        power_off(report, console, "typed early")


if __name__ == "__main__":
    run_cases((commands,), (typed_early,))
