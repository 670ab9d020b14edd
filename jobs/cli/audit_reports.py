"""What the commands print that estimate, audit, report and view: `show_VERB`, as in `reports.py`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

from tilepress.jobs.cli.progress import size
from tilepress.jobs.cli.tables import print_failures, print_notes

if TYPE_CHECKING:
    from tilepress.jobs.report.report import ArchiveReport


def show_report(request: SimpleNamespace, report: ArchiveReport) -> None:
    """Print where the page is, and what it could not show."""
    print_notes(report.problems)
    print_failures("not shown", report.not_shown)
    figures = report.figures
    print(f"{report.out}: {size(report.page_bytes)}, {figures['files']:,} files in {report.seconds:.1f} s")
