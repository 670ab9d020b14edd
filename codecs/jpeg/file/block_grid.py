"""Where the blocks of a frame's components lie: in MCUs, in scans of one component, and in one array of all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tilepress.codecs.jpeg.file.coefficients import BLOCK, Sampling


@dataclass(frozen=True)
class Area:
    """The blocks of a component, row by row from number `offset` on; `coded`: rows and columns that hold its samples.

    `rows`, `columns`: whole MCUs. `factors`: blocks of an MCU, across and down.
    """

    offset: int
    rows: int
    columns: int
    coded: tuple[int, int]
    factors: Sampling


class BlockGrid:
    """The blocks of all components of a frame. `rows`, `columns`: of MCUs. `blocks`: how many there are."""

    def __init__(self, width: int, height: int, factors: tuple[Sampling, ...]) -> None:
        across, down = (max(each) for each in zip(*factors, strict=True))
        self.rows, self.columns = -(-height // (BLOCK * down)), -(-width // (BLOCK * across))
        self.areas: list[Area] = []
        self.blocks = 0
        for h, v in factors:
            rows, columns = self.rows * v, self.columns * h
            # T.81, A.1.1: the samples of a component, rounded up, fill so many blocks
            coded = -(-height * v // (BLOCK * down)), -(-width * h // (BLOCK * across))
            self.areas.append(Area(self.blocks, rows, columns, coded, (h, v)))
            self.blocks += rows * columns

    def of_component(self, blocks: np.ndarray, component: int) -> np.ndarray:
        """Return the blocks of a component (rows, columns, 64), a view of all blocks (n, 64)."""
        area = self.areas[component]
        return blocks[area.offset : area.offset + area.rows * area.columns].reshape(area.rows, area.columns, 64)
