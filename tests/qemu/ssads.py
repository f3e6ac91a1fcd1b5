#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Dirty tracking on the QEMU of `make qemu-ssads`, whose accessed and dirty bits are as hardware has them, of
second-stage tables too: self-test, harvests, demo, a stress that an emulator which sets them by a plain write
does not pass, and pruned passes, whose audit finds out one that sets too few. All of it without what errata
allow."""

import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.boot import boot, power_off, run_cases
from harness.demo import check_pass
from harness.qemu import FIRST_STAGE_SSADS, SECOND_STAGE_SSADS, SSADS, Machine

ERRATA_OFF = "errata_off = all"
PRUNE = f"{ERRATA_OFF}\nprune = on"
DEMO_SECONDS = 90
STRESS_SECONDS = 60
STAGES = {"second": SECOND_STAGE_SSADS, "first": FIRST_STAGE_SSADS}

# What has a stage's accessed bits audited where pruning is asked for: the first one's are in caching mode.
AUDITED = {"second": {}, "first": {"caching-mode": "on"}}
SHARES = 64  # so many passes audit everything
PASSES_TO_NOTHING = 4
TRANSFER_SECONDS = 10
TRANSFER_PAUSE = 1  # a transfer of edu's takes 0.1 s
PAGE = [[0x4000000, 0x4000fff]]  # that it writes: the only one in its domain
UNMARKED = {"x-ssads-tables": "off"}  # the unit sets accessed in leaves, and not on its way to them

# Between reading an entry and writing it the unit then does nothing for so long, which the stress needs to
# meet it there within seconds. Without it a plain write goes wrong too, but not in any test's time.
WINDOW = {"x-ssads-window": "400"}

# What a unit may do wrong, the suite that finds it out and passes on the same machine otherwise (below), and
# how that ends. One that overwrites what changed while it walked brings a leaf back that was unmapped, or
# writes to a table that was merged and freed, which ends in any panic. The second says that an invalidation
# is over while a disk's data is still to come.
FAULTS = {
    "plain writes": ("stress_leaves", ERRATA_OFF, {**WINDOW, "x-ssads-plain": "on"},
                     r"^not ok \d+ - stress_leaves: (?:no entry comes back|no page is written after |"
                     r"every page written and |the copies of |each of \d+ writes ).*\n|panic: .*\n"),
    "late data": ("stress_leaves", ERRATA_OFF, {"x-ssads-drain": "off"},
                  r"^not ok \d+ - stress_leaves: (?:no page is written after its unmap|the copies of ).*\n"),
    "no accessed bits in tables": ("prune_little_touched", PRUNE, UNMARKED,
                                   r"^not ok \d+ - prune_little_touched: after writes: 3 pages are .*\n"),
}
BOOTS_WITH_FAULT = 3


def machine(stage, more=None, config=ERRATA_OFF, **others):
    """One whose domains have this stage, and bits that are believed."""
    return Machine(config=config, iommu={**STAGES[stage], **(more or {})}, **others)


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
    """Where the unit has one of FAULTS a suite that passes otherwise does not. When a fault meets the stress
    is chance, on a busy machine the more so: three boots have to pass before it counts as missed."""
    suite, config, more, wrong = FAULTS[name]
    what = f"{stage} stage, {name}"
    for _ in range(BOOTS_WITH_FAULT):
        faulty = machine(stage, more, config, memory="1G")
        with boot(f"ssads-{name.replace(' ', '-')}-{stage}", faulty) as console:
            console.wait_prompt()
            console.type(f"test {suite}\r")
            end = console.wait_for(rf"(?m){wrong}|^1\.\.\d+\n", STRESS_SECONDS, panics=False)
        if re.match(wrong, end.group()):
            report.note(f"{what}: {end.group().strip()}")
            report.ok(True, f"{what}: {suite} finds it out")
            return
    report.ok(False, f"{what}: {suite} finds it out", f"it passed {BOOTS_WITH_FAULT} times")


def audited(stage, more=None):
    """One that prunes and audits."""
    return machine(stage, {**AUDITED[stage], **(more or {})}, PRUNE, memory="1G")


def gigabyte(report, stage):
    """A leaf of 1 GiB is split and merged under a device."""
    with boot(f"ssads-gigabyte-{stage}", machine(stage, memory="6G")) as console:
        console.wait_prompt()
        output = console.command("test gigabyte*", STRESS_SECONDS)
        report.pass_on(output, stage)
        report.ok("# SKIP" not in output, f"{stage}: nothing is skipped", output)
        power_off(report, console, f"{stage}, 1 GiB")


def pruned_suites(report, stage):
    """The suites of tracking and of pruning, where passes are pruned and audited."""
    with boot(f"ssads-prune-suites-{stage}", audited(stage)) as console:
        console.wait_prompt()
        for suite in ("prune*", "track*", "harvest*", "stress*"):
            output = console.command(f"test {suite}", STRESS_SECONDS)
            report.pass_on(output, f"{stage}, pruned")
            report.ok("# SKIP" not in output, f"{stage}, pruned: {suite}: nothing is skipped", output)
        report.contains(output, r"(?m)^# [1-9]\d* tables left out by passes",
                        f"{stage}, pruned: the stress too")
        report.ok("its harvests prune no more" not in console.command("log"),
                  f"{stage}, pruned: no audit finds anything")
        power_off(report, console, f"{stage}, pruned")


def one_pass(console, how=""):
    """A pass over the one page that edu writes, as a program sees it."""
    found, result = console.objects(f"track pass transfer {how} --json")
    if result["result"] != "ok" or len(found) != 1:
        raise RuntimeError(f"track pass: {result} {found}")
    return found[0]


def passes_until_reported(console, count, seconds):
    """Passes until one reports something, or so many, or so long; returns all of them."""
    passes, end = [], time.monotonic() + seconds
    while len(passes) < count and time.monotonic() < end:
        passes.append(one_pass(console))
        if passes[-1]["ranges"]:
            break
    return passes


def begin_tracking(report, console, what):
    """edu's domain is tracked, pruned and audited; nothing of what was before is left to find."""
    console.wait_prompt()
    console.command("transfer")
    time.sleep(TRANSFER_PAUSE)
    report.ok(not console.command("track start transfer 4K"), f"{what}: track start")
    report.ok(any(not one_pass(console, "whole")["ranges"] for _ in range(PASSES_TO_NOTHING)),
              f"{what}: passes find nothing in the end")
    report.contains(console.command("domains"), r"(?m)^transfer .* tracked, pruned and audited$",
                    f"{what}: domains says that it prunes and audits")


