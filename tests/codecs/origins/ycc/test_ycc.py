"""Origin `ycc`: luma and chroma come back as they were, however the picture was cut, turned or damaged since."""

from __future__ import annotations

import io
from dataclasses import replace

import av
import numpy as np
import pytest
from av.video.reformatter import Interpolation
from PIL import Image

from tests.support.origins.made_pictures import RGB, made_of, photo, spec_of, without_origin
from tests.support.origins.rule_samples import opencv_frame
from tests.support.photo_like import picture
from tilepress.codecs.classical.jpegxl import JpegXl
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.errors import StreamError
from tilepress.codecs.origins.base import Recovered
from tilepress.codecs.origins.exceptions import pack_exceptions
from tilepress.codecs.origins.ycc.colours import COLOURS, EXACT_SWSCALE
from tilepress.codecs.origins.ycc.finer import fine_chroma, make_fine_colours
from tilepress.codecs.origins.ycc.finer_filters import filters, parameters
from tilepress.codecs.origins.ycc.origin import Ycc
from tilepress.codecs.origins.ycc.sampling import FANCY, FINE, FULL, MIDWAY, REPLICATED, Axis, Sampling, samplings
from tilepress.codecs.origins.ycc.upsampling import full_chroma, picture_of

RULE = Ycc()
SIZE = 141, 132
FULL_CHROMA = Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND
HALF, WHOLE = Axis(half=True), Axis()


