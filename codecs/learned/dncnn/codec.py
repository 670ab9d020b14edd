"""`jpeg-dncnn`: each tile a JPEG file, restored by a residual network when it is decoded.

After DnCNN-3 (Zhang et al., "Beyond a Gaussian Denoiser", 2017, section III-E), blind to the quality, whose residual is
the compressed picture minus the original. This network sees what an archive has and the published one had not: the
coefficients of each block and their quantisation steps. It corrects coefficients, within their cells: wherever the
planes of a plain decoder recompress to the very same file, the restored ones do (cells.py).

The latents of a tile are a baseline JPEG file, sealed, which any decoder opens: the coefficients that libjpeg makes,
with its tables of the quality and halved chroma. Decoding is exact, so that a residual may follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from tilepress.codecs.codec import Codec, Settings, Symbols, Tiles, TileSpec
from tilepress.codecs.errors import ModelError, StreamError
from tilepress.codecs.jpeg.encode import encode
from tilepress.codecs.jpeg.file.coefficients import BLOCK, MAX_SIDE, Coefficients, Sampling, block_shapes
from tilepress.codecs.jpeg.file.huffman_walk import MOST_DC
from tilepress.codecs.jpeg.file.reader import read_blocks_of, read_header
from tilepress.codecs.jpeg.file.writer import write_file
from tilepress.codecs.learned.dncnn.config import DncnnConfig
from tilepress.codecs.learned.dncnn.restorer import Restorer
from tilepress.codecs.model import Model
from tilepress.codecs.stream import read_frame, write_frame

_MAGIC, _VERSION = b"JD", 1
_DEFAULT_QUALITY = 40
_TABLES, _BLOCKS = "tables", "blocks{}"  # arrays of the symbols
_PIXELS_AT_ONCE = 1 << 21  # of tiles that are decoded together


class JpegDncnn(Codec):
    """See the module. Symbols: `blocks{i}` int16 (n, rows, columns, 64) of component i, `tables` int32 (n, c, 64)."""

    codec_id: ClassVar[str] = "jpeg-dncnn"
    summary: ClassVar[str] = "JPEG, restored by a residual network (learned) that stays within its quantisation cells"
    exact: ClassVar[bool] = True
    lossless: ClassVar[bool] = False
    networks: ClassVar[bool] = True
    dtypes: ClassVar[frozenset[str]] = frozenset({"uint8"})
    channels: ClassVar[frozenset[int]] = frozenset({1, 3})
    colours: ClassVar[frozenset[str]] = frozenset({"gray", "rgb"})
    options: ClassVar[frozenset[str]] = frozenset({"quality"})

    def __init__(self, model: Model, device: str = "cpu") -> None:
        """ModelError if the model is of another family, damaged, or its network is not provably exact."""
        if model.codec_id != self.codec_id:
            raise ModelError(f"model {model.name[:16]} is for codec {model.codec_id}, not {self.codec_id}")
        self.model, self.device = model, device
        self.config = DncnnConfig.from_json(model.config)
        self.restorer = Restorer(self.config, model.tensors, device)

    def supports(self, spec: TileSpec) -> bool:
        """Return whether tiles are 8-bit gray or RGB without alpha, with sides up to 65,500."""
        fits = spec.bit_depth == 8 and not spec.alpha and max(spec.height, spec.width) <= MAX_SIDE
        return fits and super().supports(spec)

    def analyse(self, tiles: Tiles, spec: TileSpec, settings: Settings, side_information: bytes = b"") -> Symbols:
        """Return the coefficients that libjpeg makes of tiles (n, h, w, c)."""
        self.require(spec)
        settings.require()
        quality = _DEFAULT_QUALITY if settings.quality is None else settings.quality
        images = [encode(tile, quality, _sampling(spec)) for tile in tiles]
        return _symbols(images, spec, settings)

    def pack(self, symbols: Symbols) -> list[bytes]:
        """Return a whole JPEG file, with optimal Huffman tables, of each tile, sealed."""
        return [write_frame(_MAGIC, _VERSION, write_file(image)) for image in _images(symbols)]

    def unpack(self, latents: Sequence[bytes], spec: TileSpec) -> Symbols:
        """Return the coefficients of the files. StreamError for bytes that `pack` did not write."""
        self.require(spec)
        return _symbols([_read(data, spec) for data in latents], spec, Settings())

    def synthesise(self, symbols: Symbols, side_information: bytes = b"") -> Tiles:
        """Return the restored tiles: exact integers, the same on every device, in batches of any size."""
        if side_information:
            raise StreamError(f"codec {self.codec_id} takes no side information")
        images, spec = _images(symbols), symbols.spec
        each = max(1, _PIXELS_AT_ONCE // (spec.height * spec.width))
        tiles = np.empty((len(images), *spec.shape), np.uint8)
        for at in range(0, len(images), each):
            tiles[at : at + each] = self.restorer.pictures(images[at : at + each])
        return tiles


def plane_symbols(blocks: np.ndarray, table: np.ndarray) -> Symbols:
    """Return the symbols of one component of any JPEG file: `synthesise` restores its plane, as that of a gray file.

    Args:
        blocks: Quantised coefficients int16 (rows, columns, 64), natural order.
        table: Quantisation steps (64,), 1..65535.
    """
    rows, columns, _ = blocks.shape
    spec = TileSpec(BLOCK * rows, BLOCK * columns, 1, "uint8", 8, "gray")
    return Symbols(spec, {_TABLES: table[None, None].astype(np.int32), _BLOCKS.format(0): blocks[None]})


def _sampling(spec: TileSpec) -> Sampling:
    return (2, 2) if spec.channels == 3 else (1, 1)


def _read(data: bytes, spec: TileSpec) -> Coefficients:
    """The file in a stream. Nothing large is made before its header has proved to be that of such a tile."""
    header = read_header(read_frame(_MAGIC, {_VERSION}, data)[1])
    found = header.height, header.width, len(header.tables), header.sampling
    if found != (*spec.shape, _sampling(spec)):
        raise StreamError("JPEG stream does not hold the frame of this tile: the bytes are damaged")
    return read_blocks_of(header)


def _symbols(images: Sequence[Coefficients], spec: TileSpec, settings: Settings) -> Symbols:
    shapes = block_shapes(spec.width, spec.height, _sampling(spec), spec.channels)
    arrays = {_TABLES: np.empty((len(images), spec.channels, 64), np.int32)}
    for component, shape in enumerate(shapes):
        arrays[_BLOCKS.format(component)] = np.empty((len(images), *shape, 64), np.int16)
    for i, image in enumerate(images):
        arrays[_TABLES][i] = image.tables
        for component, blocks in enumerate(image.blocks):
            # of black at quality 100 the mean is -1024, which a baseline file does not hold
            arrays[_BLOCKS.format(component)][i] = np.clip(blocks, -MOST_DC, MOST_DC)
    return Symbols(spec, arrays, settings)


def _images(symbols: Symbols) -> list[Coefficients]:
    spec, tables = symbols.spec, symbols.arrays[_TABLES]
    parts = [symbols.arrays[_BLOCKS.format(component)] for component in range(spec.channels)]
    return [
        Coefficients(spec.width, spec.height, _sampling(spec), tuple(tables[i]), tuple(part[i] for part in parts))
        for i in range(len(tables))
    ]
