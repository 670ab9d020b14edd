"""Breakdowns of files and bytes as a section: the largest rows, and one of all that are left."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tilepress.jobs.pages.sections import Share, Shares
from tilepress.jobs.report.figures import Breakdown, Tally

_SHOWN = 30  # rows
_NO_WORDS: Mapping[str, str] = MappingProxyType({})


def saved_of(tally: Tally) -> float | None:
    """Return what was saved of the bytes, 0 to 1; None where there are none."""
    return 1 - tally.bytes_out / tally.bytes_in if tally.bytes_in else None


def shares_of(
    title: str, of: str, breakdown: Breakdown, command: str, lead: str = "", words: Mapping[str, str] = _NO_WORDS
) -> Shares:
    """Return a breakdown `of` something as bars; `words`: how names are shown, if otherwise."""
    rows = breakdown.largest()
    shown_rows = [Share(words.get(name, name), *vars(tally).values()) for name, tally in rows[:_SHOWN]]
    if rest := [tally for _, tally in rows[_SHOWN:]]:
        sums = (sum(each) for each in zip(*(vars(tally).values() for tally in rest), strict=True))
        shown_rows.append(Share(f"{len(rest)} more", *sums))
    return Shares(title=title, of=of, shares=shown_rows, command=command, lead=lead)
