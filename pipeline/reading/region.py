"""A region of an image, or a small preview, as a file of its own: PNG, or TIFF where PNG has no such mode."""

from __future__ import annotations

from typing import BinaryIO

import imagecodecs
import numpy as np

from tilepress.pipeline.archive.schema import ImageFacts

_TIFF_MODES = {"CMYK": "separated"}  # to the photometric interpretation


def region_name(path: str, region: tuple[int, int, int, int], facts: ImageFacts) -> str:
    """`a/b.jpg` -> `a/b.jpg-10-20-300x200.png`: the whole name, for `a/b.tif` may be there too."""
    x, y, w, h = region
    return f"{path}-{x}-{y}-{w}x{h}{_suffix(facts)}"


def eighth_name(path: str, facts: ImageFacts) -> str:
    """`a/b.jpg` -> `a/b.jpg-preview.png`, the name of a preview of other sides than the image."""
    return f"{path}-preview{_suffix(facts)}"


def _suffix(facts: ImageFacts) -> str:
    return ".tif" if facts.mode in _TIFF_MODES else ".png"


def write_region(samples: np.ndarray, facts: ImageFacts, out: BinaryIO) -> None:
    """Samples (h, w, channels) as a file. Samples of fewer than 8 bits are scaled to full range; palettes are lost."""
    if facts.mode in _TIFF_MODES:
        whole = np.ascontiguousarray(samples)
        out.write(imagecodecs.tiff_encode(whole, photometric=_TIFF_MODES[facts.mode], compression="deflate"))
        return
    if samples.dtype == np.uint8 and 0 < facts.bit_depth < 8 and facts.mode != "P":
        samples = samples * (255 // ((1 << facts.bit_depth) - 1))
    shown = samples[:, :, 0] if samples.shape[2] == 1 else samples
    out.write(imagecodecs.png_encode(np.ascontiguousarray(shown)))
