#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The harness itself: what it makes of a console that hangs, panics or ends, of TAP and demos that are wrong,
of programs that die."""

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness import cases, tap
from harness.boot import run_cases
from harness.console import Console, ConsoleError, Ended, Panic, Timeout
from harness.demo import check_pass
from harness.statistics import check_faults, check_iommu
from harness.target import Target

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Script(Target):
    """A machine that prints one text at start, answers each line with the next, and ends when there is none
    left."""

    def __init__(self, *texts, hangs=False):
        self.texts = list(texts)
        self.hangs = hangs
        self.ours, self.theirs = socket.socketpair()
        self.stopped = False

    def start(self):
        self.answer()

    def answer(self):
        """Prints the next text, or ends."""
        if self.texts:
            self.theirs.sendall(self.texts.pop(0).encode())
        if not self.texts and not self.hangs:
            self.theirs.close()

    def fileno(self):
        return self.ours.fileno()

    def read(self):
        return self.ours.recv(65536)

    def write(self, data):
        self.theirs.sendall(data.replace(b"\r", b"\r\n"))
        if b"\r" in data:
            self.answer()

    def wait(self, seconds):
        return 5

    def stop(self):
        self.ours.close()
        self.theirs.close()
        self.stopped = True


def drive(target, function):
    """function(console) on a target; returns its result or the exception that it ended with, and the log."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "log")
        try:
            with Console(target, path) as console:
                result = function(console)
        except ConsoleError as error:
            result = error
        with open(path, encoding="utf-8") as log:
            return result, log.read()


def consoles(report):
    """Each way that a console can go."""
    target = Script("\x1b[2Jboot\r\nlull> ", "one\r\ntwo\r\nlull> ")
    result, log = drive(target, lambda console: (console.wait_prompt(1), console.command("list"),
                                                 console.wait_end(1)))
    report.ok(result == ("boot", "one\ntwo", 5), "a command's output", result)
    report.ok("one\ntwo" in log and "\x1b" not in log, "the log has the output, clean", log)
    report.ok(target.stopped, "the target is stopped")

    for printed, expected in (('[ 1.0] log\n{"a":1}\n{"result":"ok"}\n', ([{"a": 1}], {"result": "ok"})),
                              ('{"a":1}\n', "does not end with a result"), ('{"a":\n', "list: ")):
        result, _ = drive(Script("lull> ", printed + "lull> ", hangs=True),
                          lambda console: (console.wait_prompt(1), console.objects("list", 1))[1])
        report.ok(result == expected or str(expected) in str(result), f"a command's objects: {expected}",
                  result)

    result, log = drive(Script("nothing", hangs=True), lambda console: console.wait_prompt(0.2))
    report.ok(isinstance(result, Timeout) and result.output == "nothing",
              "a console that hangs ends by its deadline", result)
    report.ok("Timeout" in log, "and the log says so", log)

    result, _ = drive(Script("boot\r\n"), lambda console: console.wait_prompt(1))
    report.ok(isinstance(result, Ended) and result.status == 5, "a run that ends early shows its status",
              result)

    result, _ = drive(Script("lull> ", "panic: all is lost\r\nrip=0\r\n"),
                      lambda console: (console.wait_prompt(1), console.command("break", 1)))
    report.ok(isinstance(result, Panic) and "rip=0" in result.output, "a panic is told with its whole report",
              result)

    target = Script("", hangs=True)
    result, _ = drive(target, lambda console: (console.take("panic: all is "),
                                               target.theirs.sendall(b"lost\n"), target.theirs.close(),
                                               console.wait_end(1)))
    report.ok(str(result) == "panic: all is lost", "a panic that comes in pieces is told whole", result)

    result, _ = drive(Script("", hangs=True),
                      lambda console: (console.take("a \x1b[31"), console.take("mred"), console.text))
    report.ok(result[-1] == "a red", "an escape sequence in two parts is taken out", result)


