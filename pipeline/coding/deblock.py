"""JPEG coefficients as the picture that the shipped model `jpeg-dncnn` restores of them, wherever its network runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tilepress.pipeline.coding.codec_pool import CodecPool, shipped_reference

if TYPE_CHECKING:
    from tilepress.codecs.jpeg.colour import Conversion
    from tilepress.codecs.jpeg.file.coefficients import Coefficients

MODEL = "jpeg-dncnn"


def restored_picture(image: Coefficients, conversion: Conversion | None, pool: CodecPool) -> np.ndarray:
    """Return the restored picture, uint8 (height, width, 1 or 3): the same on every device.

    Each component is restored alone. MissingPackage without torch, or without the model.

    Args:
        image: Quantised coefficients of any JPEG file.
        conversion: Of its components to RGB; None where they are red, green and blue.
        pool: Loads the model, and knows where its network runs.
    """
    from tilepress.codecs.jpeg.decode import picture_of  # loads numba, as the next does
    from tilepress.codecs.learned.dncnn.codec import plane_symbols

    reference = shipped_reference(MODEL)
    components = zip(image.blocks, image.tables, strict=True)
    planes = [pool.synthesise(reference, plane_symbols(*each))[0, :, :, 0] for each in components]
    return picture_of(image, planes, conversion)
