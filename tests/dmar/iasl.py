#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""DMAR tables of real machines: lull-dmar shows the same structures, field for field, as `iasl -d`. The
tables are *.dmar in the folder that DMAR_TABLES names, or in ../shared/dmar."""

import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import table as dmar
from harness.tap import Report

FOLDER = os.environ.get("DMAR_TABLES", os.path.join(dmar.TOP, "..", "shared", "dmar"))
SECONDS = 20
DRHD, RMRR, ATSR, RHSA, ANDD, SATC, SIDP = range(7)
# Types that iasl knows of since 2021 and 2022; before that it shows nothing from there to the table's end.
LATE = {SATC: "SATC", SIDP: "SIDP"}
NOTE = "Lull refuses this machine"

# [02Ch 0044   2]   PCI Path : 02,00
FIELD = re.compile(r"^\[[0-9A-F]+h (\d+)\s+[0-9A-F]+h?\]\s+(.+?) : (.*)$")
# What iasl calls the fields, and what lull-dmar does.
NAMES = {"PCI Segment Number": "segment", "Register Base Address": "base", "Base Address": "base",
         "End Address (limit)": "end", "Flags": "flags", "Proximity Domain": "proximity_domain",
         "Device Number": "device_number"}
SCOPE_NAMES = {"Enumeration ID": "id", "PCI Bus Number": "bus"}
# Which of them, and of what is made of several lines, a structure has.
MEMBERS = {DRHD: {"segment", "base", "end", "size", "flags", "scopes"},
           RMRR: {"segment", "base", "end", "scopes"}, ATSR: {"segment", "flags", "scopes"},
           RHSA: {"base", "proximity_domain"}, ANDD: {"device_number", "object_name"},
           SATC: {"segment", "flags", "scopes"}, SIDP: {"segment", "scopes"}}


def number(text):
    """A value of iasl's: hexadecimal, with words behind it."""
    return int(text.split()[0], 16)


def read_scope_field(scopes, offset, name, text):
    """One line of a device scope, of which the last is in the making."""
    if name == "PCI Path":
        scopes[-1]["path"].append([int(part, 16) for part in text.split(",")])
    elif name in SCOPE_NAMES:
        scopes[-1][SCOPE_NAMES[name]] = number(text)
    elif name in ("Flags", "Reserved") and offset == scopes[-1]["at"] + 2:
        scopes[-1]["flags"] = number(text) & 0xff  # two reserved bytes to an old iasl


def read_field(structure, offset, name, text):
    """One line of a structure."""
    if name == "Length":
        structure["length"] = number(text)
    elif name == "Device Scope Type":
        structure["scopes"].append({"at": offset, "type": number(text), "path": []})
    elif structure["scopes"]:
        read_scope_field(structure["scopes"], offset, name, text)
    elif name == "Device Name":
        structure["object_name"] = text[1:-1]
    elif structure["type"] == DRHD and offset == structure["offset"] + 5:
        structure["size"] = number(text) & 0xf  # "Reserved" to an old iasl, "Size (...)" to a new one
    elif name in NAMES:
        structure[NAMES[name]] = number(text)


def complete(structure):
    """A structure as lull-dmar shows it, from what iasl says."""
    kind = structure["type"]
    if kind == DRHD:
        structure["end"] = structure["base"] + (0x1000 << structure["size"]) - 1
    for scope in structure["scopes"]:
        del scope["at"]
        if kind != SIDP:
            del scope["flags"]
    shown = {name: structure[name] for name in MEMBERS[kind] | {"offset", "length"}}
    return {"type": dmar.TYPES[kind], **shown}


def read_listing(text):
    """The header's fields and the structures in a listing of iasl's, and where it gave up (None: nowhere)."""
    header, structures = {}, []
    for line in text.splitlines():
        match = FIELD.match(line)
        if not match:
            continue
        offset, name, value = int(match.group(1)), match.group(2), match.group(3)
        if name == "Subtable Type":
            structures.append({"type": number(value), "offset": offset, "scopes": []})
        elif structures:
            read_field(structures[-1], offset, name, value)
        else:
            header[name] = value
    gave_up = structures.pop()["offset"] if "Unknown DMAR subtable" in text else None
    return header, [complete(structure) for structure in structures], gave_up


def listing(iasl, path):
    """What iasl shows of a table."""
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copy(path, os.path.join(folder, "table.dat"))
        done = subprocess.run([iasl, "-d", copy], cwd=folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS, check=False)
        name = os.path.join(folder, "table.dsl")
        if not os.path.exists(name):
            return done.stdout.decode(errors="replace")
        with open(name, encoding="latin-1") as file:
            return file.read()


def same_header(shown, header):
    """True if the table's header is as iasl shows it: of the width it shows the field, which is one less."""
    quoted = {name: header[name].split('"')[1] for name in ("Oem ID", "Oem Table ID")}
    return (shown["oem_id"] == quoted["Oem ID"] and shown["oem_table_id"] == quoted["Oem Table ID"]
            and shown["revision"] == number(header["Revision"]) and shown["flags"] == number(header["Flags"])
            and shown["host_address_width"] == number(header["Host Address Width"]) + 1)


def difference(shown, expected):
    """The first structure that is not as expected, as text; None if none is."""
    for one, other in zip(shown, expected):
        if one != other:
            return f"shown:    {one}\nexpected: {other}"
    return None if len(shown) == len(expected) else f"{len(shown)} structures, {len(expected)} are expected"


class Count:
    """What was compared, for the last line."""

    def __init__(self):
        self.iasl = self.scopes = self.late = 0
        self.noted = []

    def add(self, structures, late):
        """The structures of one table, of which so many are later than iasl."""
        self.iasl += len(structures) - late
        self.late += late
        self.scopes += sum(len(structure.get("scopes", ())) for structure in structures)


def compare(report, iasl, path, count):
    """One table."""
    name = os.path.basename(path)
    done = dmar.run("--json", path)
    if not report.ok(done.returncode == 0, f"{name} is decoded", done.stderr):
        return
    shown = json.loads(done.stdout)
    header, expected, gave_up = read_listing(listing(iasl, path))
    report.ok(header and same_header(shown, header), f"{name}: the header is as iasl shows it", header, shown)
    late = 0
    if gave_up is not None:
        with open(path, "rb") as file:
            rest = file.read()
        while gave_up < len(rest) and rest[gave_up] in LATE:
            expected.append(dmar.decode_integrated(rest, gave_up))
            gave_up += expected[-1]["length"]
            late += 1
    wrong = difference(shown["structures"], expected)
    report.ok(not wrong, f"{name}: the structures are as iasl shows them"
              + (f", but for {late} later than iasl" if late else ""), wrong)
    count.add(shown["structures"], late)
    if NOTE in done.stderr:
        count.noted.append(done.stderr.strip())


def main():
    """Compares all tables that are there."""
    tables, iasl, count = sorted(glob.glob(os.path.join(FOLDER, "*.dmar"))), shutil.which("iasl"), Count()
    with Report() as report:
        if not tables:
            report.skip("tables of real machines", "there are none here; DMAR_TABLES may name a folder")
        for path in tables:
            if iasl:
                compare(report, iasl, path, count)
            else:
                report.skip(os.path.basename(path), "iasl is not installed (acpica-tools)")
        report.note(f"{len(tables)} tables: {count.iasl} structures as iasl shows them, {count.late} (SATC, "
                    f"SIDP) later than iasl as this test decodes them, {count.scopes} scopes")
        for line in count.noted:
            report.note(line)
    return 1 if report.failed else 0


sys.exit(main())
