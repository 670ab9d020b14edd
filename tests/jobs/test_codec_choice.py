"""`--codec`: what cannot work is refused before anything is written, and summaries say what became of the images."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tilepress
from tests.support.make_collection import encoded, image_of, write_tree
from tilepress.codecs.lossless.model import starts_of
from tilepress.codecs.model import SHIPPED, WEIGHTS_NAME, Model
from tilepress.jobs.archives import compress as compress_job
from tilepress.jobs.archives import listing
from tilepress.jobs.maintenance.catalogue import codec_rows
from tilepress.pipeline.coding.settings import EncodeSettings
from tilepress.pipeline.errors import ResumeError, UsageError

LOCAL = {"engine": "local", "workers": 1}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two images."""
    files = {"rgb.png": encoded(image_of("RGB", 60, 70), "PNG"), "a.jpg": encoded(image_of("RGB", 400, 300), "JPEG")}
    write_tree(tmp_path / "source", files)
    return tmp_path / "source"


def test_a_model_that_no_worker_could_use_is_refused_before_anything_is_written(source: Path, tmp_path: Path) -> None:
    model = Model.load(SHIPPED / "lossless")
    assert starts_of(model)
    tensors = dict(model.tensors) | {"max.layer1.bias": np.zeros(3, np.int32)}
    replace(model, tensors=tensors).save(tmp_path / "wrong")
    wrong, out = str(tmp_path / "wrong"), tmp_path / "out"
    with pytest.raises(UsageError, match=rf"^{re.escape(wrong)}: .*max\.layer1\.bias"):
        tilepress.compress(str(source), str(out), codec=wrong, **LOCAL)
    with pytest.raises(UsageError, match=r"max\.layer1\.bias"):
        tilepress.evaluate(str(source), out=str(out), codecs=[wrong], fidelity="pixels", **LOCAL)
    assert not out.exists()


def test_a_damaged_model_to_begin_with_is_named(tmp_path: Path) -> None:
    Model.load(SHIPPED / "gdn-factorized").save(tmp_path / "damaged")
    weights = tmp_path / "damaged" / WEIGHTS_NAME
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x55")
    with pytest.raises(UsageError, match=rf"^{re.escape(str(tmp_path / 'damaged'))}: .* it is damaged"):
        tilepress.train("gdn-factorized", data="anywhere", out=tmp_path / "m", start=tmp_path / "damaged")


def test_a_name_that_codec_and_model_share_is_proposed_once() -> None:
    with pytest.raises(UsageError) as caught:
        tilepress.compress("anywhere", "nowhere", codec="CAE")
    assert re.search(r"Did you mean cae or ", str(caught.value))
    listed = str(caught.value).partition("There are: ")[2].rstrip(".").split(", ")
    assert len(listed) == len(set(listed))


def test_images_that_are_held_lossily_are_not_counted_as_transcoded_files(source: Path, tmp_path: Path) -> None:
    report = tilepress.compress(str(source), str(tmp_path / "a"), codec="jpeg", quality=20, fidelity="lossy", **LOCAL)
    assert report.summary.images == {"jpeg (lossy)": 2}
    exact = tilepress.compress(str(source), str(tmp_path / "b"), **LOCAL)
    assert exact.summary.images == {"jpeg": 1, "jpegxl": 1}


def test_every_codec_that_takes_a_bound_says_so() -> None:
    near = {row["codec"] for row in codec_rows() if "max_error" in row["options"]}
    assert {"lossless", "jpegls", "block-dnn", "gdn-factorized"} <= near
    assert not near & {"jpeg", "jpegxl", "png", "huffman"}


def test_kept_files_do_not_count_as_decoded_pixels(source: Path, tmp_path: Path) -> None:
    (source / "rgb.png").write_bytes((source / "rgb.png").read_bytes()[:-200])
    report = tilepress.compress(str(source), str(tmp_path / "a"), **LOCAL)
    assert report.summary.pixels == 400 * 300


def test_the_residual_coder_is_one_of_those_there_are_and_has_an_effect(source: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    for asked, said in (
        ({"codec": "block-dnn-16", "residual": "fast"}, "`residual`"),
        ({"codec": "jpegxl", "residual": "lossless"}, "`residual` has no effect on jpegxl"),
        ({"codec": "block-dnn-16", "fidelity": "lossy", "residual": "lossless"}, "`residual` has no effect"),
    ):
        with pytest.raises(UsageError, match=said):
            tilepress.compress(str(source), out, **asked, **LOCAL)
    assert not Path(out).exists()
    plain = EncodeSettings("block-dnn").to_json()
    assert EncodeSettings.from_json(plain).residual_id == "lossless-quick-1" and "residual" not in plain
    other = EncodeSettings("block-dnn", residual="lossless").to_json()
    assert EncodeSettings.from_json(other).residual_id == "lossless-1"


def test_a_run_goes_on_with_the_residual_coder_that_it_began_with(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise KeyboardInterrupt

    asked = {"codec": "block-dnn-16", "residual": "lossless", **LOCAL}
    archive = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(compress_job, "encode_shard", fails)
        with pytest.raises(KeyboardInterrupt):
            tilepress.compress(str(source), str(archive), **asked)
    with pytest.raises(ResumeError, match="residual"):
        tilepress.compress(str(source), str(archive), codec="block-dnn-16", **LOCAL)
    assert tilepress.compress(str(source), str(archive), **asked).exit_code == 0
    (run,) = listing.archive_info(str(archive)).runs
    assert run["settings"]["press"]["residual"] == "lossless"
