# SPDX-License-Identifier: BSD-2-Clause
"""What the demo prints, read and checked again from outside: its verdict must follow from its figures."""

import re

COLUMNS = ("pass", "told", "reported", "missed", "extra", "us", "freed", "waiting")
ROW = re.compile(r"(?m)^\s*" + r"\s+".join([r"(\d+)"] * len(COLUMNS)) + r"\s*$")
VERDICT = re.compile(r"(?m)^verdict: (PASS|FAIL) \((.*)\)$")
PASS_WORDS = re.compile(r"(\d+) passes, (\d+) page writes, missed 0, extra 0, "
                        r"(\d+) table pages freed, none waiting, no fault")
SUMMARY = re.compile(r"(?m)^demo: \d+ commands, \d+ of them edu's, told devices to write (\d+) pages; "
                     r"(\d+) judged, (\d+) reported in (\d+) passes$")


def rows(text):
    """The passes, each a dictionary by COLUMNS."""
    return [dict(zip(COLUMNS, map(int, match))) for match in ROW.findall(text)]


def check_pass(report, text, what):
    """Checks that the demo whose output text is passed, and that its figures say so too."""
    verdict, passes = VERDICT.search(text), rows(text)
    words = PASS_WORDS.search(verdict.group(2)) if verdict and verdict.group(1) == "PASS" else None
    if not report.ok(words, f"{what}: the verdict is PASS", *text.splitlines()[-25:]):
        return
    count, writes, freed = map(int, words.groups())
    numbers = [row["pass"] for row in passes]
    report.ok(numbers == list(range(1, count + 1)), f"{what}: each of the verdict's passes is shown", numbers)
    for column in ("missed", "extra"):
        total = sum(row[column] for row in passes)
        report.ok(total == 0, f"{what}: {column} adds up to 0", total)
    told, reported = (sum(row[column] for row in passes) for column in ("told", "reported"))
    report.ok(0 < told <= writes, f"{what}: the pages told are no more than the page writes",
              f"{told} told, {writes} writes")
    summary = SUMMARY.search(text)
    sums = tuple(map(int, summary.groups())) if summary else None
    report.ok(sums == (writes, writes, reported, count),
              f"{what}: the summary's sums are those of the passes",
              f"{sums}, not {(writes, writes, reported, count)}")
    report.ok(reported >= max(row["told"] for row in passes),
              f"{what}: as many pages are reported as were told at once", reported)
    last = passes[-1]
    report.ok(last["told"] == 0 and last["reported"] == 0, f"{what}: the last pass finds nothing", last)
    freed_by_pass = [row["freed"] for row in passes]
    report.ok(freed_by_pass == sorted(freed_by_pass) and 0 < freed_by_pass[-1] <= freed,
              f"{what}: table pages are freed meanwhile", f"{freed_by_pass}, in the end {freed}")
