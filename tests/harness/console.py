# SPDX-License-Identifier: BSD-2-Clause
"""Lull's console, driven from outside: waits for the prompt, runs commands, notices panics and ends. Each
wait has a deadline."""

import json
import os
import re
import select
import time

PROMPT = "lull> "
BOOT_SECONDS = 60
COMMAND_SECONDS = 60
END_SECONDS = 20
PANIC = re.compile(r"(?m)^.*\bpanic: .*$")
ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[()][0-9A-B]|[=>78cDEHM])")
UNFINISHED_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[()])?\Z")


class ConsoleError(Exception):
    """The console did not do what was waited for. output is what it printed meanwhile."""

    def __init__(self, message, output):
        super().__init__(message)
        self.output = output


class Timeout(ConsoleError):
    """Nothing of the sort within the deadline."""


class Ended(ConsoleError):
    """The machine ended first; status is its exit status, None where it has none."""

    def __init__(self, message, output, status):
        super().__init__(message, output)
        self.status = status


class Panic(ConsoleError):
    """Lull panicked; output has the whole report."""


class Console:
    """One run of a target, from power-on to its end. All that it prints goes to a log file, and line by line
    to echo()."""

    def __init__(self, target, log_path, echo=None):
        self.target = target
        self.log_path = log_path
        self.echo = echo
        self.log = None
        self.partial = ""  # an escape sequence of which the end has not come yet
        self.text = ""     # what has come and nobody has taken
        self.echoed = ""   # a line that is not whole yet
        self.ended = False
        self.status = None

    def __enter__(self):
        os.makedirs(os.path.dirname(self.log_path), exist_ok=True)
        self.log = open(self.log_path, "w", encoding="utf-8")
        try:
            self.target.__enter__()
        except BaseException as error:
            self.log.write(f"# {self.target.describe()}\n# {error}\n")
            self.log.close()
            raise
        self.log.write(f"# {self.target.describe()}\n")
        return self

    def __exit__(self, kind, error, _):
        words = self.target.error_text() if hasattr(self.target, "error_text") else ""
        self.target.__exit__(None, None, None)
        if self.echo and self.echoed:
            self.echo(self.echoed)
        self.log.write(f"\n# exit status: {self.status}\n")
        for line in words.splitlines():
            self.log.write(f"# {line}\n")
        if error:
            self.log.write(f"# {kind.__name__}: {error}\n")
        self.log.close()

    def receive(self, seconds):
        """Takes in what comes within seconds. False when nothing came."""
        if self.ended or not select.select([self.target], [], [], max(seconds, 0))[0]:
            return False
        data = self.target.read()
        if not data:
            self.ended = True
            self.status = self.target.wait(END_SECONDS)
            return False
        self.take(data.decode(errors="replace"))
        return True

    def take(self, text):
        """Cleans text of what is meant for a terminal only, and hands it on."""
        text = ESCAPE.sub("", self.partial + text)
        unfinished = UNFINISHED_ESCAPE.search(text)
        self.partial = unfinished.group() if unfinished else ""
        text = text[:len(text) - len(self.partial)].replace("\r", "").replace("\0", "")
        self.text += text
        self.log.write(text)
        self.log.flush()
        if self.echo:
            *lines, self.echoed = (self.echoed + text).split("\n")
            for line in lines:
                self.echo(line)

    def wait_for(self, pattern, seconds, panics=True):
        """Waits for a match of pattern in what was printed since the last wait; returns it. What precedes its
        end is taken."""
        pattern = re.compile(pattern)
        end = time.monotonic() + seconds
        while True:
            found = pattern.search(self.text)
            panic = PANIC.search(self.text) if panics else None
            if panic and (not found or panic.start() < found.start()):
                raise self.panicked()
            if found:
                self.text = self.text[found.end():]
                return found
            if self.ended:
                raise Ended(f"the run ended (status {self.status}) before {pattern.pattern!r}", self.text,
                            self.status)
            left = end - time.monotonic()
            if left <= 0:
                raise Timeout(f"no {pattern.pattern!r} within {seconds} s", self.text)
            self.receive(min(left, 1))

    def panicked(self):
        """Waits for the rest of a panic's report, which the end of the run follows; returns what to raise."""
        try:
            self.wait_end(END_SECONDS, panics=False)
        except Timeout:
            pass  # it was to halt, then
        return Panic(PANIC.search(self.text).group().strip(), self.text)

    def wait_prompt(self, seconds=BOOT_SECONDS):
        """Waits until Lull asks for a command; returns what it printed before."""
        return self.wait_for(r"(?s)\A(.*?)(?:\A|\n)" + re.escape(PROMPT), seconds).group(1)

    def type(self, text):
        """Sends keys; nothing is waited for."""
        self.target.write(text.encode())

    def command(self, line, seconds=COMMAND_SECONDS):
        """Runs one command and returns what it printed."""
        while self.receive(0):
            pass
        if PANIC.search(self.text):
            raise self.panicked()
        self.text = ""
        self.type(line + "\r")
        self.wait_for(r"\n", COMMAND_SECONDS)
        return self.wait_prompt(seconds)

    def objects(self, line, seconds=COMMAND_SECONDS):
        """Runs one command that prints for programs; returns the objects and, apart, its result."""
        output = self.command(line, seconds)
        try:
            objects = [json.loads(text) for text in output.splitlines() if text.startswith("{")]
        except json.JSONDecodeError as error:
            raise ConsoleError(f"{line}: {error}", output) from None
        if not objects or "result" not in objects[-1]:
            raise ConsoleError(f"{line}: it does not end with a result", output)
        return objects[:-1], objects[-1]

    def wait_end(self, seconds=END_SECONDS, panics=True):
        """Waits until the machine ends of itself; returns its exit status. What it printed stays in .text."""
        end = time.monotonic() + seconds
        while not self.ended:
            panic = PANIC.search(self.text) if panics else None
            if panic:
                raise self.panicked()
            if time.monotonic() >= end:
                raise Timeout(f"the run did not end within {seconds} s", self.text)
            self.receive(min(end - time.monotonic(), 1))
        return self.status
