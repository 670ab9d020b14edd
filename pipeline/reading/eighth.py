"""Previews of pictures that are JPEG files, or were: an eighth of their sides, from the DC coefficients."""

from __future__ import annotations

from functools import partial

import numpy as np

from tilepress.codecs.origins.jpeg.eighth import EIGHTH, mean_eighth
from tilepress.pipeline.archive.index_row import IndexRow
from tilepress.pipeline.archive.schema import FILE, FILE_ZSTD, INCOMPRESSIBLE, JPEG, ORIGIN
from tilepress.pipeline.coding.tiles import Box
from tilepress.pipeline.formats.jpeg.file import read_shrunk
from tilepress.pipeline.reading.pixels import PartReader
from tilepress.pipeline.reading.rebuild import file_chunks

_FEW = 1 / 10  # bytes of exceptions to those of the JPEG: with more of them, the JPEG alone is not the picture


def has_eighth(image: IndexRow) -> bool:
    """Tell whether an image is held as a JPEG file, transcoded or not, or as what is made of one."""
    facts = image.facts
    if facts.method in (JPEG, ORIGIN):
        return image.spans["payload"][1] > 0
    sound = facts.mode != "" and facts.reason_code in ("", INCOMPRESSIBLE)
    return facts.format == "jpeg" and facts.method in (FILE, FILE_ZSTD) and sound


def eighth_pixels(image: IndexRow, reader: PartReader) -> np.ndarray:
    """Return an image that `has_eighth` at an eighth of its sides, rounded up: (h, w, channels) of its type.

    IntegrityError, CodecError or Pillow's errors for stored bytes that are damaged or forged.
    """
    if image.facts.method == JPEG:
        return read_shrunk(next(file_chunks(image, reader.fetch)), EIGHTH)  # its further pieces follow the image
    if image.facts.method != ORIGIN:
        return read_shrunk(b"".join(file_chunks(image, reader.fetch)), EIGHTH)
    from tilepress.codecs.origins.chain import eighth  # which loads numba, as the next does
    from tilepress.pipeline.coding.origins import image_spec, origin_steps

    steps, file = origin_steps(image, reader.fetch)
    few = sum(len(step.exceptions) for step in steps) <= _FEW * len(file)
    small = eighth(steps, partial(read_shrunk, file), image_spec(image.facts)) if few else None
    return mean_eighth(np.concatenate(list(reader.bands(image)))) if small is None else small


def eighth_box(area: Box) -> Box:
    """Return the pixels at an eighth of the sides that stand for an area of an image, and for what is beside it."""
    right, bottom = -(-(area.x + area.w) // EIGHTH), -(-(area.y + area.h) // EIGHTH)
    x, y = area.x // EIGHTH, area.y // EIGHTH
    return Box(x, y, right - x, bottom - y)
