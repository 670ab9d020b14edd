"""What an evaluation shows besides its figures: crops side by side, plots of lossless codecs, and one HTML page."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from tests.support.evaluations import of, rows, snapshot
from tests.support.interrupted import ONE
from tests.support.make_collection import encoded, picture, write_tree
from tests.support.web import browser
from tilepress import evaluate
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.registry import load_codec
from tilepress.jobs.evaluation import crops
from tilepress.pipeline.coding.tile_coding import psnr
from tilepress.pipeline.errors import DamagedPicture
from tilepress.pipeline.formats.picture import Picture

NOISY, SMOOTH = "noisy.png", "smooth.png"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A smooth picture, and one that is smooth but for noise in a corner."""
    folder = tmp_path_factory.mktemp("crops") / "s"
    smooth = picture(400, 500, 3)
    noisy = smooth.copy()
    noisy[130:, 230:] = np.random.default_rng(1).integers(0, 256, noisy[130:, 230:].shape)
    images = {SMOOTH: smooth, NOISY: noisy}
    write_tree(folder, {name: encoded(Image.fromarray(image), "PNG") for name, image in images.items()})
    return folder, images


@pytest.fixture(scope="module")
def shown(photos, tmp_path_factory):
    out = tmp_path_factory.mktemp("shown") / "out"
    asked = {"qualities": (20, 60, 90), "tile": 128, **ONE}
    return out, evaluate(str(photos[0]), str(out), ["jpeg", "webp", "png"], **asked), asked


def crop(out, name: str) -> np.ndarray:
    (path,) = (out / "crops").glob(name)
    return np.asarray(Image.open(path))


def test_crops_are_of_the_worst_and_the_median_image_where_the_first_codec_errs_most(shown, photos):
    out, images = shown[0], photos[1]
    assert (crop(out, "worst-0-original.png") == images[NOISY][144:, 244:]).all()
    assert crop(out, "median-0-original.png").shape == (256, 256, 3)
    names = {path.name.split("-q")[0] for path in (out / "crops").iterdir()} - {"worst-0-original.png"}
    assert names == {
        "median-0-original.png",
        *(f"{why}-{n}" for why in ("worst", "median") for n in ("1-jpeg", "2-webp")),
    }


def test_a_crop_is_what_the_codec_made_of_these_pixels_at_the_nearest_rate(shown, photos):
    out, image = shown[0], photos[1][NOISY]
    found = rows(out)
    assert (out / "crops/worst-1-jpeg-q60.png").exists()
    target = of(found, NOISY, "jpeg", 60)["bpp"]
    rates = {quality: of(found, NOISY, "webp", quality)["bpp"] for quality in (20, 60, 90)}
    nearest = min(rates, key=lambda quality: abs(np.log(rates[quality] / target)))
    assert (out / f"crops/worst-2-webp-q{nearest}.png").exists()
    codec, decoded = load_codec("jpeg"), np.empty_like(image)
    for y in range(0, 400, 128):
        for x in range(0, 500, 128):
            tile = np.ascontiguousarray(image[y : y + 128, x : x + 128])
            spec = TileSpec(*tile.shape, "uint8", 8, "rgb")
            decoded[y : y + 128, x : x + 128] = codec.decode(codec.encode(tile[None], spec, Settings(60)), spec)[0]
    assert (crop(out, "worst-1-jpeg-*.png") == decoded[144:, 244:]).all()
    assert psnr(image, decoded, 255) == pytest.approx(of(found, NOISY, "jpeg", 60)["psnr"])


def test_the_page_has_every_part_and_escapes_what_images_are_called(tmp_path):
    write_tree(tmp_path, {"s/<b>&.png": encoded(Image.fromarray(picture(90, 80, 3)), "PNG"), "s/notes.txt": b"x"})
    out = tmp_path / "out"
    evaluate(str(tmp_path / "s"), str(out), ["jpeg:20,80", "webp:20,80", "png"], **ONE)
    html = (out / "report.html").read_text()
    for words in ("Operating points", "Rate and distortion", "BD-rate against jpeg", "Side by side: the worst image"):
        assert words in html
    for words in ("Before and after", "Not evaluated", "notes.txt", "&lt;b&gt;&amp;.png", "--codec webp:20,80"):
        assert words in html
    assert "<b>&.png" not in html and len(html) < 5_000_000


def test_lossless_codecs_are_drawn_by_their_rate_and_speed(mixed, tmp_path):
    out = tmp_path / "out"
    evaluate(str(mixed / "colour.png"), str(out), ["jpegxl", "png", "bzip2"], fidelity="pixels", **ONE)
    for name in ("rate", "speed-and-rate"):
        with Image.open(out / f"{name}.png") as image:
            assert min(image.size) > 600
        svg = (out / f"{name}.svg").read_text()
        assert ElementTree.fromstring(svg).tag.endswith("svg")
        assert all(f"<!-- {words} -->" in svg for words in ("jpegxl", "png", "bzip2", "bits per pixel"))
    html = (out / "report.html").read_text()
    assert "Bits per pixel" in html and "Speed and size" in html and "Side by side" not in html


def test_a_folder_of_an_earlier_release_gets_what_it_lacks_and_keeps_the_rest(shown, photos, tmp_path):
    out = tmp_path / "old"
    shutil.copytree(shown[0], out)
    shutil.rmtree(out / "crops")
    (out / "report.html").unlink()
    before = snapshot(out)
    again = evaluate(str(photos[0]), str(out), ["jpeg", "webp", "png"], **shown[2])
    assert {name.partition("/")[0] for name in again.written} == {"crops", "report.html"}
    after = snapshot(out)
    assert {name: after[name] for name in before} == before
    made = [name for name in after if name.startswith("crops/")]
    whole = snapshot(shown[0])
    assert len(made) == 6 and all(after[name][0] == whole[name][0] for name in made)


def test_images_that_cannot_be_read_any_more_have_no_crops_and_cost_nothing_else(photos, tmp_path, monkeypatch):
    def gone(picture: Picture) -> None:
        raise DamagedPicture("torn")

    monkeypatch.setattr(crops, "whole", gone)
    report = evaluate(str(photos[0]), str(tmp_path / "out"), ["jpeg:50", "webp:50"], **ONE)
    assert report.exit_code == 0 and not (tmp_path / "out/crops").exists()
    assert "Side by side" not in (tmp_path / "out/report.html").read_text()


@pytest.mark.slow
def test_the_page_opens_in_a_browser_and_asks_no_network(shown):
    with browser.page(offline=True) as page:
        page.goto((shown[0] / "report.html").as_uri())
        assert page.locator("h2").all_inner_texts()[0].lower() == "in short"
        sizes = page.evaluate("[...document.images].map(image => image.naturalWidth)")
        assert sizes and min(sizes) > 0