def pruned_passes(report, stage):
    """A page that edu wrote is found without an audit; where nobody writes tables are left out, and 64 passes
    have looked at the only one once."""
    what = f"{stage}, a page"
    with boot(f"ssads-prune-{stage}", audited(stage)) as console:
        begin_tracking(report, console, what)
        console.command("transfer")
        newest = passes_until_reported(console, sys.maxsize, TRANSFER_SECONDS)[-1]
        report.ok(newest["ranges"] == PAGE and not newest["whole"] and not newest["audited"],
                  f"{what}: it is reported, and not by an audit", newest)
        one_pass(console)  # looks there once more: something may have been cached until the last one's end
        passes = [one_pass(console) for _ in range(SHARES)]
        report.ok(not any(each["ranges"] for each in passes), f"{what}: nothing else is", passes)
        report.ok(all(each["pruned"] and each["tables"] == each["audited"] and not each["whole"]
                      for each in passes), f"{what}: its table is left out, but for the audit", passes)
        report.ok(sum(each["audited"] for each in passes) == 1
                  and not any(each["audit_dirty"] for each in passes),
                  f"{what}: {SHARES} passes audit it once, and find nothing", passes)
        report.contains(console.command("domains"), r"(?m)^transfer .* tracked, pruned and audited$",
                        f"{what}: it is pruned still")
        report.ok(not console.command("track stop transfer"), f"{what}: track stop")
        power_off(report, console, what)


def audit_finds(report, stage):
    """A unit that sets dirty in a leaf, and accessed in no entry on its way there: the write is in no report
    until an audit comes there. Then that is said, and its domain prunes no more."""
    what = f"{stage}, no accessed bits in tables"
    with boot(f"ssads-audit-{stage}", audited(stage, UNMARKED)) as console:
        begin_tracking(report, console, what)
        console.command("transfer")
        time.sleep(TRANSFER_PAUSE)
        passes = passes_until_reported(console, 2 * SHARES, STRESS_SECONDS)
        report.ok(passes[-1]["ranges"] == PAGE and passes[-1]["audited"] == passes[-1]["audit_dirty"] == 1,
                  f"{what}: an audit finds the page, in pass {len(passes)} of {2 * SHARES}", passes[-1])
        report.contains(console.command("log"), r"error: iommu: domain transfer: 1 dirty leaves were found "
                        r"where accessed bits said that nothing was touched: its harvests prune no more",
                        f"{what}: the log says so")
        report.contains(console.command("domains"), r"(?m)^transfer .* tracked, not pruned: an audit found a "
                        r"dirty page in what was left out$", f"{what}: so does domains")
        report.ok(one_pass(console)["pruned"] == 0, f"{what}: nothing is left out any more")
        console.command("transfer")
        newest = passes_until_reported(console, sys.maxsize, TRANSFER_SECONDS)[-1]
        report.ok(newest["ranges"] == PAGE and not newest["audited"],
                  f"{what}: the next write is reported as it comes", newest)
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
        (is_found_out, "second", "no accessed bits in tables"),
        (gigabyte, "second"),
        (gigabyte, "first"),
        (pruned_suites, "second"),
        (pruned_suites, "first"),
        (pruned_passes, "second"),
        (pruned_passes, "first"),
        (audit_finds, "second"),
        (audit_finds, "first"),
        (switched_off,),
    )
