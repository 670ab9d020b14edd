"""What surrounds a sample of `lossless`, as FORMAT.md 8g specifies it: known planes, network (3), contexts (4)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from tests.support.independent.lossless_bits import Contexts, Mixture
from tests.support.independent.lossless_numbers import clamp, clip, exp2, log2, quarters
from tests.support.independent.lossless_squares import PAD, F
from tests.support.independent.streams import Shape

AROUND = [(0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0)]  # W, N, NW, NE, WW, NN
FARTHER = [*AROUND, (-1, 2), (-1, -2), (-2, 1), (-2, -1), (0, -3), (-3, 0)]
CROSS = [(0, 0), (0, -1), (-1, 0), (0, 1), (1, 0)]


@dataclass
class Known:
    """A plane: samples and five kinds of errors, each with a border of 8."""

    samples: np.ndarray
    errors: np.ndarray

    @classmethod
    def empty(cls, shape: Shape) -> Known:
        """Zeros."""
        size = (shape.height + 2 * PAD, shape.width + 2 * PAD)
        return cls(np.zeros(size), np.zeros((5, *size), F))

    def sample(self, y: int, x: int, place: tuple[int, int]) -> float:
        """At a place relative to a sample."""
        return float(self.samples[y + PAD + place[0], x + PAD + place[1]])

    def error(self, y: int, x: int, place: tuple[int, int]) -> np.float32:
        """Of predictor 4."""
        error: np.float32 = self.errors[4, y + PAD + place[0], x + PAD + place[1]]
        return error


@dataclass
class Scene:
    """A sample, the planes known there, and what steps 1 and 2 say of it."""

    known: Known
    before: list[Known]
    highest: int
    y: int
    x: int
    means: list[float]
    energy: list[float] = field(default_factory=list)
    blend: float = 0.0
    guess: float = 0.0
    wide: float = 0.0
    texture: float = 0.0
    grain: int = 0
    unit: float = 0.0
    scale: float = 0.0

    def samples(self, places: list[tuple[int, int]]) -> list[float]:
        """Of this plane."""
        return [self.known.sample(self.y, self.x, place) for place in places]

    def errors(self, places: list[tuple[int, int]]) -> list[np.float32]:
        """Of this plane."""
        return [self.known.error(self.y, self.x, place) for place in places]

    def earlier_samples(self, places: list[tuple[int, int]]) -> list[float]:
        """Of the mate."""
        return [self.before[0].sample(self.y, self.x, place) for place in places]

    def earlier_errors(self, number: int, places: list[tuple[int, int]]) -> list[np.float32]:
        """Of the mate (0) or the third (1)."""
        return [self.before[number].error(self.y, self.x, place) for place in places]


def compand(z: float) -> int:
    """c of step 3."""
    size = int(log2(1 + clamp(abs(z), 0.0, 60.0) * 8) * 14 + 0.5)
    return -size if z < 0 else size


def logarithm(z: float, m: float) -> int:
    """l of step 3."""
    return int(clamp(log2(z) * m, -255.0, 255.0))


def features(scene: Scene) -> list[int]:
    """What the network sees."""
    out, inverse, guess = [0] * 56, 1 / scene.unit, scene.guess
    near = w, n, nw, ne, _, _ = scene.samples(AROUND)
    out[:12] = [compand(float(error) * inverse) for error in scene.errors(FARTHER)]
    out[12:18] = [compand((s - guess) * inverse) for s in near]
    out[18:20] = [compand(guess * inverse), compand((scene.highest - guess) * inverse)]
    out[20] = logarithm(scene.unit, 16)
    out[21] = logarithm((scene.energy[4] * 0.125 + 0.05) * inverse, 16)
    out[22] = logarithm((scene.wide + 0.05) * inverse, 16)
    out[23] = logarithm((scene.texture + 0.2) * inverse, 12)
    p = guess - math.floor(guess)
    out[24:27] = [int(guess / (scene.highest + 0.000000001) * 96), int(p * 96), int(abs(p - 0.5) * 192)]
    out[27] = logarithm(scene.scale * inverse, 16)
    out[28:32] = [compand((mean - guess) * inverse) for mean in scene.means[:4]]
    slope = abs(n - ne) + abs(ne - scene.samples([(-1, 2)])[0]) + abs(w - nw)
    out[33] = logarithm((slope + 0.1) * inverse, 12)
    out[34:38] = [logarithm((energy * 0.125 + 0.05) * inverse, 16) for energy in scene.energy[:4]]
    if scene.before:
        out[40:45] = [compand(float(error) * inverse) for error in scene.earlier_errors(0, CROSS)]
        out[45] = logarithm((scene.texture * 0.111 + 0.05) * inverse, 16)
        here, mate_w, mate_n = scene.earlier_samples(CROSS[:3])
        out[46:48] = [compand((s - mate + here - guess) * inverse) for s, mate in ((w, mate_w), (n, mate_n))]
        out[48] = 96
    if len(scene.before) > 1:
        third = scene.earlier_errors(1, CROSS)
        out[49:52] = [compand(float(error) * inverse) for error in third[:3]]
        out[52] = logarithm((float(abs(third[0]) + abs(third[3]) + abs(third[4])) + 0.1) * inverse, 16)
        out[53] = 96
    return out


def network(scene: Scene, layers: list[tuple[np.ndarray, np.ndarray]]) -> Mixture:
    """The mixture; sets the scale."""
    values = np.array(features(scene))
    for number, (weight, bias) in enumerate(layers):
        values = values @ weight + bias
        values = values if number == 2 else np.clip(values >> 10, 0, 2047)
    o = [int(value) / 65536 for value in values]
    u = [exp2(clamp(o[j], -12.0, 12.0)) for j in range(3)]
    centres = [scene.guess + scene.unit * clamp(o[3 + j], -20.0, 20.0) for j in range(3)]
    z = [scene.unit * exp2(clamp(o[6 + j], -8.0, 8.0)) + 0.02 for j in range(3)]
    total = u[0] + u[1] + u[2]
    scene.scale = (u[0] * z[0] + u[1] * z[1] + u[2] * z[2]) / total
    return Mixture([u[j] / total for j in range(3)], centres, [1 / z[j] for j in range(3)])


def class_of(z: float, m: float, h: int) -> int:
    """class of step 4."""
    return int(clamp(z * m + (h + 0.5), 0.0, 2 * h + 0.5))


def contexts(scene: Scene) -> Contexts:
    """Step 4."""
    r, guess, means = 1 / (scene.scale + 0.2), scene.guess, scene.means
    w, n, _, ne, _, nn = scene.samples(AROUND)
    west, north = map(float, scene.errors(AROUND[:2]))
    band = clip(quarters(scene.scale * 8) // 2, 23)
    area = 8 * (scene.grain // 2) + clip((quarters(abs(west) + 0.25) + 8) // 4, 7)
    if scene.before:
        last = 24 * class_of(float(scene.earlier_errors(0, CROSS[:1])[0]) * r, 2.0, 16) + band
    else:
        last = 17 * class_of((nn - guess) * r, 1.5, 8) + class_of((ne - guess) * r, 1.5, 8)
    counters = (
        16 * band + scene.grain,
        17 * class_of((w - guess) * r, 1.5, 8) + class_of((n - guess) * r, 1.5, 8),
        8 * (11 * class_of(west * r, 1.0, 5) + class_of(north * r, 1.0, 5)) + min(band // 2, 7),
        17 * class_of((means[0] - guess) * r, 3.0, 8) + class_of((means[1] - guess) * r, 3.0, 8),
        8 * band + int((guess - math.floor(guess)) * 8),
        last,
    )
    return Contexts(band, area, counters)
