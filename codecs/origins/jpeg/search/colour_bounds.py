"""RGB back to bounds of Y, Cb and Cr: by equations, one to one but for clipped colours.

Bounds are uint8; those of a component are equal where it is known exactly, and 0 and 255 where nothing is known.
"""

from __future__ import annotations

import numpy as np

from tilepress.codecs.jpeg.colour import CONVERSIONS, Conversion, blue_of, green_of, red_of
from tilepress.codecs.kernels.kernel import Float, Int, borrowing, borrowing_kernel

Y, CB, CR = range(3)
_R_INVERSE, _B_INVERSE = 46745, 36983  # 65536 / 1.402 and / 1.772
_R_LUMA, _G_LUMA, _B_LUMA = 0.299, 0.587, 0.114
_ROWS = 64  # of a picture, that tell the conversion
_MOST_TRIED = 128  # pairs of Cb and Cr
_SLACK = 0.6  # levels that rounding can move a channel by, and a little
_R_FROM, _G_FROM, _B_FROM = -180.0, -136.0, -228.0  # the least that each channel can be before it is clipped
_R_TO, _G_TO, _B_TO = 434.0, 391.0, 482.0


@borrowing
def chroma_of(difference: Int, inverse: Int) -> Int:
    """Return the Cb or Cr less 128 whose channel lies about `difference` above luma."""
    return (difference * inverse + (1 << 15)) >> 16


@borrowing
def invert_colour(r: Int, g: Int, b: Int, way: Conversion) -> tuple[Int, Int, Int]:
    """Return the one Y, Cb, Cr that an unclipped colour is made of; -1 and zeros where none is."""
    near = int(_R_LUMA * r + _G_LUMA * g + _B_LUMA * b + 0.5)
    for trial in range(3):
        luma = near + (trial & 1) - (trial >> 1)
        cb, cr = chroma_of(b - luma, _B_INVERSE) + 128, chroma_of(r - luma, _R_INVERSE) + 128
        inside = 0 <= luma <= 255 and 0 <= cb <= 255 and 0 <= cr <= 255
        made = luma + red_of(cr, way), luma + green_of(cb, cr, way), luma + blue_of(cb, way)
        if inside and made[0] == r and made[1] == g and made[2] == b:
            return luma, cb, cr
    return -1, 0, 0


@borrowing_kernel
def count_members(colours: np.ndarray, way: Conversion) -> Int:
    """Return how many of `colours` uint8 (n, 3), none of them clipped, are made of a YCbCr."""
    count = 0
    for n in range(colours.shape[0]):
        luma, _, _ = invert_colour(np.int64(colours[n, 0]), np.int64(colours[n, 1]), np.int64(colours[n, 2]), way)
        count += luma >= 0
    return count


