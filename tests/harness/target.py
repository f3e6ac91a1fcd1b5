# SPDX-License-Identifier: BSD-2-Clause
"""A console that a Lull runs behind: QEMU's socket; a serial line or a command can be one too."""

import abc


class NotThere(Exception):
    """A target needs what is not on this computer; the text says what, and why. Its tests are skipped."""


class Target(abc.ABC):
    """Bytes to a console and from it. Used as a context manager, so that nothing outlives a test."""

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    @abc.abstractmethod
    def start(self):
        """Powers the machine on, or opens the line to it."""

    @abc.abstractmethod
    def fileno(self):
        """The descriptor that select() can wait on for read()."""

    @abc.abstractmethod
    def read(self):
        """What has come, at least one byte; b"" when nothing will come any more."""

    @abc.abstractmethod
    def write(self, data):
        """Sends all of data."""

    @abc.abstractmethod
    def wait(self, seconds):
        """After read() returned b"": the exit status, or None if this target has none or does not end in
        time."""

    @abc.abstractmethod
    def stop(self):
        """Ends everything that start() began; harmless when called twice."""

    def describe(self):
        """One line for the log: what this is."""
        return type(self).__name__
