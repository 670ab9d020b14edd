"""The codec jpeg-dncnn, as FORMAT.md 8l specifies it: numpy only, in int64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tests.support.independent.dncnn.jpeg_file import colours, enlarged, linear, read_file
from tests.support.independent.networks import computed
from tests.support.independent.streams import Shape


def inputs(q: np.ndarray, s: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """Inputs (192, rows, columns) of levels (rows, columns, 64)."""
    octave = np.array([int(step).bit_length() - 1 for step in s])
    values = np.clip(256 * q * s // deviations, -2048, 2048)
    logarithms = 64 * (octave - 4) + 64 * (s - 2**octave) // 2**octave
    joined = np.concatenate([values, 64 * np.clip(q, -4, 4), np.broadcast_to(logarithms, q.shape)], axis=-1)
    return joined.transpose(2, 0, 1)


def _basis() -> np.ndarray:
    at = np.arange(8)
    rows = [np.cos(math.pi * (2 * at + 1) * k / 16) * (math.sqrt(1 / 8) if k == 0 else 1 / 2) for k in range(8)]
    return np.rint(2.0**14 * np.stack(rows)).astype(np.int64)


def inverse(g: np.ndarray) -> np.ndarray:
    """Samples (8, 8) of coefficients (8, 8) in units of 1 / 64."""
    w = (_basis().T @ g + 512) >> 10
    return np.clip(((w @ _basis() + (1 << 23)) >> 24) + 128, 0, 255)


def _forward_eight(d: np.ndarray) -> np.ndarray:
    s, t = d[:4] + d[:3:-1], d[3::-1] - d[4:]  # s0 to s3, t4 to t7
    e0, e1, e2, e3 = s[0] + s[3], s[1] + s[2], s[1] - s[2], s[0] - s[3]
    z1, z5 = 4433 * (e2 + e3), 9633 * t.sum(axis=0)
    z3, z4 = z5 - 16069 * (t[0] + t[2]), z5 - 3196 * (t[1] + t[3])
    z7, z6 = 7373 * (t[0] + t[3]), 20995 * (t[1] + t[2])
    even = 8192 * (e0 + e1), z1 + 6270 * e3, 8192 * (e0 - e1), z1 - 15137 * e2
    odd = 12299 * t[3] - z7 + z4, 25172 * t[2] - z6 + z3, 16819 * t[1] - z6 + z4, 2446 * t[0] - z7 + z3
    return np.stack([number for pair in zip(even, odd, strict=True) for number in pair])


def quantised(samples: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Levels (64,) of samples (8, 8)."""
    w = (_forward_eight((samples - 128).T).T + 1024) >> 11
    c = ((_forward_eight(w) + 16384) >> 15).reshape(64)
    return np.sign(c) * ((np.abs(c) + 4 * s) // (8 * s))


class JpegDncnn:
    """FORMAT.md 8l."""

    def __init__(self, config: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        self.config, self.tensors = config, tensors
        self.deviations = np.array(config["deviations"], np.int64)

    def decode(self, content: bytes, shape: Shape) -> np.ndarray:
        """The base of a tile, (h, w, channels)."""
        file = read_file(content)
        assert (file.height, file.width, len(file.steps)) == (shape.height, shape.width, shape.channels)
        assert file.sampling == (2 if shape.channels == 3 else 1)
        planes = [self.plane(q, s) for q, s in zip(file.blocks, file.steps, strict=True)]
        luma = planes[0][: shape.height, : shape.width]
        if shape.channels == 1:
            return luma[:, :, None].astype(np.uint8)
        rows, columns = -(-shape.height // 2), -(-shape.width // 2)
        chroma = (enlarged(plane[:rows, :columns], shape.height, shape.width) for plane in planes[1:])
        return colours(luma, *chroma).astype(np.uint8)

    def plane(self, q: np.ndarray, s: np.ndarray) -> np.ndarray:
        """Samples of a component's blocks (rows, columns, 64)."""
        corrections = self.network(inputs(q, s, self.deviations)).transpose(1, 2, 0)
        blocks = [self.block(q[at], s, corrections[at]) for at in np.ndindex(q.shape[:2])]
        rows, columns = q.shape[:2]
        return np.stack(blocks).reshape(rows, columns, 8, 8).swapaxes(1, 2).reshape(8 * rows, 8 * columns)

    def block(self, q: np.ndarray, s: np.ndarray, r: np.ndarray) -> np.ndarray:
        """Samples (8, 8)."""
        change = 64 * s * r // 2 ** self.config["fraction_bits"]
        for margin in self.config["margins"]:
            room = np.maximum(32 * s - 4 * margin, 0)
            samples = inverse((64 * q * s + np.clip(change, -room, room)).reshape(8, 8))
            if np.array_equal(quantised(samples, s), q):
                return samples
        return linear(q, s)

    def network(self, x: np.ndarray) -> np.ndarray:
        """Corrections (64, rows, columns)."""
        return computed(x, self.config["network"], self.tensors, self.config["activation_bits"])