def texts(report):
    """TAP that is right, and TAP that is not."""
    results, wrong = tap.parse("[ 1.0] log\nok 2 - b # SKIP none\nnot ok 1 - a\n# why\n1..2\n")
    report.ok(not wrong and [result.passed for result in results] == [True, False], "TAP is read", wrong)
    report.ok(results[0].skip == "none" and results[1].notes == ["why"], "a skip's reason, a failure's notes")
    for text, expected in (("ok 1\n", "no plan"), ("ok 1\n1..2\n", "2 checks were planned"),
                           ("1..1\nok 1\n1..1\n", "two plans"),
                           ("ok 1\nok 1\n1..2\n", "not numbered"), ("", "no plan")):
        report.ok(expected in (tap.parse(text)[1] or ""), f"TAP that is wrong: {expected}", tap.parse(text))


DEMO = """pass     told  reported  missed   extra       us  tables freed  waiting
   1      180       174       0       0      937           886       11
   2        0        16       0       0     1809          9708       18
   3        0         0       0       0     2664          9729       15
demo: 32 commands, 3 of them edu's, told devices to write 200 pages; 200 judged, 190 reported in 3 passes
verdict: PASS (3 passes, 200 page writes, missed 0, extra 0, 9730 table pages freed, none waiting, no fault)
"""
DEMO_LIES = (("PASS", "FAIL"), ("16       0 ", "16       1 "), ("   2        0", "   4        0"),
             ("200 judged", "199 judged"), ("190 reported", "191 reported"),
             ("180       174", "201       174"), ("3        0 ", "3        1 "), ("9729", "9731"))


class Silent(tap.Report):
    """Counts failures and says nothing."""

    def say(self, line):
        pass


def demos(report):
    """A demo whose figures do not add up to its verdict does not pass."""
    with Silent() as silent:
        check_pass(silent, DEMO, "demo")
    report.ok(silent.failed == 0, "a demo that passed")
    for right, wrong in DEMO_LIES:
        with Silent() as silent:
            check_pass(silent, DEMO.replace(right, wrong), "demo")
        report.ok(silent.failed and wrong in DEMO.replace(right, wrong),
                  f"a demo with '{wrong}' in place of '{right}' does not pass")


LINE = "one 2 1G EPYC eim=on,aw-bits=39 iommu_levels=3;apic=auto vtd*,nvme* xAPIC legacy second 3 39 xAPIC"

# What is put in place of what, and what must be said about it.
WRONG_LINES = (
    (" xAPIC legacy", " legacy", "line 2: 12 columns, not 13: name, cpus"),
    ("one ", "One ", "line 2: name: One is not"), ("one 2", "one 9", "line 2: cpus: 9 is not"),
    ("1G", "1GB", "line 2: memory: 1GB is not"),
    ("eim=on", "eim", "line 2: intel-iommu: eim,aw-bits=39 is not"),
    ("eim=on", "x2apic=on", "line 2: intel-iommu: no property is called x2apic"),
    ("eim=on", "eim=1", "line 2: intel-iommu: eim is off or on, not 1"),
    ("eim=on", "aw-bits=48", "line 2: intel-iommu: aw-bits stands there twice"),
    ("apic=auto", "apic", "line 2: lull.cfg: iommu_levels=3;apic is not"),
    ("vtd*", "VTD*", "line 2: tests: VTD*,nvme* is not"), ("legacy", "old", "line 2: mode: old is not"),
    ("second 3", "second 2", "line 2: levels: 2 is not"),
    ("39 xAPIC", "39 on", "line 2: remapping: on is not"),
    (LINE, f"{LINE}\n{LINE}", "line 3: name: there is a one before"), (LINE, "", "there is no case"),
)


def refusal(text):
    """What is said about a file of cases with this text."""
    try:
        cases.parse(text, "cases")
    except cases.BadCase as error:
        return str(error)
    return "nothing"


