# SPDX-License-Identifier: BSD-2-Clause
"""The compilers' flags, as the Makefile has them, and many compilations at once."""

import concurrent.futures
import os
import shlex
import subprocess

import tree

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COMPILERS = ("gcc", "clang")
KINDS = ("KERNEL_FLAGS", "LOADER_FLAGS", "HOST_FLAGS")
MAKES_OWN = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")
OUTPUT_FLAGS = {"-MMD", "-MP"}


def environment():
    """Ours, without what a make that called us says to makes within it."""
    return {name: value for name, value in os.environ.items() if name not in MAKES_OWN}


def makefile_flags(compiler):
    """A dictionary of the flags of each of KINDS. Folders of system headers are made absolute: trees to check
    may lie anywhere."""
    show = "show-flags: ; @:" + "".join(f"$(info $({kind}))" for kind in KINDS)
    done = subprocess.run(["make", "-s", "--no-print-directory", f"CC={compiler}", f"HOST_CC={compiler}",
                           f"--eval={show}", "show-flags"], cwd=TOP, env=environment(),
                          stdout=subprocess.PIPE, text=True, check=True)
    lines = done.stdout.splitlines()[-len(KINDS):]
    return {kind: absolute(shlex.split(line)) for kind, line in zip(KINDS, lines)}


def absolute(words):
    """The flags without those that ask for a dependency file, and with absolute folders after -isystem."""
    words = [word for word in words if word not in OUTPUT_FLAGS]
    return [os.path.join(TOP, word) if before == "-isystem" else word
            for before, word in zip([""] + words, words)]


def compiles(compiler, words, text, root):
    """None if text is C that compiles with these flags, else the compiler's first error."""
    done = subprocess.run([compiler, *words, "-x", "c", "-c", "-o", "/dev/null", "-"], cwd=root, input=text,
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if not done.returncode:
        return None
    errors = [line for line in done.stdout.splitlines() if "error:" in line]
    return (errors or done.stdout.splitlines() or ["no word from it"])[0]


def each(function, jobs):
    """function(*job) for all jobs, several at a time, in order."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda job: function(*job), jobs))


def missing(compilers):
    """Those that are not installed."""
    return [name for name in compilers if not any(os.access(os.path.join(folder, name), os.X_OK)
                                                  for folder in os.environ["PATH"].split(":"))]


def need_compilers():
    """Ends the check as skipped unless both compilers are there."""
    absent = missing(COMPILERS)
    if absent:
        tree.skip(f"{' and '.join(absent)} is not installed")
