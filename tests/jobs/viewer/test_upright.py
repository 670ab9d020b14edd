"""`tilepress view` shows images upright, as their EXIF says, whatever they are stored as; what is stored stays."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageOps

import tilepress
from tests.support.make_archives import smooth
from tests.support.web.asking import Viewer, viewer_of
from tilepress.pipeline.formats.orientation import AS_STORED, orientation

WIDTH, HEIGHT = 171, 149  # of the stored pixels; odd, so that squares of reduced levels begin at either side
PIXELS = smooth(HEIGHT, WIDTH, 3)
VALUES = range(1, 9)
KINDS = {"jpg": "JPEG", "png": "PNG", "tif": "TIFF"}
SMALL = smooth(40, 50, 3, seed=2)


def file(kind: str, value: int, pixels: np.ndarray = PIXELS) -> bytes:
    exif, out = Image.Exif(), io.BytesIO()
    exif[ExifTags.Base.Orientation] = value
    options = {"quality": 92} if kind == "JPEG" else {"compression": "tiff_adobe_deflate"} if kind == "TIFF" else {}
    Image.fromarray(pixels).save(out, kind, exif=exif, **options)
    return out.getvalue()


def upright(pixels: np.ndarray, value: int) -> np.ndarray:
    """As Pillow, which is no part of what is tested, turns them."""
    picture = Image.fromarray(pixels)
    picture.getexif()[ExifTags.Base.Orientation] = value
    return np.asarray(ImageOps.exif_transpose(picture))


FILES = {f"{value}.{end}": file(kind, value) for value in VALUES for end, kind in KINDS.items()}
FILES |= {f"small/{value}.png": file("PNG", value, SMALL) for value in VALUES}  # of a stack


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewer]:
    yield viewer_of(tmp_path_factory.mktemp("upright"), FILES)


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("end", [*KINDS, "small"])
def test_images_are_shown_upright_and_info_json_says_their_sides_so(viewer: Viewer, end: str, value: int) -> None:
    path = f"small/{value}.png" if end == "small" else f"{value}.{end}"
    expected = upright(SMALL if end == "small" else PIXELS, value)
    found = viewer.pixels(path, "full/max/0/default.png")
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= (12 if end == "jpg" else 0)
    info = viewer.get(f"{viewer.base(path)}/info.json").json()
    assert (info["width"], info["height"]) == expected.shape[1::-1]
    assert info["sizes"][-1] == {"width": expected.shape[1], "height": expected.shape[0]}


@pytest.mark.parametrize("path", ["6.jpg", "8.tif", "5.png"])
def test_thumbnails_overviews_and_tiles_are_upright_too(viewer: Viewer, path: str) -> None:
    value = int(path[0])
    thumbnail = viewer.pixels(path, "full/!64,64/0/default.png").astype(int)
    expected = np.asarray(Image.fromarray(upright(PIXELS, value)).resize(thumbnail.shape[1::-1], Image.Resampling.BOX))
    assert thumbnail.shape[0] > thumbnail.shape[1]
    assert np.abs(thumbnail - expected).mean() < 4
    overview = Image.open(io.BytesIO(viewer.get(f"/api/overview?path={path}").content))
    assert overview.height > overview.width
    tiles = viewer.get(f"/api/tiles?path={path}").json()
    for x, y, w, h in (row[:4] for row in tiles["rows"]):
        assert 0 <= x < x + w <= HEIGHT and 0 <= y < y + h <= WIDTH


def test_the_page_says_that_an_image_was_turned_and_its_sides_as_shown(viewer: Viewer) -> None:
    image = viewer.get("/api/image?path=6.jpg").json()
    assert (image["width"], image["height"]) == (HEIGHT, WIDTH)
    assert image["upright"] == "turned by 90° to the right"
    assert viewer.get("/api/image?path=1.jpg").json()["upright"] == ""
    assert ["Orientation", "6"] in viewer.get("/api/metadata?path=6.jpg").json()


def test_what_is_stored_is_not_turned(viewer: Viewer) -> None:
    entry = tilepress.open(viewer.library.url)["6.png"]
    assert np.array_equal(entry.array(), PIXELS)
    assert viewer.get("/api/file?path=6.png").content == FILES["6.png"]


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_is_none_turns_nothing(value: int) -> None:
    assert orientation({"Orientation": str(value)}) == AS_STORED


areas = st.tuples(st.integers(0, 140), st.integers(0, 140), st.integers(1, 200), st.integers(1, 200))


@settings(max_examples=60, deadline=None)
@given(value=st.sampled_from(VALUES), area=areas, turn=st.sampled_from([0, 90, 180, 270]), mirror=st.booleans())
def test_any_region_is_a_slice_of_the_upright_picture(
    viewer: Viewer, value: int, area: tuple[int, int, int, int], turn: int, mirror: bool
) -> None:
    x, y, w, h = area
    expected = upright(PIXELS, value)[y : y + h, x : x + w]
    expected = expected[:, ::-1] if mirror else expected
    found = viewer.pixels(f"{value}.png", f"{x},{y},{w},{h}/max/{'!' * mirror}{turn}/default.png")
    assert np.array_equal(found, np.rot90(expected, -turn // 90))


@settings(max_examples=40, deadline=None)
@given(value=st.sampled_from(VALUES), sides=st.tuples(st.integers(1, 140), st.integers(1, 140)))
def test_any_size_is_that_of_the_stored_picture_turned(viewer: Viewer, value: int, sides: tuple[int, int]) -> None:
    wide, high = sides
    stored = (high, wide) if value > 4 else (wide, high)
    plain = viewer.pixels("1.png", f"full/{stored[0]},{stored[1]}/0/default.png")
    found = viewer.pixels(f"{value}.png", f"full/{wide},{high}/0/default.png")
    assert np.array_equal(found, upright(plain, value))