def likely_conversion(picture: np.ndarray) -> Conversion:
    """Return the conversion that explains most unclipped colours of some rows of a picture, uint8 (h, w, 3)."""
    colours = picture[:: max(1, picture.shape[0] // _ROWS)].reshape(-1, 3)
    r, g, b = colours.T  # numpy takes long over axes of three
    inner = colours[(np.minimum(np.minimum(r, g), b) > 0) & (np.maximum(np.maximum(r, g), b) < 255)]
    best, most = CONVERSIONS[0], -1
    for conversion in CONVERSIONS:
        count = count_members(inner, conversion)
        if count > most:
            best, most = conversion, count
        if most == len(inner):
            break
    return best


@borrowing
def _channel(value: Int, least: Float, most: Float) -> tuple[Float, Float]:
    """Return bounds of a channel before it was clipped."""
    return least if value == 0 else value - _SLACK, most if value == 255 else value + _SLACK


@borrowing
def _byte(value: Float) -> Int:
    return int(min(max(value, 0.0), 255.0))


@borrowing
def _bound_clipped(r: Int, g: Int, b: Int, lows: np.ndarray, highs: np.ndarray, y: Int, x: Int) -> None:
    """Set the bounds of a clipped colour: channels are a box, of which luma from 0 to 255 leaves a part."""
    r0, r1 = _channel(r, _R_FROM, _R_TO)
    g0, g1 = _channel(g, _G_FROM, _G_TO)
    b0, b1 = _channel(b, _B_FROM, _B_TO)
    red, green, blue = _R_LUMA, _G_LUMA, _B_LUMA
    r0, r1 = max(r0, (-0.5 - green * g1 - blue * b1) / red), min(r1, (255.5 - green * g0 - blue * b0) / red)
    g0, g1 = max(g0, (-0.5 - red * r1 - blue * b1) / green), min(g1, (255.5 - red * r0 - blue * b0) / green)
    b0, b1 = max(b0, (-0.5 - red * r1 - green * g1) / blue), min(b1, (255.5 - red * r0 - green * g0) / blue)
    lows[Y, y, x] = _byte(np.ceil(red * r0 + green * g0 + blue * b0))
    highs[Y, y, x] = _byte(np.floor(red * r1 + green * g1 + blue * b1))
    lows[CB, y, x] = _byte(np.ceil(128 + 0.5 * b0 - 0.168736 * r1 - 0.331264 * g1))
    highs[CB, y, x] = _byte(np.floor(128 + 0.5 * b1 - 0.168736 * r0 - 0.331264 * g0))
    lows[CR, y, x] = _byte(np.ceil(128 + 0.5 * r0 - 0.418688 * g1 - 0.081312 * b1))
    highs[CR, y, x] = _byte(np.floor(128 + 0.5 * r1 - 0.418688 * g0 - 0.081312 * b0))


@borrowing
def _enumerate_clipped(
    r: Int, g: Int, b: Int, way: Conversion, lows: np.ndarray, highs: np.ndarray, y: Int, x: Int
) -> None:
    """Narrow the bounds of a clipped colour to the YCbCr that give it, where there are few to try."""
    blue0, blue1 = np.int64(lows[CB, y, x]), np.int64(highs[CB, y, x])
    red0, red1 = np.int64(lows[CR, y, x]), np.int64(highs[CR, y, x])
    if (blue1 - blue0 + 1) * (red1 - red0 + 1) > _MOST_TRIED:
        return
    y0, y1, cb0, cb1, cr0, cr1 = 256, -1, 256, -1, 256, -1
    for cb in range(blue0, blue1 + 1):
        for cr in range(red0, red1 + 1):
            low, high = _narrow(r, red_of(cr, way), np.int64(lows[Y, y, x]), np.int64(highs[Y, y, x]))
            low, high = _narrow(g, green_of(cb, cr, way), low, high)
            low, high = _narrow(b, blue_of(cb, way), low, high)
            if low <= high:
                y0, y1 = min(y0, low), max(y1, high)
                cb0, cb1, cr0, cr1 = min(cb0, cb), max(cb1, cb), min(cr0, cr), max(cr1, cr)
    if y1 >= 0:
        lows[Y, y, x], highs[Y, y, x] = y0, y1
        lows[CB, y, x], highs[CB, y, x], lows[CR, y, x], highs[CR, y, x] = cb0, cb1, cr0, cr1


@borrowing_kernel
def colour_bounds(
    picture: np.ndarray, top: Int, left: Int, way: Conversion, lows: np.ndarray, highs: np.ndarray
) -> Int:
    """Fill bounds of a picture's components; return how many of its colours no YCbCr gives.

    `picture` uint8 (h, w, 3). `way`: how it was converted. `lows`, `highs` uint8 (3, rows, columns), in which the
    picture begins at `top`, `left`.
    """
    strange = 0
    for i in range(picture.shape[0]):
        for j in range(picture.shape[1]):
            r, g, b = np.int64(picture[i, j, 0]), np.int64(picture[i, j, 1]), np.int64(picture[i, j, 2])
            y, x = top + i, left + j
            if min(r, g, b) == 0 or max(r, g, b) == 255:
                _bound_clipped(r, g, b, lows, highs, y, x)
                _enumerate_clipped(r, g, b, way, lows, highs, y, x)
                continue
            luma, cb, cr = invert_colour(r, g, b, way)
            if luma < 0:
                strange += 1
                for component in range(3):
                    lows[component, y, x], highs[component, y, x] = 0, 255
                continue
            lows[Y, y, x] = highs[Y, y, x] = luma
            lows[CB, y, x] = highs[CB, y, x] = cb
            lows[CR, y, x] = highs[CR, y, x] = cr
    return strange


@borrowing
def _narrow(value: Int, offset: Int, low: Int, high: Int) -> tuple[Int, Int]:
    """Return the bounds of luma that a channel leaves, which is luma and `offset`."""
    low = max(low, value - offset) if value > 0 else low
    return low, min(high, value - offset) if value < 255 else high


@borrowing_kernel
def luma_bounds(
    picture: np.ndarray,
    top: Int,
    left: Int,
    way: Conversion,
    cb: np.ndarray,
    cr: np.ndarray,
    lows: np.ndarray,
    highs: np.ndarray,
) -> None:
    """Narrow the bounds of luma, `lows[0]` and `highs[0]`, to what a picture leaves with its chroma.

    Where chroma contradicts the picture, the bounds stay. `cb`, `cr` uint8 (rows, columns). The rest as for
    `colour_bounds`.
    """
    for i in range(picture.shape[0]):
        for j in range(picture.shape[1]):
            y, x = top + i, left + j
            low, high = np.int64(lows[Y, y, x]), np.int64(highs[Y, y, x])
            if low == high:
                continue
            blue, red = np.int64(cb[y, x]), np.int64(cr[y, x])
            low, high = _narrow(np.int64(picture[i, j, 0]), red_of(red, way), low, high)
            low, high = _narrow(np.int64(picture[i, j, 1]), green_of(blue, red, way), low, high)
            low, high = _narrow(np.int64(picture[i, j, 2]), blue_of(blue, way), low, high)
            if low <= high:
                lows[Y, y, x], highs[Y, y, x] = low, high


@borrowing
def _chroma_bounds(value: Int, luma: Int, inverse: Float, low: Int, high: Int) -> tuple[Int, Int]:
    """Return the bounds of Cb or Cr whose channel is `value` where luma is known; the old ones if these contradict."""
    middle = 128 + (value - luma) * inverse
    least = np.int64(np.ceil(middle - _SLACK * inverse)) if value > 0 else low
    most = np.int64(np.floor(middle + _SLACK * inverse)) if value < 255 else high
    least, most = max(least, low), min(most, high)
    return (least, most) if least <= most else (low, high)


@borrowing_kernel
def chroma_bounds(
    picture: np.ndarray, top: Int, left: Int, luma: np.ndarray, missed: np.ndarray, lows: np.ndarray, highs: np.ndarray
) -> None:
    """Narrow the bounds of chroma, `lows[1:]` and `highs[1:]`, to what a picture leaves where its luma is known.

    `luma` uint8 (rows, columns). `missed` int64: 0 for the 8 x 8 blocks of luma that are sure. The rest as for
    `colour_bounds`.
    """
    for i in range(picture.shape[0]):
        for j in range(picture.shape[1]):
            y, x = top + i, left + j
            if missed[y >> 3, x >> 3]:
                continue
            level = np.int64(luma[y, x])
            for component, channel, inverse in ((CB, 2, 1 / 1.772), (CR, 0, 1 / 1.402)):
                low, high = np.int64(lows[component, y, x]), np.int64(highs[component, y, x])
                if low < high:
                    low, high = _chroma_bounds(np.int64(picture[i, j, channel]), level, inverse, low, high)
                    lows[component, y, x], highs[component, y, x] = low, high
