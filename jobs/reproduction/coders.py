"""Coders that tables compare with and that archives do not know: bare streams of libraries, and linear regression.

Those of `codecs/yardsticks/` come with the finer scales that meeting a number of bytes takes.
"""

from __future__ import annotations

import zlib
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from tilepress.codecs.classical.base import image_of, imagecodecs_library
from tilepress.codecs.codec import Codec, Settings, TileCodec, TileSpec
from tilepress.codecs.predictive_mlp.codec import PredictiveMlp, PredictiveMlpRange, fit_predictor
from tilepress.codecs.predictive_mlp.weights import LINEAR, seal_predictors
from tilepress.codecs.yardsticks.jpeg2000 import irreversible
from tilepress.codecs.yardsticks.jpegxl import codestream
from tilepress.codecs.yardsticks.webp import webp_file


class LibraryCoder(TileCodec):
    """A library's stream of a gray or RGB picture of 8 bits, nothing added.

    `qualities`: what it takes, ascending. `decoder`: the function of imagecodecs that decodes its streams.
    """

    exact = False
    dtypes = frozenset({"uint8"})
    channels = frozenset({1, 3})
    colours = frozenset({"gray", "rgb"})
    qualities: ClassVar[range] = range(1, 101)
    decoder: ClassVar[str]

    def encode_tile(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        """Return the stream of a tile (h, w, c)."""
        image = np.ascontiguousarray(tile[..., 0] if spec.channels == 1 else tile)
        return self.compress(image, settings.quality or self.qualities[-1])

    def decode_tile(self, data: bytes, spec: TileSpec) -> np.ndarray:
        """Return the tile (h, w, c) of a stream that `encode_tile` wrote."""
        image = np.asarray(getattr(imagecodecs_library(), self.decoder)(data))
        return image_of(image, spec).reshape(spec.shape)

    @abstractmethod
    def compress(self, image: np.ndarray, quality: int) -> bytes:
        """Return the stream of an image (h, w) or (h, w, 3)."""


class Jpeg2000(LibraryCoder):
    """The irreversible 9/7 transform, a bare code stream; `quality` is the PSNR to aim at, in tenths of a dB."""

    codec_id, summary, lossless = "jpeg2000", "JPEG 2000, lossy", False
    decoder = "jpeg2k_decode"
    options = frozenset({"quality"})
    qualities = range(100, 601)

    def compress(self, image: np.ndarray, quality: int) -> bytes:
        """Return a code stream."""
        return irreversible(image, quality / 10)


class Jpeg2000Lossless(Jpeg2000):
    """The reversible 5/3 transform."""

    codec_id, summary, lossless = "jpeg2000-lossless", "JPEG 2000, lossless", True
    options = frozenset()

    def compress(self, image: np.ndarray, quality: int) -> bytes:
        """Return a code stream, which has no quality."""
        return bytes(imagecodecs_library().jpeg2k_encode(image, codecformat="j2k", reversible=True, numthreads=1))


class JpegLossless(LibraryCoder):
    """Lossless JPEG of 1993 with the best of its seven predictors for each picture, optimised Huffman tables."""

    codec_id, summary, lossless = "jpeg-lossless", "lossless JPEG, best predictor", True
    decoder = "jpeg8_decode"

    def compress(self, image: np.ndarray, quality: int) -> bytes:
        """Return the smallest of seven files."""
        encode = imagecodecs_library().jpeg8_encode
        tried = (encode(image, lossless=True, predictor=predictor, optimize=True) for predictor in range(1, 8))
        return bytes(min(tried, key=len))


class WebP(LibraryCoder):
    """Lossy WebP of RGB pictures; gray ones are three equal planes to it."""

    codec_id, summary, lossless = "webp", "WebP, lossy", False
    decoder = "webp_decode"
    options = frozenset({"quality"})
    channels = frozenset({3})

    def compress(self, image: np.ndarray, quality: int) -> bytes:
        """Return a file."""
        return webp_file(image, quality)


class JpegXlLossy(LibraryCoder):
    """Lossy JPEG XL, effort 7; `quality` q is the distance (1000 - q) / 40, in units of a just noticeable one."""

    codec_id, summary, lossless = "jpegxl-lossy", "JPEG XL, lossy", False
    decoder = "jpegxl_decode"
    options = frozenset({"quality"})
    qualities = range(400, 997)

    def compress(self, image: np.ndarray, quality: int) -> bytes:
        """Return a bare code stream."""
        return codestream(image, (1000 - quality) / 40, effort=7)


class Gzip(TileCodec):
    """The samples of a picture as one zlib stream, level 9."""

    codec_id, summary, exact, lossless = "gzip", "gzip of raw samples", True, True

    def encode_tile(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        """Return the stream of a tile (h, w, c)."""
        return zlib.compress(tile.tobytes(), 9)

    def decode_tile(self, data: bytes, spec: TileSpec) -> np.ndarray:
        """Return the tile (h, w, c) of a stream that `encode_tile` wrote."""
        return np.frombuffer(zlib.decompress(data), spec.dtype).reshape(spec.shape)


def _linear(tiles: Sequence[np.ndarray], spec: TileSpec) -> bytes:
    """The predictor that linear regression fits to a gray picture, sealed as `predictive-mlp` stores it."""
    planes = [tile[..., 0].astype(np.int32) for tile in tiles]
    return seal_predictors([fit_predictor(planes, [plane.shape for plane in planes], LINEAR, spec.maximum, 0)])


class LinearHuffman(PredictiveMlp):
    """Linear regression from the same neighbours in the place of the network; gray pictures only."""

    codec_id, summary, channels = "linear-huffman", "linear regression, Huffman codes", frozenset({1})

    def prepare(self, tiles: Sequence[np.ndarray], spec: TileSpec, settings: Settings) -> bytes:
        """Return the fitted predictor."""
        return _linear(tiles, spec)


class LinearRange(PredictiveMlpRange):
    """The same under the range coder."""

    codec_id, summary, channels = "linear-range", "linear regression, range coder", frozenset({1})

    def prepare(self, tiles: Sequence[np.ndarray], spec: TileSpec, settings: Settings) -> bytes:
        """Return the fitted predictor."""
        return _linear(tiles, spec)


_CODERS: tuple[type[Codec], ...] = (
    *(Jpeg2000, Jpeg2000Lossless, JpegLossless, WebP, JpegXlLossy, Gzip),
    *(LinearHuffman, LinearRange),
)
CODERS: dict[str, type[Codec]] = {each.codec_id: each for each in _CODERS}
