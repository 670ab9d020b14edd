"""Classical codecs of single tiles: raw samples, JPEG XL, PNG and JPEG.

The image libraries are imported when first used. Their decoders allocate what a header claims before they
look at the data, so they only see bytes whose header says what the tile is.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np

from tilepress.codecs import raw_samples
from tilepress.codecs.bitstream import seal, unseal
from tilepress.codecs.classical.jpeg_header import JpegFrame, read_frame
from tilepress.codecs.classical.jpegxl_stream import bare_codestream, check_codestream
from tilepress.codecs.classical.png_stream import check_png
from tilepress.codecs.codec import Settings, TileCodec, TileSpec
from tilepress.codecs.errors import StreamError

_VERSION = 1
_JPEG_MAX_SIDE = 65500  # libjpeg's JPEG_MAX_DIMENSION


class ClassicalCodec(TileCodec):
    """What codecs of single tiles share: checked samples, a sealed stream, one error for bad bytes."""

    magic: ClassVar[bytes]

    @abstractmethod
    def compress(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        """A contiguous tile (h, w, c), already checked, to the payload of the stream."""

    @abstractmethod
    def decompress(self, payload: bytes, spec: TileSpec) -> np.ndarray:
        """Inverse of `compress`; may raise any exception, must not allocate more than `spec` implies."""

    def encode_tile(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        """One tile (h, w, c) of `spec.dtype` to bytes; UnsupportedError if it is not what `spec` says."""
        self.require(spec)
        settings.require()
        spec.require(tile)
        return seal(self.magic, _VERSION, self.compress(np.ascontiguousarray(tile), spec, settings))

    def decode_tile(self, data: bytes, spec: TileSpec) -> np.ndarray:
        """Bytes to one tile (h, w, c) of `spec.dtype`, values 0..spec.maximum. Raises StreamError."""
        self.require(spec)
        _, payload = unseal(self.magic, {_VERSION}, data)
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


class Raw(ClassicalCodec):
    """The samples themselves, little-endian, row by row, channels interleaved."""

    codec_id = "raw"
    summary = "samples as they are; for measuring, and for tiles that nothing shortens"
    exact = True
    lossless = True
    magic = b"RW"

    def compress(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        """The samples, 1 or 2 bytes each."""
        return raw_samples.to_bytes(tile)

    def decompress(self, payload: bytes, spec: TileSpec) -> np.ndarray:
        """The samples; StreamError if their number is wrong."""
        return raw_samples.from_bytes(payload, spec)


class JpegXl(ClassicalCodec):
    """Lossless JPEG XL (libjxl, ISO/IEC 18181). CMYK goes through as three planes and an extra one."""

    codec_id = "jpegxl"
    summary = "lossless JPEG XL: the best of the classical codecs, for every kind of image"
    exact = True
    lossless = True
    channels = frozenset({1, 2, 3, 4})
    options = frozenset({"effort"})
    magic = b"JX"

    def compress(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        """A bare codestream: the container that libjxl adds beyond 12 bits is 53 bytes of no use here."""
        data = _imagecodecs().jpegxl_encode(
            tile[:, :, 0] if spec.channels == 1 else tile,
            effort=settings.effort or 7,
            lossless=True,
            numthreads=1,
            usecontainer=False,
            bitspersample=_jpegxl_bits(spec),
        )
        return bare_codestream(data)

    def decompress(self, payload: bytes, spec: TileSpec) -> np.ndarray:
        """The samples, after the headers of image and frames were found to promise nothing larger."""
        check_codestream(payload, spec.width, spec.height, spec.channels, _jpegxl_bits(spec))
        return _image(_imagecodecs().jpegxl_decode(payload, numthreads=1), spec)


class Png(ClassicalCodec):
    """PNG (libpng, ISO/IEC 15948) of gray, gray and alpha, RGB or RGBA; CMYK in the place of RGBA."""

    codec_id = "png"
    summary = "PNG: larger than JPEG XL, decodes quickly everywhere"
    exact = True
    lossless = True
    channels = frozenset({1, 2, 3, 4})
    options = frozenset({"effort"})
    magic = b"PN"

    def compress(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        """A whole PNG file; effort is zlib's level."""
        image = tile[:, :, 0] if spec.channels == 1 else tile
        # What imagecodecs reserves by itself is too little for noise in many short rows.
        room = tile.nbytes + tile.nbytes // 64 + 8 * spec.height + 4096
        return bytes(_imagecodecs().png_encode(image, level=settings.effort or 6, out=room))

    def decompress(self, payload: bytes, spec: TileSpec) -> np.ndarray:
        """The samples, after the stream was found whole: libpng must not fail (see png_stream.py)."""
        check_png(payload, spec.width, spec.height, spec.channels, np.dtype(spec.dtype).itemsize)
        return _image(_imagecodecs().png_decode(payload), spec)


class Jpeg(ClassicalCodec):
    """Baseline JPEG (libjpeg-turbo), colour at half resolution. Its decoders differ by a level: not exact."""

    codec_id = "jpeg"
    summary = "lossy JPEG, the usual yardstick; quality 1 to 100"
    exact = False
    lossless = False
    dtypes = frozenset({"uint8"})
    channels = frozenset({1, 3})
    colours = frozenset({"gray", "rgb"})
    options = frozenset({"quality"})
    magic = b"JG"

    def supports(self, spec: TileSpec) -> bool:
        """8-bit gray and RGB without alpha, sides up to 65,500."""
        fits = spec.bit_depth == 8 and not spec.alpha and max(spec.height, spec.width) <= _JPEG_MAX_SIDE
        return fits and super().supports(spec)

    def compress(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        """A whole JPEG file, 4:2:0, with optimised Huffman tables."""
        image = tile[:, :, 0] if spec.channels == 1 else tile
        quality = 85 if settings.quality is None else settings.quality
        return bytes(_imagecodecs().jpeg8_encode(image, level=quality, optimize=True, subsampling="420"))

    def decompress(self, payload: bytes, spec: TileSpec) -> np.ndarray:
        """The samples, after the frame header was found to say what `spec` says."""
        if read_frame(payload) != JpegFrame(0, 8, spec.width, spec.height, spec.channels):
            raise StreamError("JPEG stream does not hold the frame of this tile")
        return _image(_imagecodecs().jpeg8_decode(payload), spec)


def _imagecodecs() -> Any:
    import imagecodecs

    return imagecodecs


def _jpegxl_bits(spec: TileSpec) -> int:
    # Stating 12 bits of 16 saves 2 %; below 8 it saves nothing, and below 9 libjxl would decode to uint8.
    return 8 if spec.dtype == "uint8" else max(9, spec.bit_depth)


def _image(image: np.ndarray, spec: TileSpec) -> np.ndarray:
    """`image` if its shape is that of a tile of `spec`, without the axis of a single channel."""
    if image.shape != (spec.shape if spec.channels > 1 else spec.shape[:2]):
        raise StreamError(f"stream holds an image of shape {image.shape}, not {spec.shape}")
    return image
