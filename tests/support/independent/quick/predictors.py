"""The predictors of one plane of `lossless`, level 4, as FORMAT.md 8m specifies them: taps, weights, classes."""

from __future__ import annotations

import numpy as np

from tests.support.independent.quick.numbers import Flags, QuickRans, cut

SIDE = 16
OWN = [(0, -2), (-1, 0), (-1, -1), (-1, 1), (-2, 0), (-2, 1), (-2, -1), (-1, -2), (-1, 2), (-2, 2)]
OTHER = [(0, 0), (-1, 0), (0, 1), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)]
COUNTS = {"mate": 8, "third": 6, "base": 5}


class Predictors:
    """Reads them. `others`: samples, with borders of `pad`, of mate, third and base, as far as there are such."""

    def __init__(self, rans: QuickRans, own: np.ndarray, others: dict[str, np.ndarray], pad: int) -> None:
        groups = [OWN, *(OTHER[: COUNTS[name]] for name in others)]
        self._planes, self._pad = [own, *others.values()], pad
        self._places = [np.array(group).T for group in groups]
        height, width = (side - 2 * pad for side in own.shape)
        self._classes = rans.bits(5) + 1
        weights = [self._tap(rans) for group in groups for _ in group]
        self._weights = np.split(np.array(weights, float).T, np.cumsum([len(group) for group in groups])[:-1], axis=1)
        self._class = self._blocks(rans, -(-height // SIDE), -(-width // SIDE))

    def _tap(self, rans: QuickRans) -> list[int]:
        """Its weight in each class."""
        c = rans.bits(6)
        return [cut(rans.number(c, 0), -16383, 16383) for _ in range(self._classes)]

    def _blocks(self, rans: QuickRans, rows: int, columns: int) -> np.ndarray:
        classes, flags = np.zeros((rows, columns), int), Flags(rans)
        for y in range(rows):
            for x in range(columns):
                up = int(classes[y - 1, x]) if y else 0
                left = int(classes[y, x - 1]) if x else up
                above = up if y else left
                classes[y, x] = self._next(rans, flags, left, above)
        return classes

    def _next(self, rans: QuickRans, flags: Flags, left: int, above: int) -> int:
        if flags.read(0 if left != above else 1):
            return left
        if above != left and flags.read(2):
            return above
        return rans.bits(5)

    def guess(self, y: int, x: int) -> float:
        """Of the sample in row y > 0."""
        number = min(int(self._class[y // SIDE, x // SIDE]), self._classes - 1)
        row, column, total = y + self._pad, x + self._pad, 0.0
        for plane, places, weights in zip(self._planes, self._places, self._weights, strict=True):
            taps = plane[row + places[0], column + places[1]] - plane[row, column - 1]
            total += float(weights[number] @ taps)
        return total / 2048 + float(self._planes[0][row, column - 1])
