"""One plane of `lossless`, level 4, as FORMAT.md 8m specifies it: what is known around a sample, sizes, learning."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tests.support.independent.lossless_numbers import clamp, quarters
from tests.support.independent.quick.numbers import QuickRans, cut, size
from tests.support.independent.quick.predictors import Predictors

PAD = 2
AROUND = [(0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-2, 1)]  # W, N, NW, NE, WW, NN, NNE
BESIDE = [(0, 0), (0, -1), (0, 1), (-1, 0), (1, 0)]


@dataclass
class Known:
    """A plane: samples and errors, (h, w) with a border of PAD."""

    samples: np.ndarray
    errors: np.ndarray

    @classmethod
    def blank(cls, height: int, width: int, highest: int) -> Known:
        """Before the first row."""
        samples, errors = np.zeros((2, height + 2 * PAD, width + 2 * PAD))
        samples[:PAD] = (highest + 1) // 2
        return cls(samples, errors)

    def begin_row(self, y: int) -> None:
        """What stands left of it."""
        for plane in (self.samples, self.errors):
            plane[y + PAD, :PAD] = plane[y + PAD - 1, PAD]

    def end_row(self, y: int) -> None:
        """What stands right of it, and above the first."""
        for plane in (self.samples, self.errors):
            plane[y + PAD, -PAD:] = plane[y + PAD, -PAD - 1]
        if y == 0:
            self.samples[PAD - 1] = self.samples[PAD]


class Means:
    """Entries that learn."""

    def __init__(self, start: np.ndarray, count: int) -> None:
        self._means, self._counts = start, np.full(start.shape, count)

    def get(self, key: tuple[int, ...]) -> float:
        """A mean."""
        return float(self._means[key])

    def learn(self, key: tuple[int, ...], value: float) -> None:
        """One value."""
        mean, count = self.get(key), int(self._counts[key])
        self._means[key] = mean + (value - mean) * (1 / (count + 3))
        self._counts[key] = min(count + 1, 127)


@dataclass
class Scene:
    """What is seen of one sample; `s` and `e`: samples and errors at AROUND, `mate`: the mate's errors at BESIDE."""

    s: list[float]
    e: list[float]
    mate: list[float] | None
    guess: float
    band: int = 0
    scale: int = 0
    a: tuple[int, int] = (0, 0)
    b: tuple[int, int] = (0, 0)
    places: list[tuple[int]] = field(default_factory=list)


