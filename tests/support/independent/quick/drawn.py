"""rANS streams of drawn values for `lossless`, level 4: what a decoder asks for is drawn, and kept as a stream."""

from __future__ import annotations

import struct

import numpy as np

from tests.support.independent.quick.numbers import ONE, QuickRans
from tests.support.independent.quick.plane import read_planes


class DrawnRans(QuickRans):
    """Answers with symbols as likely as the tables say, and now and then with the first or the last, an escape."""

    def __init__(self, seed: int, extremes: float) -> None:
        self._rng, self._extremes = np.random.default_rng(seed), extremes
        self._steps: list[tuple[int, int]] = []
        self.state = self._slot()

    def _slot(self) -> int:
        if self._rng.random() < self._extremes:
            return int(self._rng.integers(2)) * (ONE - 1)
        return int(self._rng.integers(ONE))

    def _advance(self, start: int, freq: int) -> None:
        self._steps.append((start, freq))
        self.state = self._slot()

    def stream(self) -> bytes:
        """The stream that gives the same answers: section 8's steps backwards."""
        state, words = 1 << 16, list[int]()
        for start, freq in reversed(self._steps):
            if state >= freq << 17:
                words.append(state & 0xFFFF)
                state >>= 16
            state = (state // freq << 15) + state % freq + start
        return struct.pack("<I", state) + np.array(words[::-1], "<u2").tobytes()


def drawn_planes(
    seed: int,
    extremes: float,
    shape: tuple[int, int],
    highest: list[int],
    error: int,
    bases: list[np.ndarray | None],
) -> tuple[list[np.ndarray], bytes]:
    """Planes of samples (h, w) in coding order, and their stream; `extremes`: how many answers are such, 0..1."""
    rans = DrawnRans(seed, extremes)
    planes = read_planes(rans, shape, highest, error, bases)
    return planes, rans.stream()
