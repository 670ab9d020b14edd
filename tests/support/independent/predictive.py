"""huffman, predictive-mlp and predictive-mlp-range as FORMAT.md 8e and 8f specify them, in plain Python integers."""

from __future__ import annotations

import struct
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from tests.support.independent.streams import Shape, unseal

PREDICTIVE = {"predictive-mlp": b"PM", "predictive-mlp-range": b"PR"}
SIZES = {1: (60, 1), 2: (60, 32, 16, 8, 4, 2, 1)}


class Bits:
    """Bits of a byte string, the highest of each byte first."""

    def __init__(self, data: bytes) -> None:
        self._bits = "".join(f"{byte:08b}" for byte in data)
        self._at = 0

    def take(self, count: int) -> int:
        """An unsigned number of so many bits."""
        assert self._at + count <= len(self._bits)
        text = self._bits[self._at : self._at + count]
        self._at += count
        return int(text or "0", 2)

    def zeros(self) -> int:
        """How many zeros stand before the next one."""
        count = self._bits.index("1", self._at) - self._at
        self._at += count
        return count

    def check_end(self) -> None:
        """Less than a byte is left, and it is 0."""
        rest = self._bits[self._at :]
        assert len(rest) < 8 and "1" not in rest


def huffman_table(bits: Bits, alphabet: int) -> dict[int, int]:
    """Length of the code of each value that occurs."""
    lengths: dict[int, int] = {}
    value, length = 0, 8
    while value < alphabet:
        ones = 0
        while ones < 4 and bits.take(1):
            ones += 1
        if ones == 4:
            value += bits.take(bits.zeros() + 1)
            continue
        length = bits.take(5) if ones == 3 else length + (0, 1, -1)[ones]
        lengths[value] = length
        value += 1
    return lengths


def huffman_planes(data: bytes, count: int, size: int, alphabet: int) -> list[list[int]]:
    """Planes of a Huffman stream."""
    bits, planes = Bits(data), []
    for _ in range(count):
        lengths = huffman_table(bits, alphabet)
        if len(lengths) == 1:
            planes.append([*lengths] * size)
            continue
        codes: dict[tuple[int, int], int] = {}
        code, before = 0, 0
        for length, value in sorted((length, value) for value, length in lengths.items()):
            code = (code + 1 if codes else 0) << (length - before)
            codes[length, code], before = value, length
        assert code + 1 == 1 << before
        plane = []
        for _ in range(size):
            length, code = 0, 0
            while (length, code) not in codes:
                length, code = length + 1, 2 * code + bits.take(1)
            plane.append(codes[length, code])
        planes.append(plane)
    bits.check_end()
    return planes


