"""Samples as they are stored to what a screen shows: 8 bits, gray or RGB, with or without alpha."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tilepress.pipeline.archive.schema import ImageFacts


@dataclass(frozen=True)
class Display:
    """How the samples of one image are shown, the same for all of its tiles.

    `window`: the samples that are black and white, of 16-bit gray images. `palette`: (entries, 3 or 4) uint8, of
    images of indices; where it is not known, indices are shown as gray.
    """

    mode: str
    bit_depth: int
    window: tuple[int, int] | None = None
    palette: np.ndarray | None = None

    def show(self, samples: np.ndarray) -> np.ndarray:
        """Return samples (h, w, channels), uint8 or uint16, as uint8 (h, w, 1 to 4), alpha last."""
        if self.palette is not None:
            return np.asarray(np.take(self.palette, samples[:, :, 0], axis=0, mode="clip"))
        if self.mode == "CMYK":
            return _rgb_of_cmyk(self._eight_bits(samples))
        return self._eight_bits(samples)

    def _eight_bits(self, samples: np.ndarray) -> np.ndarray:
        if self.window is not None:
            low, high = self.window
            shown = (np.clip(samples[:, :, :1], low, high).astype(np.uint32) - low) * 255 // max(1, high - low)
            alpha = samples[:, :, 1:] >> (self.bit_depth - 8)
            return _bytes(np.concatenate([shown, alpha], axis=2))
        if samples.dtype == np.uint16:
            return _bytes(samples >> max(0, self.bit_depth - 8))
        if self.bit_depth < 8 and self.mode != "P":
            return _bytes(samples * (255 // ((1 << self.bit_depth) - 1)))
        return samples


def display_of(
    facts: ImageFacts, sample: Callable[[], np.ndarray], palette: Callable[[], np.ndarray | None]
) -> Display:
    """Return how an image is shown.

    Args:
        facts: Of the image.
        sample: Gives samples of it (n, channels), of which the window of a 16-bit gray image is made: least to most.
        palette: Gives the palette of an image of indices.
    """
    window = None
    if facts.dtype == "uint16" and facts.mode in ("L", "LA"):
        gray = sample()[:, 0]
        window = (int(gray.min()), int(gray.max()))
    return Display(facts.mode, facts.bit_depth, window, palette() if facts.mode == "P" else None)


def difference(original: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return how two shown pictures differ, four times enlarged around middle gray; alpha is left out. uint8."""
    colours = original.shape[2] - (original.shape[2] in (2, 4))
    apart = original[:, :, :colours].astype(np.int16) - other[:, :, :colours]
    return _bytes(np.clip(128 + 4 * apart, 0, 255))


def _rgb_of_cmyk(inks: np.ndarray) -> np.ndarray:
    """Inks as a screen would mix them, without colour management."""
    light = 255 - inks.astype(np.uint16)
    return _bytes((light[:, :, :3] * light[:, :, 3:] + 127) // 255)


def _bytes(samples: np.ndarray) -> np.ndarray:
    """The same values, of type uint8."""
    return np.asarray(samples, np.uint8)
