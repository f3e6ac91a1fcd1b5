#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Between firmware and Lull: a lull.cfg that is wrong, reboot and power-off, the disk image."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.boot import boot, power_off, run_cases
from harness.console import BOOT_SECONDS
from harness.qemu import Machine, build_dir

# What is in lull.cfg, and the line that is wrong (the harness puts one line before these).
BAD_CONFIGURATIONS = (
    ("unknown-key", "# a comment\n\nlog = info\ncolour = blue", 5),
    ("no-equals-sign", "log info", 2),
    ("key-twice", "log = info\nlog = warn", 3),
    ("bad-value", "cpus = none", 2),
)


def bad_config(report, name, config, line):
    """The loader names the line and returns to the firmware, which goes on."""
    with boot(f"config-{name}", Machine(cpus=1, nvme=False, config=config)) as console:
        said = console.wait_for(rf"lull\.cfg, line {line}: (.+)\n", BOOT_SECONDS).group(1)
        report.ok(True, f"{name}: the firmware's console shows line {line}: {said}")
        console.wait_for(r"BdsDxe: failed to start|UEFI Interactive Shell", BOOT_SECONDS)
        report.ok(True, f"{name}: the firmware's boot menu goes on")


def modules(report):
    """Each file beside lull.cfg is handed over, whole."""
    machine = Machine(cpus=1, nvme=False, modules={"kernel.bin": bytes(5000), "empty": b""})
    with boot("modules", machine) as console:
        log = console.wait_prompt()
        for name, content in machine.modules.items():
            report.contains(log, rf"(?m)module {name}: {len(content)} bytes$", f"modules: {name} is there")
        power_off(report, console, "modules")


def reboot(report):
    """The machine starts anew, and then powers off."""
    with boot("reboot", Machine(cpus=2)) as console:
        console.wait_prompt()
        console.type("reboot\r")
        console.wait_prompt()
        report.ok(True, "reboot: the prompt comes again")
        power_off(report, console, "reboot")


def unattended(report):
    """lull.cfg's run: commands one after the other, nobody at the console."""
    with boot("unattended", Machine(cpus=2, config="run = version; poweroff")) as console:
        status = console.wait_end(BOOT_SECONDS)
        report.ok(status == 0, "unattended: the list of commands ends the run", f"status: {status}")
        report.ok("lull> " not in console.text, "unattended: no prompt was needed")


def image(report):
    """What `make image` makes, as it goes onto a USB stick."""
    path = os.path.join(build_dir(), "lull.img")
    with boot("image", Machine(disk_image=path, cpus=2)) as console:
        console.wait_prompt()
        report.contains(console.command("version"), r"(?i)lull", "image: it boots to a console")
        power_off(report, console, "image")


if __name__ == "__main__":
    run_cases(*((bad_config, *case) for case in BAD_CONFIGURATIONS), (modules,), (reboot,), (unattended,),
              (image,))
