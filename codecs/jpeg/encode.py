"""From a picture to the coefficients that libjpeg and libjpeg-turbo make of it, in integers (ITU-T T.81).

Their encoders are followed where the standard leaves a choice, to the last coefficient: the rounding of colours
(jccolor.c), chroma (jcsample.c), DCT and quotients (forward.py), what fills blocks at the edges (jcsample.c,
jcprepct.c), and what fills the last MCUs (jccoefct.c).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tilepress.codecs.jpeg.colour import to_ycc
from tilepress.codecs.jpeg.downsampling import downsample
from tilepress.codecs.jpeg.file.coefficients import BLOCK, Coefficients, Sampling, block_shapes
from tilepress.codecs.jpeg.file.tables import quality_tables
from tilepress.codecs.jpeg.forward import quantised_plane


def encode(picture: np.ndarray, quality: int, sampling: Sampling = (2, 2)) -> Coefficients:
    """Return the coefficients of the baseline JPEG that libjpeg makes of a picture.

    Args:
        picture: uint8 (h, w, 1), gray, or (h, w, 3), RGB.
        quality: 1..100, by which libjpeg scales the tables of ITU-T T.81, Annex K.
        sampling: Factors of luma across and down, of SAMPLINGS; a gray picture has (1, 1) whatever is given.

    Raises:
        ValueError: If the picture is not of 8 bits and one or three channels.
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] not in (1, 3):
        raise ValueError(f"a picture of {picture.dtype} {picture.shape} cannot be a JPEG")
    height, width, channels = picture.shape
    sampling = sampling if channels == 3 else (1, 1)
    luma, chroma = quality_tables(quality)
    tables = (luma, chroma, chroma)[:channels]
    planes = _components(picture, sampling)
    blocks = [_coded(plane, table) for plane, table in zip(planes, tables, strict=True)]
    shape = block_shapes(width, height, sampling, channels)[0]
    if blocks[0].shape[:2] != shape:
        blocks[0] = _with_dummies(blocks[0], shape, sampling[0])
    return Coefficients(width, height, sampling, tables, tuple(blocks))


def _components(picture: np.ndarray, sampling: Sampling) -> Iterator[np.ndarray]:
    """The planes of a picture uint8 (rows, columns), each of its own size and at most a block's columns more."""
    if picture.shape[2] == 1:
        yield picture[:, :, 0]
        return
    planes = [np.empty(picture.shape[:2], np.uint8) for _ in range(3)]
    to_ycc(np.require(picture, requirements=["C", "W"]), *planes)  # kernels are compiled for writable arrays
    yield planes[0]
    for plane in planes[1:]:
        yield _small(plane, sampling)


def _small(plane: np.ndarray, sampling: Sampling) -> np.ndarray:
    """A chroma plane at its own height, its last column of blocks filled up.

    Columns are repeated before samples are merged, and whole blocks of them; rows only as far as a last one lacks its
    neighbour: below, what was merged is repeated.
    """
    across, down = sampling
    height, width = plane.shape
    return downsample(_extended(plane, -height % down, -width % (BLOCK * across)), sampling)


def _extended(plane: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """A plane with its last row and its last column so many times more."""
    return np.pad(plane, ((0, rows), (0, columns)), "edge") if rows or columns else plane


def _coded(plane: np.ndarray, table: np.ndarray) -> np.ndarray:
    """The blocks of a component, int16 (rows, columns, 64)."""
    height, width = plane.shape
    return quantised_plane(_extended(plane, -height % BLOCK, -width % BLOCK), table)


def _with_dummies(blocks: np.ndarray, shape: tuple[int, int], across: int) -> np.ndarray:
    """Blocks of luma with those that only fill up the last MCUs, at most a column and a row: int16 (*shape, 64).

    Such a block has no coefficient but that of the mean, which is that of the block before it in its MCU: right of the
    last column that is its neighbour, below the last row the last block of the row above.
    """
    rows, columns = blocks.shape[:2]
    whole = np.zeros((*shape, 64), np.int16)
    whole[:rows, :columns] = blocks
    whole[:rows, columns:, 0] = blocks[:, -1:, 0]
    whole[rows:, :, 0] = whole[rows - 1, across - 1 :: across, 0].repeat(across)
    return whole
