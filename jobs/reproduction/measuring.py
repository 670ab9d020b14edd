"""The rows of a section measured: every picture to real bytes and back, each once, whatever interrupts it.

rows/SECTION/ROW.json holds a JSON object by picture: the figures of `evaluate`, besides `key`, which changes with the
picture, the codec, its model and its setting. What is there under the same key is not measured again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from tilepress.codecs.codec import Codec
from tilepress.codecs.errors import UnsupportedError
from tilepress.codecs.learned.leveled import LeveledCodec
from tilepress.jobs.evaluation.coding import measure
from tilepress.jobs.evaluation.points import OperatingPoint
from tilepress.jobs.reproduction.coders import LibraryCoder
from tilepress.jobs.reproduction.figures import BESIDES, Measured
from tilepress.jobs.reproduction.models import RowPool, load_row
from tilepress.jobs.reproduction.pictures import Sample
from tilepress.jobs.reproduction.table import Row, Section
from tilepress.pipeline.errors import MissingError
from tilepress.pipeline.storage.base import Storage

_TILE = 1 << 14  # a picture is one tile
_KEPT = ("bytes", "side_bytes", "mse", "psnr", "ssim", "ms_ssim", "max_error")
_ALWAYS = ("bytes", "side_bytes", "mse", "max_error")  # of these, what every picture has
Tell = Callable[[str, bool], None]  # a picture of a row is there; whether it was there before
Results = dict[tuple[str, int | None], list[Measured | None]]  # by row and column's quality, in the order of samples


@dataclass(frozen=True)
class RowTrial:
    """A row at work: its codec, and the qualities to choose from where it is to meet a number of bytes."""

    row: Row
    codec: Codec
    pool: RowPool
    quality: int | None
    besides: tuple[str, ...]  # figures that evaluations do not measure

    @property
    def candidates(self) -> Sequence[int]:
        """Qualities, coarse to fine: one of each level of a learned codec."""
        if isinstance(self.codec, LeveledCodec):
            finest = {self.codec.level_of(quality): quality for quality in range(100, 0, -1)}
            return [finest[level] for level in sorted(finest)]
        return self.codec.qualities if isinstance(self.codec, LibraryCoder) else range(1, 101)

    @property
    def figures(self) -> set[str]:
        """Names of the figures of a picture."""
        return {*_KEPT, *self.besides, "quality"}

    def at(self, sample: Sample, quality: int | None) -> Measured:
        """Return the figures of a picture at a quality."""
        tile = _TILE // self.codec.alignment * self.codec.alignment
        point = OperatingPoint(self.row.codec, quality, self.row.codec, "", tile, self.row.effort)
        besides = {name: BESIDES[name] for name in self.besides}
        found = measure(point, sample.picture, sample.pixels, self.pool, exact=False, besides=besides)
        return {name: found[name] for name in (*_KEPT, *self.besides)} | {"quality": quality}

    def within(self, sample: Sample, limit: float) -> Measured | None:
        """Return the figures at the finest quality of at most `limit` bytes, by bisection; None if none is so small."""
        best, low, high = None, -1, len(self.candidates)
        while high - low > 1:
            middle = (low + high) // 2
            tried = self.at(sample, self.candidates[middle])
            if tried["bytes"] <= limit:
                low, best = middle, tried
            else:
                high = middle
        return best


def measured_section(section: Section, samples: Sequence[Sample], work: Storage, place: str, tell: Tell) -> Results:
    """Return what every row makes of every picture; None of a picture that it cannot be so small for.

    Args:
        section: What to measure.
        samples: Its pictures.
        work: The folder of the table.
        place: Of the section in it.
        tell: Hears of every picture.
    """
    results: Results = {}
    besides = tuple(name for name in BESIDES if any(column.figure == name for column in section.columns))
    for row in section.rows:
        codec, name = load_row(row, work)
        for quality in dict.fromkeys(column.quality for column in section.columns):
            trial = RowTrial(row, codec, RowPool(work, codec), quality, besides)
            limits = list(_limits(row, samples, results.get((row.like, quality))))
            file = f"rows/{place}/{slug(row.name)}{'' if quality is None else f'-{quality}'}.json"
            results[row.name, quality] = _measured_row(trial, name, samples, limits, work, file, tell)
    return results


def slug(text: str) -> str:
    """Return a name for files: lower case, words joined by hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _limits(row: Row, samples: Sequence[Sample], like: list[Measured | None] | None) -> Iterator[float | None]:
    """The bytes that the row may have of each picture; None where it has a quality of its own."""
    for place, sample in enumerate(samples):
        if row.like:
            assert like is not None, f"row {row.like} stands below {row.name}"
            other = like[place]
            yield other["bytes"] if other else 0
        else:
            yield sample.pixels.size / row.ratio if row.ratio else None


def _measured_row(
    trial: RowTrial,
    name: str,
    samples: Sequence[Sample],
    limits: Sequence[float | None],
    work: Storage,
    file: str,
    tell: Tell,
) -> list[Measured | None]:
    kept = _kept(work, file, trial.figures)
    found: list[Measured | None] = []
    for sample, limit in zip(samples, limits, strict=True):
        key = _key(trial, name, sample, limit)
        entry, old = kept.get(sample.name), True
        if entry is None or entry["key"] != key:
            entry, old = {"key": key, "figures": _figures(trial, sample, limit)}, False
            kept[sample.name] = entry
            work.write(file, json.dumps(kept, indent=1).encode(), overwrite=True)
        found.append(entry["figures"] and entry["figures"] | _shape(sample))
        tell(trial.row.name, old)
    return found


def _figures(trial: RowTrial, sample: Sample, limit: float | None) -> Measured | None:
    try:
        if limit is not None:
            return trial.within(sample, limit)
        return trial.at(sample, trial.row.quality if trial.row.quality is not None else trial.quality)
    except UnsupportedError:
        return None


def _kept(work: Storage, file: str, figures: set[str]) -> dict[str, Measured]:
    """The entries with `figures` that the file holds as they are written; none where it is missing or damaged."""
    with suppress(MissingError, ValueError, RecursionError):
        kept = json.loads(work.read(file))
        if isinstance(kept, dict):
            return {name: entry for name, entry in kept.items() if _is_entry(entry, figures)}
    return {}


def _is_entry(entry: Any, figures: set[str]) -> bool:
    """Tell whether a value of JSON is what is kept of a picture."""
    if not isinstance(entry, dict) or entry.keys() != {"key", "figures"}:
        return False
    found = entry["figures"]
    if found is None:
        return True
    return isinstance(found, dict) and found.keys() == figures and all(map(_is_figure, found, found.values()))


def _is_figure(name: str, value: Any) -> bool:
    return type(value) in (int, float) or (value is None and name not in _ALWAYS)


def _key(trial: RowTrial, name: str, sample: Sample, limit: float | None) -> str:
    row = {key: value for key, value in asdict(trial.row).items() if key not in ("name", "like", "kind")}
    decisive = [row, name, trial.quality, sample.fingerprint, limit, trial.besides]
    return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()


def _shape(sample: Sample) -> Measured:
    height, width, _ = sample.pixels.shape
    return {"pixels": height * width, "samples": sample.pixels.size, "cells": sample.cells, "name": sample.name}
