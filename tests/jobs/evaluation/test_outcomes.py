"""What could not be measured: every image is counted, with the reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.evaluations import of, rows
from tests.support.interrupted import ONE
from tests.support.make_collection import encoded, image_of, write_tree
from tilepress import evaluate
from tilepress.codecs.codec import TileSpec
from tilepress.pipeline.errors import MissingError, StorageError
from tilepress.pipeline.storage.local import LocalStorage


def test_what_is_not_evaluated_is_counted_with_the_reason(evaluated):
    out, report = evaluated
    assert report.files == 6 and report.images == 4 and report.exit_code == 3
    assert report.unknown == [("notes.txt", "not an image file that tilepress knows")]
    ((name, reason),) = report.unreadable
    assert name == "torn.png" and "truncated" in reason
    assert report.unsupported == {"jpeg": 1}
    row = of(rows(out), "deep.png", "jpeg", 20)
    assert (row["outcome"], row["reason"]) == ("unsupported", "jpeg cannot represent L images of 16 bits")
    assert row["bpp"] is None and of(rows(out), "deep.png", "block-dnn-16", 20)["outcome"] == "evaluated"
    assert {row["outcome"] for row in rows(out) if row["image"] == "torn.png"} == {"unreadable"}
    text = (out / "summary.md").read_text()
    assert all(words in text for words in ("torn.png", "notes.txt", "jpeg cannot represent 1 of the images"))


def test_a_source_without_any_image_ends_with_3(tmp_path):
    write_tree(tmp_path / "source", {"notes.txt": b"nothing"})
    report = evaluate(str(tmp_path / "source"), str(tmp_path / "out"), ["jpeg"], **ONE)
    assert report.exit_code == 3 and report.images == 0 and report.means[0].bpp is None


def test_files_that_are_no_images_do_not_count_as_failures(tmp_path):
    write_tree(tmp_path / "s", {"notes.txt": b"nothing", "x.png": encoded(image_of("L", 40, 40), "PNG")})
    report = evaluate(str(tmp_path / "s"), str(tmp_path / "out"), ["png"], **ONE)
    assert report.exit_code == 0 and report.unknown


@pytest.mark.parametrize(("error", "words"), [(MissingError, "vanished"), (StorageError, "permission denied")])
def test_an_image_that_cannot_be_fetched_is_counted_and_the_others_go_on(error, words, mixed, tmp_path, monkeypatch):
    read = LocalStorage.open_source

    def refuse(storage: LocalStorage, name: str, *args: Any, **options: Any) -> Any:
        if name == "colour.png":
            raise error(words)
        return read(storage, name, *args, **options)

    monkeypatch.setattr(LocalStorage, "open_source", refuse)
    report = evaluate(str(mixed), str(tmp_path / "out"), ["png"], exclude=("torn.png",), **ONE)
    assert report.unreadable == [("colour.png", words)] and report.exit_code == 3 and report.images == 3


def test_a_codec_that_fails_on_an_image_has_a_row_that_says_so(mixed, tmp_path, monkeypatch):
    from tilepress.codecs.classical.png import Png
    from tilepress.codecs.errors import StreamError

    def refuse(self: Png, data: bytes, spec: TileSpec) -> np.ndarray:
        raise StreamError("torn in two")

    monkeypatch.setattr(Png, "decode_tile", refuse)
    report = evaluate(str(mixed / "colour.png"), str(tmp_path / "out"), ["png", "jpegxl"], **ONE)
    assert report.failed == [("colour.png", "png: torn in two")] and report.exit_code == 3
    assert [row["outcome"] for row in rows(tmp_path / "out")] == ["failed", "evaluated"]


@pytest.mark.slow
def test_on_ray_a_codec_that_crashes_its_worker_has_a_row_that_says_so_too(mixed, ray_cluster, tmp_path):
    from tilepress_test_codecs import ENCODING_ABORTS

    bomb = encoded(Image.new("L", (40, 40), ENCODING_ABORTS), "PNG")
    write_tree(tmp_path / "source", {"bomb.png": bomb, "x.png": encoded(image_of("L", 40, 40), "PNG")})
    given, out = str(tmp_path / "source"), tmp_path / "out"
    report = evaluate(given, str(out), ["test-bomb", "png"], engine="ray", workers=2)
    ((name, reason),) = report.failed
    assert name == "bomb.png" and reason.startswith("test-bomb: it crashed the worker") and report.exit_code == 3
    outcomes = {(row["image"], row["codec"]): row["outcome"] for row in rows(out)}
    assert outcomes.pop(("bomb.png", "test-bomb")) == "failed" and set(outcomes.values()) == {"evaluated"}


def test_a_lossless_codec_that_is_not_is_found_out(mixed, tmp_path, monkeypatch):
    from tilepress.codecs.classical.png import Png

    decode = Png.decode_tile
    monkeypatch.setattr(Png, "decode_tile", lambda self, data, spec: decode(self, data, spec) ^ 1)
    report = evaluate(str(mixed / "colour.png"), str(tmp_path / "out"), ["png"], **ONE)
    ((name, reason),) = report.failed
    assert name == "colour.png" and "should be lossless" in reason
