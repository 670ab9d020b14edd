"""The page of an audit: what it shows of images, and that names and metadata cannot break out of it."""

from __future__ import annotations

import pytest

from tests.jobs.audit.conftest import photo
from tests.support.interrupted import ONE
from tests.support.make_collection import encoded, image_of, write_tree
from tests.support.web.browser import page
from tilepress import audit
from tilepress.pipeline.errors import UsageError

EVIL = "<script>alert(1)</script>"


def test_the_page_shows_the_worst_places_and_examples_of_findings(shots, lossy, tmp_path):
    asked = {"against": str(shots), "out": str(tmp_path / "out")}
    report = audit(str(lossy), report=str(tmp_path / "page.html"), **asked, **ONE)
    text = (tmp_path / "page.html").read_text()
    assert report.page == str(tmp_path / "page.html") and (tmp_path / "out/report.html").read_text() == text
    for words in (
        "Worst places",
        "2024/large.png",
        "blank",
        "Bits per pixel",
        "By folder",
        "torn.png",
        "came back exactly",
    ):
        assert words in text
    assert text.count("data:image/webp") >= 2 * len(report.worst)


def test_a_lossy_archive_alone_shows_its_worst_tiles(lossy, tmp_path):
    audit(str(lossy), report=str(tmp_path / "page.html"), **ONE)
    text = (tmp_path / "page.html").read_text()
    assert "as it was measured when they were encoded" in text and "data:image/webp" in text


def test_names_and_metadata_are_text(tmp_path):
    write_tree(tmp_path, {f"s/{EVIL.replace('/', '')}.png": photo(1, **{"271": EVIL, "272": "x"})})
    audit(str(tmp_path / "s"), out=str(tmp_path / "out"), **ONE)
    text = (tmp_path / "out/report.html").read_text()
    assert "<script>alert(1)" not in text and "&lt;script&gt;" in text


def test_no_name_and_no_camera_is_markup_or_hidden_in_the_summary(tmp_path):
    name = "a\n# head\u202egnp.\x1b[31m[x](javascript:1)|<b>.png"
    write_tree(tmp_path, {f"s/{name}": photo(1, **{"271": f"{EVIL}\u202e", "272": "x|y"})})
    write_tree(tmp_path, {f"s/torn {name}": photo(1)[:900]})
    report = audit(str(tmp_path / "s"), out=str(tmp_path / "out"), **ONE)
    text = (tmp_path / "out/summary.md").read_text()
    assert report.exit_code == 4 and "torn a" in text
    assert not {"<", "\u202e", "\x1b"} & set(text) and "\n# head" not in text and "](" not in text.replace("\\[x](", "")


def test_drift_and_missed_limits_are_on_the_page(tmp_path):
    write_tree(tmp_path, {"s/a.png": encoded(image_of("L", 40, 40), "PNG")})
    audit(str(tmp_path / "s"), out=str(tmp_path / "may"), **ONE)
    write_tree(tmp_path, {"s/b.png": encoded(image_of("L", 40, 40, seed=1), "PNG")})
    asked = {"since": str(tmp_path / "may"), "fail_over": ("files=1",), "report": str(tmp_path / "page.html")}
    asked |= {"slice": (1, 1), "sample": 0.5 + 0.49}
    assert audit(str(tmp_path / "s"), **asked, **ONE).exit_code == 3
    text = (tmp_path / "page.html").read_text()
    assert "appeared" in text and "files over 1" in text
    assert f"--slice 1/1 --sample 99% --fail-over files=1 --since {tmp_path / 'may'}" in text
    with pytest.raises(UsageError, match=r"it ends in \.html"):
        audit(str(tmp_path / "s"), report=str(tmp_path / "page"), **ONE)


@pytest.mark.slow
def test_the_page_opens_without_any_network(shots, lossy, tmp_path):
    audit(str(lossy), against=str(shots), report=str(tmp_path / "page.html"), **ONE)
    with page(offline=True) as opened:
        opened.goto((tmp_path / "page.html").as_uri())
        assert opened.get_by_text("Worst places").count() >= 1
