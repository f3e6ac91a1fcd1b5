#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""ATS: on for a device that lull.cfg trusts with it, and off, with the reason said, where something is
missing. QEMU's own virtio devices never ask for translations (only vhost does): what is seen is that the unit
takes the entries and the invalidations of TLBs, and that the device works."""

import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.boot import boot, power_off, run_cases
from harness.qemu import FIRST_STAGE, Machine

SECONDS = 60
LEGACY = {"x-scalable-mode": "off", "x-flts": "off"}
RNG = "virtio-rng-pci,rng=entropy,iommu_platform=on,ats=on,disable-legacy=on"
BEHIND_PORT = ["-device", "pcie-root-port,id=port0,slot=1,chassis=1", "-object", "rng-builtin,id=entropy",
               "-device", f"{RNG},bus=port0"]


def machine(iommu, extra, trusted):
    """A small one."""
    return Machine(cpus=1, nvme=False, edu=False, iommu=iommu, extra=extra, config=f"ats = {trusted}")


def sent(console):
    """Device-TLB descriptors so far, by what is for programs."""
    objects = [json.loads(line) for line in console.command("iommu stats --json").splitlines()]
    return sum(entry["invalidations"]["device_tlb"] for entry in objects if "unit" in entry)


def check_told(report, name, console, why):
    """What the device can do, by what is for programs: it has ATS, which is off for this reason."""
    found, result = console.objects("iommu devices --json")
    devices = [entry for entry in found if entry["device"] == "0000:01:00.0"]
    report.ok(len(devices) == 1 and result["result"] == "ok", f"{name}: the device is told of", found, result)
    report.ok(all(entry["has_ats"] and not entry["ats"] and entry["why_no_ats"] == why for entry in devices),
              f"{name}: it has ATS, off since {why}", devices)


def on(report, name, iommu):
    """The unit has device TLBs, and the DMAR an ATSR for all ports."""
    properties = {**iommu, "device-iotlb": "on"}
    with boot(f"ats-{name}", machine(properties, BEHIND_PORT, "0000:01:00.0")) as console:
        console.wait_prompt()
        report.pass_on(console.command("test ats_virtio", SECONDS), name)
        log = console.command("log")
        report.contains(log, r"0000:01:00\.0 of domain ats keeps translations itself \(ATS\)",
                        f"{name}: the log says so")
        report.ok(sent(console) > 0, f"{name}: device TLBs were invalidated")
        report.ok("does not answer" not in log, f"{name}: and the device answered", log)
        check_told(report, name, console, "it is in no domain")
        power_off(report, console, name)


def off(report, name, iommu, extra, trusted, why):
    """Something is missing: the device works without."""
    with boot(f"ats-{name}", machine(iommu, extra, trusted)) as console:
        console.wait_prompt()
        report.pass_on(console.command("test ats_virtio", SECONDS), name)
        log = console.command("log")
        report.contains(log, why, f"{name}: the reason is said")
        report.ok(sent(console) == 0, f"{name}: no TLB was invalidated")
        check_told(report, name, console, "its unit knows no TLBs of devices (ECAP.DT)")
        power_off(report, console, name)


if __name__ == "__main__":
    run_cases(
        (on, "first-stage", FIRST_STAGE),
        (on, "legacy", LEGACY),
        (off, "no-unit", FIRST_STAGE, BEHIND_PORT, "0000:01:00.0,0000:77:00.0",
         r"this machine has no function 0000:77:00\.0[\s\S]*0000:01:00\.0 goes without ATS: its unit knows "
         r"no TLBs of devices \(ECAP\.DT\)"),
    )
