"""The example by which kernels are warmed: its JPEG is found, so that every kernel runs."""

from __future__ import annotations

import pytest

from tests.support.origins.jpegs import jpeg_of
from tilepress.codecs.jpeg.decode import decode
from tilepress.codecs.jpeg.decoders import DECODERS
from tilepress.codecs.jpeg.file.coefficients import SAMPLINGS, Sampling
from tilepress.codecs.jpeg.file.foreign import read_foreign
from tilepress.codecs.kernels.cache import KernelCache
from tilepress.codecs.origins.jpeg.example import example, recover_example
from tilepress.codecs.origins.jpeg.search.recover import recover_jpeg


@pytest.mark.parametrize("sampling", SAMPLINGS.values())
def test_the_example_is_found(sampling: Sampling) -> None:
    picture = decode(example(sampling), DECODERS[0])
    found = recover_jpeg(picture)
    assert found is not None and found.image.sampling == sampling
    assert found.wrong < 0.05 * picture[:, :, 0].size


def test_pictures_that_may_not_be_written_to_need_no_other_kernels() -> None:
    for sampling in SAMPLINGS.values():
        recover_example(sampling)
    picture = decode(example((2, 2)), DECODERS[0])
    picture.flags.writeable = False
    compiled = KernelCache.compiled
    assert recover_jpeg(picture[:-3, 5:]) is not None
    assert KernelCache.compiled == compiled


@pytest.mark.parametrize("progressive", [False, True])
def test_files_of_other_programs_need_no_other_kernels(progressive: bool) -> None:
    recover_example((2, 2))
    compiled = KernelCache.compiled
    pixels = decode(example((2, 2)), DECODERS[0])
    for samples in (pixels, pixels[:, :, :1]):
        read_foreign(jpeg_of(samples, 80, progressive=progressive)).coefficients()
    assert KernelCache.compiled == compiled
