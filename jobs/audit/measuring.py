"""Figures of one image: its quality against another or as it was stored at encoding, its bits, and their misfit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tilepress.jobs.audit.readers import Seen
from tilepress.jobs.audit.rows import AGAINST_SOURCE, AT_ENCODING, PROVEN, Row
from tilepress.pipeline.archive.index_row import IndexRow
from tilepress.pipeline.archive.schema import PIXEL_METHODS
from tilepress.pipeline.coding.tiles import Box
from tilepress.pipeline.formats.picture import MODES
from tilepress.pipeline.quality.metrics import distortion, psnr
from tilepress.pipeline.quality.perception import PERCEPTION, not_perceived
from tilepress.pipeline.quality.tile_errors import tile_errors

_ROWS_APART = 4  # of the rows whose differences are counted, of an image with many
_FEW_ROWS = 64
_ROWS_AT_ONCE = 256
_LEAST_BITS = 1 / 64  # a sample, of what a plain prediction takes: of a blank image nearly nothing
_Measure = Callable[[np.ndarray, np.ndarray, int], float | None]


def against(original: Seen, decoded: Seen, metrics: frozenset[str]) -> Row:
    """Return the columns of quality of an image beside its source; the two are of one kind.

    Args:
        original: The source.
        decoded: The image.
        metrics: Those of rows.METRICS that are wanted.
    """
    before, after, peak = _samples(original, decoded)
    found = tile_errors(before, after, peak)
    measured: Row = {"measured": AGAINST_SOURCE}
    if "max_error" in metrics:
        measured["max_error"] = found.max_error
    if "psnr" in metrics:
        measured["psnr"] = psnr(found.mse, peak)
    if found.worst is not None:
        measured |= _worst(found.worst, found.worst_psnr)
    colour = "rgb" if decoded.palette is not None else MODES[decoded.mode][0]
    why_not = not_perceived(colour) if found.max_error and metrics & {*PERCEPTION} else ""
    return measured | ({"unmeasured": why_not} if why_not else _perceived(before, after, peak, metrics))


def _perceived(original: np.ndarray, decoded: np.ndarray, peak: int, metrics: frozenset[str]) -> Row:
    """The columns of measures of perception."""
    measured: Row = {}
    if metrics & {"ssim", "ms_ssim"}:
        similarity = vars(distortion(original, decoded, peak))
        measured |= {name: similarity[name] for name in ("ssim", "ms_ssim") if name in metrics}
    if "ssimulacra2" in metrics:
        measured["ssimulacra2"] = _ssimulacra2(original, decoded, peak)
    return measured


def _samples(original: Seen, decoded: Seen) -> tuple[np.ndarray, np.ndarray, int]:
    """What is compared, and the peak: of palettes the colours, with alpha where one of them has any; else samples."""
    palettes = original.palette, decoded.palette
    if palettes[0] is None or palettes[1] is None:
        return original.pixels, decoded.pixels, (1 << decoded.bits) - 1
    planes = 3 if (palettes[0][:, 3] == 255).all() and (palettes[1][:, 3] == 255).all() else 4
    before, after = palettes[0][original.pixels[:, :, 0]], palettes[1][decoded.pixels[:, :, 0]]
    return before[:, :, :planes], after[:, :, :planes], 255


def _ssimulacra2(original: np.ndarray, decoded: np.ndarray, peak: int) -> float | None:
    from tilepress.pipeline.quality.ssimulacra2 import ssimulacra2

    measure: _Measure = ssimulacra2
    return measure(original, decoded, peak)


def is_of_one_kind(one: Seen, other: Seen) -> bool:
    """Tell whether the samples of two images can be compared one by one."""
    return (one.mode, one.bits, one.pixels.shape) == (other.mode, other.bits, other.pixels.shape)


def has_same_pixels(one: Seen, other: Seen) -> bool:
    """Tell whether two images of one kind have the same samples, and these the same colours."""
    return (one.pixels_sha256, one.palette_sha256) == (other.pixels_sha256, other.palette_sha256)


def as_stored(image: IndexRow) -> Row:
    """Return the columns of quality of an image of an archive that are known without its source.

    An image that is held exactly was proven by its hash. Of a lossy one, tiles have the PSNR that they were found to
    have when they were encoded; of one in a stack, its stack has.
    """
    facts = image.facts
    if facts.method not in PIXEL_METHODS or facts.promised.is_exact:
        return {"measured": PROVEN, "max_error": 0}
    if any(tile.residual[1] for tile in image.tiles):  # what is recorded is the PSNR of the base, which is not returned
        return {}
    peak = (1 << facts.bit_depth) - 1
    errors = [0.0 if tile.facts.psnr is None else peak**2 / 10 ** (tile.facts.psnr / 10) for tile in image.tiles]
    pixels = [tile.facts.w * tile.facts.h for tile in image.tiles]
    if not any(errors):
        return {"measured": AT_ENCODING}
    worst = image.tiles[int(np.argmax(errors))].facts
    box = Box(worst.x, worst.y, worst.w, worst.h) if image.stack is None else Box(0, 0, facts.width, facts.height)
    mean = float(np.average(errors, weights=pixels))
    return {"measured": AT_ENCODING, "psnr": psnr(mean, peak), **_worst(box, worst.psnr)}


def _worst(box: Box, decibels: float | None) -> dict[str, Any]:
    return {"tile_x": box.x, "tile_y": box.y, "tile_w": box.w, "tile_h": box.h, "tile_psnr": decibels}


def bits(stored_bytes: int, pixels: np.ndarray) -> Row:
    """Return `bpp` and `misfit` of an image that takes so many bytes where it is.

    The misfit is how many bits were stored for each bit of a plain prediction: the entropy of the differences of
    samples from their left neighbours. The measure takes a few milliseconds, and says which images a codec's model
    spends unusually many bits on, or few, although they are no busier than the rest.
    """
    height, width, channels = pixels.shape
    per_pixel = 8 * stored_bytes / (height * width)
    return {"bpp": per_pixel, "misfit": per_pixel / (channels * _plain_bits(pixels))}


def _plain_bits(pixels: np.ndarray) -> float:
    """Entropy of the differences of neighbours, in bits a sample; at least _LEAST_BITS."""
    rows = pixels[:: _ROWS_APART if len(pixels) > _FEW_ROWS else 1]
    counts = np.zeros(1 << 8 * pixels.itemsize, np.int64)
    for start in range(0, len(rows), _ROWS_AT_ONCE):  # counting takes 8 bytes a sample
        some = rows[start : start + _ROWS_AT_ONCE]
        differences = some[:, 1:] - some[:, :-1] if some.shape[1] > 1 else some  # modulo their range, as codecs have it
        counts += np.bincount(differences.ravel(), minlength=len(counts))
    shares = counts[counts > 0] / counts.sum()
    return max(_LEAST_BITS, float(-(shares * np.log2(shares)).sum()))
