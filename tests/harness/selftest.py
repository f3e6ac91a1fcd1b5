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

from harness import tap
from harness.boot import run_cases
from harness.console import Console, Ended, Panic, Timeout
from harness.demo import check_pass
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
        except (Timeout, Ended, Panic) as error:
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
    run_cases((consoles,), (texts,), (demos,), (signals,), (programs,))
