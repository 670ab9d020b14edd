"""Decoding in integers: what each decoder makes of a file, to the last bit.

`tests/golden/jpeg` holds files, and hashes of what the decoders themselves made of them: libjpeg-turbo through
simplejpeg (1 and 3: merged upsampling where there is any), libjpeg 9 and 9f through jpeglib, stb_image 2.27 with SIMD.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.origins.jpegs import pillow_decoded, random_coefficients
from tilepress.codecs.jpeg.decode import decode
from tilepress.codecs.jpeg.decoders import DECODERS
from tilepress.codecs.jpeg.file.coefficients import SAMPLINGS, Sampling
from tilepress.codecs.jpeg.file.reader import read_blocks_of, read_header
from tilepress.codecs.jpeg.file.writer import write_file

KINDS = [(1, (1, 1)), *((3, sampling) for sampling in SAMPLINGS.values())]
GOLDEN = Path(__file__).parents[2] / "golden/jpeg"
PIXELS = json.loads((GOLDEN / "pixels.json").read_text())["pixels"]


@pytest.mark.parametrize(("components", "sampling"), KINDS)
def test_every_size_decodes_as_pillow_decodes_it(components: int, sampling: Sampling) -> None:
    for width in range(1, 41):
        for height in {width, 41 - width, 7 * width % 40 + 1}:
            quality = (13 * width + height) % 70 + 30
            image = random_coefficients(width, height, sampling, components, quality, seed=width)
            assert np.array_equal(decode(image, DECODERS[0]), pillow_decoded(write_file(image))), (width, height)


@pytest.mark.parametrize("number", DECODERS)
def test_files_decode_as_each_decoder_decoded_them(number: int) -> None:
    assert len(PIXELS[str(number)]) == 25
    for name, expected in PIXELS[str(number)].items():
        image = read_blocks_of(read_header((GOLDEN / name).read_bytes()))
        assert hashlib.sha256(decode(image, DECODERS[number]).tobytes()).hexdigest() == expected, name


def test_every_decoder_makes_pictures_of_its_own() -> None:
    seen = {tuple(hashes.values()) for hashes in PIXELS.values()}
    assert set(PIXELS) == {str(number) for number in DECODERS} and len(seen) == len(DECODERS)


def test_a_file_is_read_as_it_was_written() -> None:
    for components, sampling in KINDS:
        image = random_coefficients(45, 70, sampling, components, 60)
        header = read_header(write_file(image))
        back = read_blocks_of(header)
        assert (back.width, back.height, back.sampling) == (45, 70, sampling)
        for some, others in ((image.tables, back.tables), (image.blocks, back.blocks)):
            assert all(np.array_equal(a, b) for a, b in zip(some, others, strict=True))
