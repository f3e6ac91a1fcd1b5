# SPDX-License-Identifier: BSD-2-Clause
"""What harvests are to reach, as ratios of ours to the other in one run: for `make bench` and its report."""

import re

# What it is, which figures it is for, and the limit. The first that is for a figure counts.
DIRTY = [
    ("clean, against Linux's best build", r"\.0pct\.linux\.median$", 0.25),
    ("clean, against Linux's gcc -O2 build", r"\.0pct\.linux_gcc_O2\.median$", 0.1),
    ("dirty, against Linux's best build", r"\.(?:clear|keep)\.\S+pct\.linux\.median$", 1),
    ("clean, tables in cache, against reading them", r"\.cache\.clear\.0pct\.floor\.median$", 2),
    ("clean, tables in memory, against reading them", r"\.memory\.clear\.0pct\.floor\.median$", 1.3),
    ("1 % touched, each time others, against an unpruned pass", r"\.touched_1pct\.unpruned\.median$", 0.03),
    ("1 % touched, always the same, against an unpruned pass", r"\.hot_1pct\.unpruned\.median$", 0.03),
    ("64 ranges touched, against 1 GiB mapped", r"_64\.as_1g\.median$", 1.05),
]


def target_of(name):
    """The target that a figure belongs to: what it is, and the limit; or None."""
    for what, pattern, limit in DIRTY:
        if re.search(pattern, name):
            return what, limit
    return None


def limit_of(name):
    """The limit of a figure that belongs to a target, or None."""
    target = target_of(name)
    return target and target[1]
