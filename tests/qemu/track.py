#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Trackers: a copy of memory that devices write is that memory in the end; the command `track`, for people
and for programs."""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.boot import boot, power_off, run_cases
from harness.qemu import Machine

SUITE_SECONDS = 90
TRANSFER_SECONDS = 5
TRANSFER_PAUSE = 0.5  # a transfer takes 0.1 s
PAGE = 0x4000000
RANGE = [PAGE, PAGE + 0xfff]
LEGACY = {"x-scalable-mode": "off", "x-flts": "off"}


def suites(report, cpus):
    """The suites inside the hypervisor."""
    with boot(f"track-suites-{cpus}", Machine(cpus=cpus)) as console:
        console.wait_prompt()
        report.pass_on(console.command("test parallel*", SUITE_SECONDS), f"{cpus} CPUs")
        report.pass_on(console.command("test track*", SUITE_SECONDS), f"{cpus} CPUs")
        report.ok(not console.command("track"), f"{cpus} CPUs: no tracker is left")
        power_off(report, console, f"{cpus} CPUs")


def one_pass(report, console, what, expected):
    """A pass reports these ranges."""
    found, result = console.objects("track pass transfer --json")
    report.ok(result["result"] == "ok" and len(found) == 1 and found[0]["ranges"] == expected
              and found[0]["reported"] == found[0]["range_count"] == len(expected)
              and found[0]["ns"] >= found[0]["invalidation_ns"], what, str(found), str(result))


def written(console):
    """Has edu write the page once more; true once a pass has reported it."""
    console.command("transfer")
    end = time.monotonic() + TRANSFER_SECONDS
    while time.monotonic() < end:
        found, _ = console.objects("track pass transfer whole --json")
        if found and found[0]["ranges"]:
            return found[0]["ranges"] == [RANGE]
    return False


def refusals(report, console):
    """What cannot be done is refused by a sentence."""
    for line, sentence in (
            ("track start nowhere", "track: there is no domain nowhere"),
            ("track pass nowhere", "track: domain nowhere is not tracked from here"),
            ("track stop nowhere", "track: domain nowhere is not tracked from here"),
            ("track start transfer 5K", "track: 5K: leaves are of 4K, 2M or 1G"),
            ("track go", "track: start DOMAIN "),
            ("track pass transfer all", "track: start DOMAIN ")):
        report.contains(console.command(line), sentence, f"{line}: is refused")


def legacy(report):
    """Where units keep no dirty bits that is said, and all that is writable can be had."""
    with boot("track-legacy", Machine(cpus=1, iommu=LEGACY)) as console:
        console.wait_prompt()
        console.command("transfer")
        report.contains(console.command("track start transfer"), "dirty pages cannot be tracked: ",
                        "legacy: refused by name")
        report.ok(not console.command("track"), "legacy: nothing is left of it")
        report.ok(not console.command("track start transfer writable"), "legacy: all that is writable")
        one_pass(report, console, "legacy: it is reported", [RANGE])
        report.ok(not console.command("track stop transfer"), "legacy: track stop")
        power_off(report, console, "legacy")


def command(report):
    """One domain, whose device writes when it is told to."""
    with boot("track-command", Machine(cpus=2)) as console:
        console.wait_prompt()
        refusals(report, console)
        console.command("transfer")
        time.sleep(TRANSFER_PAUSE)
        report.contains(console.command("track pass transfer"), "not tracked", "no pass before the start")
        report.ok(not console.command("track start transfer 4K"), "track start")
        report.contains(console.command("track start transfer"), "transfer is tracked already",
                        "a second start is refused")
        report.contains(console.command("track"), r"(?m)^transfer .* 4K .* 0 passes", "track lists it")
        one_pass(report, console, "nothing was written", [])
        report.ok(written(console), "a page that edu wrote is reported, alone")
        one_pass(report, console, "and once only", [])
        report.contains(console.command("track pass transfer whole"),
                        r"(?m)^pass \d+, of everything: 0 pages reported, 0 a second; \d+ us", "for people")
        found, _ = console.objects("track --json")
        report.ok(len(found) == 1 and found[0]["tracker"] == "transfer" and found[0]["tracks"]
                  and found[0]["reported_in_all"] == 1 and found[0]["failed"] == 0
                  and found[0]["newest"]["pass"] == found[0]["passes"], "track --json", str(found))
        report.ok(not console.command("track stop transfer"), "track stop")
        report.ok(not console.command("track"), "and it is gone")
        report.ok(not console.command("track start transfer 2M; track stop transfer"), "leaves of 2 MiB")
        report.ok(not console.command("track start transfer writable"), "all that is writable, on demand")
        one_pass(report, console, "then it is reported", [RANGE])
        one_pass(report, console, "each time", [RANGE])
        report.ok(not console.command("track stop transfer"), "track stop again")
        power_off(report, console, "command")


if __name__ == "__main__":
    run_cases((suites, 4), (suites, 1), (command,), (legacy,))
