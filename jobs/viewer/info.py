"""The description of an image that every IIIF viewer reads first: info.json of the Image API 3.0, section 5."""

from __future__ import annotations

from typing import Any

from tilepress.jobs.viewer.iiif import FORMATS, MAX_AREA, QUALITIES

PROFILE = "http://iiif.io/api/image/3/level2.json"
CONTEXT = "http://iiif.io/api/image/3/context.json"
TILE = 512  # pixels of an answered tile, a side


def image_info(base: str, width: int, height: int) -> dict[str, Any]:
    """Return info.json of an image, as JSON has it.

    Args:
        base: URI of the image: scheme, server, prefix and identifier.
        width: Of the image in pixels.
        height: The same.
    """
    factors = scale_factors(width, height)
    sizes = [(-(-width // factor), -(-height // factor)) for factor in reversed(factors)]
    return {
        "@context": CONTEXT,
        "id": base,
        "type": "ImageService3",
        "protocol": "http://iiif.io/api/image",
        "profile": "level2",
        "width": width,
        "height": height,
        "maxArea": MAX_AREA,
        "sizes": [{"width": w, "height": h} for w, h in sizes if w * h <= MAX_AREA],
        "tiles": [{"width": TILE, "scaleFactors": factors}],
        "preferredFormats": ["jpg"],
        "extraFormats": [each for each in FORMATS if each not in ("jpg", "png")],
        "extraQualities": [each for each in QUALITIES if each != "default"],
        "extraFeatures": ["canonicalLinkHeader", "mirroring", "profileLinkHeader", "sizeUpscaling"],
    }


def scale_factors(width: int, height: int) -> list[int]:
    """Return the powers of two by which tiles are smaller than the image, until one tile holds all of it."""
    factors = [1]
    while max(width, height) > TILE * factors[-1]:
        factors.append(factors[-1] * 2)
    return factors
