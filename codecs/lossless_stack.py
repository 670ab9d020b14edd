"""The planes of a tile, and of its base, in one field that the lossless kernel walks; the payload that it writes.

Payload: level uint8 | error uint16 LE | header of each plane in coding order (lossless_samples.py) | range-coded
words. Level 0 is followed by the raw samples instead (little-endian), where coding would not be shorter.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from tilepress.codecs import range_coder
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import StreamError
from tilepress.codecs.lossless_experts import EXPERTS, NETWORK, PAD, Picture
from tilepress.codecs.lossless_features import FEATURES
from tilepress.codecs.lossless_levels import LEVELS, Level, fits_of
from tilepress.codecs.lossless_mixer import INPUTS, NODES, new_cells, new_mixer
from tilepress.codecs.lossless_network import NO_LAYERS, Network
from tilepress.codecs.lossless_plane import Record, code_plane
from tilepress.codecs.lossless_samples import Values, read_values, values_of

_HEAD = struct.Struct("<BH")
_RAW = 0
_UNSEEN = Record(np.zeros((0, FEATURES), np.int16), np.zeros((0, 2), np.float32), 0)


@dataclass(frozen=True)
class Prior:
    """What is known before a tile: the network (None: none) and the mixing weights (NODES, INPUTS) to begin with."""

    network: Network | None
    mixing: np.ndarray


def plain_prior() -> Prior:
    """Without a network: all predictors count the same."""
    mixing = np.zeros((NODES, INPUTS))
    mixing[:, :EXPERTS] = 1.0 / (EXPERTS - 1)
    mixing[:, NETWORK] = 0.0
    return Prior(None, mixing)


@dataclass
class Probe:
    """Asks the kernel for features (n, FEATURES) int16 and targets (n, 2) float32 of every `every`-th sample."""

    every: int
    features: list[np.ndarray]
    targets: list[np.ndarray]

    def room(self, samples: int) -> Record:
        """Arrays for the samples of one plane."""
        count = samples // self.every
        self.features.append(np.zeros((count, FEATURES), np.int16))
        self.targets.append(np.zeros((count, 2), np.float32))
        return Record(self.features[-1], self.targets[-1], self.every)


def order_of(spec: TileSpec) -> list[int]:
    """Planes in coding order: green first, since it predicts red and blue best; alpha last."""
    planes = list(range(spec.channels))
    return [1, 0, *planes[2:]] if spec.colour == "rgb" else planes


class Stack:
    """Planes of a tile in coding order, those of the base after them, each with a border of PAD samples."""

    def __init__(self, spec: TileSpec, base: np.ndarray | None) -> None:
        """`base` (h, w, c) of `spec.dtype`, if there is one."""
        self._spec = spec
        self._row = spec.width + 2 * PAD
        self._size = (spec.height + 2 * PAD) * self._row
        self._based = base is not None
        planes = spec.channels * (2 if self._based else 1)
        self._field = np.zeros(planes * self._size, np.float32)
        self._errors = np.zeros(spec.channels * self._size, np.float32)
        self._coder = np.zeros(0, np.int64)
        self._words = np.zeros(0, np.uint16)

    def begin(self, words: np.ndarray, encoding: bool) -> None:
        """Start the range coder on `words` (n,) uint16."""
        self._words, self._coder = words, range_coder.start(words, encoding)

    def finish(self) -> bytes | None:
        """What was coded; None if the words did not suffice."""
        return range_coder.finish(self._coder, self._words)

    def code(
        self,
        indices: np.ndarray,
        highest: int,
        number: int,
        base: np.ndarray | None,
        level: Level,
        error: int,
        prior: Prior,
        probe: Probe | None = None,
    ) -> np.ndarray:
        """Code plane `number` of the coding order (h, w) int32, values 0..highest; returns the final mixing state."""
        if base is not None:
            self._lay_base(base, number)
        moves = self._moves(number)
        mixer = new_mixer(prior.mixing)
        partner, second = (-step * self._size if number >= step else 0 for step in (1, 2))
        lowest, most = np.float64(0), np.float64(highest)  # not Python's floats, which would take part in float32
        start = number * self._size
        code_plane(
            indices,
            (0, highest, error),
            Picture(self._field, self._errors, start, self._row, partner, second, lowest, most),
            fits_of(level, moves, self._based, self._row),
            prior.network.layers if prior.network else NO_LAYERS,
            (new_cells(), mixer, self._coder, self._words),
            probe.room(indices.size) if probe else _UNSEEN,
        )
        return mixer

    def _moves(self, number: int) -> np.ndarray:
        """Offsets to the planes that plane `number` may look at: itself, up to two before, its base."""
        known = [0, *(-step for step in range(1, min(number, 2) + 1))]
        known += [self._spec.channels] if self._based else []
        return np.array(known, np.int64) * self._size

    def _lay_base(self, base: np.ndarray, number: int) -> None:
        plane = np.pad(base.astype(np.float32), PAD, mode="edge")
        at = (self._spec.channels + number) * self._size
        self._field[at : at + self._size] = plane.ravel()


def encode_stack(
    tile: np.ndarray,
    base: np.ndarray | None,
    spec: TileSpec,
    level: Level,
    error: int,
    prior: Prior,
    probe: Probe | None = None,
) -> bytes:
    """The payload of a tile (h, w, c), on top of `base` if there is one."""
    words = np.zeros(spec.nbytes // 2 + 1, np.uint16)
    stack = Stack(spec, base)
    stack.begin(words, True)
    head = _HEAD.pack(level.code, error)
    for number, plane in enumerate(order_of(spec)):
        values, description = values_of(tile[..., plane], error)
        head += description
        if values.highest:
            below = None if base is None else values.indices(base[..., plane])
            stack.code(values.indices(tile[..., plane]), values.highest, number, below, level, error, prior, probe)
    coded = stack.finish()
    if coded is None or len(head) + len(coded) > _HEAD.size + spec.nbytes:
        return _HEAD.pack(_RAW, 0) + np.ascontiguousarray(tile).astype(f"<u{tile.dtype.itemsize}").tobytes()
    return head + coded


def decode_stack(payload: bytes, base: np.ndarray | None, spec: TileSpec, priors: dict[int, Prior]) -> np.ndarray:
    """The tile of a payload; StreamError for damaged bytes. Time is bounded by the tile, whatever the bytes."""
    if len(payload) < _HEAD.size:
        raise StreamError("lossless stream is shorter than its header")
    code, error = _HEAD.unpack_from(payload)
    rest = payload[_HEAD.size :]
    if code == _RAW:
        return _raw(rest, spec)
    level = next((level for level in LEVELS if level.code == code), None)
    if level is None:
        raise StreamError(f"lossless stream has level {code}, unknown to this tilepress")
    planes: list[Values] = []
    for _ in range(spec.channels):
        values, rest = read_values(rest, spec.maximum)
        planes.append(values)
    if len(rest) > 2 * (spec.nbytes // 2 + 1):
        raise StreamError("lossless stream is longer than its tile")
    stack = Stack(spec, base)
    stack.begin(np.frombuffer(rest + bytes(len(rest) % 2), "<u2").astype(np.uint16), False)
    tile = np.zeros(spec.shape, spec.dtype)
    for number, plane in enumerate(order_of(spec)):
        values = planes[number]
        indices = np.zeros((spec.height, spec.width), np.int32)
        if values.highest:
            below = None if base is None else values.indices(base[..., plane])
            stack.code(indices, values.highest, number, below, level, error, priors[level.code])
        tile[..., plane] = values.samples(indices)
    return tile


def _raw(data: bytes, spec: TileSpec) -> np.ndarray:
    if len(data) != spec.nbytes:
        raise StreamError(f"raw lossless stream holds {len(data)} bytes, its tile {spec.nbytes}")
    tile = np.frombuffer(data, np.dtype(spec.dtype).newbyteorder("<")).reshape(spec.shape).astype(spec.dtype)
    if tile.max(initial=0) > spec.maximum:
        raise StreamError(f"raw lossless stream holds samples above {spec.maximum}")
    return tile
