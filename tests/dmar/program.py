#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""lull-dmar as a program: what it shows of a table with all types, and how it ends on what it cannot read."""

import json
import os
import re
import struct
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import table as dmar
from harness.tap import Report

OK, REFUSED, USAGE = range(3)

UNIT = dmar.structure(0, struct.pack("<BBHQ", 0, 1, 1, 0xfed90000),
                      (dmar.scope(1, (2, 0)), dmar.scope(2, (28, 0), (4, 1), bus=3)))
REST = dmar.structure(0, struct.pack("<BBHQ", 1, 0, 1, 0xfed92000),
                      (dmar.scope(3, (31, 7), number=8, bus=0xf0), dmar.scope(4, (15, 0), number=1),
                       dmar.scope(5, (21, 0), number=9), dmar.scope(6, (1, 1))))
RMRR = dmar.structure(1, struct.pack("<HHQQ", 0, 1, 0x7c800000, 0x7cffffff), (dmar.scope(1, (20, 0)),))
ATSR = dmar.structure(2, struct.pack("<BBH", 1, 0, 1))
RHSA = dmar.structure(3, struct.pack("<IQI", 0, 0xfed90000, 0x107))
ANDD = dmar.structure(4, b"\0\0\0\x09\\_SB.\"\x1b[\0\0")
SATC = dmar.structure(5, struct.pack("<BBH", 1, 0, 2), (dmar.scope(1, (2, 0)),))
SIDP = dmar.structure(6, struct.pack("<HH", 0, 2), (dmar.scope(1, (2, 0), flags=0x1f),))
LATER = dmar.structure(7, b"abcdef")
ALL = (UNIT, REST, RMRR, ATSR, RHSA, ANDD, SATC, SIDP, LATER)

SHOWN = [
    {"type": "DRHD", "segment": 1, "base": 0xfed90000, "end": 0xfed91fff, "size": 1, "flags": 0,
     "scopes": [{"type": 1, "id": 0, "bus": 0, "path": [[2, 0]]},
                {"type": 2, "id": 0, "bus": 3, "path": [[28, 0], [4, 1]]}]},
    {"type": "DRHD", "segment": 1, "base": 0xfed92000, "end": 0xfed92fff, "size": 0, "flags": 1,
     "scopes": [{"type": 3, "id": 8, "bus": 0xf0, "path": [[31, 7]]},
                {"type": 4, "id": 1, "bus": 0, "path": [[15, 0]]},
                {"type": 5, "id": 9, "bus": 0, "path": [[21, 0]]},
                {"type": 6, "id": 0, "bus": 0, "path": [[1, 1]]}]},
    {"type": "RMRR", "segment": 1, "base": 0x7c800000, "end": 0x7cffffff,
     "scopes": [{"type": 1, "id": 0, "bus": 0, "path": [[20, 0]]}]},
    {"type": "ATSR", "segment": 1, "flags": 1, "scopes": []},
    {"type": "RHSA", "base": 0xfed90000, "proximity_domain": 0x107},
    {"type": "ANDD", "device_number": 9, "object_name": "\\_SB.\"\x1b["},
    {"type": "SATC", "segment": 2, "flags": 1,
     "scopes": [{"type": 1, "id": 0, "bus": 0, "path": [[2, 0]]}]},
    {"type": "SIDP", "segment": 2,
     "scopes": [{"type": 1, "flags": 0x1f, "id": 0, "bus": 0, "path": [[2, 0]]}]},
    {"type": 7},
]

TEXT = r"""DMAR revision 1 of "LULL  " "SAMPLE  ", \d+ bytes, DMA to 39 bits, INTR_REMAP, X2APIC_OPT_OUT
0x0030  DRHD segment 1, registers 0xfed90000-0xfed91fff
         endpoint 00:02\.0
         sub-hierarchy 03:1c\.0/04\.1
0x\w+  DRHD segment 1, registers 0xfed92000-0xfed92fff, INCLUDE_PCI_ALL
         IOAPIC 8 f0:1f\.7
         HPET 1 00:0f\.0
         ANDD 9 00:15\.0
         scope of type 6, id 0 00:01\.1
0x\w+  RMRR segment 1, memory 0x7c800000-0x7cffffff
         endpoint 00:14\.0
0x\w+  ATSR segment 1, ALL_PORTS
0x\w+  RHSA registers 0xfed90000, proximity domain 263
0x\w+  ANDD device 9, \\_SB\."\.\[
0x\w+  SATC segment 2, ATC_REQUIRED
         endpoint 00:02\.0
0x\w+  SIDP segment 2
         endpoint 00:02\.0( \w+_NOTALLOWED){3} ATC_HARDENED ATC_REQUIRED
0x\w+  type 7, for the future \(8\.2\), 10 bytes
"""


def patched(table, offset, *values):
    """The table with other bytes at an offset, and the checksum for it."""
    return dmar.seal(table[:offset] + bytes(values) + table[offset + len(values):])


