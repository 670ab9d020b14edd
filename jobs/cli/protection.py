"""What is printed of parity, by every command that makes or shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilepress.jobs.cli.progress import counted, size
from tilepress.jobs.cli.tables import print_notes, ranges

if TYPE_CHECKING:
    from tilepress.jobs.archives.listing import ArchiveInfo
    from tilepress.jobs.protection.making import ParityReport, RunParity


def show_parity(report: ParityReport) -> None:
    """Print what was made of parity, and what it restores."""
    print_notes(report.notes)
    if report.removed:
        print(f"removed: {counted(len(report.removed), 'file')} of parity")
    if report.made:
        share = 100 * report.stored_bytes / max(1, report.made_bytes)
        print(f"parity made: {size(report.stored_bytes)} for {size(report.made_bytes)} of the archive ({share:.3g} %)")
    show_runs(report.runs)


def show_runs(runs: list[RunParity]) -> None:
    """Print what the parity of each run is sure to restore."""
    for each in runs:
        if each.files and each.run:
            print(
                f"run {each.run}: {each.percent:g} % of parity for {counted(each.files, 'file')} restores "
                f"{_restores(each)}"
            )


def show_protection(info: ArchiveInfo) -> None:
    """Print what `info` says of parity."""
    if not info.parity_bytes:
        return
    print(f"{size(info.parity_bytes)} of these are parity")
    show_runs(info.parity)
    if bare := [each.run for each in info.parity if each.run and not each.files]:
        print(f"without parity: run {ranges(bare)} (tilepress protect {info.url} --parity 3%)")


def _restores(each: RunParity) -> str:
    stretch = size(each.stretch_bytes)
    whole = f"any {counted(each.whole_files, 'whole file')}" if each.whole_files else f"no file larger than {stretch}"
    blocks = f"any {counted(each.damaged_blocks, 'block')} of {size(each.block_bytes)}"
    return f"{whole}, {stretch} in one stretch, {blocks}"
