"""Decoding in integers: what libjpeg-turbo makes of a file, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.origins.jpegs import pillow_decoded, random_coefficients
from tilepress.codecs.origins.jpeg.decode import decode
from tilepress.codecs.origins.jpeg.file.coefficients import SAMPLINGS, Sampling
from tilepress.codecs.origins.jpeg.file.reader import read_blocks_of, read_header
from tilepress.codecs.origins.jpeg.file.writer import write_file

KINDS = [(1, (1, 1)), *((3, sampling) for sampling in SAMPLINGS.values())]


@pytest.mark.parametrize(("components", "sampling"), KINDS)
def test_every_size_decodes_as_pillow_decodes_it(components: int, sampling: Sampling) -> None:
    for width in range(1, 41):
        for height in {width, 41 - width, 7 * width % 40 + 1}:
            quality = (13 * width + height) % 70 + 30
            image = random_coefficients(width, height, sampling, components, quality, seed=width)
            assert np.array_equal(decode(image, fancy=True), pillow_decoded(write_file(image))), (width, height)


def test_a_file_is_read_as_it_was_written() -> None:
    for components, sampling in KINDS:
        image = random_coefficients(45, 70, sampling, components, 60)
        header = read_header(write_file(image))
        back = read_blocks_of(header)
        assert (back.width, back.height, back.sampling) == (45, 70, sampling)
        for some, others in ((image.tables, back.tables), (image.blocks, back.blocks)):
            assert all(np.array_equal(a, b) for a, b in zip(some, others, strict=True))
