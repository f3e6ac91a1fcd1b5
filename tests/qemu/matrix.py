#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Boots each machine of tests/qemu/cases: Lull says what it has found, DMA lands where it is mapped and
nowhere else, faults are right, statistics add up. `matrix.py [--cases FILE] [NAME...]`."""

import argparse
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import cases, tap
from harness.boot import boot, power_off, run_cases
from harness.qemu import SSADS
from harness.statistics import check_faults, check_iommu

CASES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases")

# Eight CPUs of a machine share what this one has.
BOOT_SECONDS = 120
SUITE_SECONDS = 180
IDLE_SECONDS = 5

LARGE_MEMORY = 4 << 30
TOUCHED_SHARE = 8  # at most one part in so many of a large memory is touched by a boot

# Why a test may be skipped: a pattern, and the machines where it may.
SKIPS = (
    (r"this emulator lets the compatibility format through", lambda case: case.remapping != "none"),
    (r"edu's unit remaps no interrupts", lambda case: case.remapping == "none"),
    (r"the units keep no dirty bits", lambda case: not case.keeps_dirty()),
    (r"not pruned: .*", lambda case: not case.prunes()),
    (r"this unit overwrites entries that change while it walks",
     lambda case: case.properties[SSADS] == "off"),
    (r"no 1048576 KiB of memory in one piece", lambda case: case.memory_bytes() < LARGE_MEMORY),
    (r"the unit has no leaves of 1048576 KiB", lambda case: case.properties["fs1gp"] == "off"),
    (r"needs 3 CPUs", lambda case: case.cpus < 3),
    (r"needs \d CPUs|there is one CPU only|one CPU cannot .*|the only CPU's timer .*",
     lambda case: case.cpus == 1),
    (r"no UHCI controller", lambda case: True),
    (r"no virtio entropy device", lambda case: True),
    (r"\d+ faults in 2 s are no storm: .*", lambda case: True),
)

# Two that are among the newest faults after `test vtd*`: outside of what is mapped, and in what is only to be
# read; and their reasons, by translation (7.1.3; for second-stage tables QEMU always tells legacy mode's).
EDU = "0000:00:02.0"
EDU_IOVA = 64 << 20
OUTSIDE, READ_ONLY = EDU_IOVA + 4096, EDU_IOVA
REASONS = {"legacy": (0x05, 0x05), "second": (0x05, 0x05), "first": (0x71, 0x85)}


def says(report, case, console):
    """What `cpus` and `iommu` show is what the line of the case says."""
    cpus = console.command("cpus")
    report.ok(len(re.findall(r"(?m)^ *\d+ +\d+  ", cpus)) == case.cpus, f"{case}: {case.cpus} CPUs run", cpus)
    report.contains(cpus, rf"local APIC {case.apic};", f"{case}: with {case.apic}")
    iommu = console.command("iommu")
    report.contains(iommu, rf"  {case.mode} mode", f"{case}: {case.mode} mode")
    report.contains(iommu, rf"(?m)^domains: {case.stage} stage, {case.levels} levels, {case.bits} bits$",
                    f"{case}: {case.stage} stage, {case.levels} levels, {case.bits} bits")
    tested = "passed by " if case.keeps_dirty() else "not tested: keeps no dirty bits"
    report.contains(iommu, rf"accessed/dirty self-test {tested}",
                    f"{case}: accessed/dirty self-test {tested}")
    listed = re.search(r"ECAP [0-9a-f]+\n +(.*)\n", iommu)
    for name, there in case.capabilities():
        report.ok(listed and (name in listed.group(1).split()) == there,
                  f"{case}: the unit has {'' if there else 'no '}{name}", iommu)
    return iommu


def remaps(report, case, console, iommu):
    """What `iommu` shows of interrupt remapping."""
    if case.remapping == "none":
        report.contains(iommu, r"interrupt remapping off: the unit has none",
                        f"{case}: the unit says why it remaps nothing")
    else:
        mode = rf"interrupt remapping on, {case.remapping} mode; 0 of 4096 entries in use, 0 lost"
        report.contains(iommu, mode, f"{case}: it remaps in {case.remapping} mode")
        report.contains(console.command("iommu"), mode, f"{case}: and all entries are free")


def suite(report, case, console, glob):
    """Passes on what a suite reports; what it skips cannot be had on this machine."""
    output = console.command(f"test {glob}", SUITE_SECONDS)
    report.pass_on(output, str(case))
    skipped = {result.skip for result in tap.parse(output)[0] if result.skip}
    unexpected = [why for why in skipped
                  if not any(re.fullmatch(pattern, why) and may(case) for pattern, may in SKIPS)]
    report.ok(not unexpected, f"{case}: {glob}: nothing is skipped that this machine has", *unexpected)
    return output


def interrupts(report, case, console, output):
    """What `test intremap*` says about how interrupts arrive; who forges one is among the faults."""
    how = "not remapped" if case.remapping == "none" else "remapped"
    report.contains(output, rf"edu's MSI is 0xfee[0-9a-f]{{5}}, data 0?x?[0-9a-f]*: {how}",
                    f"{case}: MSIs are {how}")
    report.contains(output, rf"I/O APIC's interrupt is {how}", f"{case}: the I/O APIC's are {how}")
    if case.remapping != "none":
        report.contains(output, r"may not raise interrupt \d+: .*the requester may not use this entry",
                        f"{case}: the log tells of the forger")


def statistics(report, case, console):
    """Sums of counters, which are those of a machine at rest."""
    end = time.monotonic() + IDLE_SECONDS
    stats, result = console.objects("iommu stats --json")
    while stats[-1]["tables_waiting"] and time.monotonic() < end:
        stats, result = console.objects("iommu stats --json")
    report.ok(result["result"] == "ok", f"{case}: iommu stats --json ends well", result)
    count = check_iommu(report, stats, str(case))
    faults, result = console.objects("faults --json")
    report.ok(result["result"] == "ok", f"{case}: faults --json ends well", result)
    check_faults(report, faults, count, str(case))
    report.contains(console.command("mem"), r"\b0 MiB for DMA$", f"{case}: no memory is left to devices")
    return [entry["fault"] for entry in faults if "fault" in entry]


def told(report, case, newest, iova, reason, what):
    """A write of edu's that was refused is told with its device, address, reason and domain."""
    report.ok(any(fault["device"] == EDU and fault.get("domain") == "test" and fault["request"] == "write"
                  and fault["iova"] == iova and fault["reason"] == reason and fault["text"]
                  for fault in newest),
              f"{case}: the fault of a write {what} names edu, {iova:#x} and reason {reason:#04x}", *newest)


