"""All detectors over one picture: what is unusual about its pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tilepress.pipeline.findings.blank import find_blank
from tilepress.pipeline.findings.clipping import find_clipping
from tilepress.pipeline.findings.depth import find_shallow
from tilepress.pipeline.findings.finding import BLURRED, UPSCALED, Finding
from tilepress.pipeline.findings.interpolation import find_upscaling
from tilepress.pipeline.findings.jpeg_grid import find_jpeg_grid
from tilepress.pipeline.findings.sample import Sample
from tilepress.pipeline.findings.sharpness import find_blur

Detector = Callable[[Sample], Finding | None]
_DETECTORS: tuple[Detector, ...] = (find_shallow, find_clipping, find_jpeg_grid, find_upscaling, find_blur)
_IMPLIED = {UPSCALED: BLURRED}  # a finding -> one that it explains


def inspect(pixels: np.ndarray, bits: int, *, lossy_format: bool) -> list[Finding]:
    """Return what is unusual about a picture; of one without content that it is blank, and no more.

    Large pictures are looked at in crops, so that time and memory are bounded (`Sample`).

    Args:
        pixels: (h, w) or (h, w, c), uint8 or uint16. Of one or two channels the first is gray; of more the first three
            are red, green and blue.
        bits: Of the scale of the samples, 1..8 or 1..16: white is 2^bits - 1.
        lossy_format: Whether the file is of a lossy format, such as JPEG: its grid is then no finding.

    Raises:
        ValueError: If there are no pixels, or not of that kind, or with other `bits`.
    """
    sample = Sample(_checked(pixels, bits), bits)
    blank = find_blank(sample)
    if blank is not None:
        return [blank]
    found = [finding for finding in (detector(sample) for detector in _those_for(sample, lossy_format)) if finding]
    implied = {_IMPLIED.get(finding.kind) for finding in found}
    return [finding for finding in found if finding.kind not in implied]


def _those_for(sample: Sample, lossy_format: bool) -> tuple[Detector, ...]:
    """The detectors that can judge a picture: samples that are no scale of light are neither clipped nor blurred."""
    if sample.is_flat:
        return ()
    if sample.has_few_values:
        return (find_shallow,)
    return tuple(detector for detector in _DETECTORS if not (lossy_format and detector is find_jpeg_grid))


def _checked(pixels: np.ndarray, bits: int) -> np.ndarray:
    """The pixels as (h, w, c)."""
    if pixels.dtype not in (np.uint8, np.uint16) or pixels.ndim not in (2, 3) or not pixels.size:
        raise ValueError(f"{pixels.shape} {pixels.dtype} are no pixels to inspect")
    if not 1 <= bits <= 8 * pixels.itemsize:
        raise ValueError(f"samples of {pixels.dtype} have no {bits} bits")
    return pixels[:, :, None] if pixels.ndim == 2 else pixels
