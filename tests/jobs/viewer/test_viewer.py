"""`tilepress view` shows what an archive holds, of every kind; it gives nothing else, and to nobody else."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import tilepress
from tests.support.make_archives import bilevel_tiff, encoded, palette_png, smooth
from tests.support.make_collection import png16
from tests.support.web.asking import HOST, Viewer, viewer_of
from tilepress.errors import UsageError
from tilepress.jobs.viewer.iiif import parse_request
from tilepress.jobs.viewer.library import Library
from tilepress.jobs.viewer.render import pixels_held
from tilepress.jobs.viewer.view import ViewConfig, run_view

HOSTILE = "<img src=x onerror=alert(1)>.png"
INDICES = (smooth(90, 110, 1)[:, :, 0] // 4).astype(np.uint8)


def jpeg(mode: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(smooth(200, 240, 3)).convert(mode).save(out, "JPEG", quality=90, comment=b"<b>bold</b>")
    return out.getvalue()


FILES = {
    "rgb.png": encoded(smooth(150, 170, 3)),
    "rgba.png": encoded(smooth(150, 170, 4)),
    "gray.png": encoded(smooth(150, 170, 1)),
    "palette.png": palette_png(INDICES),
    "bilevel.tif": bilevel_tiff(130, 140),
    "gray16.png": png16(1),
    "photo.jpg": jpeg("RGB"),
    "inks.jpg": jpeg("CMYK"),
    HOSTILE: encoded(smooth(140, 140, 3, seed=3)),
    "broken.png": encoded(smooth(100, 100, 3))[:900],
    "notes.txt": b"no image",
    "deep/er/small.png": encoded(smooth(20, 20, 3)),
}


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewer]:
    yield viewer_of(tmp_path_factory.mktemp("view"), FILES)


def listed(viewer: Viewer, query: str = "", **numbers: int) -> list[str]:
    words = "&".join(f"{name}={number}" for name, number in numbers.items())
    found = viewer.get(f"/api/images?q={query}&{words}").json()
    assert found["complete"]
    return [image["path"] for image in found["images"]]


@pytest.mark.parametrize("path", ["rgb.png", "rgba.png", "gray.png", "palette.png", "bilevel.tif", "deep/er/small.png"])
def test_pixels_are_shown_as_pillow_shows_the_file(viewer: Viewer, path: str) -> None:
    expected = Image.open(io.BytesIO(FILES[path]))
    expected = expected.convert({"P": "RGB", "1": "L"}.get(expected.mode, expected.mode))
    assert np.array_equal(viewer.pixels(path, "full/max/0/default.png"), np.asarray(expected))


@pytest.mark.parametrize("path", ["photo.jpg", "inks.jpg"])
def test_a_jpeg_is_shown_as_pillow_shows_it(viewer: Viewer, path: str) -> None:
    expected = np.asarray(Image.open(io.BytesIO(FILES[path])).convert("RGB")).astype(int)
    assert np.abs(viewer.pixels(path, "full/max/0/default.png") - expected).max() <= 1


def test_sixteen_bits_are_shown_from_the_least_to_the_most_alike_in_all_tiles(viewer: Viewer) -> None:
    samples = np.asarray(Image.open(io.BytesIO(FILES["gray16.png"]))).astype(np.int64)
    low, high = samples.min(), samples.max()
    expected = (samples - low) * 255 // (high - low)
    assert np.array_equal(viewer.pixels("gray16.png", "full/max/0/default.png"), expected)
    assert np.array_equal(viewer.pixels("gray16.png", "3,5,20,10/max/0/default.png"), expected[5:15, 3:23])


def test_transparency_has_white_behind_it_in_a_jpeg(viewer: Viewer) -> None:
    rgba = smooth(150, 170, 4).astype(float)
    expected = rgba[:, :, :3] * rgba[:, :, 3:] / 255 + 255 - rgba[:, :, 3:]
    assert np.abs(viewer.pixels("rgba.png", "full/max/0/default.jpg") - expected).mean() < 4


def test_preview_and_difference_of_a_jpeg(viewer: Viewer) -> None:
    original = viewer.pixels("photo.jpg", "full/max/0/default.png").astype(int)
    preview = viewer.pixels("photo.jpg", "full/max/0/default.png", "preview").astype(int)
    assert preview.shape == original.shape
    assert 0 < np.abs(original - preview).mean() < 20
    difference = viewer.pixels("photo.jpg", "full/max/0/default.png", "difference")
    assert np.array_equal(difference, np.clip(128 + 4 * (original - preview), 0, 255))


def test_an_exact_image_has_no_preview(viewer: Viewer) -> None:
    assert viewer.get(f"{viewer.base('rgb.png', 'preview')}/info.json").status_code == 404


def test_preview_and_difference_of_latents(tmp_path: Path) -> None:
    viewer = viewer_of(tmp_path, {"a.png": encoded(smooth(100, 130, 3))}, codec="block-dnn-16")
    original = smooth(100, 130, 3).astype(int)
    preview = viewer.pixels("a.png", "full/max/0/default.png", "preview").astype(int)
    assert np.array_equal(preview, tilepress.open(viewer.library.url)["a.png"].array(preview=True))
    difference = viewer.pixels("a.png", "full/max/0/default.png", "difference")
    assert np.array_equal(difference, np.clip(128 + 4 * (original - preview), 0, 255))
    tiles = viewer.get("/api/tiles?path=a.png").json()
    row = dict(zip(tiles["columns"], tiles["rows"][0], strict=True))
    assert (row["w"], row["codec"], row["psnr"] > 20, row["residual"] > 0) == (64, "block-dnn", True, True)


def test_lists_are_in_order_in_pages_and_searched_by_part_or_glob(viewer: Viewer) -> None:
    everything = sorted(FILES, key=str.encode)
    assert listed(viewer) == everything
    assert listed(viewer, start=3, count=4) == everything[3:7]
    assert listed(viewer, "PALETTE") == ["palette.png"]
    assert listed(viewer, "deep/**") == ["deep/er/small.png"]
    assert listed(viewer, "nowhere") == []
    assert viewer.get("/api/images?q=[z-a]").status_code == 400
    assert viewer.get("/api/images?start=-1").status_code == 400


def test_what_is_no_image_is_listed_with_the_reason(viewer: Viewer) -> None:
    shown = {image["path"]: image for image in viewer.get("/api/images").json()["images"]}
    assert (shown["broken.png"]["shown"], shown["broken.png"]["damaged"]) == (False, True)
    assert "truncated" in shown["broken.png"]["reason"]
    answer = viewer.get(f"{viewer.base('notes.txt')}/info.json")
    assert (answer.status_code, answer.text.startswith("no image")) == (404, True)


def test_metadata_is_text(viewer: Viewer) -> None:
    answer = viewer.get("/api/metadata?path=photo.jpg")
    assert answer.headers["content-type"] == "application/json"
    assert ["comment", "b'<b>bold</b>'"[2:-1]] in answer.json()


def test_files_come_back_whole_under_their_names(viewer: Viewer) -> None:
    for path, content in FILES.items():
        answer = viewer.get(f"/api/file?path={path.replace('/', '%2F')}")
        assert (answer.status_code, answer.content) == (200, content)
        assert answer.headers["content-disposition"].startswith("attachment;")
        assert answer.headers["content-type"] == "application/octet-stream"
        assert "\n" not in answer.headers["content-disposition"] and "<" not in answer.headers["content-disposition"]


def test_the_overview_grows_until_all_of_it_is_known(viewer: Viewer) -> None:
    known = []
    while not known or known[-1] < 1:
        answer = viewer.get("/api/overview?path=rgb.png")
        known.append(float(answer.headers["tilepress-known"]))
        assert answer.headers["cache-control"] == "no-store"
    assert known == sorted(known)
    assert Image.open(io.BytesIO(answer.content)).size == (22, 19)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8187", "127.0.0.1.evil.example", "", "localhost@evil"])
def test_other_names_of_this_machine_are_refused(viewer: Viewer, host: str) -> None:
    for url in ("/", "/api/images", "/static/main.js"):
        assert viewer.get(url, host=host).status_code == 403


def test_the_page_runs_nothing_but_its_own_scripts(viewer: Viewer) -> None:
    for url in ("/", "/static/main.js", "/api/images", f"{viewer.base('rgb.png')}/full/9,/0/default.jpg"):
        headers = viewer.get(url).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]


def test_other_sites_may_not_read_lists_nor_find_out_what_paths_there_are(viewer: Viewer) -> None:
    key = viewer.base("rgb.png").split("/")[5]
    guessed = [viewer.base("rgb.png").replace(key, other) for other in ("latest", "0" * 24)]
    for url in ("/api/images", "/api/file?path=rgb.png", "/", *guessed):
        assert "access-control-allow-origin" not in viewer.get(url, origin="https://evil.example").headers


def test_images_of_other_sites_do_not_tell_by_their_events_what_paths_there_are(viewer: Viewer) -> None:
    key = viewer.base("rgb.png").split("/")[5]
    latest = f"{viewer.base('rgb.png').replace(key, 'latest')}/full/9,/0/default.jpg"
    for url in ("/api/images", "/api/file?path=rgb.png", latest):
        assert viewer.get(url).headers["cross-origin-resource-policy"] == "same-origin"
    known = viewer.get(f"{viewer.base('rgb.png')}/full/9,/0/default.jpg")
    assert known.headers["cross-origin-resource-policy"] == "cross-origin"


segments = st.sampled_from(
    ["..", "%2e%2e", "%2F..%2F..", "etc%2Fpasswd", "archive.json", "runs", "%00", "%ff", ".", ""]
)


@settings(max_examples=60, deadline=None)
@given(path=st.lists(segments, min_size=1, max_size=6).map("/".join))
def test_no_path_leaves_the_archive(viewer: Viewer, path: str) -> None:
    for url in (f"/iiif/original/latest/{path}/info.json", f"/static/{path}", f"/api/file?path={path}", f"/{path}"):
        answer = viewer.get(f"{HOST}{url}")
        assert answer.status_code in (302, 303, 307, 400, 404, 405) or answer.text.startswith("<!doctype html>"), (
            url,
            answer,
        )
        assert "root:" not in answer.text and "archive_id" not in answer.text


def test_an_image_whose_name_has_a_line_break_is_shown(tmp_path: Path) -> None:
    viewer = viewer_of(tmp_path, {"a\nb\n.png": FILES["rgb.png"]})
    assert np.array_equal(viewer.pixels("a\nb\n.png", "full/max/0/default.png"), smooth(150, 170, 3))


def test_an_enlarged_pixel_counts_as_large_as_its_answer() -> None:
    assert pixels_held(parse_request(100, 100, "0,0,1,1", "^8000,8000", "0", "default.jpg")) == 64_000_000


def test_an_archive_on_s3(tmp_path: Path, s3_url: str) -> None:
    viewer = viewer_of(tmp_path, {"a.png": FILES["rgb.png"]}, archive=s3_url)
    assert np.array_equal(viewer.pixels("a.png", "full/max/0/default.png"), smooth(150, 170, 3))
    assert json.loads(viewer.get("/api/archive").text)["url"] == s3_url


def test_wrong_calls_say_what_to_do(tmp_path: Path, viewer: Viewer) -> None:
    with pytest.raises(UsageError):
        Library(str(tmp_path / "nothing"), {})
    with pytest.raises(UsageError, match="allow_remote"):
        run_view(ViewConfig(viewer.library.url, host="0.0.0.0"), lambda *_: None)
    with pytest.raises(UsageError, match="`port`"):
        run_view(ViewConfig(viewer.library.url, host="localhost", port=70000), lambda *_: None)
