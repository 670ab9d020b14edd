"""JPEG-LS (LOCO-I; ISO/IEC 14495-1, ITU-T T.87) plane by plane: lossless, or within a bound of the original.

Payload: NEAR uint8 | transform uint8 | for each plane: length uint32, JPEG-LS stream. Transform 1 is subtracted green:
red and blue are stored as (red - green + h) mod 2h and (blue - green + h) mod 2h with h = 2^(bit_depth - 1). It is
used for lossless RGB only: with NEAR, errors of green would add to those of red and blue.
"""

from __future__ import annotations

import struct
from typing import Any, ClassVar

import numpy as np

from tilepress.codecs.classical.base import ClassicalCodec
from tilepress.codecs.classical.jpegls_stream import MAX_SIDE, bare_jpegls, check_jpegls, largest_near
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.errors import StreamError

_PLAIN, _SUBTRACTED_GREEN = 0, 1
_HEAD = struct.Struct("<BB")
_LENGTH = struct.Struct("<I")


class JpegLs(ClassicalCodec):
    """JPEG-LS by charls; `max_error` becomes NEAR, which the standard limits to 127 for uint8 and 255 for uint16."""

    codec_id = "jpegls"
    summary = "JPEG-LS: fast, lossless or near-lossless (max_error)"
    exact = True
    lossless = True
    options: ClassVar[frozenset[str]] = frozenset({"max_error"})
    magic = b"JL"

    def supports(self, spec: TileSpec) -> bool:
        """Return whether the sides are at most 65,535; samples may be of any kind."""
        return max(spec.height, spec.width) <= MAX_SIDE and super().supports(spec)

    def compress(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        """Return the planes one after the other; palette indices and single bits are always exact."""
        bits, near = _bits(spec), _near(spec, settings)
        transform = _SUBTRACTED_GREEN if spec.colour == "rgb" and not near else _PLAIN
        planes = _subtract_green(tile, spec) if transform else tile
        streams = [self._encode(np.ascontiguousarray(planes[..., at]), bits, near) for at in range(spec.channels)]
        return _HEAD.pack(near, transform) + b"".join(_LENGTH.pack(len(stream)) + stream for stream in streams)

    def decompress(self, payload: bytes, spec: TileSpec) -> np.ndarray:
        """Return the samples; each plane's header is checked before the plane is decoded."""
        near, transform = _HEAD.unpack_from(payload)
        if near > largest_near(_bits(spec)) or transform > (spec.colour == "rgb" and not near):
            raise StreamError(f"JPEG-LS stream has NEAR {near} and transform {transform}, impossible for {spec}")
        tile = np.empty(spec.shape, spec.dtype)
        for at, stream in enumerate(_streams(payload, spec.channels)):
            check_jpegls(stream, spec.width, spec.height, _bits(spec), near)
            tile[..., at] = _plane(_imagecodecs().jpegls_decode(stream), spec)
        if near:  # clipping to the largest possible sample only brings a sample nearer to the original
            np.minimum(tile, spec.maximum, out=tile)
        return _add_green(tile, spec) if transform else tile

    @staticmethod
    def _encode(plane: np.ndarray, bits: int, near: int) -> bytes:
        # A sample takes at most 4 times its bits (LIMIT of T.87 C.2.4.1.1), stuffed ones not counted. imagecodecs by
        # itself reserves too little for noise.
        room = 5 * plane.nbytes + 1024
        data = bytes(_imagecodecs().jpegls_encode(plane, level=near, out=room))
        return bare_jpegls(data, plane.shape[1], plane.shape[0], bits, near)


def _bits(spec: TileSpec) -> int:
    return 8 * np.dtype(spec.dtype).itemsize


def _near(spec: TileSpec, settings: Settings) -> int:
    asked = settings.max_error or 0
    if spec.colour == "indexed" or spec.bit_depth == 1:
        return 0
    return min(asked, largest_near(_bits(spec)))


def _subtract_green(tile: np.ndarray, spec: TileSpec) -> np.ndarray:
    planes = tile.copy()
    for at in (0, 2):  # unsigned arithmetic wraps, and 2^bit_depth divides what it wraps at
        planes[..., at] = (tile[..., at] - tile[..., 1] + _half(spec)) & spec.maximum
    return planes


def _add_green(planes: np.ndarray, spec: TileSpec) -> np.ndarray:
    tile = planes.copy()
    for at in (0, 2):
        tile[..., at] = (planes[..., at] + planes[..., 1] - _half(spec)) & spec.maximum
    return tile


def _half(spec: TileSpec) -> Any:
    return np.dtype(spec.dtype).type(1 << (spec.bit_depth - 1))


def _streams(payload: bytes, count: int) -> list[bytes]:
    streams, at = [], _HEAD.size
    for _ in range(count):
        (length,) = _LENGTH.unpack_from(payload, at)
        at += _LENGTH.size
        streams.append(payload[at : at + length])
        at += length
    if at != len(payload):
        raise StreamError("JPEG-LS planes do not add up to the stream")
    return streams


def _plane(plane: np.ndarray, spec: TileSpec) -> np.ndarray:
    if plane.shape != spec.shape[:2] or plane.dtype != spec.dtype:
        raise StreamError(f"JPEG-LS stream holds {plane.dtype}{plane.shape}, not a plane of {spec}")
    return plane


def _imagecodecs() -> Any:
    import imagecodecs

    return imagecodecs
