"""What an audit comes to: counts, spreads and groups of all rows, which pass one by one and are not kept."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tilepress.jobs.audit.rows import (
    AT_ENCODING,
    AUDITED,
    DAMAGED,
    METRICS,
    MISSING,
    NO_IMAGE,
    QUARANTINED,
    TOO_LARGE,
    UNCHECKED,
    Row,
)
from tilepress.jobs.audit.spread import Extremes, Measure
from tilepress.pipeline.quality.perception import PERCEPTION

MEASURES = (*METRICS, "bpp", "misfit")  # figures of single images
COUNTS = ("images", "files", "damaged", "quarantined", "missing", "differing", "unchecked", "findings")
KIND = "kind"  # the grouping that is always there: how images are held
OTHERS = "(others)"
_MOST_GROUPS = 2000  # of a grouping; the rest is one
_KEPT = 12  # worst images, and examples of a finding
_MOST_NAMED = 1000  # problems that the report names
_TOLD = (DAMAGED, UNCHECKED, MISSING, QUARANTINED, TOO_LARGE)  # outcomes that are problems


@dataclass
class GroupFigures:
    """The images of one group."""

    images: int = 0
    source_bytes: int = 0
    stored_bytes: int = 0
    pixels: int = 0
    damaged: int = 0
    findings: int = 0
    figures: dict[str, Extremes] = field(default_factory=dict)

    def add(self, row: Row) -> None:
        """Count an image."""
        self.images += row["outcome"] == AUDITED
        if row["method"]:  # what is missing, or was never stored, saves nothing
            self.source_bytes += row["source_bytes"]
            self.stored_bytes += row["stored_bytes"]
        self.pixels += (row.get("width") or 0) * (row.get("height") or 0)
        self.damaged += row["outcome"] == DAMAGED
        self.findings += bool(row["findings"])
        for name in METRICS:
            if row.get(name) is not None:
                self.figures.setdefault(name, Extremes()).add(row[name], row["path"])

    @property
    def saved(self) -> float | None:
        """The share of the bytes that is saved; None of nothing."""
        return 1 - self.stored_bytes / self.source_bytes if self.source_bytes else None

    @property
    def bpp(self) -> float | None:
        """Stored bits for each pixel of all of it."""
        return 8 * self.stored_bytes / self.pixels if self.pixels else None

    def summary(self) -> dict[str, Any]:
        """Return the columns of groups.parquet."""
        means = {f"mean_{name}": spread.mean for name, spread in self.figures.items()}
        counts = ("images", "source_bytes", "stored_bytes", "pixels", "damaged", "findings")
        least = self.figures["psnr"].least if "psnr" in self.figures else None
        worst = {"least_psnr": least[0]} if least else {}
        return {name: getattr(self, name) for name in counts} | {"saved": self.saved, "bpp": self.bpp} | means | worst


@dataclass
class Lacking:
    """Images that lack a figure: how many, and the first."""

    path: str
    count: int = 0


@dataclass
class Totals:
    """All rows so far. `first`: the first image of a count; `worst`: rows of the tiles with the least PSNR."""

    groupings: Sequence[str] = ()
    outcomes: Counter[str] = field(default_factory=Counter)
    quarantined: Counter[str] = field(default_factory=Counter)  # by reason code
    findings: Counter[str] = field(default_factory=Counter)  # images by kind
    with_findings: int = 0
    differing: int = 0
    duplicate_groups: int = 0
    similar_groups: int = 0
    everything: GroupFigures = field(default_factory=GroupFigures)
    groups: dict[tuple[str, str], GroupFigures] = field(default_factory=dict)
    spreads: dict[str, Measure] = field(default_factory=lambda: {name: Measure() for name in MEASURES})
    unmeasured: dict[str, Lacking] = field(default_factory=dict)
    unperceived: Counter[str] = field(default_factory=Counter)  # images without measures of perception, by the reason
    equal: int = 0  # images that came back as they were, by hash or beside the source
    first: dict[str, str] = field(default_factory=dict)
    problems: list[tuple[str, str]] = field(default_factory=list)  # (image, what is wrong), the first _MOST_NAMED
    examples: dict[str, list[Row]] = field(default_factory=dict)  # of each finding
    _worst: list[tuple[float, int, Row]] = field(default_factory=list)
    _group_counts: Counter[str] = field(default_factory=Counter)
    _rows: int = 0

    def add(self, row: Row) -> None:
        """Count a row."""
        self._rows += 1
        self.outcomes[row["outcome"]] += 1
        self._note_problems(row)
        for name, spread in self.spreads.items():
            spread.add(row.get(name), row["path"])
        self.everything.add(row)
        names = [(KIND, row["codec"] or row["outcome"]), *zip(self.groupings, row["groups"], strict=False)]
        for grouping, name in names:
            self._group(grouping, name).add(row)
        if row["outcome"] == AUDITED:
            self._note_figures(row)
        self._note_findings(row)

    def _group(self, grouping: str, name: str) -> GroupFigures:
        if (grouping, name) not in self.groups:
            self._group_counts[grouping] += 1
            name = name if self._group_counts[grouping] <= _MOST_GROUPS else OTHERS
        return self.groups.setdefault((grouping, name), GroupFigures())

    def _note_problems(self, row: Row) -> None:
        outcome, path = row["outcome"], row["path"]
        if row["quarantine"]:
            self.quarantined[row["quarantine"]] += 1
            self.first.setdefault("quarantined", path)
        if row["compared"]:
            self.differing += 1
            self.first.setdefault("differing", path)
        self.first.setdefault("unchecked" if outcome == UNCHECKED else outcome, path)
        texts = [f"{outcome}: {row['reason']}"] if outcome in _TOLD else []
        texts += [row["compared"]] if row["compared"] else []
        self.problems += [(path, text) for text in texts if len(self.problems) < _MOST_NAMED]

    def _note_figures(self, row: Row) -> None:
        self.equal += row.get("max_error") == 0
        expected = METRICS if not row["measured"] else ("ssim", "ms_ssim", "ssimulacra2", "max_error")
        if row["measured"] in ("", AT_ENCODING):
            for name in expected:
                self.unmeasured.setdefault(name, Lacking(row["path"])).count += 1
        if row["unmeasured"]:
            self.unperceived[row["unmeasured"]] += 1
            for name in PERCEPTION:
                self.unmeasured.setdefault(name, Lacking(row["path"])).count += 1
        if row.get("tile_psnr") is not None:
            heapq.heappush(self._worst, (-row["tile_psnr"], self._rows, row))
            if len(self._worst) > _KEPT:
                heapq.heappop(self._worst)  # the one with the greatest PSNR is the least of them all

    def _note_findings(self, row: Row) -> None:
        self.with_findings += bool(row["findings"])
        for kind in dict.fromkeys(each["kind"] for each in row["findings"]):
            self.findings[kind] += 1
            self.first.setdefault(f"findings.{kind}", row["path"])
            self.first.setdefault("findings", row["path"])
            examples = self.examples.setdefault(kind, [])
            if len(examples) < _KEPT:
                examples.append(row)
        self.duplicate_groups = max(self.duplicate_groups, row.get("duplicates") or 0)
        self.similar_groups = max(self.similar_groups, row.get("similar") or 0)

    def add_all(self, rows: Iterable[Row]) -> None:
        """Count rows."""
        for row in rows:
            self.add(row)

    @property
    def worst(self) -> list[Row]:
        """The rows with the worst tiles, the worst first."""
        return [row for _, _, row in sorted(self._worst, reverse=True)]

    @property
    def saved(self) -> float | None:
        """The share of the bytes of all files that is saved."""
        return self.everything.saved

    def counts(self) -> dict[str, int]:
        """Return COUNTS."""
        looked = {"images": AUDITED, "damaged": DAMAGED, "missing": MISSING, "unchecked": UNCHECKED}
        found = {name: self.outcomes[outcome] for name, outcome in looked.items()}
        found["images"] += self.outcomes[TOO_LARGE] + self.outcomes[DAMAGED] + self.outcomes[UNCHECKED]
        files = self.outcomes.total() - self.outcomes[MISSING]
        others = {"quarantined": self.quarantined.total(), "differing": self.differing, "findings": self.with_findings}
        return {**found, "files": files, **others}

    @property
    def no_images(self) -> int:
        """Files that are no images."""
        return self.outcomes[NO_IMAGE]
