"""What `lossless.py` measures: the contract of a coder, and the classical coders as their users have them.

One stream an image, one thread, the strongest usual setting. JPEG-LS and JPEG 2000 look 20 to 30 % worse than they are
on RGB without a reversible colour transform, so both get one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np

from tilepress.codecs.classical.jpegxl_stream import bare_codestream
from tilepress.codecs.codec import TileSpec

Streams = Sequence[tuple[bytes, bytes]]  # of every piece of an image: latents (or all there is), residual


class Coder(ABC):
    """An image to bytes and back; `max_error` is the largest difference of a sample that is allowed."""

    name: str
    max_error: int = 0

    @abstractmethod
    def supports(self, spec: TileSpec) -> bool:
        """Whether such images can be coded."""

    @abstractmethod
    def encode(self, samples: np.ndarray, spec: TileSpec) -> Streams:
        """Samples (h, w, c) to bytes."""

    @abstractmethod
    def decode(self, streams: Streams, spec: TileSpec) -> np.ndarray:
        """The samples (h, w, c) again."""

    def work(self, spec: TileSpec) -> Hashable:
        """Coders of equal work do the same to such an image: it is measured once."""
        return self.name, self.max_error


@dataclass(frozen=True)
class Classical(Coder):
    """A codec of imagecodecs; arrays are (h, w) for gray and (h, w, c) otherwise."""

    name: str
    compress: Callable[[np.ndarray, TileSpec], bytes]
    restore: Callable[[bytes, TileSpec], np.ndarray]
    channels: frozenset[int] = frozenset({1, 2, 3, 4})
    dtypes: frozenset[str] = frozenset({"uint8", "uint16"})
    max_error: int = 0

    def supports(self, spec: TileSpec) -> bool:
        """By number of planes and type of samples."""
        return spec.channels in self.channels and spec.dtype in self.dtypes

    def encode(self, samples: np.ndarray, spec: TileSpec) -> Streams:
        """One stream."""
        return [(bytes(self.compress(samples[:, :, 0] if spec.channels == 1 else samples, spec)), b"")]

    def decode(self, streams: Streams, spec: TileSpec) -> np.ndarray:
        """Its samples."""
        return self.restore(streams[0][0], spec).reshape(spec.shape)


def green_subtracted(samples: np.ndarray, bits: int) -> np.ndarray:
    """RGB (h, w, 3) of `bits` bits to G, R - G + half, B - G + half modulo 2^bits: HP1 of ITU-T T.870, a bijection."""
    half, mask = 1 << (bits - 1), (1 << bits) - 1
    red, green, blue = (samples[:, :, plane].astype(np.int32) for plane in range(3))
    planes = np.stack([green, (red - green + half) & mask, (blue - green + half) & mask], axis=2)
    return planes.astype(samples.dtype)


def green_added(planes: np.ndarray, bits: int) -> np.ndarray:
    """Inverse of `green_subtracted`."""
    half, mask = 1 << (bits - 1), (1 << bits) - 1
    green, red, blue = (planes[:, :, plane].astype(np.int32) for plane in range(3))
    samples = np.stack([(red + green - half) & mask, green, (blue + green - half) & mask], axis=2)
    return samples.astype(planes.dtype)


def jpegls(near: int) -> Classical:
    """JPEG-LS. Of HP1 to HP3, interleaved or plane by plane, HP1 plane by plane is the smallest on photos/eval.

    Near-lossless RGB goes without the transform, which would let errors of two planes add up beyond `near`.
    """

    def compress(image: np.ndarray, spec: TileSpec) -> bytes:
        if spec.channels == 1:
            return bytes(imagecodecs.jpegls_encode(image, level=near))
        planes = image if near else green_subtracted(image, spec.bit_depth)
        parts = (imagecodecs.jpegls_encode(np.ascontiguousarray(planes[:, :, p]), level=near) for p in range(3))
        return _framed([bytes(part) for part in parts])

    def restore(data: bytes, spec: TileSpec) -> np.ndarray:
        if spec.channels == 1:
            return np.asarray(imagecodecs.jpegls_decode(data))
        planes = np.stack([imagecodecs.jpegls_decode(part) for part in _unframed(data)], axis=2)
        return planes if near else green_added(planes, spec.bit_depth)

    return Classical(
        f"jpeg-ls near {near}" if near else "jpeg-ls", compress, restore, frozenset({1, 3}), max_error=near
    )


def jpegxl(effort: int) -> Classical:
    """JPEG XL: the bare codestream, told how many of 16 bits are used, which saves it 2 % on 12-bit images."""

    def compress(image: np.ndarray, spec: TileSpec) -> bytes:
        bits = 8 if spec.dtype == "uint8" else max(9, spec.bit_depth)
        options: dict[str, Any] = {"effort": effort, "numthreads": 1, "usecontainer": False, "bitspersample": bits}
        return bare_codestream(bytes(imagecodecs.jpegxl_encode(image, lossless=True, **options)))

    return Classical(f"jxl-e{effort}", compress, lambda data, spec: imagecodecs.jpegxl_decode(data, numthreads=1))


def _png(image: np.ndarray, spec: TileSpec) -> bytes:
    return bytes(imagecodecs.png_encode(image, level=9, out=image.nbytes * 2 + 65536))


def _webp(image: np.ndarray, spec: TileSpec) -> bytes:
    # WebP knows no gray; equal planes cost it next to nothing.
    image = np.repeat(image[:, :, None], 3, axis=2) if spec.channels == 1 else image
    return bytes(imagecodecs.webp_encode(image, lossless=True, method=6, level=100, numthreads=1))


def _webp_back(data: bytes, spec: TileSpec) -> np.ndarray:
    return np.asarray(imagecodecs.webp_decode(data))[:, :, : spec.channels]


def _jpeg2000(image: np.ndarray, spec: TileSpec) -> bytes:
    bits = 8 if spec.dtype == "uint8" else spec.bit_depth
    options: dict[str, Any] = {
        "codecformat": "j2k",
        "reversible": True,
        "mct": spec.channels == 3,
        "bitspersample": bits,
    }
    return bytes(imagecodecs.jpeg2k_encode(image, numthreads=1, **options))


CLASSICAL: dict[str, Classical] = {
    coder.name: coder
    for coder in (
        Classical("png-9", _png, lambda data, spec: imagecodecs.png_decode(data)),
        Classical("webp", _webp, _webp_back, frozenset({1, 3}), frozenset({"uint8"})),
        jpegls(0),
        Classical("jpeg2000", _jpeg2000, lambda data, spec: imagecodecs.jpeg2k_decode(data), frozenset({1, 3})),
        jpegxl(3),
        jpegxl(7),
        jpegxl(9),
    )
}


def _framed(parts: Sequence[bytes]) -> bytes:
    return b"".join(len(part).to_bytes(4, "little") + part for part in parts)


def _unframed(data: bytes) -> list[bytes]:
    parts = []
    while data:
        size = 4 + int.from_bytes(data[:4], "little")
        parts.append(data[4:size])
        data = data[size:]
    return parts
