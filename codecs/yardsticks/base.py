"""Base of the yardsticks: whole gray or RGB pictures to streams of an image library and back.

No yardstick may store anything. The decoders of these formats compute in floats, or filter as their release pleases:
the same bytes decode to other samples elsewhere, and archives promise that they do not. Streams are decoded by the
process that encoded them, so nothing here guards against foreign bytes.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from tilepress.codecs.codec import Settings, TileCodec, TileSpec
from tilepress.codecs.errors import CodecError, StreamError, UnsupportedError

DEFAULT_QUALITY = 75


class Yardstick(TileCodec):
    """A lossy format as people use it: one stream of a whole picture, without metadata.

    `depths`: bits a sample that the format has. `most_side`: its largest width and height in pixels.
    """

    exact = False
    lossless = False
    channels = frozenset({1, 3})
    colours = frozenset({"gray", "rgb"})
    options = frozenset({"effort", "quality"})
    depths: ClassVar[frozenset[int]] = frozenset({8})
    most_side: ClassVar[int]

    def supports(self, spec: TileSpec) -> bool:
        """Return whether the format has pictures of that kind and size: gray or RGB without alpha."""
        fits = spec.bit_depth in self.depths and not spec.alpha and max(spec.height, spec.width) <= self.most_side
        return fits and super().supports(spec)

    @abstractmethod
    def compress(self, image: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        """Return the stream of a contiguous image, (h, w) or (h, w, 3), which was checked already."""

    @abstractmethod
    def decompress(self, data: bytes, spec: TileSpec) -> np.ndarray:
        """Return the image of a stream, as many samples as `spec` has, of its dtype."""

    def encode_tile(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        """Return the stream of a picture (h, w, c).

        UnsupportedError if it is not as `spec` says, CodecError if the library refuses it.
        """
        self.require(spec)
        settings.require()
        spec.require(tile)
        image = np.ascontiguousarray(tile[..., 0] if spec.channels == 1 else tile)
        try:
            return self.compress(image, spec, settings)
        except UnsupportedError:
            raise
        except Exception as exc:
            raise CodecError(f"{self.codec_id} does not encode the image: {exc}") from exc

    def decode_tile(self, data: bytes, spec: TileSpec) -> np.ndarray:
        """Return the picture (h, w, c) of a stream that `encode_tile` wrote; StreamError for any other."""
        self.require(spec)
        try:
            image = self.decompress(data, spec)
        except Exception as exc:
            raise StreamError(f"{self.codec_id} stream does not decode: {exc}") from exc
        if image.dtype != spec.dtype or image.size != spec.height * spec.width * spec.channels:
            raise StreamError(f"{self.codec_id} stream holds {image.shape} {image.dtype}, not {spec}")
        bounded: np.ndarray = np.minimum(image, np.array(spec.maximum, image.dtype))
        return bounded.reshape(spec.shape)


def three_planes(image: np.ndarray) -> np.ndarray:
    """Return a gray image (h, w) as three equal planes (h, w, 3), for formats that code it so; others as they are."""
    return np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image


def planes_of(image: np.ndarray, spec: TileSpec) -> np.ndarray:
    """Return a decoded image (h, w, 3), of a gray original only its green plane (h, w)."""
    return image[..., 1] if spec.channels == 1 else image
