"""Codecs "predictive-mlp" and "predictive-mlp-range": each sample predicted by a small network fitted to its image.

As published: 60 causal neighbours, a ReLU network 60-32-16-8-4-2-1 stored with the image, predictions rounded and
clipped, errors taken modulo the range and Huffman-coded. The second codec has the adaptive range coder in its place.
The network runs in integers that are proven within 32 bits whenever they are read, so that decoding is exact.

RGB: red and blue are replaced by their difference from green, modulo the range. Every plane has a network of its own;
planes of fewer than 32,768 samples in an image, which could not repay 1.5 kB of weights, are predicted linearly, and
those of fewer than 4,096 by the median edge detector. Tiles that share nothing carry their predictors themselves.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

import numpy as np

from tilepress.codecs.codec import Codec, Settings, Symbols, Tiles, TileSpec
from tilepress.codecs.entropy import huffman
from tilepress.codecs.errors import StreamError, UnsupportedError
from tilepress.codecs.predictive_mlp import fit, range_errors
from tilepress.codecs.predictive_mlp.kernel import MED, NETWORK, REACH, walk
from tilepress.codecs.predictive_mlp.quantise import quantise
from tilepress.codecs.predictive_mlp.weights import (
    ARCHITECTURES,
    LINEAR,
    MED_PREDICTOR,
    MLP,
    Predictor,
    join_predictors,
    seal_predictors,
    split_predictors,
    unseal_predictors,
)
from tilepress.codecs.stream import read_frame, samples_from_bytes, samples_to_bytes, write_frame

EPOCHS = (2, 4, 8, 12, 20, 30, 50, 80, 120)  # passes over the samples, by effort
SAMPLES = 1 << 18  # of a plane, that a network is fitted to at most
MLP_LEAST, LINEAR_LEAST = 1 << 15, 1 << 12  # samples of a plane
_DEFAULT_EFFORT = 5
_SEED = 0
_VERSION = 1
_RAW, _SHARED, _OWN = 0, 1, 2
_LENGTH = struct.Struct("<I")


class PredictiveMlp(Codec):
    """Errors of the prediction under a Huffman code of their own for each plane."""

    codec_id = "predictive-mlp"
    summary = "lossless: a small network fitted to each image predicts its samples; errors Huffman-coded, as published"
    exact = True
    lossless = True
    colours = frozenset({"gray", "rgb", "cmyk"})  # palette entries are names, not numbers
    options = frozenset({"effort"})
    has_side_information = True
    magic = b"PM"

    def prepare(self, tiles: Sequence[np.ndarray], spec: TileSpec, settings: Settings) -> bytes:
        """Return predictors fitted to all `tiles` (h, w, c each); b"" if no predictor is worth its weights."""
        self.require(spec)
        predictors = _fitted(tiles, spec, _epochs(settings))
        return seal_predictors(predictors) if predictors else b""

    def analyse(self, tiles: Tiles, spec: TileSpec, settings: Settings, side_information: bytes = b"") -> Symbols:
        """Return the errors, and predictors fitted to each tile where the tiles of the image share none."""
        self.require(spec)
        epochs = _epochs(settings)
        for tile in tiles:
            spec.require(tile)
        common = unseal_predictors(side_information, spec.channels, spec.maximum) if side_information else []
        own, errors = [], np.zeros((len(tiles), spec.channels, spec.height, spec.width), np.int32)
        for tile, out in zip(tiles, errors, strict=True):
            predictors = common or _fitted([tile], spec, epochs)
            own.append(b"" if common else join_predictors(predictors))
            planes = np.stack([plane_of(tile, number, spec) for number in range(spec.channels)])
            _walk_planes(planes, out, predictors, spec, encoding=True)
        kinds = np.full(len(tiles), _SHARED if common else _OWN, np.uint8)
        arrays: dict[str, np.ndarray] = {"kinds": kinds, "errors": errors, "tiles": tiles, **_stacked(own)}
        return Symbols(spec, arrays, settings)

    def pack(self, symbols: Symbols) -> list[bytes]:
        """Return kind, the tile's own predictors and coded errors; or the raw samples, where those are shorter."""
        spec, arrays = symbols.spec, symbols.arrays
        out = []
        for number, kind in enumerate(arrays["kinds"]):
            head = bytes([kind])
            if kind == _OWN:
                length = int(arrays["lengths"][number])
                head += _LENGTH.pack(length) + arrays["predictors"][number, :length].tobytes()
            coded = self._code(arrays["errors"][number], spec)
            if coded is None or len(head) + len(coded) > spec.nbytes:
                head, coded = bytes([_RAW]), samples_to_bytes(arrays["tiles"][number])
            out.append(write_frame(self.magic, _VERSION, head + coded))
        return out

    def unpack(self, latents: Sequence[bytes], spec: TileSpec) -> Symbols:
        """Return errors and predictors, or the samples."""
        self.require(spec)
        kinds, own = np.zeros(len(latents), np.uint8), []
        errors = np.zeros((len(latents), spec.channels, spec.height, spec.width), np.int32)
        tiles = np.zeros((len(latents), *spec.shape), spec.dtype)
        for number, data in enumerate(latents):
            _, payload = read_frame(self.magic, {_VERSION}, data)
            kinds[number], predictors, coded = _split(payload)
            own.append(predictors)
            if kinds[number] == _RAW:
                tiles[number] = samples_from_bytes(coded, spec)
            else:
                self._decode(coded, errors[number], spec)
        return Symbols(spec, {"kinds": kinds, "errors": errors, "tiles": tiles, **_stacked(own)})

    def synthesise(self, symbols: Symbols, side_information: bytes = b"") -> Tiles:
        """Return the tiles. StreamError if their predictors are missing, damaged, or not provably exact."""
        spec, arrays = symbols.spec, symbols.arrays
        tiles = arrays["tiles"].copy()
        common = unseal_predictors(side_information, spec.channels, spec.maximum) if side_information else []
        for number, kind in enumerate(arrays["kinds"]):
            if kind == _RAW:
                continue
            predictors = common
            if kind == _OWN:
                stored = arrays["predictors"][number, : int(arrays["lengths"][number])].tobytes()
                predictors = split_predictors(stored, spec.channels, spec.maximum) if stored else _plain(spec)
            elif not common:
                raise StreamError("the predictors that the tiles of this image share are missing")
            planes = np.zeros(arrays["errors"].shape[1:], np.int32)
            _walk_planes(planes, arrays["errors"][number], predictors, spec, encoding=False)
            tiles[number] = from_planes(planes, spec)
        return tiles

    def _code(self, errors: np.ndarray, spec: TileSpec) -> bytes | None:
        """Errors (c, h, w) to bytes; None if they are longer than the tile."""
        return huffman.encode(list(errors), spec.maximum + 1)

    def _decode(self, coded: bytes, errors: np.ndarray, spec: TileSpec) -> None:
        """Fill the errors (c, h, w). StreamError."""
        errors[...] = huffman.decode(coded, len(errors), errors[0].size, spec.maximum + 1).reshape(errors.shape)


