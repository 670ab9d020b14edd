"""Decisions and probabilities of `lossless` as FORMAT.md 8g specifies them, steps 5 and 6."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tests.support.independent.lossless_numbers import TT, clamp, gap, ln, softplus, squash, upper
from tests.support.independent.predictive import RangeDecoder

OTHERS = (0, 1, 2, 3, 4, 6, 7)  # predictors without the network


@dataclass
class Mixture:
    """What the network says; without one, nothing."""

    shares: Sequence[float] = ()
    centres: Sequence[float] = ()
    sharps: Sequence[float] = ()

    def mass(self, edge: float, sign: int) -> float:
        """Of what lies beyond an edge."""
        total = 0.0
        for share, centre, sharp in zip(self.shares, self.centres, self.sharps, strict=True):
            total += share * upper((centre - edge) * sharp * sign)
        return total


def odds(a: float, b: float) -> float:
    """Logit of two masses."""
    return ln(max(a, 0.0) + 1e-12) - ln(max(b, 0.0) + 1e-12)


@dataclass
class Contexts:
    """Step 4."""

    band: int
    area: int
    counters: tuple[int, ...]


class Mixer:
    """Step 6: everything that bits of one plane are read with."""

    def __init__(self, coder: RangeDecoder, mixing: np.ndarray) -> None:
        self._coder = coder
        first = (mixing / 65536).tolist()
        self._x = {(node, band): list(first[node]) for node in range(32) for band in range(24)}
        self._y = {(node, area): list(first[node]) for node in range(32) for area in range(64)}
        self._z: dict[tuple[int, int], list[float]] = defaultdict(lambda: [squash((i - 16) / 2) for i in range(34)])
        self._cells: dict[tuple[int, int, int], tuple[int, int]] = defaultdict(lambda: (1 << 21, 0))
        self.seen = 0  # samples, this one included
        self.contexts = Contexts(0, 0, ())

    def bit(self, node: int, logits: list[float]) -> int:
        """One bit; logits of the eight predictors."""
        where = self.contexts
        cells = [(i, x, node) for i, x in enumerate(where.counters)]
        logits = [*logits, *(TT[self._cells[cell][0] >> 10] for cell in cells), 0.3, 0.0]
        x, y, z = self._x[node, where.band], self._y[node, where.area], self._z[node, where.band]
        one, two = _dot(x, logits), _dot(y, logits)
        mean = (one + two) * 0.5
        place = (clamp(mean, -7.99, 7.99) + 8) * 2
        b = int(place)
        p = place - b
        refined = z[b] * (1 - p) + z[b + 1] * p
        bit = self._coder.bit(min(max(int((squash(mean) + refined) * 32768), 1), 65535))
        rate = max(0.002, 0.02 / (1 + self.seen * 0.0005))
        for weights, logit in ((x, one), (y, two)):
            step = (bit - squash(logit)) * rate
            weights[:] = [weight + step * value for weight, value in zip(weights, logits, strict=True)]
        z[b] += (bit - z[b]) * (0.02 * (1 - p))
        z[b + 1] += (bit - z[b + 1]) * (0.02 * p)
        for cell in cells:
            chance, n = self._cells[cell]
            self._cells[cell] = chance + ((4194303 * bit - chance) * (2**17 // (2 * n + 3)) >> 16), min(n + 1, 150)
        return bit


def _dot(weights: list[float], logits: list[float]) -> float:
    s = [0.0, 0.0, 0.0, 0.0]
    for i in range(16):
        s[i % 4] += weights[i] * logits[i]
    return (s[0] + s[1]) + (s[2] + s[3])


class Decisions:
    """Step 5 for one sample within 0..highest."""

    def __init__(self, mixer: Mixer, mixture: Mixture, inverse: list[float], error: int, highest: int) -> None:
        self._mixer, self._mixture, self._inverse = mixer, mixture, inverse
        self._n, self._b, self._highest = error, 2 * error + 1, highest
        self._eta = [0.0] * 8
        self._near = self._far = 0
        self._inner = self._outer = self._edge = 0.0
        self._sign = -1

    def value(self, guess: float, scale: float, means: list[float]) -> int:
        """The value."""
        first = math.floor(guess + (0.5 if self._n else 0)) + self._n + 1
        self._edge = first - 0.5
        self._eta = [(means[k] - self._edge) * self._inverse[k] for k in range(8)]
        self._sign = -1
        if first <= self._highest:
            both = odds(self._mixture.mass(self._edge, 1), self._mixture.mass(self._edge, -1))
            self._sign = 1 if self._read(0, self._eta, both) else -1
        up = self._sign > 0
        if not up:
            self._eta = [-eta for eta in self._eta]
        self._outer = self._mixture.mass(self._edge, self._sign)
        self._steps((self._highest - first if up else first - 1) // self._b, scale, 1 if up else 9)
        self._halves(17 if up else 23)
        value = first + self._near * self._b + self._n if up else first - 1 - self._near * self._b - self._n
        return min(max(value, 0), self._highest)

    def _read(self, node: int, logits: list[float], network: float) -> int:
        return self._mixer.bit(node, [*logits[:5], network, *logits[6:]])

    def _mass(self, steps: int) -> float:
        return self._mixture.mass(self._edge + self._sign * (steps * self._b), self._sign)

    def _steps(self, limit: int, scale: float, node: int) -> None:
        step, n = max(int(clamp(scale * 0.8, 0.0, 1000000.0)) // self._b, 1), 0
        while True:
            self._far = self._near + step
            if self._far > limit:
                self._far = limit + 1
                self._inner = self._mass(self._far)
                return
            theta, logits = [0.0] * 8, [0.0] * 8
            for k in OTHERS:
                delta = (step * self._b) * self._inverse[k]
                theta[k] = self._eta[k] - delta
                logits[k] = softplus(-self._eta[k]) + theta[k] - gap(delta)
            mu = min(self._mass(self._far), self._outer)
            if not self._read(node + min(n, 7), logits, odds(mu, self._outer - mu)):
                self._inner = mu
                return
            self._near, self._outer, self._eta = self._far, mu, theta
            n += 1
            if n % 2 == 0 and n >= 4:
                step *= 2

    def _halves(self, node: int) -> None:
        n = 0
        while self._far - self._near > 1:
            middle = (self._near + self._far) // 2
            alpha, omega = (middle - self._near) * self._b, (self._far - self._near) * self._b
            theta, logits = [0.0] * 8, [0.0] * 8
            for k in OTHERS:
                eta, inv = self._eta[k], self._inverse[k]
                theta[k], phi = eta - alpha * inv, eta - omega * inv
                start = (softplus(-eta) - softplus(-phi)) - phi
                logits[k] = start + gap((omega - alpha) * inv) + theta[k] - gap(alpha * inv)
            mu = clamp(self._mass(middle), self._inner, self._outer)
            if self._read(node + min(n, 5), logits, odds(mu - self._inner, self._outer - mu)):
                self._near, self._outer, self._eta = middle, mu, theta
            else:
                self._far, self._inner = middle, mu
            n += 1
