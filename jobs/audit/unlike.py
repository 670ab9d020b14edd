"""Images whose bits are unlike those of the other images of their kind: what the codec's model says without asking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from tilepress.jobs.audit.spread import Ratios, Settled
from tilepress.pipeline.findings.finding import Finding

BITS, MISFIT = "bits", "misfit"
KINDS = {
    BITS: "It takes many more bits per pixel than the other images of its kind, or fewer [robust standard score].",
    MISFIT: "The codec's model fits it much worse than the rest, or better, for how busy it is [standard score].",
}
COLUMNS = ("codec", "mode", "fidelity", "bpp", "misfit")
_LEAST_IMAGES = 20  # of a kind, before one of them is unlike the rest
_SCORE = 6.0  # deviations from the median, from which on an image is unlike the rest
_LEAST_SCALE = 0.125  # octaves: where all images are nearly equal, a twelfth more is nothing
_MOST_KINDS = 1000
_OF = ((BITS, "bpp", "bits per pixel are"), (MISFIT, "misfit", "bits for each of a plain prediction are"))

_Kind = tuple[str, str, str]


class Others:
    """The bits of all images, by kind: codec, mode and fidelity. First all are added, then each is compared."""

    def __init__(self) -> None:
        self._ratios: dict[tuple[str, _Kind], Ratios] = {}
        self._settled: dict[tuple[str, _Kind], Settled] = {}

    def add(self, table: pa.Table) -> None:
        """Count some images, of which the table has at least COLUMNS."""
        for row in table.select(list(COLUMNS)).to_pylist():
            for name, column, _ in _OF:
                key = name, _kind(row)
                if row[column] is not None and (key in self._ratios or len(self._ratios) < 2 * _MOST_KINDS):
                    self._ratios.setdefault(key, Ratios()).add(row[column])

    def settle(self) -> None:
        """All images were added."""
        self._settled = {key: ratios.settled() for key, ratios in self._ratios.items()}

    def findings(self, row: Mapping[str, Any]) -> list[Finding]:
        """Return how an image is unlike those of its kind; for each way, how much by its standard score."""
        found = []
        for name, column, words in _OF:
            others, value = self._settled.get((name, _kind(row))), row[column]
            if others is None or value is None or others.count < _LEAST_IMAGES:
                continue
            score = others.score(value, _LEAST_SCALE)
            if abs(score) >= _SCORE:
                times = f"{others.times(value):.3g} times the median of {others.count:,} images of its kind"
                found.append(Finding(name, score, f"its {words} {times}"))
        return found


def _kind(row: Mapping[str, Any]) -> _Kind:
    return row["codec"], row["mode"], row["fidelity"]
