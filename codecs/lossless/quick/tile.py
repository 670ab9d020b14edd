"""Payload of the quick level: the header of each plane in coding order (samples.py) | a rANS stream of all planes.

In the stream stand, for each plane: how many classes there are, the predictors' weights, the class of each block, and
the errors of samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.entropy import rans
from tilepress.codecs.errors import StreamError
from tilepress.codecs.lossless.quick.classes import BLOCK, CLASS_BITS, LIMIT, ONE, classify
from tilepress.codecs.lossless.quick.distributions import LOWEST, tables
from tilepress.codecs.lossless.quick.side import SCALE_BITS, code_classes, code_number, code_weights
from tilepress.codecs.lossless.quick.symbols import Stream
from tilepress.codecs.lossless.quick.taps import PAD, Taps, rounded_up, spread, taps_of
from tilepress.codecs.lossless.quick.walk import Plane, Predictors, walk_plane
from tilepress.codecs.lossless.samples import Values, decode_planes, encode_planes

_PER_SAMPLE = 5  # intervals, at most: a symbol, the length of an escape, two pieces of it, low bits
_PER_BLOCK = 3
_OF_WEIGHTS = 1 << 15


@dataclass
class _Tile:
    """Planes of a tile in coding order, those of the base behind them, and the stream between them and bytes."""

    spec: TileSpec
    based: bool
    error: int
    stream: Stream
    at: int = 0
    state: int = 0

    def __post_init__(self) -> None:
        """Make room for all planes, each with a border."""
        self.row = self.spec.width + 2 * PAD
        self.size = (self.spec.height + 2 * PAD) * self.row
        self.field = np.zeros(self.spec.channels * (2 if self.based else 1) * self.size)
        self.errors = np.zeros(self.spec.channels * self.size)

    def code(self, samples: np.ndarray, highest: int, number: int, base: np.ndarray | None) -> None:
        """Code the plane of a number, `samples` int32 (h, w) within 0..`highest`; `base` likewise, if there is one."""
        if base is not None:
            self._padded(self.spec.channels + number)[:] = np.pad(base, PAD, mode="edge")
        start = number * self.size + PAD * self.row + PAD
        partner, second = (-step * self.size if number >= step else 0 for step in (1, 2))
        taps = taps_of(self.row, partner, second, self.spec.channels * self.size if self.based else 0)
        plane = Plane(self.field, self.errors, start, self.row, partner, np.float64(highest), 2 * self.error + 1)
        predictors = self._predictors(samples, start, number, taps)
        self._padded(number)[:PAD] = (highest + 1) // 2  # above the first row, while that is coded
        self.at, self.state = walk_plane(samples, plane, predictors, self.stream, self.at, self.state)

    def _predictors(self, samples: np.ndarray, start: int, number: int, taps: Taps) -> Predictors:
        """Find the predictors of a plane and write them, or read them."""
        height, width = samples.shape
        columns = -(-width // BLOCK)
        if self.stream.words.size:
            count, self.at, self.state = code_number(0, CLASS_BITS, self.stream, self.at, self.state)
            classes = np.zeros(-(-height // BLOCK) * columns, np.uint8)
            weights = np.zeros((count + 1, len(taps.free)), np.int64)
        else:
            self._lay(samples, number)
            classes, weights = classify(self.field, (height, width), (start, self.row), taps)
            _, self.at, self.state = code_number(len(weights) - 1, CLASS_BITS, self.stream, self.at, self.state)
        scales = scales_of(weights)
        self.at, self.state = code_weights(weights, scales, self.stream, self.at, self.state)
        self.at, self.state = code_classes(classes, columns, self.stream, self.at, self.state)
        # A hostile stream may name weights and classes that there are not, and kernels check no index.
        whole = spread(np.clip(weights, -LIMIT, LIMIT), taps, ONE)
        return Predictors(np.minimum(classes, len(weights) - 1), whole, rounded_up(taps.offsets))

    def _lay(self, samples: np.ndarray, number: int) -> None:
        """Lay samples in the field, with the border that they will have while they are coded."""
        plane = self._padded(number)
        plane[PAD:-PAD, PAD:-PAD] = samples
        plane[PAD:-PAD, -PAD:] = samples[:, -1:]
        plane[PAD + 1 : -PAD, :PAD] = samples[:-1, :1]
        plane[PAD, :PAD] = samples[0, 0]
        plane[PAD - 1] = plane[PAD]

    def _padded(self, number: int) -> np.ndarray:
        plane: np.ndarray = self.field[number * self.size : (number + 1) * self.size].reshape(-1, self.row)
        return plane


def scales_of(weights: np.ndarray) -> np.ndarray:
    """Return the scale, as `code_steps` has it, that suits each weight of all classes: int64 (weights,)."""
    size = np.abs(weights).mean(axis=0) + 0.5
    scales: np.ndarray = np.clip(np.floor(4 * np.log2(size)).astype(np.int64) - LOWEST, 0, (1 << SCALE_BITS) - 1)
    return scales


@cache
def _tables() -> rans.Tables:
    return tables()


_NOTHING = np.zeros(0, np.uint16)


def encode_quick(tile: np.ndarray, base: np.ndarray | None, spec: TileSpec, error: int) -> bytes:
    """Return the payload of a tile (h, w, c) over its base, if it has one, as `encode_stack`."""
    blocks = -(-spec.height // BLOCK) * -(-spec.width // BLOCK)
    room = spec.channels * (spec.height * spec.width * _PER_SAMPLE + blocks * _PER_BLOCK + _OF_WEIGHTS)
    starts, freqs = np.empty(room, np.uint16), np.empty(room, np.uint16)
    coder = _Tile(spec, base is not None, error, Stream(starts, freqs, _NOTHING, _tables().cdf, _tables().lookup))
    head = encode_planes(tile, base, spec, error, coder.code)
    return head + (rans.join(*rans.encode_intervals(starts, freqs, coder.at)) if coder.at else b"")


def decode_quick(rest: bytes, base: np.ndarray | None, spec: TileSpec, planes: list[Values], error: int) -> np.ndarray:
    """Return the tile of a payload behind the headers of its planes. Arguments and errors as of `decode_stack`."""
    coded = any(values.highest for values in planes)
    if rest and not coded:
        raise StreamError("lossless stream goes on behind planes of one value")
    state, words = rans.split(rest) if coded else (0, _NOTHING)
    padded = np.append(words, np.uint16(0))  # never empty, and a decoder reads zeros behind the words
    coder = _Tile(spec, base is not None, error, Stream(_NOTHING, _NOTHING, padded, _tables().cdf, _tables().lookup))
    coder.state = state
    tile = decode_planes(planes, base, spec, coder.code)
    if coded:
        rans.check_end(coder.state, coder.at, words)
    return tile
