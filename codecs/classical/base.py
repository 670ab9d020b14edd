"""Base of the classical codecs: checks samples, frames streams, turns a library's errors into StreamError.

The image libraries are imported when first used. Their decoders allocate what a header claims before they
look at the data, so they only see bytes whose header says what the tile is.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np

from tilepress.codecs.codec import Settings, TileCodec, TileSpec
from tilepress.codecs.errors import StreamError
from tilepress.codecs.stream import read_frame, write_frame

_VERSION = 1


class ClassicalCodec(TileCodec):
    """Base of codecs that hand single tiles to an image library: checked samples, framed streams, one error."""

    magic: ClassVar[bytes]

    @abstractmethod
    def compress(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        """Return the payload of a contiguous tile (h, w, c), which was checked already."""

    @abstractmethod
    def decompress(self, payload: bytes, spec: TileSpec) -> np.ndarray:
        """Return the tile of a payload; may raise any exception, must not allocate more than `spec` implies."""

    def encode_tile(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        """Return the stream of a tile (h, w, c) of `spec.dtype`; UnsupportedError if the tile is not as `spec` says."""
        self.require(spec)
        settings.require()
        spec.require(tile)
        return write_frame(self.magic, _VERSION, self.compress(np.ascontiguousarray(tile), spec, settings))

    def decode_tile(self, data: bytes, spec: TileSpec) -> np.ndarray:
        """Return the tile (h, w, c) of `spec.dtype`, values 0..spec.maximum, of a stream. Raises StreamError."""
        self.require(spec)
        _, payload = read_frame(self.magic, {_VERSION}, data)
        try:
            tile = self.decompress(payload, spec)
        except StreamError:
            raise
        except Exception as exc:
            raise StreamError(f"{self.codec_id} stream does not decode: {exc}") from exc
        if tile.dtype != spec.dtype or tile.size != spec.height * spec.width * spec.channels:
            raise StreamError(f"{self.codec_id} stream holds {tile.shape} {tile.dtype}, not {spec}")
        if spec.exceeded_by(tile):
            raise StreamError(f"{self.codec_id} stream holds samples beyond {spec.bit_depth} bits")
        return tile.reshape(spec.shape)


def imagecodecs_library() -> Any:
    """Return the module imagecodecs, imported when it is first used."""
    import imagecodecs

    return imagecodecs


def image_of(image: np.ndarray, spec: TileSpec) -> np.ndarray:
    """Return `image`; StreamError unless it has the shape of `spec`, without the axis of a single channel."""
    if image.shape != (spec.shape if spec.channels > 1 else spec.shape[:2]):
        raise StreamError(f"stream holds an image of shape {image.shape}, not {spec.shape}")
    return image
