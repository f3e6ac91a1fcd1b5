#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Root ports, a switch, bridges to PCI and devices with several functions: who is grouped with whom and why,
DMA from behind each of them, groups that are not split, and resets between domains."""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.boot import boot, power_off, run_cases
from harness.qemu import Machine, build_dir, make_disk

SUITE_SECONDS = 60


def root_port(name, device, *more):
    """A root port on the root bus, at this device number."""
    return ["-device", ",".join([f"pcie-root-port,id={name},bus=pcie.0,addr={device:#x},chassis={device}",
                                 f"slot={device}", *more])]


def switch_port(name, device):
    """A port that leads down from the switch; QEMU's have no ACS."""
    return ["-device", f"xio3130-downstream,id={name},bus=up,addr={device},chassis={16 + device},slot=0"]


def nvme(name, bus, address="0"):
    """A controller with a disk of its own."""
    disk = os.path.join(build_dir(), "tests", "nvme.img")
    make_disk(disk)
    return ["-drive", f"if=none,id=drive-{name},format=raw,snapshot=on,file={disk}",
            "-device", f"nvme,drive=drive-{name},serial={name},bus={bus},addr={address}"]


def edu(bus, address="0"):
    """An edu, which is a device of conventional PCI."""
    return ["-device", f"edu,dma_mask=0xffffffffffffffff,bus={bus},addr={address}"]


def machine(extra):
    """With these devices alone, each of which must be reset when it changes hands."""
    return Machine(cpus=2, nvme=False, edu=False, extra=extra, reset=None)


EXPRESS = (root_port("with", 4) + nvme("alone", "with") +
           root_port("two", 5) + nvme("first", "two", "0.0,multifunction=on") + nvme("second", "two", "0.1") +
           root_port("switch", 6) + ["-device", "x3130-upstream,id=up,bus=switch"] +
           switch_port("left", 0) + switch_port("right", 1) +
           nvme("left", "left") + edu("right") +
           root_port("without", 7, "disable-acs=on") + edu("without"))

PCI = (root_port("express", 4) + ["-device", "pcie-pci-bridge,id=pci,bus=express",
                                  "-device", "pci-bridge,id=nested,bus=pci,chassis_nr=2,addr=3"] +
       edu("pci", "1") + nvme("behind", "pci", "2") + edu("nested", "1") +
       ["-device", "pci-bridge,id=root,bus=pcie.0,chassis_nr=3,addr=5"] + edu("root", "1"))

# What `groups` must show; {name} stands for the bus behind that bridge.
EXPRESS_GROUPS = (
    r"{with}:00.0$",
    r"{two}:00.0 0000:{two}:00.1: function 0000:{two}:00.0 has no ACS$",
    r"{left}:00.0 0000:{right}:00.0: switch port 0000:{up}:00.0 has no ACS, "
    r"switch port 0000:{up}:01.0 has no ACS$",
    r"{without}:00.0$",
    r"00:1f.0 0000:00:1f.2 0000:00:1f.3: function 0000:00:1f.0 has no ACS$",
)
EXPRESS_BUSES = {"with": "00:04.0", "two": "00:05.0", "switch": "00:06.0", "up": "{switch}:00.0",
                 "left": "{up}:00.0", "right": "{up}:01.0", "without": "00:07.0"}

PCI_GROUPS = (
    r"{pci}:01.0 0000:{pci}:02.0 0000:{nested}:01.0 \(0000:{pci}:00.0\) \(0000:{pci}:03.0\): "
    r"0000:{express}:00.0 is a bridge to PCI, 0000:{pci}:03.0 is a bridge to PCI$",
    r"{root}:01.0 \(0000:00:05.0\): 0000:00:05.0 is a bridge to PCI$",
)
PCI_BUSES = {"express": "00:04.0", "pci": "{express}:00.0", "nested": "{pci}:03.0", "root": "00:05.0"}


def find_buses(shown, bridges):
    """The buses behind bridges, by what `pci` shows."""
    buses = {}
    for name, where in bridges.items():
        found = re.search(rf"(?m)^0000:{re.escape(where.format(**buses))} .* to buses ([0-9a-f]+) to", shown)
        buses[name] = found.group(1) if found else "??"
    return buses


def grouped(report, name, extra, bridges, groups, members):
    """The console shows these groups, and DMA works in all of them, before and after resets."""
    with boot(f"groups-{name}", machine(extra)) as console:
        console.wait_prompt()
        shown = console.command("pci")
        buses = find_buses(shown, bridges)
        report.contains(shown, "(?m) FLR +NVMe$", f"{name}: NVMe has FLR")
        report.contains(shown, r"(?m)^0000:{0}.* bus +unclassified$".format(buses[list(bridges)[-1]]),
                        f"{name}: an edu is reset with its bus")
        shown = console.command("groups")
        for group in groups:
            report.contains(shown, "(?m)^0000:" + group.format(**buses), f"{name}: {group}")
        output = console.command("test groups*", SUITE_SECONDS)
        report.pass_on(output, name)
        report.ok(output.count("writes, attached with its group") == members,
                  f"{name}: {members} edus are attached with their groups", output)
        refusal = "cannot go to domain other alone: its group, .* is in domain test, and is one since "
        report.contains(output, refusal, f"{name}: the log says why a group is not split")
        output = console.command("test groups_edu*", SUITE_SECONDS)
        report.pass_on(output, f"{name}, again")
        output = console.command("test reset*", SUITE_SECONDS)
        report.pass_on(output, name)
        log = console.command("log")
        for method in ("FLR", "bus"):
            report.contains(log, rf"PCI 0000:..:0.\..: reset \({method}\)", f"{name}: reset by {method}")
        power_off(report, console, name)


def refused(report):
    """edu on the root bus, which nothing resets, has one domain and no other."""
    with boot("groups-refused", Machine(cpus=2, nvme=False, reset=None)) as console:
        console.wait_prompt()
        report.contains(console.command("pci"), r"(?m) 1234 +11e8 .* none +unclassified$",
                        "refused: edu has no reset")
        report.pass_on(console.command("test vtd_remap"), "refused, the first domain")
        output = console.command("test vtd_remap")
        report.contains(output, r"(?m)^not ok .*a domain with edu in it: not supported",
                        "refused: edu does not go to a second one")
        report.contains(output, r"0000:00:..\.0 has been in another domain, and there is no way to reset it; "
                        r"\"reset = none\" in lull.cfg would let it go as it is",
                        "refused: the log says why, and what would help")
        power_off(report, console, "refused")


if __name__ == "__main__":
    run_cases(
        (grouped, "express", EXPRESS, EXPRESS_BUSES, EXPRESS_GROUPS, 1),
        (grouped, "pci", PCI, PCI_BUSES, PCI_GROUPS, 2),
        (refused,),
    )
