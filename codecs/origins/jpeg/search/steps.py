"""Quantisation steps told from samples: which table explains the coefficients of a picture's blocks best.

Rounded samples spread each coefficient by 0.29 around a multiple of its step. The score of a step is the logarithm of
how likely coefficients are so near to its multiples, plus, for multiples other than 0, of how many values the step
excludes, less what it takes to tell which coefficients are 0: of the steps that explain all, the largest is meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tilepress.codecs.jpeg.file.tables import CHROMA, LUMA, standard_tables
from tilepress.codecs.jpeg.transform import LAST_SHIFT, Transform, centre_of, transform_block
from tilepress.codecs.kernels.kernel import Float, Int, borrowing_kernel
from tilepress.codecs.origins.jpeg.facts import turned
from tilepress.codecs.origins.jpeg.search.dct import forward
from tilepress.codecs.origins.jpeg.search.rule import SearchRule, search_rule

_VARIANCE = np.float32(2 * 0.3**2)
_WORST = np.float32(12)  # no coefficient says more against a step
_LIVELY = (24, 12, 4)  # neighbours that differ, along rows and along columns: in flatter blocks rounding is no noise
_MOST_STEP = 255
_LEAST_BLOCKS, _ENOUGH_BLOCKS = 8, 32  # to tell anything from; of which less lively ones are not asked
_BLOCKS, _MOST_BLOCKS = 384, 4096  # that are looked at, for standard steps and for any
_LANES = 8  # blocks that are scored at once
_FAR, _FEW = 1.3, 0.3  # from a multiple, for rounding alone; and how many coefficients of a block may be so far
_FINE, _MANY = 2, 16  # steps that nothing contradicts; and how many of them may hide coarser ones
_LEAST_SHARE = 1e-6  # of multiples that are 0, and that are not: logarithms are finite
_BETTER, _AS_GOOD = 0.01, 0.002  # share of samples: by how much other steps must be better, and likely ones be worse


@borrowing_kernel
def lively_blocks(
    lows: np.ndarray, highs: np.ndarray, every: Int, lively: Int, samples: np.ndarray, room: np.ndarray
) -> Int:
    """Fill `samples` int64 (n, 64) with blocks that are known and lively; return how many there are.

    `lows`, `highs` uint8 (h, w): bounds. `every`: one of so many blocks is taken.
    `lively`: how many neighbours in a block differ, both along rows and along columns, at least.
    `room` int64 (64,).
    """
    count, number = 0, 0
    for y in range(0, lows.shape[0] - 7, 8):
        for x in range(0, lows.shape[1] - 7, 8):
            number += 1
            if number % every or count == samples.shape[0]:
                continue
            known, across, down = np.int64(1), 0, 0
            for i in range(64):
                a, b = y + (i >> 3), x + (i & 7)
                low = np.int64(lows[a, b])
                known &= (low == highs[a, b]) & (low > 0) & (low < 255)
                across += b > x and low != lows[a, b - 1]
                down += a > y and low != lows[a - 1, b]
                room[i] = low
            if known and min(across, down) >= lively:
                for i in range(64):
                    samples[count, i] = room[i]
                count += 1
    return count


@borrowing_kernel
def transform_blocks(samples: np.ndarray, centre: Float, room: np.ndarray, coefficients: np.ndarray) -> None:
    """Fill `coefficients` float32 (64, n) with those of `samples` int64 (n, 64), which lie around `centre`.

    `room` float32 (3, 64).
    """
    for n in range(samples.shape[0]):
        for i in range(64):
            room[0, i] = np.float32(samples[n, i]) - centre
        forward(room[0], room[1], room[2])
        for k in range(64):
            coefficients[k, n] = room[2, k]


@borrowing_kernel
def measure_steps(
    coefficients: np.ndarray, sizes: np.ndarray, wanted: np.ndarray, lanes: np.ndarray, found: np.ndarray
) -> None:
    """Fill `found` float64 (2, 64, steps) with means of each step of each coefficient, where it is wanted.

    The first is how far from its multiples the coefficients lie, as a logarithm of likelihood; the second, the share
    of coefficients whose multiple is not 0. Logarithms are taken elsewhere: kernels call no mathematical library.

    `coefficients` float32 (64, n), n a multiple of the lanes. `sizes` float32 (64, steps): of steps in effect.
    `wanted` uint8 (64, steps): 1 where means are wanted; the first step is 0, unused. `lanes` float32 (2, 8): room.
    """
    count = coefficients.shape[1]
    for k in range(64):
        for step in range(1, wanted.shape[1]):
            if not wanted[k, step]:
                continue
            size, inverse = sizes[k, step], np.float32(1) / sizes[k, step]
            for lane in range(_LANES):
                lanes[0, lane] = lanes[1, lane] = np.float32(0)
            for n in range(0, count, _LANES):
                for lane in range(_LANES):
                    value = coefficients[k, n + lane]
                    multiple = np.rint(value * inverse)
                    off = value - size * multiple
                    lanes[0, lane] += min(off * off / _VARIANCE, _WORST)
                    lanes[1, lane] += min(abs(multiple), np.float32(1))
            against, others = 0.0, 0.0
            for lane in range(_LANES):
                against += lanes[0, lane]
                others += lanes[1, lane]
            found[0, k, step] = against / count
            found[1, k, step] = others / count


@borrowing_kernel
def count_exact(
    samples: np.ndarray,
    coefficients: np.ndarray,
    rule: SearchRule,
    quantised: np.ndarray,
    work: np.ndarray,
    decoded: np.ndarray,
) -> Int:
    """Return how many of `samples` int64 (n, 64) rounded coefficients, float32 (64, at least n), make again.

    `quantised` int16 (64,), `work` int64 (64,), `decoded` int64 (64,): room.
    """
    multipliers, steps, transform = rule
    exact = 0
    for n in range(samples.shape[0]):
        for k in range(64):
            quantised[k] = np.int64(np.rint(coefficients[k, n] / steps[k]))
        transform_block(quantised, multipliers, transform, work, decoded)
        for i in range(64):
            exact += samples[n, i] == decoded[i] >> transform[LAST_SHIFT]
    return exact


class Blocks:
    """Blocks of which every sample is known, and how well tables of steps explain them."""

    def __init__(self, samples: np.ndarray, transform: Transform) -> None:
        """`samples`: int64 (n, 64), n > 0. `transform`: by which they may have been made."""
        self._samples, self._transform = samples, transform
        self._coefficients = np.empty((64, len(samples)), np.float32)
        centre = centre_of(transform.rule)
        transform_blocks(samples, centre, np.empty((3, 64), np.float32), self._coefficients)

    def exact(self, table: np.ndarray) -> float:
        """Return the share of samples that coefficients make again which are rounded to the steps of a table."""
        rule = search_rule(self._transform, table)
        room = np.empty(64, np.int16), np.empty(64, np.int64), np.empty(64, np.int64)
        return float(count_exact(self._samples, self._coefficients, rule, *room)) / self._samples.size

    def turned(self, turn: int) -> Blocks:
        """Return the same blocks, each turned as `facts.turned` turns a picture."""
        blocks = turned(self._samples.reshape(-1, 8, 8).transpose(1, 2, 0), turn).transpose(2, 0, 1)
        return Blocks(np.ascontiguousarray(blocks.reshape(-1, 64)), self._transform)

    def made_by(self, transform: Transform) -> Blocks:
        """Return the same blocks as if another transform had made them."""
        return self if transform is self._transform else Blocks(self._samples, transform)

    def contradictions(self, table: np.ndarray) -> float:
        """Return how many coefficients of a block, on average, lie too far from all multiples of a table's steps."""
        steps = self._transform.steps(table)[:, None]
        off = self._coefficients - steps * np.rint(self._coefficients / steps)
        return float((np.abs(off) > _FAR).sum()) / len(self._samples)

    def coarser(self, table: np.ndarray) -> bool:
        """Tell whether many steps that explain the blocks best are larger ones than those of a table."""
        return bool((self.any() > table).sum() > _MANY)

    def standard(self) -> np.ndarray:
        """Return the standard table, of any quality, luma's or chroma's, that explains the blocks best."""
        return _standard_of(self._samples.tobytes(), self._transform).copy()

    def find_standard(self) -> np.ndarray:
        """Return what `standard` does, looked for anew."""
        tables = np.concatenate([standard_tables(LUMA), standard_tables(CHROMA)])
        wanted = np.zeros((64, _MOST_STEP + 1), np.uint8)
        wanted[np.arange(64), tables] = 1
        best: np.ndarray = tables[self._scores(wanted)[np.arange(64), tables].sum(axis=1).argmax()]
        return best

    def any(self) -> np.ndarray:
        """Return the table whose every step explains the blocks best."""
        scores = self._scores(np.ones((64, _MOST_STEP + 1), np.uint8))
        best: np.ndarray = (scores[:, 1:].argmax(axis=1) + 1).astype(np.int32)
        return best

    def _scores(self, wanted: np.ndarray) -> np.ndarray:
        """Scores float64 (64, steps); minus infinity where none is wanted."""
        repeated = np.resize(np.arange(len(self._samples)), -(-len(self._samples) // _LANES) * _LANES)
        coefficients = np.ascontiguousarray(self._coefficients[:, repeated])
        found = np.zeros((2, *wanted.shape))
        sizes = np.ascontiguousarray(self._transform.steps(np.arange(wanted.shape[1])[:, None].repeat(64, axis=1)).T)
        measure_steps(coefficients, sizes, wanted, np.empty((2, _LANES), np.float32), found)
        against, share = found[0], np.clip(found[1], _LEAST_SHARE, 1 - _LEAST_SHARE)
        entropy = -share * np.log(share) - (1 - share) * np.log(1 - share)
        explained = share * np.log(np.maximum(np.arange(wanted.shape[1]), 1))
        return np.where(wanted == 1, explained - entropy - against, -np.inf)


@lru_cache(maxsize=4)  # the blocks of luma are asked for the transform that made them first, then for their steps
def _standard_of(samples: bytes, transform: Transform) -> np.ndarray:
    return Blocks(np.frombuffer(samples, np.int64).reshape(-1, 64).copy(), transform).find_standard()


@dataclass(frozen=True)
class Steps:
    """Steps int32 (64,), and how well they explain what is known: the share of samples that they make again."""

    table: np.ndarray
    share: float


def find_steps(
    bounds: list[tuple[np.ndarray, np.ndarray]], transform: Transform, likely: np.ndarray | None = None
) -> Steps | None:
    """Return the steps that components share; None where too little is known of them, or none explain it.

    The standard tables are asked first. Any other one must explain what these contradict.

    Args:
        bounds: Of each component, uint8 (h, w) both: least and greatest samples, on the grid of the blocks.
        transform: By which the samples were made.
        likely: Steps that are taken if none explain more, or too little is known.
    """
    blocks = known_blocks(bounds, transform)
    if blocks is None:
        return None if likely is None else Steps(likely, 0.0)
    table = blocks.standard()
    if likely is not None and blocks.exact(likely) >= blocks.exact(table) - _AS_GOOD:
        table = likely
    if blocks.contradictions(table) > _FEW or ((table <= _FINE).sum() > _MANY and blocks.coarser(table)):
        other = (known_blocks(bounds, transform, _MOST_BLOCKS) or blocks).any()
        table = other if blocks.exact(other) > blocks.exact(table) + _BETTER else table
    return None if (table == 1).all() else Steps(table, blocks.exact(table))


def known_blocks(
    bounds: list[tuple[np.ndarray, np.ndarray]], transform: Transform, most: int = _BLOCKS
) -> Blocks | None:
    """Return about `most` blocks of each component, bounds of which are uint8 (h, w) both; None for too few."""
    samples = np.concatenate([_lively(low, high, most) for low, high in bounds])
    return Blocks(samples, transform) if len(samples) >= _LEAST_BLOCKS else None


def _lively(low: np.ndarray, high: np.ndarray, most: int) -> np.ndarray:
    """Up to `most` blocks of which every sample is known, int64 (n, 64): lively ones, if there are enough."""
    there = (low.shape[0] // 8) * (low.shape[1] // 8)
    samples, count = np.empty((min(most, there), 64), np.int64), 0
    for lively in _LIVELY:
        for every in (max(1, there // most), 1):
            count = lively_blocks(low, high, every, lively, samples, np.empty(64, np.int64))
            if 2 * count >= len(samples):
                return samples[:count]
        if count >= _ENOUGH_BLOCKS:
            break
    return samples[:count]
