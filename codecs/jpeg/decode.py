"""From coefficients to the picture that a JPEG decoder makes of them, in integers: FORMAT.md, "jpeg"."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tilepress.codecs.jpeg.colour import Conversion, to_rgb
from tilepress.codecs.jpeg.decoders import USUAL, Decoder
from tilepress.codecs.jpeg.file.coefficients import Coefficients, component_size
from tilepress.codecs.jpeg.scaled import scaled_plane
from tilepress.codecs.jpeg.transform import Transform, plane_of
from tilepress.codecs.jpeg.upsampling import Upsampling, upsample


def decode(image: Coefficients, decoder: Decoder) -> np.ndarray:
    """Return the picture (height, width, 1 or 3) uint8 that a decoder makes."""
    luma = component_plane(image, 0, decoder.transform)
    if image.components == 1:
        return luma[:, :, None]
    cb, cr = (_chroma_plane(image, component, decoder) for component in (1, 2))
    picture = np.empty((image.height, image.width, 3), np.uint8)
    to_rgb(luma, cb, cr, decoder.conversion, picture)
    return picture


def picture_of(
    image: Coefficients, planes: Sequence[np.ndarray], conversion: Conversion | None = USUAL.conversion
) -> np.ndarray:
    """Return the picture (height, width, 1 or 3) uint8 of samples that stand for those of an image's components.

    Chroma is made large, and colours are converted, as libjpeg-turbo does by default.

    Args:
        image: Whose size and sampling they have.
        planes: The samples: uint8, whole MCUs.
        conversion: Of three components to RGB; None for components that are red, green and blue.
    """
    first, *others = (_cropped(image, component, plane) for component, plane in enumerate(planes))
    if not others:
        return first[:, :, None]
    second, third = (_enlarged(image, plane, USUAL.upsampling) for plane in others)
    if conversion is None:
        return np.stack((first, second, third), axis=2)
    picture = np.empty((image.height, image.width, 3), np.uint8)
    to_rgb(first, second, third, conversion, picture)
    return picture


def _chroma_plane(image: Coefficients, component: int, decoder: Decoder) -> np.ndarray:
    """A component as large as the picture: uint8, contiguous."""
    if decoder.upsampling is Upsampling.SCALED:
        plane = scaled_plane(image.blocks[component], image.tables[component], image.sampling)
        return np.ascontiguousarray(plane[: image.height, : image.width])
    return _enlarged(image, component_plane(image, component, decoder.transform), decoder.upsampling)


def component_plane(image: Coefficients, component: int, how: Transform) -> np.ndarray:
    """Return the samples of a component at its own size, without what fills the last MCUs: uint8, contiguous."""
    return _cropped(image, component, plane_of(image.blocks[component], how, image.tables[component]))


def _enlarged(image: Coefficients, plane: np.ndarray, how: Upsampling) -> np.ndarray:
    return np.ascontiguousarray(upsample(plane, image.sampling, how, image.height, image.width))


def _cropped(image: Coefficients, component: int, plane: np.ndarray) -> np.ndarray:
    height, width = component_size(image.width, image.height, image.sampling, component)
    return np.ascontiguousarray(plane[:height, :width])
