"""Tiles like photographs, and how near what is decoded comes to them."""

from __future__ import annotations

import numpy as np

from tilepress.codecs.codec import Symbols, TileSpec

RGB = TileSpec(96, 80, 3, "uint8", 8, "rgb")


def picture(spec: TileSpec, count: int = 1, seed: int = 0) -> np.ndarray:
    """Tiles with the spectrum of photographs: waves of amplitude 1/f, correlated between planes."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: spec.height, : spec.width]
    out = np.full((count, *spec.shape), 0.5)
    for tile in out:
        for _ in range(40):
            fy, fx = rng.normal(0, 6, 2)
            wave = np.sin(2 * np.pi * (fy * y / 512 + fx * x / 512) + rng.uniform(0, 6.3))
            tile += wave[:, :, None] * (rng.normal(1, 0.2, spec.channels) * 0.15 / (1 + np.hypot(fy, fx)))
    return np.rint(np.clip(out, 0, 1) * spec.maximum).astype(spec.dtype)


def psnr(a: np.ndarray, b: np.ndarray, maximum: int = 255) -> float:
    """In dB."""
    return float(10 * np.log10(maximum**2 / max(np.mean((a.astype(np.float64) - b) ** 2), 1e-9)))


def symbols_equal(a: Symbols, b: Symbols) -> bool:
    return a.spec == b.spec and all(np.array_equal(a.arrays[key], b.arrays[key]) for key in a.arrays)
