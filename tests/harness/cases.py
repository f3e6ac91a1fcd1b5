# SPDX-License-Identifier: BSD-2-Clause
"""Reads a file of cases (tests/qemu/cases says what its columns are): machines to boot, and what Lull has to
say about each."""

import dataclasses
import itertools
import re

from .qemu import SSADS, Machine

COLUMNS = ("name", "cpus", "memory", "cpu", "intel-iommu", "lull.cfg", "tests",
           "APIC", "mode", "stage", "levels", "bits", "remapping")
CPUS_MAX = 8
SWITCH = ("off", "on")

# What each property of intel-iommu may be, what it is unless a line says so, and what `iommu` lists when it
# is on.
PROPERTIES = {
    "x-scalable-mode": (SWITCH, "off", "SMTS"),
    "x-flts": (SWITCH, "off", "FSTS"),
    "aw-bits": (("39", "48"), "48", None),
    "caching-mode": (SWITCH, "off", "CM"),
    "intremap": (SWITCH, "on", "IR"),
    "eim": (SWITCH, "off", "EIM"),
    "snoop-control": (SWITCH, "off", "SC"),
    "dma-drain": (SWITCH, "on", "DWD"),
    "fs1gp": (SWITCH, "on", "FS1GP"),
    "pt": (SWITCH, "on", "PT"),
    SSADS: (SWITCH, "off", "SMPWC"),
}

# What a column may be.
SHAPES = {
    "name": r"[a-z0-9-]+",
    "cpus": rf"[1-{CPUS_MAX}]",
    "memory": r"[1-9]\d*[MG]",
    "cpu": r"\S+",
    "intel-iommu": r"-|[^,=]+=[^,=]+(,[^,=]+=[^,=]+)*",
    "lull.cfg": r"-|[^;=]+=[^;=]+(;[^;=]+=[^;=]+)*",
    "tests": r"[a-z0-9_*?]+(,[a-z0-9_*?]+)*",
    "APIC": r"xAPIC|x2APIC",
    "mode": r"legacy|scalable",
    "stage": r"first|second",
    "levels": r"[345]",
    "bits": r"\d\d",
    "remapping": r"xAPIC|x2APIC|none",
}


class BadCase(Exception):
    """A file of cases has a wrong line; the text says which, and what about it."""


@dataclasses.dataclass
class Case:
    """A line: what to boot, the globs of the tests to run there, and what the console must say."""

    name: str
    cpus: int
    memory: str
    cpu: str
    properties: dict
    config: str
    tests: list
    apic: str
    mode: str
    stage: str
    levels: str
    bits: str
    remapping: str

    def __str__(self):
        return self.name

    def machine(self):
        """What QEMU is to be."""
        iommu = {key: value for key, value in self.properties.items() if key != SSADS or value == "on"}
        return Machine(cpus=self.cpus, memory=self.memory, cpu=self.cpu, iommu=iommu, config=self.config)

    def keeps_dirty(self):
        """Whether its unit has dirty bits."""
        return self.stage == "first" or self.properties[SSADS] == "on"

    def prunes(self):
        """Whether its passes leave out what was not touched: by default, or since its lull.cfg says so."""
        caches = self.properties["caching-mode"] == "on"
        return self.properties[SSADS] == "on" and (
            "prune = on" in self.config or (self.stage == "first" and not caches))

    def memory_bytes(self):
        """The size of its memory."""
        return int(self.memory[:-1]) << {"M": 20, "G": 30}[self.memory[-1]]

    def translation(self):
        """One word for table mode and stage."""
        return "legacy" if self.mode == "legacy" else self.stage

    def capabilities(self):
        """What `iommu` has to list of the unit, and what not: (name, bool) pairs."""
        names = [(name, self.properties[key] == "on") for key, (_, _, name) in PROPERTIES.items() if name]
        # QEMU has one stage or the other, and 1 GiB leaves of the first only beside it.
        if self.properties["x-flts"] == "off":
            names = [(name, on) for name, on in names if name != "FS1GP"]
        second_stage_dirty = self.properties[SSADS] == "on" and self.properties["x-flts"] == "off"
        return names + [("SSADS", second_stage_dirty)]

    def runs(self, test):
        """Whether its globs match all tests of this family."""
        return any(glob in ("*", f"{test}*") for glob in self.tests)


