"""Least squares of `lossless` as FORMAT.md 8g specifies it, step 1, in numpy float32."""

from __future__ import annotations

import numpy as np

F = np.float32
PAD = 8
LIST_1 = [
    *[(0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-1, 2), (-1, -2), (-2, -1), (-2, 1), (0, -3), (-3, 0)],
    *[(-2, 2), (-2, -2), (-1, 3), (-1, -3), (0, -4), (-3, 1), (-3, -1), (-4, 0), (-3, 2), (-3, -2), (-2, 3), (-2, -3)],
    *[(-1, -4), (-1, 4), (-4, -1), (-4, 1), (-3, -3), (-3, 3), (-2, -4), (-2, 4), (-4, -2), (-4, 2), (0, -5), (-3, -4)],
    *[(-3, 4), (-4, -3), (-4, 3), (-5, 0), (-1, -5), (-1, 5), (-5, -1), (-5, 1), (-2, -5), (-2, 5), (-5, -2), (-5, 2)],
    *[(-4, -4), (-4, 4), (-3, -5), (-3, 5)],
]
LIST_2 = [(0, 0), (0, -1), (-1, 0), (0, 1), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)]
LIST_3 = [(0, 0), (0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0), (0, -1)]
Fit = tuple[int, int, int, int, int, float, float, int]  # first plane, others, mate, third, base, d, f, period
FITS: dict[int, list[Fit]] = {
    1: [(7, 3, 3, 1, 4, 0.9, 0.85, 4)],
    2: [(6, 3, 3, 1, 0, 0.75, 0.7, 2), (15, 6, 8, 1, 8, 0.85, 0.8, 2)],
    3: [
        (10, 3, 3, 1, 0, 0.78, 0.73, 2),
        (20, 9, 9, 5, 8, 0.85, 0.8, 2),
        (52, 12, 9, 2, 8, 0.95, 0.94, 5),
    ],
}


def reference(plane: np.ndarray, y: int, x: int) -> float:
    """Of a plane (with its border) at a sample of it."""
    above = plane[y + PAD - 1]
    x += PAD
    return float((plane[y + PAD, x - 1] + above[x]) / 2 + (above[x + 1] - above[x - 1]) / 4)


class LeastSquares:
    """One fit in one plane. `planes`: of these, with borders, the inputs are: (plane, list of places)."""

    def __init__(self, number: int, fit: Fit, known: list[np.ndarray], base: np.ndarray | None) -> None:
        self._number, (first, others, *around, ahead, d, f, self._period) = number, fit
        groups = [LIST_1[: others if len(known) > 1 else first]]
        groups += [LIST_2[:count] for count, _ in zip(around, known[1:], strict=False)]
        self._planes = [*known, *([] if base is None else [base])]
        groups += [] if base is None else [LIST_3[:ahead]]
        self._places = [np.array(group, np.int64).reshape(-1, 2).T for group in groups]
        self._n = sum(map(len, groups))
        self._d, self._f = F(d * d * d * d), F(f)
        self._blocks = [np.zeros((self._n, self._n + 1), F) for _ in range(-(-(known[0].shape[1] - 2 * PAD) // 4))]
        self._weights = np.zeros(self._n, F)

    def begin_row(self) -> None:
        """Before a row."""
        self._sums = np.zeros((self._n, self._n + 1), F)
        self._right = [self._sums]
        for block in reversed(self._blocks):
            self._right.insert(0, block + self._d * self._right[0])

    def predict(self, y: int, x: int) -> float:
        """s."""
        block = x // 4
        if x % 4 == 0:
            self._sums = self._d * self._sums + self._blocks[block]
            self._blocks[block] = self._f * self._blocks[block] + F(1e-20)
        if x % self._period == (1 if self._number == 1 else 0) or x == 0:
            self._solve(self._sums + self._d * self._right[block + 1])
        parts = []
        for plane, (dy, dx) in zip(self._planes, self._places, strict=True):
            parts.append(plane[y + PAD + dy, x + PAD + dx] - reference(plane, y, x))
        self._inputs = np.concatenate(parts).astype(F)
        return float(np.add.accumulate(self._inputs * self._weights)[-1])

    def learn(self, x: int, target: float, gain: float) -> None:
        """Step 7."""
        product = (F(gain) * self._inputs)[:, None] * np.append(self._inputs, F(target))
        self._sums = self._sums + product
        self._blocks[x // 4] = self._blocks[x // 4] + product

    def _solve(self, m: np.ndarray) -> None:
        n = self._n
        diagonal = np.arange(n)
        pivots = m[diagonal, diagonal]
        m[diagonal, diagonal] = pivots + (F(1) + pivots * F(0.0001))
        v = np.zeros(n, F)
        for i in range(n):
            v[i] = F(1) / (m[i, i] if m[i, i] > F(1e-10) else F(1e-10))
            g = -(m[i, i + 1 : n] * v[i])
            m[i + 1 :, i + 1 :] += g[:, None] * m[i, i + 1 :]  # also left of the diagonal, where nobody looks
        for i in range(n - 1, -1, -1):
            terms = np.append(m[i, n], m[i, i + 1 : n] * self._weights[i + 1 :])
            self._weights[i] = np.subtract.accumulate(terms)[-1] * v[i]
