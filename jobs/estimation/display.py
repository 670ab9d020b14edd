"""What a person watches while an estimate is made."""

from __future__ import annotations

from typing import Any

from tilepress.jobs.cli.progress import LiveDisplay, counted, size
from tilepress.jobs.pages.markup import clipped, visible
from tilepress.pipeline.coding.progress import Progress

_LONGEST = 60  # characters of a name


class EstimateMeter(LiveDisplay):
    """Files listed, then units measured; it hears of units under way as a Watcher of an engine, and needs no more."""

    def __init__(self, *, quiet: bool = False) -> None:
        super().__init__("estimate", quiet=quiet)
        self._files = self._listed_bytes = self._measured = self._bytes = 0
        self._beyond = ""

    def listed(self, files: int, nbytes: int) -> None:
        """So much is listed by now."""
        with self._lock:
            self._files, self._listed_bytes = files, nbytes
            self._tell()

    def beyond_the_time(self, file: str, nbytes: int) -> None:
        """Say what is measured, as nothing smaller is there, although it is not expected to end in time."""
        with self._lock:
            self._beyond = f"measuring {visible(clipped(file, _LONGEST))} ({size(nbytes)}), for which time is short"
            self._tell()

    def measured(self, files: int, nbytes: int, share: float) -> None:
        """Add a unit; `share` of the time, or of the units, is spent."""
        with self._lock:
            self._measured += files
            self._bytes += nbytes
            self._show(share)

    def progressed(self, number: int, progress: Progress) -> None:
        """See Watcher."""

    def ended(self, number: int) -> None:
        """See Watcher."""

    def _facts(self) -> list[str]:
        listed = f"{counted(self._files, 'file')}, {size(self._listed_bytes)} listed"
        if not self._measured:
            return [listed, self._beyond] if self._beyond else [listed]
        return [listed, f"{counted(self._measured, 'file')}, {size(self._bytes)} measured"]

    def _figures(self) -> dict[str, Any]:
        figures = {"files": self._files, "bytes": self._listed_bytes}
        return {**figures, "measured_files": self._measured, "measured_bytes": self._bytes}