def far_memory(report, case, touched, output):
    """What there is beyond 4 GiB: Lull does not touch it all, and devices reach it. Firmware has a part of
    each gigabyte below, so that the whole one which a test takes is above."""
    report.ok(touched < case.memory_bytes() // TOUCHED_SHARE,
              f"{case}: the boot touched {touched >> 20} MiB of {case.memory}")
    report.contains(output, r"vtd_leaf_1g: map 1048576 KiB of memory at 0x[1-9a-f][0-9a-f]{8,}: ok",
                    f"{case}: a gigabyte above 4 GiB is mapped, at an IOVA above 4 GiB")
    report.contains(output, r"(?m)^ok .* vtd_leaf_1g: the data is at offset 0x3ffff064 of the leaf",
                    f"{case}: and a device writes there")


def machine(report, case):
    """Boots the machine of a case, and tests it."""
    with boot(f"matrix-{case}", case.machine()) as console:
        console.wait_prompt(BOOT_SECONDS)
        touched = console.target.peak_memory()
        iommu = says(report, case, console)
        output = "\n".join(suite(report, case, console, glob) for glob in case.tests)
        if case.memory_bytes() >= LARGE_MEMORY:
            far_memory(report, case, touched, output)
        remaps(report, case, console, iommu)
        if case.runs("intremap"):
            interrupts(report, case, console, output)
        newest = statistics(report, case, console)
        if case.runs("vtd"):
            outside, read_only = REASONS[case.translation()]
            told(report, case, newest, OUTSIDE, outside, "where nothing is mapped")
            told(report, case, newest, READ_ONLY, read_only, "where only reading is allowed")
        power_off(report, console, str(case))


def whole(report, all_cases):
    """The cases together have all that they should."""
    report.ok(not cases.missing(all_cases), "each value occurs, and each pair that matters",
              *cases.missing(all_cases))


def main():
    """Reads the cases and runs those that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", default=CASES, help="a file like tests/qemu/cases, its default")
    parser.add_argument("names", nargs="*", help="parts of names of cases; all if there is none")
    arguments = parser.parse_args()
    try:
        with open(arguments.cases, encoding="ascii") as file:
            all_cases = cases.parse(file.read(), arguments.cases)
    except (OSError, UnicodeDecodeError, cases.BadCase) as error:
        sys.exit(f"matrix.py: {error}")
    chosen = [case for case in all_cases
              if not arguments.names or any(name in str(case) for name in arguments.names)]
    if not chosen:
        sys.exit(f"matrix.py: no case is called {' or '.join(arguments.names)}")
    checks = [] if arguments.names or arguments.cases != CASES else [(whole, all_cases)]
    run_cases(*checks, *[(machine, case) for case in chosen], chosen=[])


if __name__ == "__main__":
    main()
