# SPDX-License-Identifier: BSD-2-Clause
"""TAP, both ways: what Lull's `test` prints is read, what a test script has to say is written."""

import dataclasses
import re
import sys
import traceback

from .console import ConsoleError
from .target import NotThere

LINE = re.compile(r"^(not )?ok\b(?: (\d+))?(?: -)? ?(.*)$")
PLAN = re.compile(r"^1\.\.(\d+)")
SKIP = re.compile(r"(?i)\s*# skip\b\s*(.*)$")
DIAGNOSTIC_LINES = 30


@dataclasses.dataclass
class Result:
    """One check. skip is the reason why it was not made, else None."""

    passed: bool
    name: str
    skip: str = None
    notes: list = dataclasses.field(default_factory=list)


def parse(text):
    """The results in text, and what is wrong with it as TAP (None: nothing). Lines of other kinds, as the
    log's, are passed over."""
    results, plan, numbers = [], None, set()
    for line in text.splitlines():
        planned, check = PLAN.match(line), LINE.match(line)
        if planned:
            if plan is not None:
                return results, "two plans"
            plan = int(planned.group(1))
        elif check:
            numbers.add(int(check.group(2) or len(results) + 1))
            skip = SKIP.search(check.group(3))
            name = SKIP.sub("", check.group(3))
            results.append(Result(not check.group(1), name, skip.group(1) if skip else None))
        elif line.startswith("#") and results:
            results[-1].notes.append(line[1:].strip())
    if plan is None:
        return results, "no plan"
    if plan != len(results):
        return results, f"{plan} checks were planned, {len(results)} made"
    if numbers != set(range(1, plan + 1)):  # in any order: a test may report from several CPUs
        return results, f"the checks are not numbered 1 to {plan}"
    return results, None


class Report:
    """Prints TAP on standard output, with its plan at the end; without the plan, a script that died has
    failed."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.say(f"1..{self.count}")

    def say(self, line):
        """One line of output, at once: whoever reads it wants to see progress."""
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def ok(self, passed, name, *notes):
        """One check. notes are printed when it failed. Returns passed."""
        self.count += 1
        self.say(f"{'ok' if passed else 'not ok'} {self.count} - {name.replace('#', '')}")
        if not passed:
            self.failed += 1
            for note in notes:
                self.note(note)
        return bool(passed)

    def skip(self, name, why):
        """A check that cannot be made here."""
        self.count += 1
        self.say(f"ok {self.count} - {name.replace('#', '')} # SKIP {why}")

    def note(self, text):
        """Lines of explanation."""
        for line in str(text).splitlines():
            self.say(f"# {line}")

    def contains(self, text, pattern, name):
        """Checks that text has a match of pattern."""
        return self.ok(re.search(pattern, text), name, f"expected: {pattern}",
                       *text.splitlines()[-DIAGNOSTIC_LINES:])

    def pass_on(self, text, prefix):
        """Makes the TAP in text, as `test` prints it, part of this report. False if it is not TAP or
        something failed."""
        results, wrong = parse(text)
        for result in results:
            name = f"{prefix}: {result.name}"
            if result.skip is not None:
                self.skip(name, result.skip)
            else:
                self.ok(result.passed, name, *result.notes)
        if wrong or not results:
            self.ok(False, f"{prefix}: the suite reports in TAP", wrong or "no check",
                    *text.splitlines()[-DIAGNOSTIC_LINES:])
        return not wrong and all(result.passed or result.skip is not None for result in results)

    def case(self, name, function, *arguments):
        """Runs function(report, *arguments); what a console does not do within it is one failed check, a
        target that cannot be had a skipped one, and the next case goes on."""
        try:
            function(self, *arguments)
        except NotThere as missing:
            self.skip(name, str(missing))
        except ConsoleError as error:
            self.ok(False, f"{name}: {error}", *error.output.splitlines()[-DIAGNOSTIC_LINES:])
        except (OSError, RuntimeError) as error:
            self.ok(False, f"{name}: {error}", traceback.format_exc())
