#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Dirty tracking on the QEMU of `make qemu-ssads`, whose accessed and dirty bits are as hardware has them, of
second-stage tables too: self-test, harvests, demo, and a stress that an emulator which sets them by a plain
write does not pass. All of it without what errata allow."""

import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.boot import boot, power_off, run_cases
from harness.demo import check_pass
from harness.qemu import FIRST_STAGE_SSADS, SECOND_STAGE_SSADS, SSADS, Machine

ERRATA_OFF = "errata_off = all"
DEMO_SECONDS = 90
STRESS_SECONDS = 60
STAGES = {"second": SECOND_STAGE_SSADS, "first": FIRST_STAGE_SSADS}

# Between reading an entry and writing it the unit then does nothing for so long, which the stress needs to
# meet it there within seconds. Without it a plain write goes wrong too, but not in any test's time.
WINDOW = {"x-ssads-window": "400"}

# What a unit may do wrong, and how the stress then ends. One that overwrites what changed while it walked
# brings a leaf back that was unmapped, or writes to a table that was merged and freed, which ends in any
# panic. The other says that an invalidation is over while a disk's data is still to come.
FAULTS = {
    "plain writes": ({**WINDOW, "x-ssads-plain": "on"}, r"^not ok \d+ - stress_leaves: .*\n|panic: .*\n"),
    "late data": ({"x-ssads-drain": "off"},
                  r"^not ok \d+ - stress_leaves: (?:no page is written after its unmap|the copies of ).*\n"),
}
BOOTS_WITH_FAULT = 3

AUDIT_SHARES = 64  # HARVEST_AUDIT_SHARES
QUIET_PASSES = 3  # after that many there is nothing of before to look at
TRANSFER_SECONDS = 1  # it takes a tenth


def machine(stage, more=None, config="", **others):
    """One whose domains have this stage, and bits that are believed."""
    return Machine(config=f"{ERRATA_OFF}\n{config}", iommu={**STAGES[stage], **(more or {})}, **others)


def tracks(report, stage):
    """The boot's self-test and the harvests' suite: only writes count, at once, and again and again."""
    with boot(f"ssads-{stage}", machine(stage, memory="1G")) as console:
        console.wait_prompt()
        iommu = console.command("iommu")
        report.contains(iommu, rf"domains: {stage} stage", f"{stage}: the domains have that stage")
        report.contains(iommu, r"(?m)accessed/dirty self-test passed by 0000:00:01\.0, "
                        r"leaves of 4 KiB and 2 MiB$", f"{stage}: it passes, and no read counts as a write")
        report.ok("erratum" not in iommu, f"{stage}: no erratum has a part in that", iommu)
        for suite in ("harvest*", "vtd_self_test"):
            output = console.command(f"test {suite}")
            report.pass_on(output, stage)
            report.ok("# SKIP" not in output, f"{stage}: {suite}: nothing is skipped", output)
        power_off(report, console, stage)


def demo(report, stage):
    """No page is missed, and none reported that nobody wrote."""
    with boot(f"ssads-demo-{stage}", machine(stage)) as console:
        console.wait_prompt()
        check_pass(report, console.command("demo", DEMO_SECONDS), f"demo, {stage} stage")
        power_off(report, console, f"demo, {stage} stage")


def stress(report, stage, how, more):
    """DMA, map, unmap and harvest together, with what the devices wrote looked at."""
    what = f"{stage} stage, {how}"
    with boot(f"ssads-stress-{stage}", machine(stage, more, memory="1G")) as console:
        console.wait_prompt()
        output = console.command("test stress*", STRESS_SECONDS)
        report.pass_on(output, what)
        report.ok("# SKIP" not in output, f"{what}: nothing is skipped", output)
        power_off(report, console, what)


def is_found_out(report, stage, name):
    """The same stress does not pass where the unit has one of FAULTS. When that meets the stress is chance,
    on a busy machine the more so: three boots have to pass before it counts as missed."""
    more, wrong = FAULTS[name]
    what = f"{stage} stage, {name}"
    for _ in range(BOOTS_WITH_FAULT):
        with boot(f"ssads-{name.replace(' ', '-')}-{stage}", machine(stage, more, memory="1G")) as console:
            console.wait_prompt()
            console.type("test stress_leaves\r")
            end = console.wait_for(rf"(?m){wrong}|^1\.\.\d+\n", STRESS_SECONDS, panics=False)
        if re.match(wrong, end.group()):
            report.note(f"{what}: {end.group().strip()}")
            report.ok(True, f"{what}: the stress finds it out")
            return
    report.ok(False, f"{what}: the stress finds it out", f"it passed {BOOTS_WITH_FAULT} times")


def passes(report, console, count):
    """So many passes over the domain "transfer", of which none may fail."""
    found = [console.objects("track pass transfer --json") for _ in range(count)]
    report.ok(all(result["result"] == "ok" and len(objects) == 1 for objects, result in found),
              f"{count} passes", str(found))
    return [objects[0] for objects, _ in found]


def prunes(report, stage, config, audited):
    """Passes leave out what nobody touched. On a second stage they do where lull.cfg asks for it, and then
    64 of them have looked at the one table of this domain all the same, once."""
    what = f"prune, {stage} stage"
    with boot(f"ssads-prune-{stage}", machine(stage, memory="1G", config=config)) as console:
        console.wait_prompt()
        for suite in ("harvest*", "track*", "stress*"):
            output = console.command(f"test {suite}", STRESS_SECONDS)
            report.pass_on(output, what)
        report.contains(output, r"(?m)^# [1-9]\d* tables left out by passes", f"{what}: under stress as well")
        console.command("transfer")
        time.sleep(TRANSFER_SECONDS)
        report.ok(not console.command("track start transfer 4K"), f"{what}: track start")
        report.contains(console.command("domains"),
                        rf"(?m)^transfer .* tracked, pruned{' and audited' if audited else ''}\r?$",
                        f"{what}: domains says so")
        passes(report, console, QUIET_PASSES)
        quiet = passes(report, console, AUDIT_SHARES)
        report.ok(all(one["pruned"] and not one["reported"] for one in quiet), f"{what}: all is left out",
                  str(quiet))
        report.ok(sum(one["audited"] for one in quiet) == (1 if audited else 0)
                  and not any(one["audit_dirty"] for one in quiet),
                  f"{what}: audited {'once' if audited else 'never'} in {AUDIT_SHARES} passes", str(quiet))
        console.command("transfer")
        time.sleep(TRANSFER_SECONDS)
        report.ok(sum(one["reported"] for one in passes(report, console, QUIET_PASSES)) == 1,
                  f"{what}: what is written is reported all the same, once")
        report.ok(not console.command("track stop transfer"), f"{what}: track stop")
        power_off(report, console, what)


def switched_off(report):
    """With x-ssads=off it is the QEMU that it was made from."""
    with boot("ssads-off", Machine(iommu={**SECOND_STAGE_SSADS, SSADS: "off"}, cpus=1)) as console:
        console.wait_prompt()
        iommu = console.command("iommu")
        report.contains(iommu, r"accessed/dirty self-test not tested: keeps no dirty bits",
                        "x-ssads=off: second stage has no dirty bits")
        report.ok("SMPWC" not in iommu, "x-ssads=off: walks are not reported coherent", iommu)
        power_off(report, console, "x-ssads=off")


if __name__ == "__main__":
    run_cases(
        (tracks, "second"),
        (tracks, "first"),
        (demo, "second"),
        (stress, "second", "as it comes", {}),
        (stress, "second", "with time between reading and writing entries", WINDOW),
        (stress, "first", "with time between reading and writing entries", WINDOW),
        (is_found_out, "second", "plain writes"),
        (is_found_out, "first", "plain writes"),
        (is_found_out, "second", "late data"),
        (prunes, "second", "prune = on", True),
        (prunes, "first", "", False),
        (switched_off,),
    )
