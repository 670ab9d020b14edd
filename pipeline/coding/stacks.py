"""Small images of one kind side by side: the mosaic that is coded as one tile, and the cell of each image in it."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, cast

import numpy as np

from tilepress.pipeline.coding.tiles import Box
from tilepress.pipeline.errors import IntegrityError

MAX_SIDE = 128  # pixels of an image that goes into a stack
_MAX_STACK_SIDE = 768
_KEPT_BYTES = 96 << 20  # of mosaics and containers of stacks; a mosaic has 0.6 MB for gray, up to 5 MB


def cells_across(width: int, height: int, tile: int) -> tuple[int, int]:
    """Return how many images of that size a stack has at most, in a row and in a column, where tiles have this side.

    A stack is half as long again as a tile of 512 pixels: of digits `lossless` makes 4 % less than of a stack of 512 x
    512, and twice the length would gain 1 % more, for images that take four times as long to read one by one.
    """
    side = min(tile * 3 // 2, _MAX_STACK_SIDE)
    return side // width, side // height


def arrange(count: int, width: int, height: int, tile: int) -> tuple[int, int]:
    """Return cells in a row and rows of cells of the mosaic of `count` images: near a square, few cells left empty."""
    across, down = cells_across(width, height, tile)
    columns = min(across, max(-(-count // down), round(math.sqrt(count * height / width)), 1))
    return columns, -(-count // columns)


def mosaic(images: Sequence[np.ndarray], tile: int) -> np.ndarray:
    """Return images (h, w, c) of one shape in raster order; empty cells repeat the last image, which costs little."""
    height, width, channels = images[0].shape
    columns, rows = arrange(len(images), width, height, tile)
    cells = np.stack([*images, *[images[-1]] * (columns * rows - len(images))])
    grid = cells.reshape(rows, columns, height, width, channels).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(grid.reshape(rows * height, columns * width, channels))


def cell_box(cell: int, mosaic_width: int, width: int, height: int) -> Box:
    """Return where an image of that size lies in a mosaic."""
    row, column = divmod(cell, mosaic_width // width)
    return Box(column * width, row * height, width, height)


class Sized(Protocol):
    """Something that says how much memory it takes."""

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""


Kept = TypeVar("Kept", bound=Sized)


@dataclass(frozen=True)
class _Failure:
    """Why a stack is damaged: all its images are, and nobody needs to find that out for each."""

    reason: str
    nbytes: int = 0


class StackCache:
    """What was made of the stacks that were read last, so that each image does not decode all the others again.

    It holds the mosaics of a hundred thousand digits: who reads images in random order, as training does, decodes each
    stack once.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Sized] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        """Return what `make` returns, or returned for this key not long ago; an IntegrityError of it is kept as well.

        Threads do not wait for each other, since a thread that waits may be the one that another waits for.
        """
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
        if isinstance(kept, _Failure):
            raise IntegrityError(kept.reason)
        if kept is not None:
            return cast(Kept, kept)
        try:
            return self._keep(key, make())
        except IntegrityError as exc:
            self._keep(key, _Failure(str(exc)))
            raise

    def _keep(self, key: Hashable, made: Kept) -> Kept:
        with self._lock:
            self._forget(key)
            self._kept[key] = made
            self._bytes += made.nbytes
            while self._bytes > _KEPT_BYTES and len(self._kept) > 1:
                self._forget(next(iter(self._kept)))
        return made

    def _forget(self, key: Hashable) -> None:
        if key in self._kept:
            self._bytes -= self._kept.pop(key).nbytes
