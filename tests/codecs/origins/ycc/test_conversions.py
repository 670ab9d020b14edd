"""The conversions of `ycc` are those of the programs they are named for, and are undone where nothing was clipped."""

from __future__ import annotations

import io

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from tests.support.origins.made_pictures import RGB, photo
from tilepress.codecs.origins.ycc.colours import COLOURS, Colour
from tilepress.codecs.origins.ycc.recover import scene_of
from tilepress.codecs.origins.ycc.upsampling import picture_of

SIDE = 128
MATRICES = {"BT.601": "ITU601", "BT.709": "ITU709"}


def samples(seed: int = 0) -> np.ndarray:
    """Luma and chroma uint8 (3, SIDE, SIDE): half of them anything, half with chroma as photographs have it."""
    rng = np.random.default_rng(seed)
    planes = rng.integers(0, 256, (3, SIDE, SIDE))
    planes[1:, SIDE // 2 :] = np.clip(rng.normal(128, 20, (2, SIDE // 2, SIDE)), 0, 255)
    return planes.astype(np.uint8)


def converted(planes: np.ndarray, colour: Colour) -> np.ndarray:
    out = np.empty((*planes.shape[1:], 3), np.uint8)
    picture_of(*planes, colour, out)
    return out


def by_name(name: str) -> Colour:
    (found,) = (colour for colour in COLOURS.values() if colour.name == name)
    return found


@pytest.mark.parametrize("number", COLOURS)
def test_colours_without_limits_are_undone(number: int) -> None:
    colour, planes = COLOURS[number], samples(number)
    scene = scene_of(converted(planes, colour), colour)
    inside = scene.known != 2
    assert inside.mean() > 0.2
    assert (scene.known[inside] == 1).mean() > 0.998
    assert (scene.planes == planes).all(axis=0)[inside].mean() > 0.998


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize(("layout", "kind"), [("yuv420p", "swscale"), ("yuv444p", "swscale full chroma")])
def test_swscale(matrix: str, wide: bool, layout: str, kind: str) -> None:
    planes = samples()
    if layout == "yuv420p":
        planes[1:] = planes[1:, ::2, ::2].repeat(2, axis=1).repeat(2, axis=2)
    step = 2 if layout == "yuv420p" else 1
    flat = np.concatenate([planes[0].ravel(), planes[1, ::step, ::step].ravel(), planes[2, ::step, ::step].ravel()])
    frame = av.VideoFrame.from_ndarray(flat.reshape(-1, SIDE) if step == 2 else planes, format=layout)
    ranges = {"src_color_range": "JPEG" if wide else "MPEG", "dst_color_range": "JPEG"}
    made = frame.reformat(format="rgb24", src_colorspace=MATRICES[matrix], dst_colorspace=MATRICES[matrix], **ranges)
    ours = converted(planes, by_name(f"{matrix}{' full range' * wide}, {kind}"))
    # Blue beyond all limits overflows in swscale with full chroma, and comes out as 0.
    same = (made.to_ndarray() == ours).all(axis=2)
    assert same.mean() > (0.99 if step == 1 else 0.999999)
    assert same[SIDE // 2 :].all()


def test_opencv() -> None:
    planes = samples()
    for name, order, code in (
        ("YCrCb, OpenCV", (0, 2, 1), cv2.COLOR_YCrCb2RGB),
        ("YUV, OpenCV", (0, 1, 2), cv2.COLOR_YUV2RGB),
    ):
        stacked = np.ascontiguousarray(planes[list(order)].transpose(1, 2, 0))
        assert np.array_equal(cv2.cvtColor(stacked, code), converted(planes, by_name(name)))
    flat = np.concatenate([planes[0].ravel(), planes[1, ::2, ::2].ravel(), planes[2, ::2, ::2].ravel()])
    planes[1:] = planes[1:, ::2, ::2].repeat(2, axis=1).repeat(2, axis=2)
    made = cv2.cvtColor(flat.reshape(-1, SIDE), cv2.COLOR_YUV2RGB_I420)
    assert np.array_equal(made, converted(planes, by_name("BT.601, OpenCV")))


def test_libjpeg() -> None:
    """Pillow gives what its decoder has before the conversion, and after it."""
    file = io.BytesIO()
    Image.fromarray(photo(RGB)).save(file, "JPEG", quality=90)
    before = Image.open(file)
    before.draft("YCbCr", before.size)
    assert before.mode == "YCbCr"
    planes = np.ascontiguousarray(np.asarray(before).transpose(2, 0, 1))
    file.seek(0)
    assert np.array_equal(np.asarray(Image.open(file)), converted(planes, by_name("JFIF, libjpeg")))


def test_photocd() -> None:
    y, u, v = samples().astype(np.int64)
    red, blue = 18215 * (v - 137), 22179 * (u - 156)
    green = 13584 * y - 5090 * (red // 10000) - 1940 * (blue // 10000)
    exact = np.stack([13584 * y + red, green, 13584 * y + blue], axis=-1) // 10000
    assert np.array_equal(np.clip(exact, 0, 255), converted(samples(), by_name("PhotoCD YCC")))
