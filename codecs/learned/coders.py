"""Coders of arrays of latents: a context model, a factorised prior, several in turn, or a byte for each latent."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.entropy.context_coder import ContextCoder, load_coder
from tilepress.codecs.entropy.context_model import MAX_LATENT, LatentLayout
from tilepress.codecs.entropy.factorized_prior import FactorizedPrior
from tilepress.codecs.entropy.latent_coder import LATENTS, Latents, Shapes
from tilepress.codecs.errors import ModelError, StreamError
from tilepress.codecs.learned.networks import UNIT
from tilepress.codecs.model import INTEGERS, tensor
from tilepress.codecs.planes.quantiser import Quantiser
from tilepress.codecs.planes.rgb_inputs import pictures_per_tile

# What a bit is worth at high rates, in squared quantisation steps: with D = step^2 / 12 and 6 dB a bit,
# dD / dR = -ln(2) / 6 step^2.
BIT_PRICE = math.log(2) / 6


@dataclass(frozen=True)
class ContextLatents:
    """One rANS stream of int16 (planes, rows, columns, K). `layout`: how planes of such tiles predict each other.

    `name`: of the array.
    """

    coder: ContextCoder
    layout: Callable[[TileSpec], LatentLayout]
    name: str = LATENTS
    parts: int = 1

    def encode(self, latents: Latents, spec: TileSpec) -> list[bytes]:
        """Return the stream, plane by plane."""
        return [self.coder.encode(latents[self.name], self.layout(spec))]

    def decode(self, streams: Sequence[bytes], shapes: Shapes, spec: TileSpec) -> dict[str, np.ndarray]:
        """Return the latents. StreamError."""
        planes, rows, columns, depth = shapes[self.name]
        return {self.name: self.coder.decode(streams[0], (planes, rows, columns, depth), self.layout(spec))}


@dataclass(frozen=True)
class SeveralLatents:
    """A stream for each of several arrays, coarse to fine: a progressive codec."""

    coders: tuple[ContextLatents, ...]

    @property
    def parts(self) -> int:
        """How many streams a tile has."""
        return len(self.coders)

    def encode(self, latents: Latents, spec: TileSpec) -> list[bytes]:
        """Return the stream of each array."""
        return [stream for coder in self.coders for stream in coder.encode(latents, spec)]

    def decode(self, streams: Sequence[bytes], shapes: Shapes, spec: TileSpec) -> dict[str, np.ndarray]:
        """Return the arrays of the first streams. StreamError."""
        decoded: dict[str, np.ndarray] = {}
        for coder, stream in zip(self.coders, streams, strict=False):
            decoded |= coder.decode([stream], shapes, spec)
        return decoded


@dataclass(frozen=True)
class FactorizedLatents:
    """One rANS stream of int16 (pictures, K, rows, columns), channel by channel, the pictures one above the other."""

    prior: FactorizedPrior
    parts: int = 1

    def encode(self, latents: Latents, spec: TileSpec) -> list[bytes]:
        """Return the stream."""
        stacked = np.moveaxis(latents[LATENTS], 0, 1)
        return [self.prior.encode(stacked.reshape(len(stacked), -1, stacked.shape[3]))]

    def decode(self, streams: Sequence[bytes], shapes: Shapes, spec: TileSpec) -> dict[str, np.ndarray]:
        """Return the latents. StreamError."""
        pictures, channels, rows, columns = shapes[LATENTS]
        stacked = self.prior.decode(streams[0], pictures * rows, columns)
        return {LATENTS: np.moveaxis(stacked.reshape(channels, pictures, rows, columns), 1, 0)}


@dataclass(frozen=True)
class FixedLatents:
    """A few bits for each of int16 (planes, K, rows, columns), within 0..`most`: the K of a block side by side.

    `axis`: where K stands, if it is not the second; -1 for the last. `bits`: 1 to 8, `most` below 2^bits; the highest
    comes first, there are no gaps, and the last byte is filled up with zeros.
    """

    most: int
    axis: int = 1
    bits: int = 8
    parts: int = 1

    def encode(self, latents: Latents, spec: TileSpec) -> list[bytes]:
        """Return the bytes, plane by plane, row by row, block by block."""
        codes = np.moveaxis(latents[LATENTS], self.axis, -1).astype(np.uint8).reshape(-1, 1)
        return [np.packbits(np.unpackbits(codes, axis=1)[:, 8 - self.bits :]).tobytes()]

    def decode(self, streams: Sequence[bytes], shapes: Shapes, spec: TileSpec) -> dict[str, np.ndarray]:
        """Return the latents. StreamError."""
        shape = list(shapes[LATENTS])
        data, count = np.frombuffer(streams[0], np.uint8), self.bits * math.prod(shape)
        if len(data) != -(-count // 8) or np.unpackbits(data[-1:])[8 - -count % 8 :].any():
            raise StreamError("the codes of a tile are too many or too few: the bytes are damaged")
        rows = np.unpackbits(data, count=count).reshape(-1, self.bits)
        codes = np.packbits(np.pad(rows, [(0, 0), (8 - self.bits, 0)]), axis=1)
        if codes.max(initial=0) > self.most:
            raise StreamError("the codes of a tile are too large: the bytes are damaged")
        depth = shape.pop(self.axis)
        blocks = codes.astype(np.int16).reshape(*shape, depth)
        return {LATENTS: np.ascontiguousarray(np.moveaxis(blocks, -1, self.axis))}


def load_stepped(
    tensors: Mapping[str, np.ndarray], prefix: str, step: int, depth: int
) -> tuple[Quantiser, ContextCoder]:
    """Return quantiser and coder of `depth` channels, quantised in one step: tensors of `load_coder`, `.zero`, `.dead`.

    ModelError if they are damaged.
    """
    coder = load_coder(tensors, prefix, depth)
    top = coder.fitted.top
    zero = tensor(tensors, f"{prefix}.zero", INTEGERS, top.shape).astype(np.int64)
    dead = tensor(tensors, f"{prefix}.dead", ("float32",), top.shape)
    if abs(zero).max() > MAX_LATENT or not ((dead >= 0) & (dead < 0.5)).all():
        raise ModelError(f"the zeros of {prefix} exceed 16 bits, or its dead zones 0..0.5: the model is damaged")
    return stepped_quantiser(step, zero, top, np.asarray(dead)), coder


def stepped_quantiser(step: int, zero: np.ndarray, top: np.ndarray, dead: np.ndarray) -> Quantiser:
    """Return the quantiser of latents, 1 being UNIT, in steps around the symbol `zero`, within 0..`top`."""
    gain = np.full(len(top), UNIT / step, np.float32)
    return Quantiser(np.zeros_like(top), top, gain=gain, zero=zero, worth=np.full(len(top), step), dead=dead)


def separate_pictures(spec: TileSpec) -> LatentLayout:
    """Return the layout in which each picture of a tile (planes/rgb_inputs.py) is a plane that none predicts."""
    return LatentLayout.of(pictures_per_tile(spec), differences=False)
