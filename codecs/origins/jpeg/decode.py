"""From coefficients to the picture that a JPEG decoder makes of them, in integers: FORMAT.md, "jpeg"."""

from __future__ import annotations

import numpy as np

from tilepress.codecs.origins.jpeg.colour import to_rgb
from tilepress.codecs.origins.jpeg.file.coefficients import BLOCK, Coefficients, component_size
from tilepress.codecs.origins.jpeg.islow import islow_plane
from tilepress.codecs.origins.jpeg.upsampling import upsample


def decode(image: Coefficients, fancy: bool) -> np.ndarray:
    """Return the picture (height, width, 1 or 3) uint8; `fancy`: chroma is interpolated."""
    planes = [component_plane(image, component) for component in range(image.components)]
    if len(planes) == 1:
        return planes[0][:, :, None]
    size = (image.height, image.width)
    cb, cr = (np.ascontiguousarray(upsample(plane, image.sampling, fancy, *size)) for plane in planes[1:])
    picture = np.empty((*size, 3), np.uint8)
    to_rgb(planes[0], cb, cr, picture)
    return picture


def component_plane(image: Coefficients, component: int) -> np.ndarray:
    """Return the samples of a component at its own size, without what fills the last MCUs: uint8, contiguous."""
    blocks = image.blocks[component]
    plane = np.empty((BLOCK * blocks.shape[0], BLOCK * blocks.shape[1]), np.uint8)
    islow_plane(blocks, image.tables[component], np.empty(64, np.int64), np.empty(64, np.int32), plane)
    height, width = component_size(image.width, image.height, image.sampling, component)
    return np.ascontiguousarray(plane[:height, :width])
