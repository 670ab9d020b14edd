"""The grid of strips or tiles that holds the pixels of a TIFF file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tilepress.pipeline.formats.packed_samples import row_bytes

NONE, LZW, DEFLATE, OLD_DEFLATE, PACKBITS, ZSTD = 1, 5, 8, 32946, 32773, 50000


@dataclass(frozen=True)
class TiffLayout:
    """A grid of segments (strips or tiles), `planes` times. Segments are numbered plane, row, column.

    Each holds `seg_height` x `seg_width` pixels of `seg_channels` samples; tiles at the right and lower edge are
    padded, strips at the lower edge are shorter. `offsets`, `sizes`: int64, of the stored segments.
    `describes_bytes`: something in the tables that fits the stored bytes alone, as in Picture.
    """

    mode: str
    width: int
    height: int
    channels: int
    bits: int
    order: str
    compression: int
    predictor: int
    tiled: bool
    planes: int
    seg_width: int
    seg_height: int
    offsets: np.ndarray
    sizes: np.ndarray
    describes_bytes: str = ""

    @property
    def dtype(self) -> Literal["uint8", "uint16"]:
        """Of the samples."""
        return "uint16" if self.bits == 16 else "uint8"

    @property
    def seg_channels(self) -> int:
        """Samples a pixel in one segment."""
        return 1 if self.planes > 1 else self.channels

    @property
    def across(self) -> int:
        """Segments side by side."""
        return -(-self.width // self.seg_width)

    @property
    def down(self) -> int:
        """Segments one below the other."""
        return -(-self.height // self.seg_height)

    @property
    def seg_row_bytes(self) -> int:
        """Bytes of a decoded row of a segment."""
        return row_bytes(self.seg_width, self.seg_channels, self.bits)

    @property
    def nbytes(self) -> int:
        """Bytes of all decoded segments, padding included."""
        return self.seg_row_bytes * self.seg_height * self.down * self.across * self.planes

    def seg_rows(self, row: int) -> int:
        """Return pixel rows stored in a segment of grid row `row`."""
        return self.seg_height if self.tiled else self.image_rows(row)

    def image_rows(self, row: int) -> int:
        """Return pixel rows of the image in a segment of grid row `row`."""
        return min(self.seg_height, self.height - row * self.seg_height)

    def index(self, plane: int, row: int, column: int) -> int:
        """Return number of a segment."""
        return (plane * self.down + row) * self.across + column
