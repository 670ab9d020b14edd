"""A region of an image as a file: every sample comes back, by decoders that are not ours."""

from __future__ import annotations

import io
from dataclasses import replace

import imagecodecs
import numpy as np
import pytest
import tifffile

from tests.support.make_archives import smooth
from tilepress.pipeline.archive.schema import ImageFacts
from tilepress.pipeline.formats.registry import read_picture
from tilepress.pipeline.reading.region import region_name, write_region

FACTS = ImageFacts(**dict.fromkeys(ImageFacts.__dataclass_fields__, 0))


def written(samples: np.ndarray, **facts: object) -> bytes:
    out = io.BytesIO()
    write_region(samples, replace(FACTS, **facts), out)
    return out.getvalue()


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("shape", [(1, 1), (37, 50), (3, 700)])
def test_cmyk_becomes_a_tiff(dtype, shape):
    samples = smooth(*shape, 4).astype(dtype) * (np.iinfo(dtype).max // 255)
    data = written(samples[:, ::-1], mode="CMYK", bit_depth=8 * samples.itemsize)
    page = tifffile.TiffFile(io.BytesIO(data)).pages[0]
    assert page.photometric == tifffile.PHOTOMETRIC.SEPARATED
    assert page.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
    np.testing.assert_array_equal(page.asarray(), samples[:, ::-1])
    assert read_picture(data).mode == "CMYK"


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("LA", 2), ("RGB", 3), ("RGBA", 4)])
def test_other_modes_become_pngs(mode, channels):
    samples = smooth(20, 30, channels).astype(np.uint16) * 257
    np.testing.assert_array_equal(
        imagecodecs.png_decode(written(samples, mode=mode, bit_depth=16)).reshape(samples.shape), samples
    )


def test_samples_of_few_bits_are_scaled_to_the_full_range():
    samples = np.arange(4, dtype=np.uint8).reshape(2, 2, 1)
    assert imagecodecs.png_decode(written(samples, mode="L", bit_depth=2)).ravel().tolist() == [0, 85, 170, 255]


def test_the_name_says_where_the_region_is():
    assert region_name("a/b.jpg", (1, 2, 3, 4), replace(FACTS, mode="RGB")) == "a/b.jpg-1-2-3x4.png"
    assert region_name("a/b.jpg", (1, 2, 3, 4), replace(FACTS, mode="CMYK")) == "a/b.jpg-1-2-3x4.tif"