def refusals():
    """Pairs of a bad table and what is said of it."""
    good = dmar.make(*ALL)
    rmrr = dmar.HEADER_BYTES + len(UNIT) + len(REST)
    andd = rmrr + len(RMRR) + len(ATSR) + len(RHSA)
    return (
        (b"", r"offset 0: .*shorter than its header \(8\.1\)"),
        (good[:47], r"offset 0: .*shorter than its header \(8\.1\)"),
        (good[:-1], r"offset 0x4: .*length .*\(8\.1\)"),
        (b"XSDT" + good[4:], r"offset 0: .*signature .*\(8\.1\)"),
        (good[:36] + b"\x2f" + good[37:], r"offset 0: the checksum .*\(8\.1\)"),
        (patched(good, 36, 0xff), r"offset 0x24: .*width .*\(8\.1\)"),
        (dmar.make(), r"offset 0x30: no DRHD, .*\(8\.1\)"),
        (dmar.make(RMRR), r"offset 0x30: no DRHD, .*\(8\.1\)"),
        (patched(good, 50, 0), r"offset 0x30: a structure shorter .*\(8\.2\)"),
        (patched(good, 50, 0xff, 0xff), r"offset 0x30: .*beyond the table \(8\.2\)"),
        (dmar.make(UNIT, dmar.structure(0, bytes(11))), r"offset 0x52: DRHD: too short, .*\(8\.3\)"),
        (patched(good, 56, 0, 0x10), r"offset 0x30: DRHD: .*aligned to their size \(8\.3\)"),
        (dmar.make(UNIT, UNIT), r"offset 0x52: DRHD: two units with the same registers \(8\.3\)"),
        (patched(good, 65, 7), r"offset 0x40: DRHD: .*whole path \(8\.3\.1\)"),
        (patched(good, 70, 32), r"offset 0x40: DRHD: a path with .*\(8\.3\.1\)"),
        (patched(good, rmrr + 8, 1), rf"offset {rmrr:#x}: RMRR: not whole pages \(8\.4\)"),
        (patched(good, rmrr + 19, 0), rf"offset {rmrr:#x}: RMRR: a limit .*\(8\.4\)"),
        (patched(good, andd + 8, *b"XXXXXXXXXX"), rf"offset {andd:#x}: ANDD: a name .*\(8\.7\)"),
    )


def write(folder, table):
    """A file with these bytes."""
    path = os.path.join(folder, "table")
    with open(path, "wb") as file:
        file.write(table)
    return path


def check_shown(report, folder):
    """A table with a structure of each type, and of one to come."""
    path = write(folder, dmar.make(*ALL, flags=3))
    offset, expected = dmar.HEADER_BYTES, []
    for members, structure in zip(SHOWN, ALL):
        expected.append({**members, "offset": offset, "length": len(structure)})
        offset += len(structure)
    done = dmar.run("--json", path)
    report.ok(done.returncode == OK and not done.stderr, "--json: all types are decoded", done)
    shown = json.loads(done.stdout)
    report.ok(shown["structures"] == expected, "--json: all fields of all types", shown["structures"])
    report.ok((shown["host_address_width"], shown["flags"], shown["revision"], shown["oem_id"])
              == (39, 3, 1, "LULL  "), "--json: the header", shown)
    done = dmar.run(path)
    report.ok(done.returncode == OK and re.fullmatch(TEXT, done.stdout), "for people: all types", done.stdout,
              done.stderr)


def check_long(report, folder):
    """Names and lists as long as a structure can be."""
    name = "\x1b\"" * 30000
    scopes = [dmar.scope(1, *[(31, 7)] * 124)] * 250
    table = dmar.make(dmar.structure(0, struct.pack("<BBHQ", 0, 0, 0, 0xfed90000), scopes),
                      dmar.structure(4, b"\0\0\0\x01" + name.encode() + b"\0"))
    done = dmar.run("--json", write(folder, table))
    shown = json.loads(done.stdout)["structures"]
    report.ok([len(one["path"]) for one in shown[0]["scopes"]] == [124] * 250, "a list of 64 KB is whole")
    report.ok(shown[1]["object_name"] == name, "a name of 60000 bytes is whole")


def check_refused(report, folder):
    """Bad tables: one line that names offset and rule, and nothing on standard output."""
    for table, expected in refusals():
        path = write(folder, table)
        for arguments in ((path,), ("--json", path)):
            done = dmar.run(*arguments)
            line = rf"lull-dmar: {re.escape(path)}: {expected}\n"
            report.ok(done.returncode == REFUSED and not done.stdout and re.fullmatch(line, done.stderr),
                      f"{len(arguments)}: refused: {expected}", done)
    done = dmar.run("--json", write(folder, patched(dmar.make(*ALL), 56, 0, 0, 0, 0)))
    report.ok(done.returncode == OK and "note: offset 0x30: DRHD: registers where none can be" in done.stderr
              and json.loads(done.stdout), "a unit at 0 is shown, and that it is not driven is said", done)


def check_ends(report, folder):
    """Files that cannot be read, arguments that are none, output that cannot be written."""
    for path in (os.path.join(folder, "absent"), folder):
        done = dmar.run("--json", path)
        report.ok(done.returncode == REFUSED and not done.stdout and done.stderr.count("\n") == 1
                  and path in done.stderr, f"refused: {os.path.basename(path)}", done)
    huge = write(folder, dmar.make(*ALL) + bytes(1 << 20))
    done = dmar.run(huge)
    report.ok(done.returncode == REFUSED and "File too large" in done.stderr, "refused: a huge file", done)
    for arguments in ((), ("--json",), ("-h",), ("--yaml", folder), (folder, folder),
                      ("--json", folder, folder)):
        done = dmar.run(*arguments)
        report.ok(done.returncode == USAGE and not done.stdout and done.stderr.startswith("usage: "),
                  f"usage: {len(arguments)} arguments", done)
    with open("/dev/full", "w", encoding="ascii") as full:
        done = dmar.run(write(folder, dmar.make(*ALL)), stdout=full)
    report.ok(done.returncode == REFUSED and "standard output" in done.stderr, "a full disk is said", done)


def main():
    """Runs all checks."""
    with tempfile.TemporaryDirectory() as folder, Report() as report:
        for check in (check_shown, check_long, check_refused, check_ends):
            check(report, folder)
    return 1 if report.failed else 0


sys.exit(main())
