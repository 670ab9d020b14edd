"""The codec rbm-autoencoder, as FORMAT.md 8i specifies it: numpy only, in int64."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from tests.support.independent.blocks import BlockDecoder
from tests.support.independent.networks import factorized
from tests.support.independent.streams import Rans, Shape, level_tensors

UNIT = 4080


def logistic(t: np.ndarray) -> np.ndarray:
    """S."""
    real = 2.0**18 / (1 + np.exp(-np.clip(t, -2560, 2560) / 256))
    return np.rint(real).astype(np.int64)


class RbmAutoencoder(BlockDecoder):
    """FORMAT.md 8i; samples are those of blocks, section 8."""

    def __init__(self, config: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        super().__init__({"block": config["block"], "latents": config["layers"][-1], "fraction_bits": 18}, tensors)
        self.config = config

    def decode(self, content: bytes, shape: Shape) -> np.ndarray:
        """The base."""
        level, *frame = struct.unpack_from("<BHBHB", content)
        self.m, self.steps = level_tensors(self.all, level), self.config["steps"][level]
        rows, columns = -(-shape.height // self.side), -(-shape.width // self.side)
        size = shape.channels, rows, columns
        codes = self._fixed(content[7:], size) if self.config["coder"] == "fixed" else self._coded(content[7:], size)
        assert codes.min() >= 0 and codes.max() <= self.steps
        return self._samples(list(codes), frame, shape)

    def _fixed(self, content: bytes, size: tuple[int, int, int]) -> np.ndarray:
        return np.frombuffer(content, np.uint8).reshape(*size, self.depth).astype(np.int64)

    def _coded(self, content: bytes, size: tuple[int, int, int]) -> np.ndarray:
        rans = Rans(content)
        codes = factorized(rans, self.m, size)
        rans.check_end()
        return np.moveaxis(codes, 0, -1)

    def blocks(self, q: np.ndarray) -> np.ndarray:
        """Decoded blocks (rows, columns, N) of codes (rows, columns, K), full scale 2^18."""
        uniform = self.config["quantiser"] == "uniform"
        x = q * (UNIT // self.steps) if uniform else self.m["centres"][np.arange(self.depth), q]
        last = len(self.config["layers"]) - 1
        for j in range(last + 1):
            weight, bias, shift = (
                self.all[f"decoder{j}.{name}"].astype(np.int64) for name in ("weight", "bias", "shift")
            )
            drop = 0 if j == last else 18 - self.config["activation_bits"]
            x = (logistic((x @ weight.T + bias) >> shift) + (1 << drop >> 1)) >> drop
        return x