@dataclass
class Layer:
    """One layer of a predictor."""

    grain: int
    shifts: np.ndarray
    biases: np.ndarray
    weights: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.int64))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Outputs for inputs."""
        bias = [int(b) << min(max(int(s) + self.grain, 0), 31) for b, s in zip(self.biases, self.shifts, strict=True)]
        sums = [int(total) + b for total, b in zip(self.weights @ x, bias, strict=True)]
        assert max(map(abs, sums)) < 1 << 31
        out = [total >> s if s >= 0 else total << -s for total, s in zip(sums, self.shifts.tolist(), strict=True)]
        return np.clip(np.array(out), 0, 65535)


def predictors(data: bytes, count: int) -> list[list[Layer]]:
    """Layers of the predictor of each plane; none for the median."""
    if not data:
        return [[]] * count
    out = []
    for _ in range(count):
        kind, data = data[0], data[1:]
        layers = []
        for outputs in SIZES[kind][1:] if kind else ():
            numbers = np.frombuffer(data, np.int8, 1 + outputs).astype(np.int64)
            biases = np.frombuffer(data, "<i2", outputs, offset=1 + outputs).astype(np.int64)
            layers.append(Layer(int(numbers[0]), numbers[1:], biases))
            data = data[1 + 3 * outputs :]
        if kind:
            shapes = [*zip(SIZES[kind][1:], SIZES[kind], strict=False)]
            (length,) = struct.unpack_from("<H", data)
            (flat,) = huffman_planes(data[2 : 2 + length], 1, sum(o * i for o, i in shapes), 4096)
            data = data[2 + length :]
            for layer, (outputs, inputs) in zip(layers, shapes, strict=True):
                layer.weights = np.array(flat[: outputs * inputs]).reshape(outputs, inputs) - 2048
                flat = flat[outputs * inputs :]
        out.append(layers)
    assert not data
    return out


def prediction(plane: np.ndarray, y: int, x: int, layers: list[Layer], maximum: int) -> int:
    """Of the sample at row y, column x of a plane of which all before is known."""
    if y == 0:
        return int(plane[0, x - 1]) if x else (maximum + 1) // 2
    if not layers:
        north = int(plane[y - 1, x])
        west, corner = (int(plane[y, x - 1]), int(plane[y - 1, x - 1])) if x else (north, north)
        return max(min(west, north), min(max(west, north), west + north - corner))
    columns = np.clip(np.arange(x - 5, x + 6), 0, plane.shape[1] - 1)
    above = [plane[max(row, 0), columns] for row in range(y - 5, y)]
    left = [plane[y, column] if column >= 0 else plane[y - 1, 0] for column in range(x - 5, x)]
    values = np.concatenate([*above, left]).astype(np.int64)
    for layer in layers:
        values = layer(values)
    return min(int(values[0]), maximum)


class RangeDecoder:
    """The bits of predictive-mlp-range."""

    def __init__(self, data: bytes) -> None:
        padded = data + bytes(len(data) % 2)
        self._words = iter(struct.unpack(f"<{len(padded) // 2}H", padded))
        self._range, self._code = (1 << 48) - 1, 0
        for _ in range(3):
            self._code = self._code << 16 | next(self._words, 0)

    def bit(self, p: int) -> int:
        """One bit that is 1 with probability p / 2^16."""
        bound = (self._range >> 16) * p
        bit = int(self._code < bound)
        if bit:
            self._range = bound
        else:
            self._range, self._code = self._range - bound, self._code - bound
        if self._range < 1 << 32:
            self._range, self._code = self._range << 16, (self._code << 16 | next(self._words, 0)) & (1 << 48) - 1
        return bit

    def under(self, cells: dict[object, tuple[int, int]], name: object) -> int:
        """One bit under a cell."""
        p, n = cells[name]
        bit = self.bit(min(max(p >> 6, 64), 65472))
        cells[name] = p + ((4194303 * bit - p) * (2**17 // (2 * n + 3)) >> 16), min(n + 1, 250)
        return bit

    def plane(self, height: int, width: int, depth: int) -> list[int]:
        """Errors of one plane, modulo 2^depth."""
        cells: dict[object, tuple[int, int]] = defaultdict(lambda: (1 << 21, 0))
        errors = np.zeros((height + 1, width + 2), np.int64).tolist()
        for y in range(1, height + 1):
            for x in range(1, width + 1):
                errors[y][x] = self._error(cells, errors, y, x, depth)
        return [errors[y][x] % (1 << depth) for y in range(1, height + 1) for x in range(1, width + 1)]

    def _error(self, cells: dict[object, tuple[int, int]], e: list[list[int]], y: int, x: int, depth: int) -> int:
        west, north = e[y][x - 1], e[y - 1][x]
        t = 2 * abs(west) + 2 * abs(north) + abs(e[y - 1][x - 1]) + abs(e[y - 1][x + 1])
        c = min(2 * t.bit_length() + (t >> max(t.bit_length() - 2, 0)) % 2, 39)
        n = 0
        while n < depth and self.under(cells, ("length", c, n)):
            n += 1
        magnitude = node = min(n, 1)
        for _ in range(n - 1):
            bit = self.under(cells, ("tree", c, n, node)) if node < 8 else self.bit(1 << 15)
            magnitude, node = 2 * magnitude + bit, 2 * node + bit
        if magnitude and self.under(cells, ("sign", np.sign(west), np.sign(north))):
            return -magnitude
        return magnitude


def decode_huffman(stream: bytes, shape: Shape) -> np.ndarray:
    """A tile (h, w, c) of codec huffman."""
    content = unseal(b"HU", stream)
    if content[0] == 0:
        return raw(content[1:], shape)
    planes = huffman_planes(content[1:], shape.channels, shape.height * shape.width, 1 << shape.bit_depth)
    return np.array(planes, shape.dtype).T.reshape(shape.height, shape.width, shape.channels)


def decode_predictive(codec: str, stream: bytes, shared: bytes, shape: Shape) -> np.ndarray:
    """A tile (h, w, c) of codec predictive-mlp or predictive-mlp-range."""
    content = unseal(PREDICTIVE[codec], stream)
    kind, content = content[0], content[1:]
    if kind == 0:
        return raw(content, shape)
    own = unseal(b"PW", shared) if kind == 1 else b""
    if kind == 2:
        (length,) = struct.unpack_from("<I", content)
        own, content = content[4 : 4 + length], content[4 + length :]
    size, maximum = shape.height * shape.width, (1 << shape.bit_depth) - 1
    if codec == "predictive-mlp":
        errors = huffman_planes(content, shape.channels, size, maximum + 1)
    else:
        decoder = RangeDecoder(content)
        errors = [decoder.plane(shape.height, shape.width, shape.bit_depth) for _ in range(shape.channels)]
    planes = np.zeros((shape.channels, shape.height, shape.width), np.int64)
    for plane, error, layers in zip(planes, errors, predictors(own, shape.channels), strict=True):
        for number, value in enumerate(error):
            y, x = divmod(number, shape.width)
            plane[y, x] = (prediction(plane, y, x, layers, maximum) + value) & maximum
    if shape.mode in ("RGB", "RGBA"):
        planes[[0, 2]] = (planes[[0, 2]] + planes[1] - (maximum + 1) // 2) & maximum
    return planes.transpose(1, 2, 0).astype(shape.dtype)


def raw(data: bytes, shape: Shape) -> np.ndarray:
    """Samples in raster order."""
    samples = np.frombuffer(data, np.dtype(shape.dtype).newbyteorder("<")).astype(shape.dtype)
    return samples.reshape(shape.height, shape.width, shape.channels)
