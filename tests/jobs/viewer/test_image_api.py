"""`tilepress view` answers the IIIF Image API 3.0 at level 2.

What the validator of the IIIF asks of a server, written anew from the specification, each test named after the feature:
https://iiif.io/api/image/3.0/ and https://iiif.io/api/image/3.0/compliance/. Here the image is not the validator's,
and pixels are compared exactly.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.support.make_archives import encoded, smooth
from tests.support.web.asking import HOST, Viewer, viewer_of

WIDTH, HEIGHT = 300, 200
NAME = "photos/a b%2F.png"
PIXELS = smooth(HEIGHT, WIDTH, 3)


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewer]:
    """An archive of one picture, in tiles that do not divide its sides."""
    yield viewer_of(tmp_path_factory.mktemp("view"), {NAME: encoded(PIXELS)})


def status(viewer: Viewer, request: str) -> int:
    return viewer.get(f"{viewer.base(NAME)}/{request}").status_code


def png(
    viewer: Viewer, region: str = "full", size: str = "max", rotation: str = "0", quality: str = "default"
) -> np.ndarray:
    return viewer.pixels(NAME, f"{region}/{size}/{rotation}/{quality}.png")


def test_info_json(viewer: Viewer) -> None:
    answer = viewer.get(f"{viewer.base(NAME)}/info.json")
    info = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert info["@context"] == "http://iiif.io/api/image/3/context.json"
    assert (info["id"], info["type"], info["protocol"], info["profile"]) == (
        viewer.base(NAME),
        "ImageService3",
        "http://iiif.io/api/image",
        "level2",
    )
    assert (info["width"], info["height"]) == (WIDTH, HEIGHT)
    assert info["tiles"] == [{"width": 512, "scaleFactors": [1]}]
    assert info["sizes"] == [{"width": WIDTH, "height": HEIGHT}]


def test_info_json_lists_only_sizes_and_features_that_are_served(viewer: Viewer) -> None:
    info = viewer.get(f"{viewer.base(NAME)}/info.json").json()
    for size in info["sizes"]:
        assert png(viewer, size=f"{size['width']},{size['height']}").shape == (size["height"], size["width"], 3)
    for kind in info["extraFormats"]:
        assert status(viewer, f"full/max/0/default.{kind}") == 200
    for quality in info["extraQualities"]:
        assert status(viewer, f"full/max/0/{quality}.jpg") == 200
    assert "mirroring" in info["extraFeatures"]
    assert status(viewer, "full/max/!0/default.jpg") == 200


def test_json_ld_media_type(viewer: Viewer) -> None:
    answer = viewer.get(f"{viewer.base(NAME)}/info.json", accept="application/ld+json")
    assert answer.headers["content-type"].startswith("application/ld+json")
    assert answer.headers["vary"] == "Accept"


def test_base_uri_redirect(viewer: Viewer) -> None:
    answer = viewer.get(viewer.base(NAME))
    assert (answer.status_code, answer.headers["location"]) == (303, f"{viewer.base(NAME)}/info.json")


def test_cors(viewer: Viewer) -> None:
    for request in ("info.json", "full/max/0/default.jpg", "full/0,0/0/default.jpg"):
        answer = viewer.get(f"{viewer.base(NAME)}/{request}", origin="https://example.org")
        assert answer.headers["access-control-allow-origin"] == "*"
    assert viewer.get(f"{viewer.base(NAME)}/info.json", "OPTIONS").status_code == 204


def test_link_headers(viewer: Viewer) -> None:
    answer = viewer.get(f"{viewer.base(NAME)}/0,0,{WIDTH},{HEIGHT}/!150,150/360/default.jpg")
    links = {rel: target for target, rel in re.findall(r'<([^>]+)>;rel="([^"]+)"', answer.headers["link"])}
    assert links["profile"] == "http://iiif.io/api/image/3/level2.json"
    assert links["canonical"] == f"{viewer.base(NAME)}/full/150,100/0/default.jpg"
    assert viewer.get(links["canonical"]).content == answer.content


def test_region_by_pixels_is_cut_at_the_edges(viewer: Viewer) -> None:
    assert np.array_equal(png(viewer, "37,50,100,70"), PIXELS[50:120, 37:137])
    assert np.array_equal(png(viewer, "290,190,100,100"), PIXELS[190:, 290:])


def test_region_by_percent_and_square(viewer: Viewer) -> None:
    assert np.array_equal(png(viewer, "pct:10,25,50,12.5"), PIXELS[50:75, 30:180])
    assert np.array_equal(png(viewer, "square"), PIXELS[:, 50:250])


@pytest.mark.parametrize(
    ("size", "sides"),
    [
        ("max", (300, 200)), ("150,", (150, 100)), (",50", (75, 50)), ("pct:10", (30, 20)), ("60,90", (60, 90)),
        ("!90,90", (90, 60)), ("!900,900", (300, 200)), ("^!900,900", (900, 600)), ("^600,", (600, 400)),
        ("^pct:150", (450, 300)), ("^max", (300, 200)), ("^20,10", (20, 10)), ("1,", (1, 1)),
    ],
)  # fmt: skip
def test_size(viewer: Viewer, size: str, sides: tuple[int, int]) -> None:
    assert png(viewer, size=size).shape == (sides[1], sides[0], 3)


@pytest.mark.parametrize("factor", [2, 4])
def test_smaller_pixels_are_the_means_of_squares(viewer: Viewer, factor: int) -> None:
    squares = PIXELS.reshape(HEIGHT // factor, factor, WIDTH // factor, factor, 3)
    apart = np.abs(png(viewer, size=f"{WIDTH // factor},") - squares.mean(axis=(1, 3)))
    assert apart.max() <= 0.5


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_rotation_by_right_angles_clockwise_and_mirroring_before_it(viewer: Viewer, turn: int) -> None:
    assert np.array_equal(png(viewer, rotation=str(turn)), np.rot90(PIXELS, -turn // 90))
    assert np.array_equal(png(viewer, rotation=f"!{turn}"), np.rot90(PIXELS[:, ::-1], -turn // 90))


def test_quality(viewer: Viewer) -> None:
    gray = np.asarray(Image.fromarray(PIXELS).convert("L"))
    assert np.array_equal(png(viewer, quality="color"), PIXELS)
    assert np.array_equal(png(viewer, quality="gray"), gray)
    assert np.array_equal(png(viewer, quality="bitonal"), gray >= 128)


@pytest.mark.parametrize(("kind", "name"), [("jpg", "JPEG"), ("png", "PNG"), ("webp", "WEBP")])
def test_format(viewer: Viewer, kind: str, name: str) -> None:
    answer = viewer.get(f"{viewer.base(NAME)}/full/max/0/default.{kind}")
    picture = Image.open(io.BytesIO(answer.content))
    assert (picture.format, picture.size) == (name, (WIDTH, HEIGHT))
    assert answer.headers["content-type"] == f"image/{name.lower()}"
    near = np.abs(np.asarray(picture.convert("RGB")).astype(int) - PIXELS).mean()
    assert near < 4


@pytest.mark.parametrize(
    "request_",
    [
        "0,0,0,10/max/0/default.jpg", "300,0,10,10/max/0/default.jpg", "nowhere/max/0/default.jpg",
        "-1,0,10,10/max/0/default.jpg", "pct:0,0,0,1/max/0/default.jpg", "1,2,3/max/0/default.jpg",
        "full/full/0/default.jpg", "full/,/0/default.jpg", "full/0,/0/default.jpg", "full/301,/0/default.jpg",
        "full/,201/0/default.jpg", "full/pct:101/0/default.jpg", "full/pct:0/0/default.jpg", "full/!9,/0/default.jpg",
        "full/^99999,99999/0/default.jpg", "full/max/361/default.jpg", "full/max/-90/default.jpg",
        "full/max/x/default.jpg", "full/max/0/native.jpg", "full/max/0/default.xyz", "full/max/0/default",
        "full/1e3,/0/default.jpg", "full/max/nan/default.jpg", "full/٣,/0/default.jpg",
    ],
)  # fmt: skip
def test_errors_of_parameters(viewer: Viewer, request_: str) -> None:
    answer = viewer.get(f"{viewer.base(NAME)}/{request_}")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    assert answer.text.strip()


def test_what_a_server_of_level_2_need_not_do_is_not_implemented(viewer: Viewer) -> None:
    assert status(viewer, "full/max/22.5/default.jpg") == 501
    assert status(viewer, "full/max/0/default.jp2") == 501


def test_errors_of_identifiers(viewer: Viewer) -> None:
    base = viewer.base(NAME)
    unescaped = base.replace("photos%2F", "photos/")
    assert viewer.get(f"{unescaped}/info.json").status_code == 404
    assert viewer.get(f"{base}x/info.json").status_code == 404
    assert viewer.get(f"{base}/full/max/0").status_code == 404
    assert viewer.get(f"{base}/%ff/max/0/default.jpg").status_code == 400


def test_answers_are_kept_for_good_under_a_key_and_asked_for_anew_by_path(viewer: Viewer) -> None:
    url = f"{viewer.base(NAME)}/full/90,/0/default.jpg"
    first = viewer.get(url)
    assert first.headers["cache-control"] == "public, max-age=31536000, immutable"
    again = viewer.get(url, if_none_match=first.headers["etag"])
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    head = viewer.get(url, "HEAD")
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(first.content)))
    key = viewer.base(NAME).split("/")[5]
    latest = viewer.get(url.replace(key, "latest"))
    assert (latest.status_code, latest.headers["cache-control"]) == (302, "no-cache")
    assert f"{HOST}{latest.headers['location']}" == url
    assert viewer.get(url.replace(key, "0" * 24)).status_code == 404


regions = st.tuples(st.integers(0, WIDTH - 1), st.integers(0, HEIGHT - 1), st.integers(1, 400), st.integers(1, 300))


@settings(max_examples=40, deadline=None)
@given(region=regions, turn=st.sampled_from([0, 90, 180, 270]), mirror=st.booleans())
def test_any_region_is_a_slice_of_the_pixels(
    viewer: Viewer, region: tuple[int, int, int, int], turn: int, mirror: bool
) -> None:
    x, y, w, h = region
    expected = PIXELS[y : y + h, x : x + w]
    expected = expected[:, ::-1] if mirror else expected
    found = png(viewer, f"{x},{y},{w},{h}", rotation=f"{'!' * mirror}{turn}")
    assert np.array_equal(found, np.rot90(expected, -turn // 90))


@settings(max_examples=40, deadline=None)
@given(region=regions, share=st.tuples(st.integers(5, 100), st.integers(5, 100)))
def test_any_size_is_that_of_the_whole_picture_scaled_from_the_same_level(
    viewer: Viewer, region: tuple[int, int, int, int], share: tuple[int, int]
) -> None:
    x, y = region[:2]
    w, h = min(region[2], WIDTH - x), min(region[3], HEIGHT - y)
    wide, high = max(1, w * share[0] // 100), max(1, h * share[1] // 100)
    factor = min(8, 1 << max(0, min(w // wide, h // high).bit_length() - 1))
    level = Image.fromarray(PIXELS).reduce(factor)
    box = (x / factor, y / factor, min(level.width, (x + w) / factor), min(level.height, (y + h) / factor))
    whole = w % wide == 0 and h % high == 0
    expected = level.resize((wide, high), Image.Resampling.BOX if whole else Image.Resampling.HAMMING, box=box)
    found = png(viewer, f"{x},{y},{w},{h}", f"{wide},{high}").astype(int)
    assert np.abs(found - np.asarray(expected)).max() <= 1  # Pillow's coefficients depend on where a box begins
