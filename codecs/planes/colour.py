"""Reversible colour transform of JPEG 2000 (RCT, ISO/IEC 15444-1 annex G): RGB to a luma and two differences.

All arithmetic is on integers, so `inverse(forward(tile)) == tile` bit for bit. Planes that are not RGB
(gray, CMYK, palette entries, alpha) pass through unchanged. Chosen on 18 of photos/train by the entropy of
MED errors in 64x64 blocks, bits per pixel: none 9.97, YCoCg-R 8.23, RCT 8.05, subtracted green 8.02; the last
has no luma, which a lossy base wants.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.codec import TileSpec


def forward(tile: np.ndarray, spec: TileSpec) -> np.ndarray:
    """Return the int32 planes (..., c) of samples (..., c) of `spec.dtype`.

    For colour "rgb" the planes are Y = (R + 2 G + B) >> 2, U = B - G, V = R - G (then alpha):
    Y is 0..maximum, U and V are -maximum..maximum.
    """
    planes = tile.astype(np.int32)
    if spec.colour != "rgb":
        return planes
    red, green, blue = (planes[..., i].copy() for i in range(3))
    planes[..., 0] = (red + 2 * green + blue) >> 2
    planes[..., 1] = blue - green
    planes[..., 2] = red - green
    return planes


def inverse(planes: np.ndarray, spec: TileSpec) -> np.ndarray:
    """Return the samples (..., c) of `spec.dtype` of integer planes (..., c), clipped to 0..spec.maximum.

    Total: planes that `forward` cannot produce (a lossy base, hostile bytes) give some tile within range;
    they are first clipped to +-2^18, so that nothing overflows.
    """
    bound = 1 << 18
    out: np.ndarray = np.clip(planes, -bound, bound).astype(np.int32)
    if spec.colour == "rgb":
        luma, blue_difference, red_difference = (out[..., i].copy() for i in range(3))
        green = luma - ((blue_difference + red_difference) >> 2)
        out[..., 0] = red_difference + green
        out[..., 1] = green
        out[..., 2] = blue_difference + green
    np.clip(out, 0, spec.maximum, out=out)
    return out.astype(spec.dtype)
