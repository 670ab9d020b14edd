"""Images of a page, made of arrays: thumbnails, exact crops, and where two images differ most."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

THUMBNAIL = 192  # pixels of the longer side
WINDOW = 256  # pixels a side of a crop that is shown exactly
_TINY = 64  # images up to this are kept exactly: every pixel of them will be seen
_QUALITY = 78  # of WebP, for thumbnails

Levels = tuple[int, int]  # samples that are shown as black and as white


@dataclass(frozen=True)
class Picture:
    """An image file that browsers show, and its size in pixels."""

    data: bytes
    media_type: str
    width: int
    height: int

    @property
    def uri(self) -> str:
        """The image as a data URI."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.data).decode()}"

    @property
    def cost(self) -> int:
        """Bytes of a page that it takes."""
        return len(self.data) * 4 // 3 + 64


def thumbnail(samples: np.ndarray, mode: str = "", bits: int = 8, side: int = THUMBNAIL) -> Picture:
    """Return a small picture of an image.

    Args:
        samples: (h, w, channels) of uint8 or uint16. Those of uint16 are stretched between their least and greatest.
        mode: Pillow's name of the channels; by their number if not given.
        bits: Of the scale of uint8 samples, 1 to 8: white is 2^bits - 1.
        side: The longer side, in pixels, at most.
    """
    image = _image(samples, mode, levels_of(samples, bits))
    small = max(image.size) <= _TINY
    if max(image.size) > side:
        image.thumbnail((side, side), reducing_gap=2.0)
    return _webp(image, lossless=small)


def exact(samples: np.ndarray, mode: str = "", levels: Levels | None = None) -> Picture:
    """Return an image (h, w, channels) without any loss, but for uint16 samples, of which 256 `levels` are shown."""
    return _webp(_image(samples, mode, levels or levels_of(samples)), lossless=True)


def exact_pair(original: np.ndarray, decoded: np.ndarray, mode: str = "", bits: int = 8) -> tuple[Picture, Picture]:
    """Return two images of one shape without loss, both between the levels of the first: see `levels_of`."""
    levels = levels_of(original, bits)
    return exact(original, mode, levels), exact(decoded, mode, levels)


def levels_of(samples: np.ndarray, bits: int = 8) -> Levels:
    """Return the samples that are shown as black and as white.

    The ends of the scale of `bits` where samples are uint8. Of uint16 the least and the greatest sample, since whatever
    has so many bits is mostly on a part of the scale; where all are equal, the ends of it.
    """
    if samples.dtype.itemsize == 1:
        return 0, (1 << bits) - 1
    low, high = int(samples.min()), int(samples.max())
    return (low, high) if low < high else (0, 65535)


def worst_window(original: np.ndarray, decoded: np.ndarray, side: int = WINDOW) -> tuple[slice, slice]:
    """Return rows and columns of the `side` by `side` pixels, or fewer, in which two images differ most.

    Both are (h, w, channels) of one shape; squared differences count. Windows begin at multiples of a quarter side.
    """
    import numpy as np

    error = np.square(original.astype(np.float64) - decoded).sum(axis=2)
    sums = np.pad(error, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    height, width = (min(side, length) for length in error.shape)
    rows, columns = (_starts(length, side) for length in error.shape)
    windows = sums[np.ix_(rows + height, columns + width)] - sums[np.ix_(rows, columns + width)]
    windows += sums[np.ix_(rows, columns)] - sums[np.ix_(rows + height, columns)]
    row, column = np.unravel_index(int(windows.argmax()), windows.shape)
    y, x = int(rows[row]), int(columns[column])
    return slice(y, y + height), slice(x, x + width)


def _starts(length: int, side: int) -> np.ndarray:
    import numpy as np

    return np.unique(np.append(np.arange(0, max(1, length - side), max(1, side // 4)), max(0, length - side)))


def _image(samples: np.ndarray, mode: str, levels: Levels) -> Image:
    import numpy as np
    from PIL import Image

    low, high = levels
    if samples.dtype.itemsize > 1 or (low, high) != (0, 255):
        scaled = (samples.astype(np.float32) - low) * (255 / max(1, high - low))
        samples = scaled.round().clip(0, 255).astype(np.uint8)
    channels = samples.shape[2]
    pixels = np.ascontiguousarray(samples[:, :, 0] if channels == 1 else samples)
    if channels == 4 and mode == "CMYK":
        return Image.fromarray(pixels, "CMYK").convert("RGB")
    return Image.fromarray(pixels, {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels])


def _webp(image: Image, *, lossless: bool) -> Picture:
    out = io.BytesIO()
    settings: dict[str, Any] = {"lossless": True, "quality": 50, "exact": True} if lossless else {"quality": _QUALITY}
    image.convert("RGBA" if "A" in image.mode else "RGB").save(out, "WEBP", method=4, **settings)
    return Picture(out.getvalue(), "image/webp", *image.size)
