"""The block codecs, block-dnn and pca, as FORMAT.md 8 and 8a specify them: numpy only, in int64."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from tests.support.independent.streams import Rans, Shape, level_tensors

_RGB = ("RGB", "RGBA")
_ALPHA = ("LA", "RGBA")


class BlockDecoder:
    """FORMAT.md 8 and 8a."""

    def __init__(self, config: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        self.side, self.depth, self.fraction = config["block"], config["latents"], config["fraction_bits"]
        self.kmeans = config.get("quantiser") == "kmeans"
        self.all = tensors

    def decode(self, content: bytes, shape: Shape) -> np.ndarray:
        """The base."""
        level, *frame = struct.unpack_from("<BHBHB", content)
        self.m = level_tensors(self.all, level)
        rows, columns = -(-shape.height // self.side), -(-shape.width // self.side)
        rans = Rans(content[7:])
        planes: list[tuple[np.ndarray, np.ndarray]] = []
        for number in range(shape.channels):
            planes.append(self._plane(rans, number, rows, columns, shape, planes))
        rans.check_end()
        return self._samples([q for q, _ in planes], frame, shape)

    def _plane(self, rans: Rans, number: int, rows: int, columns: int, shape: Shape, done: Any) -> Any:
        if shape.mode in _RGB and number in (1, 2):
            return self.plane(rans, rows, columns, number, done[number - 1], done[0] if number == 2 else None)
        return self.plane(rans, rows, columns)

    def plane(
        self, rans: Rans, rows: int, columns: int, kind: int = 0, before: Any = None, first: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Latents and errors of a plane of blocks, (rows, columns, K) each."""
        q, r = np.zeros((2, rows, columns, self.depth), np.int64)
        for y in range(rows):
            for x in range(columns):
                self._block(rans, kind, (q, r), (y, x), before, first)
        return q, r

    def _at(self, plane: np.ndarray, y: int, x: int, outside: np.ndarray) -> np.ndarray:
        """A block of a plane, or what stands for it outside the tile."""
        if y < 0:
            return outside
        if x < 0:
            return self._at(plane, y - 1, 0, outside)
        return plane[y, min(x, plane.shape[1] - 1)]

    def _around(self, array: int, t: int, here: Any, y: int, x: int, before: Any, first: Any) -> list[np.ndarray]:
        """Latents (`array` 0) or errors (1) of the six neighbours."""
        none, outside = np.zeros(self.depth, np.int64), self.m[("start", "doubt")[array]][t]
        near = [(y, x - 1), (y - 1, x), (y - 1, x - 1), (y - 1, x + 1)]
        earlier = [none if other is None else other[array][y, x] for other in (before, first)]
        return [*(self._at(here[array], *place, outside) for place in near), *earlier]

    def _block(self, rans: Rans, t: int, here: Any, place: tuple[int, int], before: Any, first: Any) -> None:
        m, reach = self.m, min(self.depth, 16)
        q, r = here[0][place], here[1][place]
        latents = self._around(0, t, here, *place, before, first)
        errors = self._around(1, t, here, *place, before, first)
        for k in range(self.depth):
            seen = np.concatenate([part[:reach] for part in (q, latents[0], latents[1], latents[4], latents[5])])
            same, errs = [np.array([int(part[k]) for part in parts]) for parts in (latents, errors)]
            total = int(m["bias"][t, k] + m["near"][t, k] @ seen + m["own"][t, k] @ same) + 2048
            mean = min(max(total >> 12, 0), int(m["top"][k]))
            slope = m["slope"][t, k]
            size = int(m["base"][t, k] + slope[:6] @ abs(errs) + slope[8] * abs(same[0] - same[1]))
            size += sum(int(slope[6 + j]) * abs(int(r[k - 1 - j])) for j in (0, 1) if j < k)
            bucket = int((m["thresholds"] <= min(max(size, 0), 1 << 30)).sum())
            code = rans.value(m["cdf"][4 * bucket + (total >> 10) % 4])
            r[k] = -(code + 1) // 2 if code % 2 else code // 2
            q[k] = mean + r[k]
            assert 0 <= q[k] <= m["top"][k]

    def blocks(self, q: np.ndarray) -> np.ndarray:
        """Decoded blocks (rows, columns, N) of latents (rows, columns, K), full scale 2^fraction_bits."""
        v = self.m["centres"][np.arange(self.depth), q] if self.kmeans else q
        out: np.ndarray = v @ self.m["decoder"].T + self.m["offset"]
        return out

    def _samples(self, planes: list[np.ndarray], frame: list[int], shape: Shape) -> np.ndarray:
        one, out = 1 << self.fraction, []
        rgb = shape.mode in _RGB
        for number, q in enumerate(planes):
            depth = frame[3] if self._is_alpha(number, shape) else frame[1]
            difference = rgb and number in (1, 2)
            shift = self.fraction - depth - difference
            y = np.clip(self.blocks(q), -one, 2 * one)
            p = ((y + (1 << shift >> 1)) >> shift) - (difference << depth)
            rows, columns, _ = p.shape
            p = p.reshape(rows, columns, self.side, self.side).transpose(0, 2, 1, 3)
            out.append(p.reshape(rows * self.side, columns * self.side)[: shape.height, : shape.width])
        if rgb:
            luma, u, v = (np.clip(plane, -(1 << 18), 1 << 18) for plane in out[:3])
            green = luma - ((u + v) >> 2)
            out[:3] = [v + green, green, u + green]
        most = (1 << shape.bit_depth) - 1
        out = [np.clip(plane, 0, most) for plane in out]
        offsets = [frame[2] if self._is_alpha(number, shape) else frame[0] for number in range(len(out))]
        return np.stack([np.minimum(p + o, most) for p, o in zip(out, offsets, strict=True)], -1).astype(shape.dtype)

    @staticmethod
    def _is_alpha(number: int, shape: Shape) -> bool:
        return shape.mode in _ALPHA and number == shape.channels - 1
