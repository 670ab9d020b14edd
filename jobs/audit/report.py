"""What an audit says to people and programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tilepress.jobs.audit.drift import Drift
from tilepress.jobs.audit.rows import DAMAGED, UNCHECKED
from tilepress.jobs.audit.thresholds import Limit, Miss, missed
from tilepress.jobs.audit.totals import Totals

_GROUPS = 30  # of a grouping that a report names; groups.parquet has all
_FIGURES = ("files", "images", "damaged", "quarantined", "missing", "differing", "unchecked")


@dataclass
class Rotation:
    """Today's slice of an archive: `part` of `parts`. `repeated`: it was looked at today already, and not again.

    `overdue`: slices that a round and a day have passed over.
    """

    day: str
    part: int
    parts: int
    repeated: bool = False
    overdue: list[int] = field(default_factory=list)


@dataclass
class AuditReport:
    """What was looked at, and what was found.

    `outcomes` counts rows by how the image fared, `quarantined` by reason, `findings` images by kind. `figures` are
    spreads of each measure over images, with the images at both ends; `equal` images came back as they were. `problems`
    are (image or file of the archive, what is wrong), the first thousand of them. `damaged_files` are the archive's own
    files that are not as they were written, whatever became of the images: an index, say; `notes` are what else is to
    be known of them, such as runs that are not complete. `missed` are thresholds that
    were not kept.
    """

    source: str
    against: str | None = None
    out: str | None = None
    page: str | None = None
    archive: bool = False
    slice: tuple[int, int] | None = None
    rotation: Rotation | None = None
    tasks: int = 0
    resumed_tasks: int = 0
    engine: str = ""
    measuring_s: float = 0.0
    seconds: float = 0.0
    compiling_seconds: float = 0.0  # of these, spent by this process on kernels that were in no cache
    written: list[str] = field(default_factory=list)
    files: int = 0
    images: int = 0
    no_images: int = 0
    source_bytes: int = 0
    stored_bytes: int = 0
    saved: float | None = None
    bpp: float | None = None
    equal: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    counts: dict[str, int] = field(default_factory=dict)
    quarantined: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    duplicate_groups: int = 0
    similar_groups: int = 0
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    unperceived: Counter[str] = field(default_factory=Counter)  # images without measures of perception, by the reason
    groups: list[dict[str, Any]] = field(default_factory=list)
    worst: list[dict[str, Any]] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    damaged_files: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    missed: list[Miss] = field(default_factory=list)
    drift: Drift | None = None
    repeated_exit_code: int | None = None  # of an audit that was not made again
    limited: list[str] = field(default_factory=list)  # counts that a threshold judges

    @property
    def first_problem(self) -> str:
        """What there is to look at, one of it: for the run report."""
        missed = (f"threshold missed: {each.limit}{f', {each.path}' if each.path else ''}" for each in self.missed)
        return next((": ".join(filter(None, each)) for each in self.problems), next(missed, ""))

    @property
    def exit_code(self) -> int:
        """0 nothing to look at; 4 damage; 5 not all could be checked; 3 a threshold was missed, or there is something.

        A count that a threshold names is judged by that alone.
        """
        if self.repeated_exit_code is not None:
            return self.repeated_exit_code
        if self.outcomes[DAMAGED] or self.damaged_files:
            return 4
        if self.outcomes[UNCHECKED]:
            return 5
        worth_a_look = {"quarantined", "missing", "differing"} - set(self.limited)
        return 3 if self.missed or any(self.counts.get(name) for name in worth_a_look) else 0

    def fill(self, totals: Totals, limits: Sequence[Limit]) -> None:
        """Take over what all rows come to."""
        self.counts = totals.counts()
        self.files, self.images, self.no_images = self.counts["files"], self.counts["images"], totals.no_images
        everything = totals.everything
        self.source_bytes, self.stored_bytes = everything.source_bytes, everything.stored_bytes
        self.saved, self.bpp, self.equal = everything.saved, everything.bpp, totals.equal
        self.outcomes, self.quarantined, self.findings = totals.outcomes, totals.quarantined, totals.findings
        self.duplicate_groups, self.similar_groups = totals.duplicate_groups, totals.similar_groups
        self.figures = {name: spread.summary() for name, spread in totals.spreads.items() if spread.count}
        self.unperceived = totals.unperceived
        self.groups = _largest_groups(totals)
        columns = ("path", "tile_x", "tile_y", "tile_w", "tile_h", "tile_psnr", "psnr", "measured")
        self.worst = [{name: row[name] for name in columns} for row in totals.worst]
        self.problems = [(name, f"damaged: {text}") for name, text in self.damaged_files] + totals.problems
        self.missed = list(missed(limits, totals))
        self.limited = [limit.name for limit in limits]


def _largest_groups(totals: Totals) -> list[dict[str, Any]]:
    """The groups of each grouping with the most bytes."""
    by_size = sorted(totals.groups.items(), key=lambda item: -item[1].source_bytes)
    seen: Counter[str] = Counter()
    found = []
    for (grouping, name), figures in by_size:
        seen[grouping] += 1
        if seen[grouping] <= _GROUPS:
            found.append({"grouping": grouping, "group": name, **figures.summary()})
    return found
