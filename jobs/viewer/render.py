"""A request of the Image API to the bytes of an image file: the area, scaled, mirrored, turned, in a quality."""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image

from tilepress.jobs.viewer.iiif import ImageRequest
from tilepress.jobs.viewer.pyramid import COARSEST, Pyramid, Wait
from tilepress.jobs.viewer.sources import array_of, picture_of
from tilepress.pipeline.coding.tiles import Box
from tilepress.pipeline.formats.orientation import Orientation

_JPEG_QUALITY, _WEBP_QUALITY = 90, 85
_SUPPORT = 2  # pixels of the result that a bicubic filter reads on each side; a Hamming filter reads 1
_WHITE, _HALF = 255, 128


def render(pyramid: Pyramid, orientation: Orientation, request: ImageRequest, wait: Wait) -> bytes:
    """Return the file that a request asks for: its region is one of the upright picture."""
    picture = upright(pyramid, orientation, request, wait)
    if request.mirror:
        picture = picture[:, ::-1]
    if request.rotation:
        picture = np.rot90(picture, -request.rotation // 90)
    wait.check()
    return encoded(_in_quality(picture, request.quality), request.format)


def upright(pyramid: Pyramid, orientation: Orientation, request: ImageRequest, wait: Wait) -> np.ndarray:
    """Return the region of a request at its size, upright: scaled as stored, then turned. uint8 (h, w, 1 to 4)."""
    region = Box(*orientation.stored(_sides(request.region), pyramid.width, pyramid.height))
    width, height = orientation.size(request.width, request.height)
    return orientation.apply(scaled(pyramid, region, width, height, wait))


def scaled(pyramid: Pyramid, region: Box, width: int, height: int, wait: Wait) -> np.ndarray:
    """Return a region of an image, as it is stored, at a size: uint8 (h, w, 1 to 4).

    By a factor that is whole in both directions and a power of two up to 8, each pixel is the mean of its square.
    Other factors are made from the level before, by Pillow: the mean of squares where it is whole, else a Hamming
    filter as wide as a pixel of the result; larger pictures by a bicubic filter.
    """
    level, resample = level_of(region, width, height), _filter_of(region, width, height)
    scale, margin = 1 << level, 0
    if resample != Image.Resampling.BOX:
        margin = 1 + math.ceil(_SUPPORT * max(1, region.w / width / scale, region.h / height / scale))
    extent = Box(0, 0, -(-pyramid.width // scale), -(-pyramid.height // scale))
    outer = _with_margin(_outer(region, level), margin, extent)
    area = pyramid.area(level, outer, wait)
    left, top = region.x / scale - outer.x, region.y / scale - outer.y
    inner = (left, top, min(outer.w, left + region.w / scale), min(outer.h, top + region.h / scale))
    if area.shape[:2] == (height, width) and max(left, top) == 0 and inner[2] == width and inner[3] == height:
        return area
    return array_of(picture_of(area).resize((width, height), resample, box=inner))


def _filter_of(region: Box, width: int, height: int) -> Image.Resampling:
    if width > region.w or height > region.h:
        return Image.Resampling.BICUBIC
    whole = region.w % width == 0 and region.h % height == 0
    return Image.Resampling.BOX if whole else Image.Resampling.HAMMING


def _with_margin(box: Box, margin: int, extent: Box) -> Box:
    """A rectangle and what filters read beside it, so that answers that lie side by side fit together."""
    wider = Box(box.x - margin, box.y - margin, box.w + 2 * margin, box.h + 2 * margin)
    return wider.intersect(extent) or box


def level_of(region: Box, width: int, height: int) -> int:
    """Return the coarsest level that has as many pixels as are asked for, or more."""
    factor = min(region.w // width, region.h // height)
    return min(COARSEST, max(factor, 1).bit_length() - 1)


def pixels_held(request: ImageRequest) -> int:
    """Return how many pixels a request takes memory for: those of a level that it is made from, or its own if more."""
    outer = _outer(request.region, level_of(request.region, request.width, request.height))
    return max(outer.w * outer.h, request.width * request.height)


def _outer(region: Box, level: int) -> Box:
    """The pixels of a level that a region touches."""
    scale = 1 << level
    x, y = region.x // scale, region.y // scale
    return Box(x, y, -(-(region.x + region.w) // scale) - x, -(-(region.y + region.h) // scale) - y)


def _sides(box: Box) -> tuple[int, int, int, int]:
    return box.x, box.y, box.w, box.h


def encoded(picture: np.ndarray, kind: str) -> bytes:
    """Return a picture (h, w, 1 to 4), uint8 or bool, as a file of a format of FORMATS.

    JPEG has no alpha: white stands behind it. It is made by imagecodecs, since Pillow's encoder lets no other thread
    run meanwhile.
    """
    out = io.BytesIO()
    if kind == "png":
        picture_of(picture).save(out, "PNG", compress_level=3)
    elif kind == "webp":
        picture_of(picture).save(out, "WEBP", quality=_WEBP_QUALITY, method=2)
    else:
        return _jpeg(_opaque(picture))
    return out.getvalue()


def _jpeg(picture: np.ndarray) -> bytes:
    import imagecodecs

    samples = picture[:, :, 0] if picture.shape[2] == 1 else picture
    samples = samples * np.uint8(_WHITE) if samples.dtype == bool else samples
    return bytes(imagecodecs.jpeg8_encode(np.ascontiguousarray(samples), level=_JPEG_QUALITY))


def _in_quality(picture: np.ndarray, quality: str) -> np.ndarray:
    if quality in ("default", "color"):
        return picture
    gray = array_of(picture_of(_opaque(picture)).convert("L"))
    return gray if quality == "gray" else gray >= _HALF


def _opaque(picture: np.ndarray) -> np.ndarray:
    if picture.shape[2] in (1, 3):
        return picture
    shown = picture_of(picture)
    mode = "L" if shown.mode == "LA" else "RGB"
    behind = Image.new(mode, shown.size, "white")
    behind.paste(shown.convert(mode), mask=shown.getchannel("A"))
    return array_of(behind)
