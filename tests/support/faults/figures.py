"""What tests have counted: shown when they have run, and written as JSON.

A test puts numbers into its fixture `figures`; they travel from pytest-xdist's workers with the report of the test.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

PROPERTY = "figures"  # of a test's report
FILE = "FIGURES_JSON"  # environment variable: where they are written, if anywhere


def collected(reports: list[Any]) -> dict[str, dict[str, Any]]:
    """The figures of each test, by its name without folders; those of failed tests too."""
    found = {}
    for report in reports:
        of_test = dict(report.user_properties).get(PROPERTY)
        if of_test and report.when == "call":
            found[report.nodeid.rpartition("/")[2]] = {"outcome": report.outcome, **of_test}
    return dict(sorted(found.items()))


def summarise(reporter: pytest.TerminalReporter) -> None:
    """Show the figures of all tests, a line each, and write them where FIGURES_JSON says."""
    reports = [report for kind in ("passed", "failed") for report in reporter.stats.get(kind, [])]
    found = collected(reports)
    if not found:
        return
    reporter.section("figures")
    for test, of_test in found.items():
        reporter.write_line(f"{test}: {', '.join(f'{name} {value}' for name, value in of_test.items())}")
    if path := os.environ.get(FILE):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(json.dumps(found, indent=2) + "\n")
        reporter.write_line(f"as JSON: {path}")