class PlaneDecoder:
    """One plane. `before`: the mate and the third, as far as there are such; `base`: with a border of PAD."""

    def __init__(
        self,
        rans: QuickRans,
        shape: tuple[int, int],
        highest: int,
        error: int,
        before: list[Known],
        base: np.ndarray | None,
    ) -> None:
        self._rans, self._shape, self._highest, self._step = rans, shape, highest, 2 * error + 1
        self._mate = before[0] if before else None
        self.known = Known.blank(*shape, highest)
        others = {name: plane.samples for name, plane in zip(("mate", "third"), before, strict=False)}
        others |= {} if base is None else {"base": base}
        self._predictors = Predictors(rans, self.known.samples, others, PAD)
        usual = np.array([[size(i - 16)] * 20 for i in range(48)])
        self._sizes = [Means(usual.copy(), 2), Means(usual.copy(), 2)]
        self._misses = [Means(np.zeros(1500), 0) for _ in range(3)]
        self._shares = [0.0] * 6

    def decode(self) -> np.ndarray:
        """Samples (h, w)."""
        height, width = self._shape
        for y in range(height):
            self.known.begin_row(y)
            self._finer, self._limit = 1 / self._step, 4.0 * self._step
            for x in range(width):
                self._sample(y, x)
            self.known.end_row(y)
        return self.known.samples[PAD:-PAD, PAD:-PAD].astype(np.int64)

    def _sample(self, y: int, x: int) -> None:
        scene = self._scene(y, x)
        self._find_size(scene)
        self._find_places(scene)
        most, step = float(self._highest), self._step
        seen = [*scene.e[:4], scene.mate[0] if scene.mate else 0.0, scene.e[4]]
        g = [clamp(error, -self._limit, self._limit) for error in seen]
        f = self._shares
        linear = ((f[1] * g[1] + f[2] * g[2]) + (f[3] * g[3] + f[4] * g[4])) + (f[0] * g[0] + f[5] * g[5])
        m = [means.get(place) for means, place in zip(self._misses, scene.places, strict=True)]
        better = clamp(scene.guess + (linear + (m[0] + (m[1] + m[2])) * 0.42), 0.0, most)
        middle = int(better + 0.5)
        part = (better - middle) * (1 / step)
        e = self._rans.number(scene.scale, min(int(abs(part) * 8), 3))
        value = clamp(middle + (-e if part < 0 else e) * step, 0.0, most)
        error = value - better
        self.known.samples[y + PAD, x + PAD], self.known.errors[y + PAD, x + PAD] = value, error
        self._learn(scene, value, error, g)

    def _scene(self, y: int, x: int) -> Scene:
        row, column, mate = y + PAD, x + PAD, self._mate
        s = [float(self.known.samples[row + dy, column + dx]) for dy, dx in AROUND]
        e = [float(self.known.errors[row + dy, column + dx]) for dy, dx in AROUND]
        beside = [float(mate.errors[row + dy, column + dx]) for dy, dx in BESIDE] if mate else None
        if y:
            guess = self._predictors.guess(y, x)
        else:
            guess = s[0] + (float(mate.samples[row, column] - mate.samples[row, column - 1]) if mate else 0.0)
        return Scene(s, e, beside, guess)

    def _find_size(self, scene: Scene) -> None:
        """Step 2."""
        w, n, nw, ne = scene.s[:4]
        e_w, e_n, e_nw, e_ne, e_ww = map(abs, scene.e[:5])
        others = (e_ww + (2 * e_n + e_nw + e_ne)) * 0.125
        flat = (abs(n - nw) + abs(n - ne)) * (1 / 3) + 0.3
        own = e_w * 0.375 + (others + 0.1)
        slope = abs(w - nw) * (1 / 3) + flat
        if scene.mate:
            here, left, right, up, down = map(abs, scene.mate)
            beside = (2 * here + (left + right + up + down)) * (1 / 6)
            near = e_w * 0.225 + (others * 0.6 + (beside * 0.4 + 0.06))
            ratio = (quarters(beside + 0.1) + 12 - quarters(own)) // 2
        else:
            near = e_w * 0.375 + (others + 0.06)
            ratio = (quarters(slope) + 4 - quarters(own)) // 2
        i, k = cut(quarters(near) + 16, 0, 47), cut(quarters(slope) + 8, 0, 47)
        scene.a, scene.b = (i, cut(ratio, 0, 11)), (k, cut(quarters(e_w + (e_n + 0.3)) // 2 + 4, 0, 19))
        x = self._sizes[0].get(scene.a) * 0.65 + self._sizes[1].get(scene.b) * 0.35
        scene.band, scene.scale = i // 4, cut(quarters(x) + 20, 0, 76)

    def _find_places(self, scene: Scene) -> None:
        """Step 3."""
        (w, n, nw, ne, ww, nn, nne), guess, finer = scene.s, scene.guess, self._finer
        here = scene.mate[0] if scene.mate else 0.0
        signs = [w > guess, n > guess, nw > guess, ne > guess, scene.e[0] > 0, scene.e[1] > 0]
        slopes = [nn > guess, ww > guess, 2 * n - nn > guess, 2 * w - ww > guess]
        slopes += [w + n - nw > guess, n + ne - nne > guess]
        ranks = [_sort(here, finer * 2), _sort(w - guess, finer), _sort(n - guess, finer)]
        classes = (_number(signs), ranks[0] + 5 * (ranks[1] + 5 * ranks[2]), _number(slopes))
        scene.places = [(12 * number + scene.band,) for number in classes]

    def _learn(self, scene: Scene, value: float, error: float, g: list[float]) -> None:
        """Step 6."""
        inverse, y = 1 / self._step, size(scene.scale - 20)
        for means, place in zip(self._misses, scene.places, strict=True):
            means.learn(place, value - scene.guess)
        for means, key in zip(self._sizes, (scene.a, scene.b), strict=True):
            means.learn(key, abs(error * inverse))
        gain = ((0.002 / (0.05 + (6 * y) * y)) * inverse) * inverse
        gain = clamp(error, -self._limit, self._limit) * gain
        self._shares = [f + gain * seen for f, seen in zip(self._shares, g, strict=True)]
        self._finer, self._limit = (0.5 / y) * inverse, (4.0 * self._step) * y


def _sort(x: float, y: float) -> int:
    return int(clamp(x * y + 2.5, 0.0, 4.5))


def _number(bits: list[bool]) -> int:
    """Of bits from the lowest up."""
    return sum(bit << at for at, bit in enumerate(bits))


def decode_planes(
    content: bytes, shape: tuple[int, int], highest: list[int], error: int, bases: list[np.ndarray | None]
) -> list[np.ndarray]:
    """Samples (h, w) of the planes in coding order; `content`: what follows their headers, `bases`: as they are."""
    if not any(highest):
        assert not content
        return [np.zeros(shape, np.int64) for _ in highest]
    rans = QuickRans(content)
    planes = read_planes(rans, shape, highest, error, bases)
    rans.check_end()
    return planes


def read_planes(
    rans: QuickRans, shape: tuple[int, int], highest: list[int], error: int, bases: list[np.ndarray | None]
) -> list[np.ndarray]:
    """What `decode_planes` gives, up to the end of the last plane."""
    before, out = list[Known](), []
    for most, base in zip(highest, bases, strict=True):
        numbers, known = np.zeros(shape, np.int64), Known.blank(*shape, 0)
        if most:
            around = None if base is None else np.pad(base.astype(np.float64), PAD, mode="edge")
            decoder = PlaneDecoder(rans, shape, most, error, before[:2], around)
            numbers, known = decoder.decode(), decoder.known
        out.append(numbers)
        before.insert(0, known)
    return out
