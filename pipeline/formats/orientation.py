"""How the pixels of an image file are turned and mirrored to be upright: EXIF's tag Orientation, JEITA CP-3451, 4.6.4.

tilepress stores pixels as files have them, and the tag beside them. Whoever shows a picture turns it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

Rectangle = tuple[int, int, int, int]  # x, y, width, height in pixels

# value of the tag -> whether rows become columns first, then whether left and right, and top and bottom, are swapped
_STEPS = {
    1: (False, False, False),
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}
_WORDS = {
    2: "mirrored",
    3: "turned by 180°",
    4: "mirrored and turned by 180°",
    5: "mirrored and turned by 90° to the left",
    6: "turned by 90° to the right",
    7: "mirrored and turned by 90° to the right",
    8: "turned by 90° to the left",
}


@dataclass(frozen=True)
class Orientation:
    """A value of the tag, 1 to 8; 1: the stored pixels are upright."""

    value: int = 1

    @property
    def swaps_sides(self) -> bool:
        """Whether the width of the stored pixels is the height of the upright picture."""
        return _STEPS[self.value][0]

    @property
    def words(self) -> str:
        """What is done to the stored pixels, for people; "" for nothing."""
        return _WORDS.get(self.value, "")

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height of the upright picture from those of the stored one; and the other way round."""
        return (height, width) if self.swaps_sides else (width, height)

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """Return stored pixels (h, w, ...) upright, as a view of them."""
        swaps, mirrors, flips = _STEPS[self.value]
        turned = pixels.swapaxes(0, 1) if swaps else pixels
        return turned[:: -1 if flips else 1, :: -1 if mirrors else 1]

    def stored(self, area: Rectangle, width: int, height: int) -> Rectangle:
        """Return where an area of the upright picture lies in the stored one, of `width` x `height` pixels."""
        x, y, w, h = self._flipped(area, *self.size(width, height))
        return (y, x, h, w) if self.swaps_sides else (x, y, w, h)

    def upright(self, area: Rectangle, width: int, height: int) -> Rectangle:
        """Return where an area of the stored picture, of `width` x `height` pixels, lies in the upright one."""
        x, y, w, h = area
        return self._flipped((y, x, h, w) if self.swaps_sides else area, *self.size(width, height))

    def _flipped(self, area: Rectangle, width: int, height: int) -> Rectangle:
        _, mirrors, flips = _STEPS[self.value]
        x, y, w, h = area
        return width - x - w if mirrors else x, height - y - h if flips else y, w, h


AS_STORED = Orientation()


def orientation(fields: Mapping[str, str]) -> Orientation:
    """Return what the fields of an image's EXIF, as texts, say of its orientation; nothing for values that are none."""
    text = fields.get("Orientation", "")
    return Orientation(int(text)) if text in {str(value) for value in _STEPS} else AS_STORED
