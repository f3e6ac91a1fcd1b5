# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of lull-dmar share: the program, DMAR tables made by hand, and a decoder of them."""

import os
import struct
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(TOP, os.environ.get("BUILD", "build"), "host", "lull-dmar")
SECONDS = 20

HEADER_BYTES = 48
CHECKSUM = 9
TYPES = ("DRHD", "RMRR", "ATSR", "RHSA", "ANDD", "SATC", "SIDP")


def run(*arguments, **others):
    """The program's end: status, output and errors."""
    return subprocess.run([PROGRAM, *arguments], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          timeout=SECONDS, check=False, **{"stdout": subprocess.PIPE, **others})


def seal(table):
    """The table with the length and the checksum of a good one."""
    table = bytearray(table)
    struct.pack_into("<I", table, 4, len(table))
    table[CHECKSUM] = 0
    table[CHECKSUM] = -sum(table) & 0xff
    return bytes(table)


def make(*structures, width=39, flags=1):
    """A table of these structures."""
    header = b"DMAR" + bytes(4) + b"\x01\0" + b"LULL  " + b"SAMPLE  " + bytes(12) + bytes([width - 1, flags])
    return seal(header.ljust(HEADER_BYTES, b"\0") + b"".join(structures))


def structure(number, body, scopes=()):
    """A structure of a type, around what comes after its length."""
    body += b"".join(scopes)
    return struct.pack("<HH", number, 4 + len(body)) + body


def scope(kind, *path, flags=0, number=0, bus=0):
    """A device scope whose path are (device, function) pairs."""
    pairs = bytes(value for pair in path for value in pair)
    return bytes([kind, 6 + len(pairs), flags, 0, number, bus]) + pairs


def decode_scopes(table, at, end, has_flags):
    """The device scopes of a good table between two offsets, as the program shows them."""
    scopes = []
    while at < end:
        kind, length, flags, _, number, bus = table[at:at + 6]
        one = {"type": kind, "id": number, "bus": bus,
               "path": [list(table[pair:pair + 2]) for pair in range(at + 6, at + length, 2)]}
        scopes.append({**one, "flags": flags} if has_flags else one)
        at += length
    return scopes


def decode_integrated(table, at):
    """A SATC or SIDP of a good table (8.8, 8.9), as the program shows it."""
    number, length = struct.unpack_from("<HH", table, at)
    shown = {"type": TYPES[number], "offset": at, "length": length,
             "segment": struct.unpack_from("<H", table, at + 6)[0],
             "scopes": decode_scopes(table, at + 8, at + length, TYPES[number] == "SIDP")}
    if TYPES[number] == "SATC":
        shown["flags"] = table[at + 4]
    return shown
