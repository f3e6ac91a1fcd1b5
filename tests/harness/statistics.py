# SPDX-License-Identifier: BSD-2-Clause
"""What `iommu stats --json` and `faults --json` print, checked against each other and against themselves."""

ENDS = ("completed", "refused", "dropped", "timed_out", "under_way")
FAILURES = ("refused", "timed_out", "turned_away", "stalls", "iqe", "ite", "ice")


def check_unit(report, unit, what):
    """The counters of a unit's queue on which nothing has failed and nothing is under way."""
    name = f"{what}: vtd{unit['unit']}"
    report.ok(unit["batches"] > 0 and unit["batches"] == sum(unit[end] for end in ENDS),
              f"{name}: each batch came to one end", unit)
    report.ok(unit["under_way"] == 0, f"{name}: no batch is under way", unit)
    report.ok(unit["completed"] == sum(unit["latency_ns"].values()),
              f"{name}: the histogram has all that completed", unit)
    report.ok(unit["batches"] == unit["invalidations"]["wait"], f"{name}: each batch had one wait", unit)
    report.ok(sum(unit["invalidations"].values()) >= 2 * unit["batches"],
              f"{name}: and something to wait for", unit)
    report.ok(not any(unit[failure] for failure in FAILURES), f"{name}: nothing failed", unit)


def check_iommu(report, objects, what):
    """What `iommu stats --json` prints while there is no domain. Returns the number of faults in it."""
    units = [entry for entry in objects if "unit" in entry]
    domains = [entry for entry in objects if "domain" in entry]
    totals = [entry for entry in objects if "total" in entry]
    if not report.ok(units and len(totals) == 1 and len(units) + len(domains) + 1 == len(objects),
                     f"{what}: iommu stats has units, domains and one total", *objects):
        return None
    total = totals[0]
    report.ok(total["units"] == len(units) and total["domains"] == len(domains),
              f"{what}: the total counts its units and domains", *objects)
    report.ok(not domains, f"{what}: no domain is left", *domains)
    report.ok(total["tables_waiting"] == 0, f"{what}: no table page waits for a grace period", total)
    for unit in units:
        check_unit(report, unit, what)
    return total["faults"]


def check_faults(report, objects, faults, what):
    """What `faults --json` prints, where `iommu stats` counts so many."""
    devices = [entry for entry in objects if "only_counted" in entry]
    recorded = sum(device["faults"] - device["only_counted"] for device in devices)
    newest = [entry["fault"] for entry in objects if "fault" in entry]
    report.ok(objects[0]["faults"] == faults == sum(device["faults"] for device in devices),
              f"{what}: {faults} faults, which are those of the devices", objects[0], *devices)
    for device in devices:
        kinds = device["reads"] + device["writes"] + device["interrupts"]
        report.ok(device["faults"] == kinds and 0 <= device["only_counted"] < device["faults"],
                  f"{what}: {device['device']}: its faults are reads, writes and interrupts", device)
    report.ok(len(newest) == min(recorded, 16), f"{what}: the newest of {recorded} are listed",
              f"{len(newest)}")
    report.ok(all(before["time_ns"] >= after["time_ns"] for before, after in zip(newest, newest[1:])),
              f"{what}: newest first", *newest)
