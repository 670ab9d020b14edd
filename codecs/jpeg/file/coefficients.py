"""A JPEG between file and samples: quantised coefficients of every component, and their order in a file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tilepress.codecs.jpeg.file.tables import ZIGZAG

BLOCK = 8
MAX_SIDE = 65500  # libjpeg's own limit
# Sampling factors (across, down) of luma; those of the chroma components are 1. The numbers are those of the facts.
Sampling = tuple[int, int]
SAMPLINGS: dict[str, Sampling] = {"4:4:4": (1, 1), "4:2:2": (2, 1), "4:4:0": (1, 2), "4:2:0": (2, 2)}


@dataclass(frozen=True)
class Coefficients:
    """What a JPEG file holds.

    `width`, `height`: of the picture, in pixels.
    `sampling`: factors of luma; (1, 1) where there is one component.
    `tables`: int32 (64,) for each of one or three components: quantisation steps in natural order, 1..65535; 1..255 in
    the files that `writer.py` writes.
    `blocks`: int16 (rows, columns, 64) for each component, whole MCUs, as `block_shapes` says.
    """

    width: int
    height: int
    sampling: Sampling
    tables: tuple[np.ndarray, ...]
    blocks: tuple[np.ndarray, ...]

    @property
    def components(self) -> int:
        """One or three."""
        return len(self.tables)


def block_shapes(width: int, height: int, sampling: Sampling, components: int) -> list[tuple[int, int]]:
    """Return rows and columns of blocks of each component: whole MCUs."""
    across, down = sampling
    rows, columns = -(-height // (BLOCK * down)), -(-width // (BLOCK * across))
    return [(rows * down, columns * across), (rows, columns), (rows, columns)][:components]


def component_size(width: int, height: int, sampling: Sampling, component: int) -> tuple[int, int]:
    """Return the height and width of a component's samples, without what fills the last MCUs."""
    across, down = sampling if component else (1, 1)
    return -(-height // down), -(-width // across)


def scan_pattern(sampling: Sampling, components: int) -> np.ndarray:
    """Return the component of each block of an MCU, in the order of a scan: int64 (blocks,)."""
    if components == 1:
        return np.zeros(1, np.int64)
    return np.array([0] * (sampling[0] * sampling[1]) + [1, 2], np.int64)


def to_scan(image: Coefficients) -> np.ndarray:
    """Return all blocks in the order of an interleaved scan, coefficients in zigzag order: int16 (blocks, 64)."""
    mcus = []
    for component, blocks in enumerate(image.blocks):
        across, down = image.sampling if component == 0 else (1, 1)
        rows, columns = blocks.shape[0] // down, blocks.shape[1] // across
        cut = blocks.reshape(rows, down, columns, across, 64).transpose(0, 2, 1, 3, 4)
        mcus.append(cut.reshape(rows * columns, down * across, 64))
    return np.ascontiguousarray(np.concatenate(mcus, axis=1)[:, :, ZIGZAG]).reshape(-1, 64)
