"""From coefficients to the picture that a JPEG decoder makes of them, in integers: FORMAT.md, "jpeg"."""

from __future__ import annotations

import numpy as np

from tilepress.codecs.origins.jpeg.colour import to_rgb
from tilepress.codecs.origins.jpeg.decoders import Decoder
from tilepress.codecs.origins.jpeg.file.coefficients import Coefficients, component_size
from tilepress.codecs.origins.jpeg.transform import Transform, plane_of
from tilepress.codecs.origins.jpeg.upsampling import upsample


def decode(image: Coefficients, decoder: Decoder) -> np.ndarray:
    """Return the picture (height, width, 1 or 3) uint8 that a decoder makes."""
    planes = [component_plane(image, component, decoder.transform) for component in range(image.components)]
    if len(planes) == 1:
        return planes[0][:, :, None]
    size = (image.height, image.width)
    cb, cr = (np.ascontiguousarray(upsample(plane, image.sampling, decoder.upsampling, *size)) for plane in planes[1:])
    picture = np.empty((*size, 3), np.uint8)
    to_rgb(planes[0], cb, cr, decoder.conversion, picture)
    return picture


def component_plane(image: Coefficients, component: int, how: Transform) -> np.ndarray:
    """Return the samples of a component at its own size, without what fills the last MCUs: uint8, contiguous."""
    plane = plane_of(image.blocks[component], how, image.tables[component])
    height, width = component_size(image.width, image.height, image.sampling, component)
    return np.ascontiguousarray(plane[:height, :width])