class PredictiveMlpRange(PredictiveMlp):
    """The same predictors; errors under the adaptive range coder."""

    codec_id = "predictive-mlp-range"
    summary = "predictive-mlp with adaptive range coding in the place of Huffman codes: smaller"
    magic = b"PR"

    def _code(self, errors: np.ndarray, spec: TileSpec) -> bytes | None:
        return range_errors.encode(errors.copy(), spec.maximum, spec.nbytes)

    def _decode(self, coded: bytes, errors: np.ndarray, spec: TileSpec) -> None:
        range_errors.decode(coded, errors, spec.maximum)


def plane_of(tile: np.ndarray, number: int, spec: TileSpec) -> np.ndarray:
    """Return one plane (h, w) int32, 0..maximum, of samples (h, w, c); red and blue as differences from green."""
    plane = tile[..., number].astype(np.int32)
    if spec.colour == "rgb" and number in (0, 2):
        plane = (plane - tile[..., 1] + (spec.maximum + 1 >> 1)) & spec.maximum
    return plane


def from_planes(planes: np.ndarray, spec: TileSpec) -> np.ndarray:
    """Return the samples (h, w, c) of planes (c, h, w)."""
    planes = planes.copy()
    if spec.colour == "rgb":
        planes[0:3:2] = (planes[0:3:2] + planes[1] - (spec.maximum + 1 >> 1)) & spec.maximum
    return np.ascontiguousarray(planes.transpose(1, 2, 0)).astype(spec.dtype)


