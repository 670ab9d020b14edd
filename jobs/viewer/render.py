"""A request of the Image API to the bytes of an image file: the area, scaled, mirrored, turned, in a quality."""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image

from tilepress.jobs.viewer.iiif import ImageRequest
from tilepress.jobs.viewer.pyramid import COARSEST, Pyramid, Wait
from tilepress.jobs.viewer.sources import picture_of
from tilepress.pipeline.coding.tiles import Box

_JPEG_QUALITY, _WEBP_QUALITY = 90, 85
_TURNS = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}
_SUPPORT = 2  # pixels of the result that a bicubic filter reads on each side; a Hamming filter reads 1
_COLOURS = {"LA": "L", "RGBA": "RGB"}


def render(pyramid: Pyramid, request: ImageRequest, wait: Wait) -> bytes:
    """Return the file that a request asks for."""
    picture = scaled(pyramid, request.region, request.width, request.height, wait)
    if request.mirror:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if request.rotation:
        picture = picture.transpose(_TURNS[request.rotation])
    wait.check()
    return encoded(_in_quality(picture, request.quality), request.format)


def scaled(pyramid: Pyramid, region: Box, width: int, height: int, wait: Wait) -> Image.Image:
    """Return a region of an image at a size.

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
    picture = picture_of(pyramid.area(level, outer, wait))
    left, top = region.x / scale - outer.x, region.y / scale - outer.y
    inner = (left, top, min(outer.w, left + region.w / scale), min(outer.h, top + region.h / scale))
    if picture.size == (width, height) and max(left, top) == 0 and inner[2] == width and inner[3] == height:
        return picture
    return picture.resize((width, height), resample, box=inner)


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


def encoded(picture: Image.Image, kind: str) -> bytes:
    """Return a picture as a file of a format of FORMATS. JPEG has no alpha: white stands behind it."""
    out = io.BytesIO()
    if kind == "png":
        picture.save(out, "PNG", compress_level=3)
    elif kind == "webp":
        picture.save(out, "WEBP", quality=_WEBP_QUALITY, method=2)
    else:
        _opaque(picture).save(out, "JPEG", quality=_JPEG_QUALITY)
    return out.getvalue()


def _in_quality(picture: Image.Image, quality: str) -> Image.Image:
    if quality in ("default", "color"):
        return picture
    gray = _opaque(picture).convert("L")
    if quality == "gray":
        return gray
    return Image.fromarray(((np.asarray(gray) >= 128) * np.uint8(255)).astype(np.uint8)).convert("1")


def _opaque(picture: Image.Image) -> Image.Image:
    if picture.mode not in _COLOURS:
        return picture
    mode = _COLOURS[picture.mode]
    behind = Image.new(mode, picture.size, "white")
    behind.paste(picture.convert(mode), mask=picture.getchannel("A"))
    return behind
