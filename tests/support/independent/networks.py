"""The convolutional codecs, cnn-ae and gdn-factorized, as FORMAT.md 8b to 8d specify them: numpy only, in int64."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np

from tests.support.independent.blocks import BlockDecoder
from tests.support.independent.streams import Rans, Shape, level_tensors

_COLOURS = {"L": 1, "LA": 1, "RGB": 3, "RGBA": 3, "CMYK": 4}
Planes = np.ndarray  # (channels, rows, columns)


def samples(pictures: list[Planes], fraction: int, frame: list[int], shape: Shape) -> np.ndarray:
    """8b, pictures."""
    planes: list[np.ndarray] = []
    for number, picture in enumerate(pictures):
        picture = picture[:, : shape.height, : shape.width]
        alpha = len(planes) == _COLOURS[shape.mode]
        offset, depth = frame[2:] if alpha else frame[:2]
        unit = 1 << (fraction - depth)
        if number == 0 and shape.mode in ("RGB", "RGBA"):
            planes += [(y + unit // 2) // unit + offset for y in picture]
        else:
            planes.append((2 * picture.sum(axis=0) + 3 * unit) // (6 * unit) + offset)
    return np.clip(np.stack(planes, -1), 0, (1 << shape.bit_depth) - 1).astype(shape.dtype)


def convolution(x: Planes, weight: np.ndarray, bias: np.ndarray, shift: np.ndarray) -> Planes:
    """8b."""
    half = weight.shape[2] // 2
    padded = np.pad(x, [(0, 0), (half, half), (half, half)])
    out = np.repeat(np.repeat(bias[:, None, None], x.shape[1], 1), x.shape[2], 2)
    for a in range(weight.shape[2]):
        for b in range(weight.shape[3]):
            out += np.einsum("oi,iyx->oyx", weight[:, :, a, b], padded[:, a : a + x.shape[1], b : b + x.shape[2]])
    return out >> shift[:, None, None]


def shuffle(x: Planes, f: int) -> Planes:
    """8b."""
    out = np.empty((len(x) // f**2, x.shape[1] * f, x.shape[2] * f), np.int64)
    for a in range(f):
        for b in range(f):
            out[:, a::f, b::f] = x[f * a + b :: f * f]
    return out


def unshuffle(x: Planes, f: int) -> Planes:
    """8l."""
    out = np.empty((len(x) * f**2, x.shape[1] // f, x.shape[2] // f), np.int64)
    for a in range(f):
        for b in range(f):
            out[f * a + b :: f * f] = x[:, a::f, b::f]
    return out


def up(x: Planes) -> Planes:
    """8b."""
    (y0, y1), (x0, x1) = (_nearest(side) for side in x.shape[1:])
    near, below = x[:, y0], x[:, y1]
    return (9 * near[:, :, x0] + 3 * below[:, :, x0] + 3 * near[:, :, x1] + below[:, :, x1] + 8) // 16


def computed(x: Planes, operations: list[str], tensors: dict[str, np.ndarray], activation_bits: int) -> Planes:
    """What a network makes of its inputs: 8c and 8l."""
    number, top = 0, (1 << activation_bits) - 1
    for operation in operations:
        kind, *numbers = operation.split()
        if kind in ("conv", "beside"):
            parts = (tensors[f"synthesis{number}.{name}"] for name in ("weight", "bias", "shift"))
            y, number = convolution(x, *(part.astype(np.int64) for part in parts)), number + 1
            x = y if kind == "conv" else np.concatenate([np.clip(y, 0, top), x])
        elif kind == "relu":
            x = np.clip(x, 0, top)
        elif kind == "repeat":
            x = np.kron(x, np.ones((1, int(numbers[0]), int(numbers[0])), np.int64))
        elif kind == "up":
            x = up(x)
        else:
            x = {"shuffle": shuffle, "unshuffle": unshuffle}[kind](x, int(numbers[0]))
    return x


def _nearest(side: int) -> tuple[np.ndarray, np.ndarray]:
    at = np.arange(2 * side)
    return at // 2, np.clip(at // 2 + np.where(at % 2, 1, -1), 0, side - 1)


def inverse_gdn(x: Planes, beta: np.ndarray, gamma: np.ndarray, limit: np.ndarray, shift: int) -> Planes:
    """8b."""
    sums = beta[:, None, None] + np.einsum("ij,jyx->iyx", gamma, x * x)
    root = np.vectorize(math.isqrt, otypes=[np.int64])(sums)
    return np.clip(x * root >> shift, -limit[:, None, None], limit[:, None, None])


def factorized(rans: Rans, m: dict[str, np.ndarray], size: tuple[int, int, int]) -> np.ndarray:
    """8d, latents: (K, pictures, rows, columns) of `size` (pictures, rows, columns)."""
    begin = 0
    out = np.empty((len(m["sizes"]), *size), np.int64)
    for k, entries in enumerate(m["sizes"]):
        cdf, begin = m["cdf"][begin : begin + entries], begin + entries
        for at in np.ndindex(*size):
            z = rans.value(cdf) << int(m["shift"][k])
            z += rans.bits(int(m["shift"][k]))
            out[k][at] = m["centre"][k] + (-(z + 1) // 2 if z % 2 else z // 2)
            assert m["low"][k] <= out[k][at] <= m["high"][k]
    return out


def _factor(kind: str, *numbers: str) -> int:
    return 2 if kind == "up" else int(numbers[0]) if kind in ("shuffle", "repeat") else 1


class _Pictures:
    """8b: a codec of pictures of three channels."""

    fraction: int

    def __init__(self, config: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        self.config, self.tensors = config, tensors

    def decode(self, content: bytes, shape: Shape) -> np.ndarray:
        """The base of a tile, (h, w, channels)."""
        self.level, *frame = struct.unpack_from("<BHBHB", content)
        self.m = level_tensors(self.tensors, self.level)
        count = shape.channels - (2 if shape.mode in ("RGB", "RGBA") else 0)
        latents = self.read(content[7:], count, shape.height, shape.width)
        pictures = [self.synthesis(each, shape.height, shape.width) for each in latents]
        return samples(pictures, self.fraction, frame, shape)

    def read(self, content: bytes, count: int, height: int, width: int) -> Any:
        """Latents of each picture, by the one rANS stream that there is."""
        rans = Rans(content)
        latents = self.latents(rans, count, height, width)
        rans.check_end()
        return latents

    def latents(self, rans: Rans, count: int, height: int, width: int) -> Any:
        """Of each picture."""
        raise NotImplementedError

    def synthesis(self, q: np.ndarray, height: int, width: int) -> Planes:
        """A decoded picture."""
        raise NotImplementedError


class CnnAe(_Pictures):
    """8c."""

    def __init__(self, config: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        super().__init__(config, tensors)
        self.stride = math.prod(_factor(*operation.split()) for operation in config["synthesis"])
        self.fraction = max(16, config["fraction_bits"])
        self.lift = self.fraction - config["fraction_bits"]

    def blocks(self, side: int) -> int:
        """How many stand in a line."""
        block, overlap = self.config["block"], self.config["overlap"]
        return -(-max(side - overlap, 1) // (block - overlap))

    def grid(self, side: int) -> int:
        """Points along `side` pixels."""
        if not self.config["block"]:
            return -(-side // self.stride)
        return self.blocks(side) * self.config["block"] // self.stride

    def latents(self, rans: Rans, count: int, height: int, width: int) -> list[np.ndarray]:
        """(rows, columns, K) of each picture."""
        decoder = BlockDecoder({"block": 0, "latents": len(self.m["top"]), "fraction_bits": 0}, {})
        decoder.m = self.m
        return [decoder.plane(rans, self.grid(height), self.grid(width))[0] for _ in range(count)]

    def synthesis(self, q: np.ndarray, height: int, width: int) -> Planes:
        """A decoded picture."""
        x = ((q - self.m["zero"]) * self.config["steps"][self.level]).transpose(2, 0, 1)
        if self.config["strengths"]:
            x = np.concatenate([x, np.full_like(x[:1], self.config["strengths"][self.level])])
        return self.decoded(x, height, width)

    def decoded(self, x: Planes, height: int, width: int) -> Planes:
        """What the network makes of its inputs, in blocks or whole."""
        if self.config["block"]:
            return self._blend(x, height, width)
        margin = self.config.get("margin", 0)
        y = self._network(np.pad(x, [(0, 0), (margin, margin), (margin, margin)], mode="edge"))
        cut = margin * self.stride
        return y[:, cut : y.shape[1] - cut, cut : y.shape[2] - cut]

    def _network(self, x: Planes) -> Planes:
        return computed(x, self.config["synthesis"], self.tensors, self.config["activation_bits"]) << self.lift

    def _blend(self, x: Planes, height: int, width: int) -> Planes:
        block, overlap = self.config["block"], self.config["overlap"]
        pitch, points = block - overlap, block // self.stride
        rows, columns = self.blocks(height), self.blocks(width)
        total = np.zeros((3, rows * pitch + overlap, columns * pitch + overlap), np.int64)
        for i in range(rows):
            for j in range(columns):
                y = self._network(x[:, i * points : (i + 1) * points, j * points : (j + 1) * points])
                weight = np.outer(self._weights(i, rows), self._weights(j, columns)) if overlap else 1
                total[:, i * pitch : i * pitch + block, j * pitch : j * pitch + block] += weight * y
        unit = (2 * overlap) ** 2
        return (2 * total + unit) // (2 * unit) if overlap else total

    def _weights(self, number: int, count: int) -> list[int]:
        block, overlap = self.config["block"], self.config["overlap"]
        out = [2 * overlap] * block
        for p in range(block):
            if p < overlap and number > 0:
                out[p] = 2 * p + 1
            if p >= block - overlap and number < count - 1:
                out[p] = 2 * (block - p) - 1
        return out


class Gdn(_Pictures):
    """8d."""

    fraction = 16

    def __init__(self, config: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        super().__init__(config, tensors)
        self.t = {name: tensor.astype(np.int64) for name, tensor in tensors.items() if tensor.dtype.kind in "iu"}
        self.t["synthesis0.weight"] <<= 7
        self.t["synthesis0.weight"][:, self.t["synthesis0.index"]] += self.t["synthesis0.fine"]

    def latents(self, rans: Rans, count: int, height: int, width: int) -> np.ndarray:
        """(pictures, K, rows, columns)."""
        return factorized(rans, self.m, (count, -(-height // 16), -(-width // 16))).swapaxes(0, 1)

    def synthesis(self, q: np.ndarray, height: int, width: int) -> Planes:
        """A decoded picture."""
        x = q * self.m["inverse"][:, None, None]
        for j, (low, high) in enumerate([(-a, a) for a in self.config["reach"]] + [(-(1 << 16), 1 << 17)]):
            parts = (self.t[f"synthesis{j}.{name}"] for name in ("weight", "bias", "shift"))
            x = shuffle(np.clip(convolution(x, *parts), low, high), 4 if j == 2 else 2)
            if j < 2:
                beta, gamma, limit, shift = (self.t[f"igdn{j}.{name}"] for name in ("beta", "gamma", "limit", "shift"))
                x = inverse_gdn(x, beta, gamma, limit, int(shift[0]))
        return x


def changed_synthesis(tensors: dict[str, np.ndarray], content: bytes) -> dict[str, np.ndarray]:
    """8c, `cnn-ae-ft`: the tensors with an image's changes in them."""
    count = sum(name.startswith("synthesis") and name.endswith(".weight") for name in tensors)
    names = [f"synthesis{number}.{part}" for number in range(count) for part in ("weight", "bias")]
    rans, out = Rans(content[2 * len(names) :]), dict(tensors)
    for at, name in enumerate(names):
        grain, cdf = content[2 * at], _geometric(content[2 * at + 1])
        values = [rans.value(cdf) for _ in range(tensors[name].size)]
        steps = np.array([(v + 1) // 2 if v % 2 else -(v // 2) for v in values]).reshape(tensors[name].shape)
        out[name] = tensors[name].astype(np.int64) + steps * (1 << grain)
    return out


def _geometric(table: int) -> np.ndarray:
    """8c, `cnn-ae-ft`: the row of a table."""
    counts = [(1 << 24) * (table + 1) ** m // 17**m for m in ((s + 1) // 2 for s in range(64))]
    widths = [count * ((1 << 15) - 64) // sum(counts) + 1 for count in counts]
    widths[widths.index(max(widths))] += (1 << 15) - sum(widths)
    return np.cumsum([0, *widths])
