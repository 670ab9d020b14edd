"""Predictors of predictive-mlp as integers: their stored form, and the proof that 32 bits suffice for their sums.

A layer is out = floor((weights · in + bias * 2^clip(shift + grain, 0, 31)) / 2^shift), clipped to 0..65535.
Weights are -2048..2047, the first inputs samples. The bound of every sum follows from the weights, and is
checked whenever they are read.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tilepress.codecs.entropy import huffman
from tilepress.codecs.errors import StreamError
from tilepress.codecs.predictive_mlp.kernel import ACTIVATION_MAX, NEIGHBOURS, WIDEST
from tilepress.codecs.stream import read_frame, write_frame

ARCHITECTURES: dict[int, tuple[int, ...]] = {  # predictor -> sizes of its layers, input first
    1: (NEIGHBOURS, 1),  # linear regression
    2: (NEIGHBOURS, 32, 16, 8, 4, 2, 1),
}
MED_PREDICTOR, LINEAR, MLP = 0, 1, 2
WEIGHT_MAX = 2047
SUM_MAX = (1 << 31) - 1
SHIFT_MIN, SHIFT_MAX = -15, 31
BIAS_MAX = 32767
_MAGIC = b"PW"
_VERSION = 1
_LENGTH = struct.Struct("<H")


@dataclass(frozen=True)
class Layer:
    """`weights` int64 (out, in), `biases` int64 (out) of 16 bits, `grain` -31..31, `shifts` int64 (out), -15..31."""

    weights: np.ndarray
    biases: np.ndarray
    grain: int
    shifts: np.ndarray

    @property
    def offsets(self) -> np.ndarray:
        """Return the biases in the units of the sums, int64 (out,)."""
        offsets: np.ndarray = self.biases << np.clip(self.shifts + self.grain, 0, SHIFT_MAX)
        return offsets

    def sums(self, reach: np.ndarray) -> np.ndarray:
        """Return the bound of every partial sum's magnitude, int64 (out,), for inputs 0..`reach` (in,)."""
        bounds: np.ndarray = np.abs(self.weights) @ reach + np.abs(self.offsets)
        return bounds

    def reach(self, reach: np.ndarray) -> np.ndarray:
        """Return the largest outputs, int64 (out,), for inputs 0..`reach` (in,)."""
        highest = np.maximum(self.weights, 0) @ reach + self.offsets
        scaled = (highest << np.maximum(-self.shifts, 0)) >> np.maximum(self.shifts, 0)
        return np.asarray(np.clip(scaled, 0, ACTIVATION_MAX))


