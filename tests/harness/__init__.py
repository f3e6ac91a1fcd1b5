# SPDX-License-Identifier: BSD-2-Clause
"""Boots Lull and talks to its console; every boot test and `make run` stand on this package."""
