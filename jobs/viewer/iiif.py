"""Requests of the IIIF Image API 3.0: parameters of a URL to what they ask of an image, or to the error they are.

https://iiif.io/api/image/3.0/, sections 4 (parameters) and 4.7 (canonical URIs). Level 2, and of the optional features
mirroring, upscaling and WebP.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from tilepress.jobs.viewer.errors import RequestError
from tilepress.pipeline.coding.tiles import Box

MAX_AREA = 1 << 26  # pixels of an answer; an image of 24 or of 60 megapixels is answered whole
MAX_SIDE = 1 << 16  # pixels, which is what JPEG and Pillow take; WebP has its own
QUALITIES = ("default", "color", "gray", "bitonal")
FORMATS = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
_FORMAT_SIDES = {"jpg": 65500, "png": MAX_SIDE, "webp": 16383}
_NUMBER = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{0,10})?|\.[0-9]{1,10})")
_INTEGER = re.compile(r"[0-9]{1,9}")
_OTHER_FORMATS = {"tif", "gif", "jp2", "pdf"}  # of the specification


@dataclass(frozen=True)
class ImageRequest:
    """What is wanted of an image: a rectangle of it, at that size, turned and mirrored, in a quality and a format."""

    region: Box
    width: int  # before it is turned
    height: int
    rotation: int  # 0, 90, 180 or 270 degrees clockwise
    mirror: bool  # left and right are swapped before it is turned
    quality: str
    format: str
    whole: bool  # the region is the whole image

    @property
    def canonical(self) -> str:
        """The one spelling of this request: section 4.7."""
        region = self.region
        place = "full" if self.whole else f"{region.x},{region.y},{region.w},{region.h}"
        larger = self.width > region.w or self.height > region.h
        same = (self.width, self.height) == (region.w, region.h)
        size = "max" if same else f"{'^' if larger else ''}{self.width},{self.height}"
        return f"{place}/{size}/{'!' if self.mirror else ''}{self.rotation}/{self.quality}.{self.format}"


def parse_request(width: int, height: int, region: str, size: str, rotation: str, name: str) -> ImageRequest:
    """Return what the four parameters of a URL, percent-decoded, ask of an image.

    Args:
        width: Of the image in pixels.
        height: The same.
        region: "full", "square", "x,y,w,h" or "pct:x,y,w,h".
        size: "max", "w,", ",h", "pct:n", "w,h" or "!w,h", or any of them behind "^".
        rotation: Degrees, perhaps behind "!".
        name: "quality.format".

    Raises:
        RequestError: 400 for what the specification calls an error, 501 for what it leaves to servers and this one
            does not do.
    """
    quality, _, kind = name.rpartition(".")
    if kind not in FORMATS:
        known = kind in _OTHER_FORMATS
        raise RequestError(501 if known else 400, f"format {kind!r}: this server has {', '.join(FORMATS)}")
    if quality not in QUALITIES:
        raise RequestError(400, f"quality {quality!r}: there are {', '.join(QUALITIES)}")
    area = _region(region, width, height)
    wide, high = _size(size, area)
    if wide * high > MAX_AREA or max(wide, high) > _FORMAT_SIDES[kind]:
        raise RequestError(
            400, f"{wide} x {high} pixels are more than this server makes at once: see maxArea in info.json"
        )
    degrees, mirror = _rotation(rotation)
    whole = (area.x, area.y, area.w, area.h) == (0, 0, width, height)
    return ImageRequest(area, wide, high, degrees, mirror, quality, kind, whole)


def _region(text: str, width: int, height: int) -> Box:
    """The rectangle that is asked for, cut at the edges of the image (section 4.1)."""
    if text == "full":
        return Box(0, 0, width, height)
    if text == "square":
        side = min(width, height)
        return Box((width - side) // 2, (height - side) // 2, side, side)
    share = text.startswith("pct:")
    numbers = text.removeprefix("pct:").split(",")
    pattern = _NUMBER if share else _INTEGER
    if len(numbers) != 4 or not all(pattern.fullmatch(each) for each in numbers):
        raise RequestError(400, f"region {text!r}: full, square, x,y,w,h or pct:x,y,w,h")
    x, y, w, h = map(Fraction, numbers)
    if share:
        x, w, y, h = x * width / 100, w * width / 100, y * height / 100, h * height / 100
    if min(w, h) <= 0:
        raise RequestError(400, f"region {text!r} has no pixels")
    left, top = _rounded(x), _rounded(y)
    found = Box(left, top, max(1, _rounded(w)), max(1, _rounded(h))).intersect(Box(0, 0, width, height))
    if found is None:
        raise RequestError(400, f"region {text!r} lies outside the image of {width} x {height} pixels")
    return found


def _size(text: str, area: Box) -> tuple[int, int]:
    """Width and height of the answer (section 4.2)."""
    up, wanted = text.startswith("^"), text.removeprefix("^")
    if wanted == "max":
        return _largest(area, up=up)
    if wanted.startswith("pct:"):
        number = wanted.removeprefix("pct:")
        if not _NUMBER.fullmatch(number):
            raise _no_size(text)
        wide, high = _scaled(area, Fraction(number) / 100)
    else:
        wide, high = _given(wanted, area, text, up=up)
    if min(wide, high) < 1:
        raise RequestError(400, f"size {text!r} has no pixels")
    if not up and (wide > area.w or high > area.h):
        raise RequestError(400, f"size {text!r} is larger than the region of {area.w} x {area.h}: ask for ^{text}")
    return wide, high


def _given(wanted: str, area: Box, text: str, *, up: bool) -> tuple[int, int]:
    """A size of "w,", ",h", "w,h" or "!w,h"."""
    confined = wanted.startswith("!")
    sides = wanted.removeprefix("!").split(",")
    if len(sides) != 2 or not any(sides) or not all(_INTEGER.fullmatch(side) for side in sides if side):
        raise _no_size(text)
    if not all(sides):
        if confined:
            raise _no_size(text)
        wide, high = (int(side or 0) for side in sides)
        if sides[0]:
            return wide, max(1, _rounded(Fraction(area.h * wide, area.w)))
        return max(1, _rounded(Fraction(area.w * high, area.h))), high
    wide, high = map(int, sides)
    if not confined:
        return wide, high
    scale = min(Fraction(wide, area.w), Fraction(high, area.h))
    return _at_least_one(area, scale if up else min(scale, Fraction(1))) if min(wide, high) else (0, 0)


def _largest(area: Box, *, up: bool) -> tuple[int, int]:
    """The size of "max" and "^max": of the region, or what the limits allow of it; upscaled to nothing larger."""
    if area.w * area.h <= MAX_AREA and max(area.w, area.h) <= _FORMAT_SIDES["jpg"]:
        return area.w, area.h
    scale = min((MAX_AREA / (area.w * area.h)) ** 0.5, _FORMAT_SIDES["webp"] / max(area.w, area.h))
    return max(1, int(area.w * scale)), max(1, int(area.h * scale))


def _at_least_one(area: Box, scale: Fraction) -> tuple[int, int]:
    wide, high = _scaled(area, scale)
    return max(1, wide), max(1, high)


def _scaled(area: Box, scale: Fraction) -> tuple[int, int]:
    return _rounded(area.w * scale), _rounded(area.h * scale)


def _rotation(text: str) -> tuple[int, bool]:
    """Degrees, and whether to mirror (section 4.3)."""
    mirror, number = text.startswith("!"), text.removeprefix("!")
    if not _NUMBER.fullmatch(number) or not 0 <= Fraction(number) <= 360:
        raise RequestError(400, f"rotation {text!r}: 0 to 360 degrees")
    degrees = Fraction(number) % 360
    if degrees % 90:
        raise RequestError(501, f"rotation {text!r}: this server turns by 0, 90, 180 and 270 degrees")
    return int(degrees), mirror


def _rounded(number: Fraction) -> int:
    """To the nearest integer, halves up."""
    return int(number + Fraction(1, 2))


def _no_size(text: str) -> RequestError:
    return RequestError(400, f"size {text!r}: max, w,  ,h  pct:n  w,h or !w,h, with ^ in front to make it larger")
