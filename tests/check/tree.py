# SPDX-License-Identifier: BSD-2-Clause
"""What the checks share: the files that are ours, and how a check ends."""

import os
import sys

SKIPPED = 77  # exit status: this check cannot be made here


def top():
    """The tree to check: the first argument, or the one that this file is in."""
    if len(sys.argv) > 1:
        return os.path.abspath(sys.argv[1])
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def build():
    """The build folder, from the tree that this file is in; the Makefile names it in BUILD."""
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return os.path.join(here, os.environ.get("BUILD", "build"))


def files(root, *suffixes):
    """Our files with one of these suffixes (all without), relative to root, sorted. Builds and dot folders
    are not ours."""
    found = []
    for folder, folders, names in os.walk(root):
        relative = os.path.relpath(folder, root)
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__pycache__"
                      and not (relative == "." and name.startswith("build"))]
        found += [os.path.normpath(os.path.join(relative, name)) for name in names
                  if name.endswith(suffixes or "") and not name.startswith(".")]
    return sorted(found)


def read(root, name):
    """The text of a file."""
    with open(os.path.join(root, name), encoding="utf-8", errors="replace") as file:
        return file.read()


def finish(complaints):
    """Prints each complaint and ends the check: failed if there is one."""
    for complaint in complaints:
        print(complaint)
    sys.exit(1 if complaints else 0)


def skip(why):
    """Ends a check that cannot be made here."""
    print(why)
    sys.exit(SKIPPED)