@dataclass(frozen=True)
class Predictor:
    """The predictor of a plane: its kind (0: median edge detector, no layers; 1: linear; 2: MLP) and layers."""

    kind: int
    layers: tuple[Layer, ...] = ()

    def prove(self, maximum: int) -> None:
        """Raise StreamError if a sum could leave 32 bits for samples 0..`maximum`."""
        reach = np.full(NEIGHBOURS, maximum, np.int64)
        for layer in self.layers:
            if (layer.sums(reach) > SUM_MAX).any():
                raise StreamError("weights of the predictor may overflow 32 bits: they are damaged")
            reach = layer.reach(reach)

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the kernel's arrays: sizes int64 (layers + 1,), weights int32 (layers, 32, 60), biases and shifts.

        Biases and shifts are int32 (layers, 32).
        """
        depth = max(1, len(self.layers))
        weights = np.zeros((depth, WIDEST, NEIGHBOURS), np.int32)
        biases, shifts = np.zeros((2, depth, WIDEST), np.int32)
        for k, layer in enumerate(self.layers):
            outputs, inputs = layer.weights.shape
            weights[k, :outputs, :inputs] = layer.weights
            biases[k, :outputs], shifts[k, :outputs] = layer.offsets, layer.shifts
        return np.array(ARCHITECTURES.get(self.kind, (NEIGHBOURS, 1)), np.int64), weights, biases, shifts

    def to_bytes(self) -> bytes:
        """Return the stored form.

        Kind uint8 | of each layer: grain int8, shifts int8, biases int16 | length uint16, Huffman stream of weights.
        """
        out = bytes([self.kind])
        for layer in self.layers:
            shifts = np.array([layer.grain, *layer.shifts], np.int8)
            out += shifts.tobytes() + layer.biases.astype("<i2").tobytes()
        if self.layers:
            weights = np.concatenate([layer.weights.reshape(-1) for layer in self.layers])
            coded = huffman.encode([weights + WEIGHT_MAX + 1], 2 * WEIGHT_MAX + 2)
            out += _LENGTH.pack(len(coded)) + coded
        return out


def seal_predictors(predictors: Sequence[Predictor]) -> bytes:
    """Return the bytes that the tiles of an image share: its predictors in a frame."""
    return write_frame(_MAGIC, _VERSION, join_predictors(predictors))


def unseal_predictors(side_information: bytes, planes: int, maximum: int) -> list[Predictor]:
    """Return the predictors of `planes` planes from `side_information`, each proven for samples 0..`maximum`.

    Inverse of `seal_predictors`. StreamError for any other bytes.
    """
    _, payload = read_frame(_MAGIC, {_VERSION}, side_information)
    return split_predictors(payload, planes, maximum)


def join_predictors(predictors: Sequence[Predictor]) -> bytes:
    """Return predictors as bytes without magic and checksum, to stand within a tile's stream."""
    return b"".join(predictor.to_bytes() for predictor in predictors)


def split_predictors(data: bytes, planes: int, maximum: int) -> list[Predictor]:
    """Return the predictors of `planes` planes from `data`, each proven for samples 0..`maximum`.

    Inverse of `join_predictors`. StreamError for any other bytes.
    """
    reader, predictors = _Reader(data), []
    for _ in range(planes):
        predictors.append(_read(reader))
        predictors[-1].prove(maximum)
    if reader.at != len(data):
        raise StreamError("more predictors are stored than the image has planes: they are damaged")
    return predictors


class _Reader:
    """Takes bytes off the front; StreamError where there are too few."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        part = self._data[self.at : self.at + count]
        if len(part) != count:
            raise StreamError("weights of the predictor are cut off")
        self.at += count
        return part


def _read(reader: _Reader) -> Predictor:
    kind = reader.take(1)[0]
    if kind == MED_PREDICTOR:
        return Predictor(kind)
    if kind not in ARCHITECTURES:
        raise StreamError(f"predictor {kind} is not known to this tilepress; use a newer one")
    sizes = ARCHITECTURES[kind]
    heads = [_read_head(reader, outputs) for outputs in sizes[1:]]
    shapes = [(outputs, inputs) for inputs, outputs in pairwise(sizes)]
    (length,) = _LENGTH.unpack(reader.take(_LENGTH.size))
    count = sum(outputs * inputs for outputs, inputs in shapes)
    (flat,) = huffman.decode(reader.take(length), 1, count, 2 * WEIGHT_MAX + 2).astype(np.int64) - WEIGHT_MAX - 1
    parts = np.split(flat, np.cumsum([outputs * inputs for outputs, inputs in shapes])[:-1])
    weights = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
    return Predictor(kind, tuple(Layer(part, *head) for part, head in zip(weights, heads, strict=True)))


def _read_head(reader: _Reader, outputs: int) -> tuple[np.ndarray, int, np.ndarray]:
    """(biases, grain, shifts) of a layer."""
    grain, *shifts = np.frombuffer(reader.take(1 + outputs), np.int8).astype(np.int64)
    if abs(grain) > SHIFT_MAX or min(shifts) < SHIFT_MIN or max(shifts) > SHIFT_MAX:
        raise StreamError("a shift of the predictor is out of range: the weights are damaged")
    biases = np.frombuffer(reader.take(2 * outputs), "<i2").astype(np.int64)
    return biases, int(grain), np.array(shifts)
