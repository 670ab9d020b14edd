"""One plane of `lossless` as FORMAT.md 8g specifies it: order, predictors (2), learning (7)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable

import numpy as np

from tests.support.independent.lossless_bits import OTHERS, Decisions, Mixer, Mixture
from tests.support.independent.lossless_numbers import clamp, clip, quarters
from tests.support.independent.lossless_scene import AROUND, CROSS, Known, Scene, contexts, network
from tests.support.independent.lossless_squares import FITS, PAD, F, LeastSquares, reference
from tests.support.independent.predictive import RangeDecoder
from tests.support.independent.streams import Shape

WIDE = (1 - 0.85) / (1 + 0.85) * (1 - 0.8)


def median(p: float, q: float, r: float) -> float:
    """Step 2."""
    if r >= max(p, q):
        return min(p, q)
    return max(p, q) if r <= min(p, q) else p + q - r


def usual(level: int) -> float:
    """U at first."""
    return 2.0 ** (level // 4 - 6) * (1 + level % 4 / 4)


class Table:
    """Means that learn, each from where it starts."""

    def __init__(self, extra: int, limit: int) -> None:
        self._extra, self._limit = extra, limit
        self._counts: dict[Hashable, int] = defaultdict(int)
        self._means: dict[Hashable, float] = {}

    def get(self, key: Hashable, start: float = 0.0) -> float:
        """A mean."""
        return self._means.get(key, start)

    def learn(self, key: Hashable, value: float, start: float = 0.0) -> None:
        """One value."""
        mean, count = self._means.get(key, start), self._counts[key]
        self._means[key] = mean + (value - mean) / (count + self._extra)
        self._counts[key] = min(count + 1, self._limit)


class PlaneDecoder:
    """One plane. `tensors`: of the level; `before`: the mate and the third, as far as there are such."""

    def __init__(
        self,
        shape: Shape,
        level: int,
        tensors: dict[str, np.ndarray],
        coder: RangeDecoder,
        highest: int,
        error: int,
        before: list[Known],
        base: np.ndarray | None,
    ) -> None:
        self._shape, self._highest, self._error, self._before = shape, highest, error, before
        self._mixer = Mixer(coder, tensors["mixing"])
        layers = (1, 2, 3) if "layer1.weight" in tensors else ()
        self._layers = [(tensors[f"layer{i}.weight"], tensors[f"layer{i}.bias"]) for i in layers]
        self.known = Known.empty(shape)
        samples = [self.known.samples, *(known.samples for known in before)]
        self._fits = [LeastSquares(i, fit, samples, base) for i, fit in enumerate(FITS[level])]
        self._pattern_bias, self._tilt_bias, self._usual = Table(4, 128), Table(4, 256), Table(2, 200)
        self._wide_above = [0.0] * shape.width
        self._inverse, self._levels = [0.0] * 8, [0] * 8
        self._pattern = self._tilt = 0

    def decode(self) -> np.ndarray:
        """Samples (h, w)."""
        height, width = self._shape.height, self._shape.width
        samples, errors, end = self.known.samples, self.known.errors, PAD + width
        for y in range(PAD, PAD + height):
            samples[y, :PAD] = samples[y - 1, PAD]
            for fit in self._fits:
                fit.begin_row()
            self._wide_left, self._wide_right = 0.0, [0.0] * (width + 1)
            for x in range(width - 1, -1, -1):
                self._wide_right[x] = self._wide_above[x] + 0.85 * self._wide_right[x + 1]
            for x in range(width):
                self._sample(y - PAD, x)
            samples[y, end:] = samples[y, end - 1]
            errors[:, y, end:] = errors[:, y, end - 1, None]
        return samples[PAD : PAD + height, PAD:end].astype(np.int64)

    def _sample(self, y: int, x: int) -> None:
        base, most = reference(self.known.samples, y, x), float(self._highest)
        means = [clamp(base, 0.0, most)] * 8
        for number, fit in enumerate(self._fits):
            means[number] = clamp(base + fit.predict(y, x), 0.0, most)
        scene = Scene(self.known, self._before, self._highest, y, x, means)
        self._predict(scene)
        mixture = network(scene, self._layers) if self._layers else Mixture()
        self._mixer.seen += 1
        self._mixer.contexts = contexts(scene)
        decisions = Decisions(self._mixer, mixture, self._inverse, self._error, self._highest)
        self._learn(scene, decisions.value(scene.guess, scene.scale, means), base)

    def _predict(self, scene: Scene) -> None:
        most, means = float(self._highest), scene.means
        means[3] = clamp(self._rule(scene), 0.0, most)
        energies = self._energies(scene)
        total = shares = 0.0
        for mean, energy in zip(means[:4], energies[:4], strict=True):
            share = 1 / (energy * energy + 0.3)
            share = share * share
            total, shares = total + share * mean, shares + share
        scene.blend = total / shares
        self._wide_left = 0.85 * self._wide_left + self._wide_above[scene.x]
        scene.wide = (self._wide_left + 0.85 * self._wide_right[scene.x + 1]) * WIDE
        self._find(scene, energies[4])
        bias = (self._pattern_bias.get(self._pattern) + self._tilt_bias.get(self._tilt)) * 0.5
        scene.guess = means[4] = means[6] = means[7] = clamp(scene.blend + bias, 0.0, most)
        scene.energy = [*energies, 0.0, scene.wide * 8, energies[4] * 0.5 + scene.wide * 4]
        for k in OTHERS:
            level = self._levels[k] = clip(quarters(scene.energy[k] + 0.25) + 8, 63)
            self._inverse[k] = 1 / (0.55 * self._usual.get((k, level, scene.grain), usual(level)) + 0.03)
        scene.scale = 1 / self._inverse[4]
        scene.unit = (energies[4] * 0.125 + scene.wide) * 0.5 + 0.05

    def _rule(self, scene: Scene) -> float:
        west, north, corner = scene.samples(AROUND[:3])
        if not self._before:
            return median(west, north, corner)
        w, n, nw, here = scene.earlier_samples([*AROUND[:3], (0, 0)])
        return median(west - w, north - n, corner - nw) + here

    def _energies(self, scene: Scene) -> list[float]:
        y, x = scene.y + PAD, scene.x + PAD
        w, n, nw, ne, ww, nn = (abs(self.known.errors[:, y + dy, x + dx]) for dy, dx in AROUND)
        total = 2 * (w + n).astype(np.float64) + (nw + ne).astype(np.float64) + (ww + nn).astype(np.float64)
        energies: list[float] = total.tolist()
        return energies

    def _find(self, scene: Scene, energy: float) -> None:
        """Texture, grain, pattern and tilt."""
        w, n, nw, ne, ww, nn = scene.samples(AROUND)
        west, north = scene.errors(AROUND[:2])
        if self._before:
            here, left, up, right, down = map(abs, scene.earlier_errors(0, CROSS))
            scene.texture = (2 * float(here) + float(right + left + down + up)) * 1.5
            lean = float(scene.earlier_errors(0, CROSS[:1])[0])
        else:
            scene.texture = abs(w - nw) + abs(n - ne) + abs(n - nw) + abs(w - ww) + abs(n - nn)
            lean = float((west + north) * F(0.5))
        scene.grain = clip(quarters(scene.texture + 1) // 2, 15)
        self._pattern = calm = clip(quarters(energy + 1) // 4, 7)
        for bit in (west > 0, north > 0, *(s > scene.blend for s in (w, n, ne, nw, nn))):
            self._pattern = 2 * self._pattern + int(bit)
        self._tilt = 9 * calm + int(clamp(lean + 4.5, 0.0, 8.5))

    def _learn(self, scene: Scene, value: int, base: float) -> None:
        x, here = scene.x, (scene.y + PAD, scene.x + PAD)
        self.known.samples[here] = value
        for k in OTHERS:
            level = self._levels[k]
            self._usual.learn((k, level, scene.grain), abs(value - scene.means[k]), usual(level))
        self.known.errors[:, here[0], here[1]] = [value - mean for mean in scene.means[:5]]
        self._pattern_bias.learn(self._pattern, value - scene.blend)
        self._tilt_bias.learn(self._tilt, value - scene.blend)
        miss = abs(value - scene.guess)
        self._wide_left += miss
        self._wide_above[x] = 0.8 * self._wide_above[x] + miss
        for fit in self._fits:
            fit.learn(x, value - base, 1 / (scene.unit * scene.unit + 0.15))