def planes_like_a_photo(sampling: Sampling, size: tuple[int, int] = SIZE) -> list[np.ndarray]:
    """Luma, and chroma at its own size: what is within 0..255 of RGB."""
    luma = photo(TileSpec(*size, 1, "uint8", 8, "gray"))[:, :, 0] // 2 + 60
    rows, columns = sampling.shape(*size)
    large = [picture(TileSpec(4 * rows, 4 * columns, 1, "uint8", 8, "gray"), seed=seed)[0, :, :, 0] for seed in (1, 2)]
    return [luma, *(np.ascontiguousarray(plane[::4, ::4] // 3 + 88) for plane in large)]


def made(number: int, sampling: Sampling, planes: list[np.ndarray]) -> np.ndarray:
    """The picture that a conversion makes of planes."""
    size = planes[0].shape
    lattice = sampling.lattice(*size)
    out = np.empty((*size, 3), np.uint8)
    picture_of(planes[0], full_chroma(planes[1], lattice), full_chroma(planes[2], lattice), COLOURS[number], out)
    return out


def recovered_of(pixels: np.ndarray) -> tuple[Recovered, float]:
    """What is recovered of a picture that the rule finds, and which share of the pixels is right."""
    spec = spec_of(pixels)
    guess = RULE.detect(pixels, spec)
    assert guess is not None
    recovered = RULE.invert(pixels, spec, guess)
    assert recovered is not None
    return recovered, float((RULE.apply(recovered, spec) == pixels).all(axis=2).mean())


@pytest.mark.parametrize("number", COLOURS)
def test_every_conversion_is_found(number: int) -> None:
    sampling = Sampling(REPLICATED, HALF, HALF)
    planes = planes_like_a_photo(sampling)
    recovered, share = recovered_of(made(number, sampling, planes))
    assert share == 1
    for found, plane in zip(recovered.planes, planes, strict=True):
        assert (found[:, :, 0] == plane).mean() > 0.999
    alike = {8: 2}  # BT.601 of full range by swscale is JFIF but for roundings, which few colours show
    assert recovered.facts[1] in (number, alike.get(number))
    assert RULE.describe(recovered) == f"{COLOURS[recovered.facts[1]].name}, half chroma replicated"


@pytest.mark.parametrize("sampling", list(samplings()), ids=str)
def test_every_sampling_is_found(sampling: Sampling) -> None:
    planes = planes_like_a_photo(sampling)
    recovered, share = recovered_of(made(2, sampling, planes))
    assert share > (0.97 if sampling.kind == FANCY else 0.999)
    assert [plane.shape[:2] for plane in recovered.planes[1:]] == [sampling.shape(*SIZE)] * 2


def test_pictures_that_every_sixteenth_line_was_taken_from_are_found() -> None:
    sampling = Sampling(MIDWAY, Axis(half=True, phase=1, period=15), Axis(half=True, period=15))
    recovered, share = recovered_of(made(1, sampling, planes_like_a_photo(sampling, (150, 170))))
    assert share > 0.999
    assert recovered.facts[2] == MIDWAY


@pytest.mark.parametrize("turns", range(4))
def test_turned_and_cropped_photocd_pictures_are_found(turns: int) -> None:
    sampling = Sampling(MIDWAY, HALF, HALF)
    pixels = np.rot90(made(1, sampling, planes_like_a_photo(sampling)), turns)[turns:, 1:]
    recovered, share = recovered_of(np.ascontiguousarray(pixels))
    assert share > 0.999
    assert recovered.facts[2] == MIDWAY


@pytest.mark.parametrize(("subsampling", "half"), [(0, (False, False)), (1, (False, True)), (2, (True, True))])
def test_what_libjpeg_decoded_is_explained(subsampling: int, half: tuple[bool, bool]) -> None:
    file = io.BytesIO()
    steep = picture(replace(RGB, height=800, width=840))[0, ::4, ::4]
    Image.fromarray(steep).save(file, "JPEG", quality=90, subsampling=subsampling)
    pixels = np.asarray(Image.open(file))
    recovered, share = recovered_of(pixels)
    assert share > 0.95
    kind = "full chroma" if not any(half) else f"{'half chroma' if all(half) else 'chroma of half width'} smoothed"
    assert RULE.describe(recovered) == f"JFIF, libjpeg, {kind}"


def test_clipped_pixels_cost_little() -> None:
    """A frame with burnt-out lights and deep shadows: almost every pixel still has luma under smooth chroma."""
    rgb = photo(replace(RGB, height=160, width=200)).astype(np.int64)
    pixels = opencv_frame(np.clip((rgb - 128) * 4 + 128, 0, 255).astype(np.uint8))
    clipped = ((pixels == 0) | (pixels == 255)).any(axis=2).mean()
    assert clipped > 0.15
    _, share = recovered_of(pixels)
    assert 1 - share < 0.05 * clipped


def test_a_picture_with_a_caption_is_still_found() -> None:
    sampling = Sampling(REPLICATED, HALF, HALF)
    pixels = made(3, sampling, planes_like_a_photo(sampling))
    pixels[100:112, 10:90] = photo(RGB)[:12, :80]
    recovered, share = recovered_of(pixels)
    assert share > 0.9
    assert recovered.facts[2] == REPLICATED


def interpolated(number: int, sampling: Sampling, planes: list[np.ndarray]) -> np.ndarray:
    """The picture that swscale makes of planes with full chroma."""
    both = filters(sampling, *planes[0].shape)
    out = np.empty((*planes[0].shape, 3), np.uint8)
    make_fine_colours(planes[0], *(fine_chroma(plane, *both) for plane in planes[1:]), parameters(number), out)
    return out


@pytest.mark.parametrize(("kind", "number"), list(zip(FINE, EXACT_SWSCALE, strict=True)))
@pytest.mark.parametrize("vertical", [WHOLE, HALF])
def test_interpolated_chroma_is_found(kind: int, number: int, vertical: Axis) -> None:
    sampling = Sampling(kind, vertical, HALF)
    planes = planes_like_a_photo(sampling)
    noise = np.random.default_rng(number).normal(0, 1, (2, *planes[1].shape))
    planes[1:] = [(plane + np.rint(one)).astype(np.uint8) for plane, one in zip(planes[1:], noise, strict=True)]
    recovered, share = recovered_of(interpolated(number, sampling, planes))
    assert share > 0.98
    assert recovered.facts[1:3] == bytes([number, kind])
    for found, plane in zip(recovered.planes, planes, strict=True):
        assert (found[:, :, 0] == plane).mean() > 0.98


def test_frames_of_ffmpeg_with_full_chroma_are_found_and_cropped_ones_too() -> None:
    frame = av.VideoFrame.from_ndarray(photo(replace(RGB, height=200, width=180)), format="rgb24").reformat(
        format="yuv420p"
    )
    pixels = frame.reformat(format="rgb24", interpolation=FULL_CHROMA).to_ndarray()
    recovered, share = recovered_of(pixels)
    assert share > 0.999
    assert RULE.describe(recovered) == "BT.601, swscale full chroma, half chroma interpolated"
    recovered, share = recovered_of(np.ascontiguousarray(pixels[1:, 3:-2]))
    assert share > 0.97  # what samples outside would have told of the outermost pixels is lost
    assert recovered.facts[4] == recovered.facts[8] == 1


def test_clipped_pixels_under_interpolated_chroma_cost_little() -> None:
    rgb = photo(replace(RGB, height=160, width=200)).astype(np.int64)
    bright = np.clip((rgb - 128) * 3 + 128, 0, 255).astype(np.uint8)
    frame = av.VideoFrame.from_ndarray(bright, format="rgb24").reformat(format="yuv420p")
    pixels = frame.reformat(format="rgb24", interpolation=FULL_CHROMA).to_ndarray()
    clipped = ((pixels == 0) | (pixels == 255)).any(axis=2).mean()
    assert clipped > 0.05
    _, share = recovered_of(pixels)
    assert 1 - share < 0.15 * clipped


def test_alpha_is_a_plane_of_its_own() -> None:
    sampling = Sampling(FULL, WHOLE, WHOLE)
    planes = planes_like_a_photo(sampling)
    pixels = np.dstack([made(2, sampling, planes), planes[1]])
    recovered = made_of(RULE, pixels, spec_of(pixels))
    assert np.array_equal(recovered.planes[3][:, :, 0], planes[1])


def test_planes_are_smaller_than_the_picture() -> None:
    """Everything counted: the planes and the exceptions, both by JPEG XL."""
    spec = replace(RGB, height=256, width=256)
    pixels = opencv_frame(photo(spec))
    recovered, _ = recovered_of(pixels)
    codec, settings = JpegXl(), Settings(effort=3)
    specs = RULE.plane_specs(recovered.facts, spec)
    coded = [codec.encode_tile(plane, one, settings) for plane, one in zip(recovered.planes, specs, strict=True)]
    exceptions = pack_exceptions(pixels, RULE.apply(recovered, spec), spec)
    assert sum(map(len, coded)) + len(exceptions) < 0.7 * len(codec.encode_tile(pixels, spec, settings))


def test_pictures_without_such_an_origin_are_refused() -> None:
    few = (np.arange(30, dtype=np.uint8)[:, None, None] * 4 + np.array([9, 8, 7], np.uint8)).repeat(200, axis=1)
    gray = photo(replace(RGB, channels=1, colour="gray")).repeat(3, axis=2)
    for pixels in [*without_origin(), few, gray]:
        assert RULE.detect(pixels, spec_of(pixels)) is None


@pytest.mark.parametrize("place", range(11))
def test_facts_that_nobody_writes_are_refused(place: int) -> None:
    sampling = Sampling(REPLICATED, HALF, HALF)
    facts = bytearray(recovered_of(made(2, sampling, planes_like_a_photo(sampling)))[0].facts)
    facts[place] = 0 if place == 0 else 201
    facts[place + 1 : place + 2] = facts[place + 1 : place + 2] if place not in (5, 9) else b"\xca"  # offset, not below
    with pytest.raises(StreamError):
        RULE.plane_specs(bytes(facts), replace(RGB, height=20, width=20))


def test_chroma_is_never_larger_than_the_picture() -> None:
    """One position left out after every one doubles the lattice, which FANCY needs one sample more for."""
    facts = bytes([1, 2, FANCY, 1, 0, 1, 0, 1, 0, 1, 0])
    with pytest.raises(StreamError):
        RULE.plane_specs(facts, RGB)