def matrix(report):
    """Lines of cases that are wrong are refused by number and column; what the file lacks is found."""
    case = cases.parse(f"# head\n{LINE}\n", "cases")[0]
    report.ok(case.config == "iommu_levels = 3\napic = auto" and case.tests == ["vtd*", "nvme*"]
              and case.machine().iommu["aw-bits"] == "39" and case.properties["intremap"] == "on"
              and case.runs("vtd") and not case.runs("intremap"), "a line of cases is read", case)
    for right, wrong, expected in WRONG_LINES:
        said = refusal("# head\n" + LINE.replace(right, wrong))
        report.ok(expected in said, f"a line of cases with '{wrong[:20]}': {expected}", said)
    program = os.path.join(TOP, "tests", "qemu", "matrix.py")
    with open(os.path.join(TOP, "tests", "qemu", "cases"), encoding="ascii") as file:
        lines = [line for line in file.read().splitlines() if line and not line.startswith("#")]
    kept = [line for line in lines if " 8G " not in line]
    report.ok(cases.missing(cases.parse("\n".join(kept), "cases")) == ["fs1gp off", "memory 8G"],
              "without the machines with 8 GiB some values do not occur")
    with tempfile.NamedTemporaryFile("w", suffix=".cases", encoding="ascii") as file:
        file.write(LINE.replace("one 2", "one none"))
        file.flush()
        done = subprocess.run([program, "--cases", file.name], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, check=False)
    report.ok(done.returncode == 1 and not done.stdout and "line 1: cpus: none is not" in done.stderr,
              "matrix.py boots nothing when a line is wrong", done.stdout, done.stderr)
    done = subprocess.run([program, "nowhere"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False)
    report.ok(done.returncode == 1 and "no case is called nowhere" in done.stderr,
              "matrix.py knows its cases by name", done.stderr)


UNIT = {"unit": 0, "batches": 9, "completed": 9, "refused": 0, "dropped": 0, "timed_out": 0, "under_way": 0,
        "turned_away": 0, "full": 1, "stalls": 0, "invalidations": {"iotlb_page": 9, "wait": 9},
        "latency_ns": {"512": 4, "1024": 5}, "iqe": 0, "ite": 0, "ice": 0, "fault_overflows": 2}
TOTAL = {"total": True, "units": 1, "domains": 0, "tables_waiting": 0, "faults": 3}
DEVICE = {"device": "0000:00:02.0", "faults": 3, "only_counted": 1, "reads": 1, "writes": 1, "interrupts": 1}
FAULTS = [{"faults": 3}, {"unit": 0}, DEVICE, {"fault": {"time_ns": 2}}, {"fault": {"time_ns": 1}}]
LIES = (
    ({"completed": 8}, {}, {}), ({"dropped": 1}, {}, {}), ({"under_way": 1, "completed": 8}, {}, {}),
    ({"latency_ns": {"512": 4}}, {}, {}), ({"invalidations": {"iotlb_page": 10, "wait": 8}}, {}, {}),
    ({"invalidations": {"iotlb_page": 0, "wait": 9}}, {}, {}), ({"stalls": 1}, {}, {}), ({"ite": 1}, {}, {}),
    ({}, {"units": 2}, {}), ({}, {"domains": 1}, {}), ({}, {"tables_waiting": 1}, {}),
    ({}, {"faults": 4}, {}), ({}, {}, {"faults": 2}), ({}, {}, {"reads": 0}), ({}, {}, {"only_counted": 0}),
    ({}, {}, {"only_counted": 3}),
)


def statistics(report):
    """Statistics that do not add up do not pass."""
    for unit, total, device in (({}, {}, {}), *LIES):
        with Silent() as silent:
            count = check_iommu(silent, [UNIT | unit, TOTAL | total], "stats")
            faults = [DEVICE | device if entry is DEVICE else entry for entry in FAULTS]
            check_faults(silent, faults, count, "faults")
        lie = unit | total | device
        report.ok(bool(silent.failed) == bool(lie), f"statistics with {lie or 'nothing wrong'}",
                  f"{silent.failed} failed")


TOLD_TO_END_TWICE = """
import os, signal, time
from harness.boot import end_on_signals
end_on_signals()
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(10)
finally:
    os.kill(os.getpid(), signal.SIGTERM)
    print("clean")
"""


def signals(report):
    """A signal ends a program, which still cleans up, also when another one comes meanwhile."""
    done = subprocess.run([sys.executable, "-c", TOLD_TO_END_TWICE], cwd=os.path.join(TOP, "tests"),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    report.ok(done.stdout == "clean\n" and done.returncode == 128 + signal.SIGINT,
              "a program that is told to end twice cleans up", f"status {done.returncode}", done.stderr)


def missing_qemu(report):
    """Where the QEMU of `make qemu-ssads` is not there its tests are skipped, and say why: it was not built,
    or what failed. Here apt-get does."""
    ssads = os.path.join(TOP, "tests", "qemu", "ssads")
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "XDG_CACHE_HOME": folder, "PATH": f"{folder}:{os.environ['PATH']}"}

        def run(*command):
            return subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, check=False)

        with open(os.path.join(folder, "apt-get"), "w", encoding="ascii") as program:
            program.write("#!/bin/sh\necho no network >&2\nexit 100\n")
        os.chmod(program.name, stat.S_IRWXU)
        for why in (r"it has not been built: make qemu-ssads", r"make qemu-ssads: .* failed\b.*"):
            done = run(f"{ssads}.py", "switched_off")
            report.ok(done.returncode == 0 and re.search(rf"ok 1 - .* # SKIP .*: {why}$", done.stdout, re.M),
                      f"tests that lack their QEMU are skipped: {why}", done.stdout, done.stderr)
            done = run(os.path.join(ssads, "build"))
            report.ok(done.returncode == 1 and re.search(r"^make qemu-ssads: .* failed", done.stderr, re.M),
                      "a build that fails says what", done.stdout, done.stderr)