def parse_properties(text):
    """All properties, those that text leaves out included."""
    properties = {key: default for key, (_, default, _) in PROPERTIES.items()}
    named = set()
    for key, value in (pair.split("=") for pair in text.split(",") if text != "-"):
        if key not in PROPERTIES:
            raise BadCase(f"intel-iommu: no property is called {key} here: {', '.join(PROPERTIES)}")
        if key in named:
            raise BadCase(f"intel-iommu: {key} stands there twice")
        if value not in PROPERTIES[key][0]:
            raise BadCase(f"intel-iommu: {key} is {' or '.join(PROPERTIES[key][0])}, not {value}")
        named.add(key)
        properties[key] = value
    return properties


def parse_line(line):
    """The case of a line."""
    fields = line.split()
    if len(fields) != len(COLUMNS):
        raise BadCase(f"{len(fields)} columns, not {len(COLUMNS)}: {', '.join(COLUMNS)}")
    for column, field in zip(COLUMNS, fields):
        if not re.fullmatch(SHAPES[column], field):
            raise BadCase(f"{column}: {field} is not of the form {SHAPES[column]}")
    name, cpus, memory, cpu, properties, config, tests, *says = fields
    lines = "" if config == "-" else config.replace("=", " = ").replace(";", "\n")
    return Case(name, int(cpus), memory, cpu, parse_properties(properties), lines, tests.split(","), *says)


def parse(text, path):
    """The cases in text. BadCase: the first wrong line."""
    cases = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            case = parse_line(line)
            if case.name in map(str, cases):
                raise BadCase(f"name: there is a {case.name} before")
        except BadCase as error:
            raise BadCase(f"{path}, line {number}: {error}") from None
        cases.append(case)
    if not cases:
        raise BadCase(f"{path}: there is no case in it")
    return cases


# What has to occur in the file as a whole: each value, and these pairs of values.
DIMENSIONS = {
    "translation": (("legacy", "second", "first"), Case.translation),
    "caching-mode": (SWITCH, lambda case: case.properties["caching-mode"]),
    "eim": (SWITCH, lambda case: case.properties["eim"]),
    "intremap": (SWITCH, lambda case: case.properties["intremap"]),
    "aw-bits": (("39", "48"), lambda case: case.properties["aw-bits"]),
    "snoop-control": (SWITCH, lambda case: case.properties["snoop-control"]),
    "dma-drain": (SWITCH, lambda case: case.properties["dma-drain"]),
    "fs1gp": (SWITCH, lambda case: case.properties["fs1gp"]),
    SSADS: (SWITCH, lambda case: case.properties[SSADS]),
    "cpus": ((1, 2, 3, 4, 8), lambda case: case.cpus),
    "four CPUs": ((False, True), lambda case: case.cpus >= 4),
    "memory": (("1G", "8G"), lambda case: case.memory),
    "APIC": (("xAPIC", "x2APIC"), lambda case: case.apic),
}
PAIRED_WITH_TRANSLATION = ("caching-mode", "four CPUs", "eim")


def missing(cases):
    """Values and pairs of values that no case has, as texts."""
    texts = []
    for name, (values, of) in DIMENSIONS.items():
        there = set(map(of, cases))
        texts += [f"{name} {value}" for value in values if value not in there]
    translations, translation_of = DIMENSIONS["translation"]
    for name in PAIRED_WITH_TRANSLATION:
        values, of = DIMENSIONS[name]
        there = {(translation_of(case), of(case)) for case in cases}
        texts += [f"{pair[0]} with {name} {pair[1]}" for pair in itertools.product(translations, values)
                  if pair not in there]
    return texts
