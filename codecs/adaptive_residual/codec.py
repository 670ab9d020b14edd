"""Residual coder "adaptive-1": a tile given its exact base, losslessly, in integers.

Payload: kind uint8 | lowest sample uint16 LE | highest sample uint16 LE | range-coded words. Kind 0 is followed
by the raw samples instead (little-endian), whenever coding would not be shorter. A constant tile has no words.
"""

from __future__ import annotations

import struct

import numpy as np

from tilepress.codecs.adaptive_residual.kernel import CELLS, MIXERS, code_plane
from tilepress.codecs.adaptive_residual.prediction import BLOCK, PAD, first_weights, tap_offsets
from tilepress.codecs.codec import ResidualCoder, TileSpec
from tilepress.codecs.entropy import range_coder
from tilepress.codecs.errors import StreamError, UnsupportedError
from tilepress.codecs.stream import read_frame, write_frame

_MAGIC = b"rA"
_VERSION = 1
_RAW, _ADAPTIVE = 0, 1
_HEAD = struct.Struct("<BHH")
_FIRST_MIXER = 20000  # of 65536, for each of four inputs: a little more than their mean


class AdaptiveResidual(ResidualCoder):
    """Local least squares over tile, base and planes coded before; adaptive binary range coder."""

    residual_id = "adaptive-1"

    def encode(self, tile: np.ndarray, base: np.ndarray, spec: TileSpec, max_error: int = 0) -> bytes:
        """At most the raw samples and 12 bytes. UnsupportedError if tile or base are not as `spec` says."""
        if max_error:
            raise UnsupportedError("adaptive-1 is lossless: it takes no max_error")
        for name, array in (("tile", tile), ("base", base)):
            _require(name, array, spec)
        low, high = int(tile.min()), int(tile.max())
        head = _HEAD.pack(_ADAPTIVE, low, high)
        if low == high:
            return write_frame(_MAGIC, _VERSION, head)
        words = np.zeros(spec.nbytes // 2 + 1, np.uint16)
        coder = range_coder.start(words, encoding=True)
        _code(tile.astype(np.int32), base, spec, (low, high), coder, words)
        coded = range_coder.finish(coder, words)
        if coded is None or len(head) + len(coded) > 1 + spec.nbytes:
            raw = np.ascontiguousarray(tile).astype(np.dtype(spec.dtype).newbyteorder("<")).tobytes()
            return write_frame(_MAGIC, _VERSION, bytes([_RAW]) + raw)
        return write_frame(_MAGIC, _VERSION, head + coded)

    def decode(self, data: bytes, base: np.ndarray, spec: TileSpec) -> np.ndarray:
        """The tile (h, w, c); StreamError for damaged bytes. Time is bounded by the tile, whatever the bytes."""
        _require("base", base, spec)
        _, payload = read_frame(_MAGIC, {_VERSION}, data)
        if payload[:1] == bytes([_RAW]):
            return _raw(payload[1:], spec)
        if len(payload) < _HEAD.size or payload[0] != _ADAPTIVE:
            raise StreamError("residual stream has an unknown kind or is cut off")
        _, low, high = _HEAD.unpack_from(payload)
        if not low <= high <= np.iinfo(spec.dtype).max:
            raise StreamError(f"residual stream holds samples {low}..{high}, impossible for {spec.dtype}")
        if low == high:
            return np.full(spec.shape, low, spec.dtype)
        if len(payload) > _HEAD.size + 2 * (spec.nbytes // 2 + 1):
            raise StreamError("residual stream is longer than its tile")
        words = range_coder.words_of(payload[_HEAD.size :])
        samples = np.zeros(spec.shape, np.int32)
        _code(samples, base, spec, (low, high), range_coder.start(words, encoding=False), words)
        return samples.astype(spec.dtype)


def _require(name: str, array: np.ndarray, spec: TileSpec) -> None:
    if array.shape != spec.shape or array.dtype != spec.dtype or array.size == 0 or not 1 <= spec.channels <= 5:
        raise UnsupportedError(f"{name} is {array.dtype}{array.shape}, not {spec.dtype}{spec.shape} of 1 to 5 planes")


def _raw(data: bytes, spec: TileSpec) -> np.ndarray:
    if len(data) != spec.nbytes:
        raise StreamError(f"raw residual stream holds {len(data)} bytes, its tile {spec.nbytes}")
    stored = np.frombuffer(data, np.dtype(spec.dtype).newbyteorder("<"))
    return stored.reshape(spec.shape).astype(spec.dtype)


def _code(
    samples: np.ndarray,
    base: np.ndarray,
    spec: TileSpec,
    bounds: tuple[int, int],
    coder: np.ndarray,
    words: np.ndarray,
) -> None:
    """Run the kernel over all planes of `samples` (h, w, c) int32, which it reads or writes."""
    row = spec.width + 2 * PAD
    size = (spec.height + 2 * PAD) * row
    order = spec.coding_order
    around = ((0, 0), (PAD, PAD), (PAD, PAD))
    bases = np.pad(base.transpose(2, 0, 1)[order].astype(np.int32), around, mode="edge")
    # where nothing is coded yet, as in the border, samples are those of the base
    field = np.concatenate([bases.reshape(-1), bases.reshape(-1)])
    error = np.zeros(bases.size, np.int32)
    cells = np.full(CELLS * len(order), range_coder.NEW_CELL, np.uint32)
    mixers = np.full(MIXERS * len(order), _FIRST_MIXER, np.int32)
    blocks = -(-spec.width // BLOCK)
    for number, plane in enumerate(order):
        part = np.ascontiguousarray(samples[..., plane])
        offsets = tap_offsets(number, len(order), size, row)
        weights = first_weights(blocks)
        code_plane(part, bounds, number, (field, error), offsets, weights, (cells, mixers, coder, words))
        samples[..., plane] = part