def fit_predictor(
    planes: Iterable[np.ndarray], shapes: Sequence[tuple[int, int]], kind: int, maximum: int, epochs: int
) -> Predictor:
    """Return a predictor fitted to one image's planes.

    `planes` (h, w) int32: taken one at a time, not all of a single row.
    `shapes`: their heights and widths.
    `kind`: LINEAR or MLP.
    `maximum`: largest sample.
    `epochs`: passes over the samples, of an MLP.
    """
    inputs, targets = fit.draw(planes, shapes, SAMPLES, _SEED)
    layers = fit.fit_linear(inputs, targets)
    if kind == MLP:
        network = fit.fit_mlp(inputs, targets, ARCHITECTURES[MLP], epochs, _SEED)
        if all(np.isfinite(part).all() for layer in network for part in layer):
            layers = network
    return quantise(layers, inputs, targets, maximum, sum(height * width for height, width in shapes))


def _epochs(settings: Settings) -> int:
    effort = _DEFAULT_EFFORT if settings.effort is None else settings.effort
    if not 1 <= effort <= len(EPOCHS):
        raise UnsupportedError(f"effort {effort} is not within 1..{len(EPOCHS)}")
    return EPOCHS[effort - 1]


def _plain(spec: TileSpec) -> list[Predictor]:
    return [Predictor(MED_PREDICTOR)] * spec.channels


def _fitted(tiles: Sequence[np.ndarray], spec: TileSpec, epochs: int) -> list[Predictor]:
    """A predictor for each plane; none if all would be without weights."""
    tiles = [tile for tile in tiles if tile.shape[0] > 1]
    shapes = [tile.shape[:2] for tile in tiles]
    count = sum(height * width for height, width in shapes)
    out = []
    for number in range(spec.channels):
        varies = any(np.ptp(plane_of(tile, number, spec)) > 0 for tile in tiles)
        kind = MED_PREDICTOR if count < LINEAR_LEAST or not varies else LINEAR if count < MLP_LEAST else MLP
        planes = (plane_of(tile, number, spec) for tile in tiles)
        out.append(fit_predictor(planes, shapes, kind, spec.maximum, epochs) if kind else Predictor(kind))
    return out if any(predictor.layers for predictor in out) else []


def _walk_planes(
    planes: np.ndarray, errors: np.ndarray, predictors: list[Predictor], spec: TileSpec, encoding: bool
) -> None:
    """Fill the errors (c, h, w) from the planes, or the planes from the errors."""
    for plane, error, predictor in zip(planes, errors, predictors or _plain(spec), strict=True):
        field = np.zeros((spec.height + REACH, spec.width + 2 * REACH), np.int32)
        walk(plane, error, encoding, spec.maximum, NETWORK if predictor.layers else MED, predictor.arrays(), field)


def _split(payload: bytes) -> tuple[int, bytes, bytes]:
    """(kind, predictors of the tile's own, the rest) of a stream."""
    if not payload or payload[0] > _OWN:
        raise StreamError("predictive-mlp stream is of an unknown kind or empty")
    if payload[0] != _OWN:
        return payload[0], b"", payload[1:]
    if len(payload) < 1 + _LENGTH.size:
        raise StreamError("predictive-mlp stream is cut off")
    (length,) = _LENGTH.unpack_from(payload, 1)
    coded = payload[1 + _LENGTH.size :]
    if length > len(coded):
        raise StreamError("predictive-mlp stream is cut off within its predictors")
    return _OWN, coded[:length], coded[length:]


def _stacked(own: list[bytes]) -> dict[str, np.ndarray]:
    """Byte strings as one array with a row each, and their lengths."""
    rows = np.zeros((len(own), max(map(len, own), default=0)), np.uint8)
    for row, data in zip(rows, own, strict=True):
        row[: len(data)] = np.frombuffer(data, np.uint8)
    return {"predictors": rows, "lengths": np.array([len(data) for data in own], np.int64)}