# Host test programs and the line that the run has to end with.
PROGRAMS = (
    ("passes", "echo 1..2; echo ok 1; echo ok 2", "2 passed, 0 failed, 0 skipped"),
    ("skips as cmocka does", "echo 1..2; echo ok 1; echo 'not ok 2 # SKIP why'",
     "1 passed, 0 failed, 1 skipped"),
    ("fails", "echo 1..2; echo ok 1; echo not ok 2; exit 1", "1 passed, 1 failed, 0 skipped"),
    ("has no plan", "echo ok 1", "1 passed, 1 failed, 0 skipped"),
    ("makes too few checks", "echo 1..2; echo ok 1", "1 passed, 1 failed, 0 skipped"),
    ("dies", "echo 1..1; echo ok 1; kill -SEGV $$", "1 passed, 1 failed, 0 skipped"),
    ("prints nothing", "exit 0", "0 passed, 1 failed, 0 skipped"),
    ("exits with an error", "echo 1..1; echo ok 1; exit 3", "1 passed, 1 failed, 0 skipped"),
    ("has a sanitizer's report", "echo 1..1; echo ok 1; echo 'a.c:1: runtime error: overflow' >&2",
     "1 passed, 1 failed, 0 skipped"),
)


def programs(report):
    """tests/run counts what host programs do."""
    for what, script, expected in PROGRAMS:
        with tempfile.TemporaryDirectory() as build:
            path = os.path.join(build, "host", "test_it")
            os.mkdir(os.path.dirname(path))
            with open(path, "w", encoding="ascii") as program:
                program.write(f"#!/bin/sh\n{script}\n")
            os.chmod(path, stat.S_IRWXU)
            done = subprocess.run([os.path.join(TOP, "tests", "run"), "host/test_it"],
                                  env={**os.environ, "BUILD": build},
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        last = done.stdout.splitlines()[-1]
        right = last == expected and (done.returncode != 0) == (not re.search(r"\b0 failed", last))
        report.ok(right, f"tests/run: a program that {what}", f"{last}, status {done.returncode}")


if __name__ == "__main__":
    run_cases((consoles,), (texts,), (demos,), (matrix,), (statistics,), (signals,), (missing_qemu,),
              (programs,))
