"""What the network is to learn from, collected by coding windows; and the mixing weights that coding them ends with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.lossless.features import FEATURES
from tilepress.codecs.lossless.levels import Level
from tilepress.codecs.lossless.stack import Probe, StartState, encode_stack, plain_start
from tilepress.jobs.fitting.images import Window, shrink


@dataclass(frozen=True)
class Rows:
    """`features` (n, FEATURES) int16 of some samples; `targets` (n, 2) float32: value less prediction, and unit."""

    features: np.ndarray
    targets: np.ndarray


def collect(windows: Sequence[Window], level: Level, rows: int, samples: int) -> Rows:
    """Return about `rows` rows in all, as many of each window, coding about `samples` samples at most.

    The features depend neither on the network nor on the mixing weights.
    """
    features, targets = [np.zeros((0, FEATURES), np.int16)], [np.zeros((0, 2), np.float32)]
    for window in (shrink(window, samples // len(windows)) for window in windows):
        probe = Probe(_stride(window, rows / len(windows)))
        encode_stack(window.samples, None, window.spec, level, 0, plain_start(), probe)
        features += probe.features
        targets += probe.targets
    return Rows(np.concatenate(features), np.concatenate(targets))


def _stride(window: Window, rows: float) -> int:
    """Every so many samples; without a common factor with the width, so that every column has its turn."""
    stride = max(1, math.ceil(window.samples.size / rows))
    while math.gcd(stride, window.spec.width) > 1:
        stride += 1
    return stride


def final_mixers(samples: np.ndarray, spec: TileSpec, level: Level, prior: StartState) -> list[np.ndarray]:
    """Return the mixing state (MIXER,) float64 that each plane of a tile (h, w, c) ends with."""
    probe = Probe(0)
    encode_stack(samples, None, spec, level, 0, prior, probe)
    return probe.mixers
