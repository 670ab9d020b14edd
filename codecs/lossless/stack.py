"""The planes of a tile, and of its base, in one field for the lossless kernel; and the payload that the kernel writes.

Payload: level uint8 | error uint16 LE | header of each plane in coding order (samples.py) | range-coded
words; at level quick a rANS stream (quick/tile.py). Level 0 is followed by the raw samples instead (little-endian),
where coding would not be shorter.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.entropy import range_coder
from tilepress.codecs.errors import StreamError
from tilepress.codecs.lossless.features import FEATURES
from tilepress.codecs.lossless.levels import LEVELS, QUICK, Level, fits_of
from tilepress.codecs.lossless.mixer import INPUTS, NODES, new_cells, new_mixer
from tilepress.codecs.lossless.network import NO_LAYERS, Network
from tilepress.codecs.lossless.plane import Record, code_plane
from tilepress.codecs.lossless.predictors import NETWORK, PAD, PREDICTORS, PlaneView
from tilepress.codecs.lossless.quick.tile import decode_quick, encode_quick
from tilepress.codecs.lossless.samples import Values, decode_planes, encode_planes, read_values
from tilepress.codecs.stream import samples_from_bytes, samples_to_bytes

_HEAD = struct.Struct("<BH")
_RAW = 0
_UNSEEN = Record(np.zeros((0, FEATURES), np.int16), np.zeros((0, 2), np.float32), 0)


@dataclass(frozen=True)
class StartState:
    """State of the coder before a tile: the network (None: none), and mixing weights float64 (NODES, INPUTS)."""

    network: Network | None
    mixing: np.ndarray


def plain_start() -> StartState:
    """Return the state without a network, in which all predictors count the same."""
    mixing = np.zeros((NODES, INPUTS))
    mixing[:, :PREDICTORS] = 1.0 / (PREDICTORS - 1)
    mixing[:, NETWORK] = 0.0
    return StartState(None, mixing)


@dataclass
class Probe:
    """Observations of coding a tile, for training.

    `features` (n, FEATURES) int16 and `targets` (n, 2) float32 of every `every`-th sample (0: of none), and the
    mixing state that coding ends with, a plane each.
    """

    every: int
    features: list[np.ndarray] = field(default_factory=list)
    targets: list[np.ndarray] = field(default_factory=list)
    mixers: list[np.ndarray] = field(default_factory=list)

    def room(self, samples: int) -> Record:
        """Return arrays for the samples of one plane."""
        if not self.every:
            return _UNSEEN
        count = samples // self.every
        self.features.append(np.zeros((count, FEATURES), np.int16))
        self.targets.append(np.zeros((count, 2), np.float32))
        return Record(self.features[-1], self.targets[-1], self.every)


@dataclass(frozen=True)
class PlaneCoding:
    """Coder and settings of all planes of a tile: range coder, words uint16 (n,), level, error bound, start state."""

    coder: np.ndarray
    words: np.ndarray
    level: Level
    error: int
    prior: StartState


class Stack:
    """Planes of a tile in coding order, those of the base after them, each with a border of PAD samples."""

    def __init__(self, spec: TileSpec, based: bool, coding: PlaneCoding, probe: Probe) -> None:
        """Make room for the planes of a tile of `spec`, and for those of its base if it is `based`."""
        self._spec, self._based, self._coding, self._probe = spec, based, coding, probe
        self._row = spec.width + 2 * PAD
        self._size = (spec.height + 2 * PAD) * self._row
        self._field = np.zeros(spec.channels * (2 if based else 1) * self._size, np.float32)
        self._errors = np.zeros(spec.channels * self._size, np.float32)

    def code(self, indices: np.ndarray, highest: int, number: int, base: np.ndarray | None) -> None:
        """Code one plane.

        `indices` int32 (h, w), 0..`highest`: read when encoding, written when decoding.
        `number`: of the plane in the coding order, from 0.
        `base` int32 (h, w): the plane of the base, if the tile has one.
        """
        if base is not None:
            self._lay_base(base, number)
        coding, moves, mixer = self._coding, self._moves(number), new_mixer(self._coding.prior.mixing)
        partner, second = (-step * self._size if number >= step else 0 for step in (1, 2))
        lowest, most = np.float64(0), np.float64(highest)  # not Python's floats, which would take part in float32
        start = number * self._size
        code_plane(
            indices,
            (0, highest, coding.error),
            PlaneView(self._field, self._errors, start, self._row, partner, second, lowest, most),
            fits_of(coding.level, moves, self._based, self._row),
            coding.prior.network.layers if coding.prior.network else NO_LAYERS,
            (new_cells(), mixer, coding.coder, coding.words),
            self._probe.room(indices.size),
        )
        self._probe.mixers.append(mixer)

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
    prior: StartState,
    probe: Probe | None = None,
) -> bytes:
    """Return the payload of a tile. UnsupportedError if tile or base are not of `spec`.

    `tile`, `base`: (h, w, c) of `spec.dtype`; `base` None: there is none.
    `spec`: shape and type of both.
    `level`: effort of the predictors.
    `error`: bound of every sample's error, in levels; single bits stay exact whatever it is.
    `prior`: state to begin with, of this level.
    `probe`: takes observations for training.
    """
    spec.require(tile)
    if base is not None:
        spec.require(base, "base")
    error = 0 if spec.bit_depth == 1 else min(error, spec.maximum)
    words = np.zeros(spec.nbytes // 2 + 1, np.uint16)
    coding = PlaneCoding(range_coder.start(words, encoding=True), words, level, error, prior)
    stack = Stack(spec, base is not None, coding, probe or Probe(0))
    head = _HEAD.pack(level.code, error) + encode_planes(tile, base, spec, error, stack.code)
    coded = range_coder.finish(coding.coder, words)
    if coded is None or len(head) + len(coded) > _HEAD.size + spec.nbytes:
        return _HEAD.pack(_RAW, 0) + samples_to_bytes(tile)
    return head + coded


def encode_quickly(tile: np.ndarray, base: np.ndarray | None, spec: TileSpec, error: int) -> bytes:
    """Return the payload of a tile at level quick. Arguments and errors as of `encode_stack`."""
    spec.require(tile)
    if base is not None:
        spec.require(base, "base")
    error = 0 if spec.bit_depth == 1 else min(error, spec.maximum)
    coded = encode_quick(tile, base, spec, error)
    if len(coded) > spec.nbytes:
        return _HEAD.pack(_RAW, 0) + samples_to_bytes(tile)
    return _HEAD.pack(QUICK.code, error) + coded


def decode_stack(
    payload: bytes, base: np.ndarray | None, spec: TileSpec, priors: dict[int, StartState], *, quick: bool = True
) -> np.ndarray:
    """Return the tile of a payload; StreamError for damaged bytes. The tile bounds the time, whatever the bytes.

    `base` (h, w, c) of `spec.dtype`, None: there is none. `priors`: state to begin with, by the code of its level;
    other levels are unknown, but level quick where `quick` says so.
    """
    if len(payload) < _HEAD.size:
        raise StreamError("lossless stream is shorter than its header")
    code, error = _HEAD.unpack_from(payload)
    rest = payload[_HEAD.size :]
    if code == _RAW:
        return samples_from_bytes(rest, spec)
    level = next((level for level in (*LEVELS, QUICK) if level.code == code), None)
    if level is None or not (quick if level is QUICK else code in priors):
        raise StreamError(f"lossless stream has level {code}, unknown to this tilepress")
    planes: list[Values] = []
    for _ in range(spec.channels):
        values, rest = read_values(rest, spec.maximum)
        planes.append(values)
    if level is QUICK:
        return decode_quick(rest, base, spec, planes, error)
    if len(rest) > 2 * (spec.nbytes // 2 + 1):
        raise StreamError("lossless stream is longer than its tile")
    words = range_coder.words_of(rest)
    coding = PlaneCoding(range_coder.start(words, encoding=False), words, level, error, priors[level.code])
    stack = Stack(spec, base is not None, coding, Probe(0))
    return decode_planes(planes, base, spec, stack.code)
