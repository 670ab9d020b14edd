"""Pictures for the tests of origins, and what every rule has to do with one that it made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.support.photo_like import picture
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.origins.base import Origin, Recovered

RGB = TileSpec(140, 131, 3, "uint8", 8, "rgb")
GRAY = replace(RGB, channels=1, colour="gray")
DEEP = replace(RGB, dtype="uint16", bit_depth=16)


def photo(spec: TileSpec, seed: int = 0) -> np.ndarray:
    """Like a photograph with its noise: (h, w, c) as `spec` says."""
    smooth = picture(spec, seed=seed)[0].astype(np.int64)
    noise = np.random.default_rng(seed).normal(0, spec.maximum / 100, spec.shape)
    return np.clip(smooth + np.rint(noise).astype(np.int64), 0, spec.maximum).astype(spec.dtype)


def spec_of(pixels: np.ndarray) -> TileSpec:
    """Of a picture (h, w, c) of 8 or 16 bits."""
    height, width, channels = pixels.shape
    return TileSpec(height, width, channels, pixels.dtype.name, 8 * pixels.itemsize, "gray" if channels < 3 else "rgb")


def made_of(rule: Origin, pixels: np.ndarray, spec: TileSpec) -> Recovered:
    """What a rule that is sure of itself finds; AssertionError unless it makes the picture again."""
    guess = rule.detect(pixels, spec)
    assert guess is not None and guess.confidence > 0.4
    recovered = rule.invert(pixels, spec, guess)
    assert recovered is not None
    specs = rule.plane_specs(recovered.facts, spec)
    for plane, one in zip(recovered.planes, specs, strict=True):
        one.require(plane)
    assert np.array_equal(rule.apply(recovered, spec), pixels)
    return recovered


def without_origin() -> list[np.ndarray]:
    """Pictures that nothing was done to: like photographs, noise, of a few colours, of 8 and of 16 bits."""
    rng = np.random.default_rng(3)
    drawn = rng.integers(0, 5, RGB.shape).astype(np.uint8) * 50
    return [photo(RGB), photo(GRAY), photo(DEEP), rng.integers(0, 256, RGB.shape).astype(np.uint8), drawn]
