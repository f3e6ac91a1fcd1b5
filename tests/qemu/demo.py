#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The demo: as `make run` shows it, with 4 CPUs, and on one CPU that plays all the roles, with little
memory."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.boot import boot, power_off, run_cases
from harness.demo import check_pass
from harness.qemu import Machine

RUN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "harness", "run")
RUN_SECONDS = 150
DEMO_SECONDS = 90


def make_run(report):
    """What `make run` starts, without a terminal: 4 CPUs, and the exit status tells the verdict."""
    done = subprocess.run([RUN], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=RUN_SECONDS, check=False)
    report.ok(done.returncode == 0, "make run: the exit status is 0", f"status: {done.returncode}",
              done.stderr)
    check_pass(report, done.stdout, "make run")


def one_cpu(report):
    """All roles on one CPU, and less memory than the gigabyte has pages; and nothing is left behind."""
    with boot("demo-1-cpu", Machine(cpus=1, memory="1G")) as console:
        console.wait_prompt()
        output = console.command("demo", DEMO_SECONDS)
        check_pass(report, output, "1 CPU")
        report.contains(output, r"demo: \d+ MiB of memory stand behind it", "1 CPU: IOVAs share memory")
        domains = console.command("domains")
        report.ok("demo" not in domains, "1 CPU: the demo's domain is gone", domains)
        power_off(report, console, "1 CPU")


if __name__ == "__main__":
    run_cases((make_run,), (one_cpu,))
