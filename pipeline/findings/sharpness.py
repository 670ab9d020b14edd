"""How sharp a picture is where it is sharpest: blur is no finding where only the background has it.

An edge that a Gaussian of standard deviation s has blurred has squared first derivatives that add up to 2 s^2 times its
squared second derivatives, whatever its height. So blocks tell s, pixel noise being taken off; a picture's is that of
its sharpest blocks with contrast.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.kernels.kernel import kernel
from tilepress.pipeline.findings.finding import BLURRED, Finding
from tilepress.pipeline.findings.sample import Sample

_BLOCK = 32
_CONTRAST = 48  # times the noise of rounding that the first derivatives of a block must have
_OWN_CONTRAST = 0.25  # of the mean of all blocks, which they must have too: finer samples have noise of other kinds
_LEAST_BLOCKS = 4
_SHARPEST = 0.1  # of the blocks: those that tell
_BLUR = 1.02  # pixels: unblurred photographs have 0.4 to 0.7, slices of soft reconstruction 1
_ROUNDING = 1 / 12  # variance of the noise that rounding adds, in squared levels of 8 bits


def find_blur(sample: Sample) -> Finding | None:
    """Return the finding if even the sharpest parts have a blur of about a pixel or more."""
    blur = blur_of(sample)
    if blur is None or blur < _BLUR:
        return None
    return Finding(BLURRED, blur, f"its sharpest parts are blurred by {blur:.1f} pixels (standard deviation)")


def blur_of(sample: Sample) -> float | None:
    """Return the standard deviation, in pixels, of the blur of a picture's sharpest parts; None without contrast."""
    parts = np.concatenate([_energies(plane) for plane in sample.lumas])
    noise = _ROUNDING / (1 << 2 * max(0, sample.bits - 8))
    first, second = parts[:, 0] - 2 * noise, parts[:, 1] - 6 * noise
    telling = first > max(_CONTRAST * noise, _OWN_CONTRAST * float(first.mean())) if len(first) else first > 0
    if np.count_nonzero(telling) < _LEAST_BLOCKS:
        return None
    blurs = np.sqrt(first[telling] / (2 * np.maximum(second[telling], noise)))
    return float(np.quantile(blurs, _SHARPEST))


def _energies(plane: np.ndarray) -> np.ndarray:
    """Mean squared first and second derivatives of whole blocks, along rows and columns together: (blocks, 2)."""
    rows, columns = (side // _BLOCK for side in plane.shape)
    sums = np.zeros((rows, columns, 2))
    _derive(plane, sums)
    return sums.reshape(-1, 2) / (2 * (_BLOCK - 2) ** 2)


@kernel
def _derive(plane: np.ndarray, sums: np.ndarray) -> None:
    """Add the squared derivatives of the pixels within each block, all whose neighbours are within it too."""
    for row in range(sums.shape[0]):
        for column in range(sums.shape[1]):
            first = second = np.float32(0)
            for y in range(row * _BLOCK + 1, (row + 1) * _BLOCK - 1):
                above, line, below = plane[y - 1], plane[y], plane[y + 1]
                for x in range(column * _BLOCK + 1, (column + 1) * _BLOCK - 1):
                    right, down = line[x + 1] - line[x], below[x] - line[x]
                    across, along = right - line[x] + line[x - 1], down - line[x] + above[x]
                    first += right * right + down * down
                    second += across * across + along * along
            sums[row, column, 0], sums[row, column, 1] = first, second
