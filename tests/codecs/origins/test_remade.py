"""Pictures that were JPEG files, made again of another decoding of those."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.support.origins.jpegs import decoded_photo
from tests.support.origins.made_pictures import GRAY, RGB, spec_of
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import StreamError
from tilepress.codecs.jpeg.decode import decode
from tilepress.codecs.jpeg.decoders import USUAL
from tilepress.codecs.jpeg.file.reader import read_blocks_of, read_header
from tilepress.codecs.origins.chain import Chain, remade, reproduce
from tilepress.codecs.origins.recover import recover

LARGE = replace(RGB, height=176, width=184)
LARGE_GRAY = replace(GRAY, height=176, width=184)
GRAYS = decoded_photo(LARGE_GRAY, 80)
DEEP_GRAYS = np.repeat(GRAYS.astype(np.uint16) * 257, 3, axis=2)
CASES = {
    "as it is": (decoded_photo(LARGE, 80, "4:2:0"), ["jpeg"]),
    "cropped and turned": (decoded_photo(LARGE, 80, "4:2:0")[3:, 5:][::-1].copy(), ["jpeg"]),
    "gray, in RGB of 16 bits": (DEEP_GRAYS, ["planes", "depth", "jpeg"]),
    "enlarged": (GRAYS.repeat(2, axis=0).repeat(2, axis=1), ["scale", "jpeg"]),
}


def found(name: str) -> tuple[Chain, np.ndarray, TileSpec]:
    """A case's chain, its JPEG as the usual decoder decodes it, and the picture's description."""
    pixels, rules = CASES[name]
    chain = recover(pixels, spec_of(pixels))
    assert chain is not None and [step.origin for step in chain.steps] == rules
    return chain, decode(read_blocks_of(read_header(chain.file)), USUAL), spec_of(pixels)


@pytest.mark.parametrize("name", CASES)
def test_the_usual_decoding_gives_the_picture_and_another_one_another(name: str) -> None:
    chain, decoded, spec = found(name)
    plain = replace(chain, steps=tuple(replace(step, exceptions=b"") for step in chain.steps))
    picture = remade(chain.steps, decoded, spec)
    spec.require(picture)
    np.testing.assert_array_equal(picture, reproduce(plain, spec))
    inverted = remade(chain.steps, 255 - decoded, spec)
    np.testing.assert_array_equal(inverted, spec.maximum - picture)


def test_what_is_no_decoding_of_that_jpeg_is_refused() -> None:
    chain, decoded, spec = found("as it is")
    for other in (decoded[1:], decoded[:, :, :2]):
        with pytest.raises(StreamError, match="not of the size of its picture"):
            remade(chain.steps, other, spec)
    enlarged, _, spec = found("enlarged")
    with pytest.raises(StreamError, match="an origin 'scale' stands where one of a JPEG has to be"):
        remade(enlarged.steps[:1], decoded, spec)
