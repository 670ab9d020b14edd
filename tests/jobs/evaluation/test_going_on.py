"""An evaluation that was interrupted or is repeated: nothing is measured twice, nor mixed with another."""

from __future__ import annotations

import shutil
import signal
import time
from typing import Any

import pytest

from tests.support.evaluations import CODECS, OUTPUTS, QUALITIES, snapshot, timeless
from tests.support.interrupted import ONE, command
from tests.support.make_collection import encoded, image_of, write_tree
from tilepress import evaluate
from tilepress.codecs.registry import shipped_models
from tilepress.pipeline.errors import IntegrityError, ResumeError
from tilepress.pipeline.storage.local import LocalStorage


def test_a_complete_evaluation_is_told_again_and_nothing_is_written(evaluated, mixed):
    out, first = evaluated
    before = snapshot(out)
    again = evaluate(str(mixed), str(out), CODECS, qualities=QUALITIES, tile=32, **ONE)
    assert snapshot(out) == before and again.written == [] and again.exit_code == first.exit_code
    assert (again.means, again.comparisons) == (first.means, first.comparisons)


class KilledError(BaseException):
    """Stands for SIGKILL: nothing may catch it."""


def test_killed_before_or_after_any_object_it_goes_on_without_measuring_anything_twice(mixed, tmp_path, monkeypatch):
    options: dict[str, Any] = {"qualities": (30,), "tile": 32, **ONE, "include": ("*.png",)}
    evaluate(str(mixed), str(tmp_path / "wanted"), ["jpeg", "png"], **options)
    out, create, left = tmp_path / "out", LocalStorage.create, 0

    def killing(storage: LocalStorage, name: str, data: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise KilledError
        create(storage, name, data)
        if left == -1:  # the first one this time: the answer never arrives
            raise KilledError

    monkeypatch.setattr(LocalStorage, "create", killing)
    kills, kept = 0, dict[str, tuple[bytes, int]]()
    for moment in [0, 1] * 30:
        left = moment
        try:
            evaluate(str(mixed), str(out), ["jpeg", "png"], **options)
            break
        except KilledError:
            kills += 1
        now = snapshot(out) if out.exists() else {}
        assert {name: now[name] for name in kept} == kept
        kept = now
    assert kills >= len(snapshot(out)) >= len(OUTPUTS) + 5
    assert timeless(out) == timeless(tmp_path / "wanted")


def test_killed_for_real_the_same_command_goes_on(mixed, plugin, tmp_path, monkeypatch):
    monkeypatch.setenv("TILEPRESS_TEST_SECONDS", "0.5")
    out = tmp_path / "out"
    arguments = ["evaluate", mixed, "--codec", "test-slow", "--out", out, "--engine", "local", "-j", "1"]
    driver = command(*arguments)
    while not list(out.glob("parts/*.parquet")):
        assert driver.poll() is None, driver.communicate()
        time.sleep(0.01)
    driver.send_signal(signal.SIGKILL)
    driver.communicate(timeout=20)
    before = snapshot(out)
    monkeypatch.setenv("TILEPRESS_TEST_SECONDS", "0")
    report = evaluate(str(mixed), str(out), ["test-slow"], **ONE)
    assert 1 <= report.resumed_tasks < report.tasks == 6
    after = snapshot(out)
    assert all(after[name] == content for name, content in before.items())


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"codecs": ["jpeg"]}, "codecs was jpeg:20,60,90 jpegxl block-dnn-16:20,60,90, now jpeg:20,60,90"),
        ({"qualities": (20, 60)}, "codecs was"),
        ({"tile": 64}, "tile was 32, now 64"),
        ({"effort": 3}, "effort was None, now 3"),
        ({"anchor": "block-dnn-16"}, "anchor was 'jpeg', now 'block-dnn-16'"),
        ({"fidelity": "pixels", "codecs": ["jpegxl"], "qualities": ()}, "fidelity was 'lossy', now 'pixels'"),
        ({"exclude": ("*.txt",)}, "exclude was"),
        ({"source": "elsewhere"}, "source was"),
    ],
)
def test_another_evaluation_in_the_same_folder_is_refused_and_named(changed, named, evaluated, mixed, tmp_path):
    write_tree(tmp_path, {"elsewhere/x.png": encoded(image_of("L", 20, 20), "PNG")})
    asked = {"source": str(mixed), "codecs": CODECS, "qualities": QUALITIES, "tile": 32} | changed
    if "source" in changed:
        asked["source"] = str(tmp_path / "elsewhere")
    before = snapshot(evaluated[0])
    with pytest.raises(ResumeError, match="another evaluation") as caught:
        evaluate(asked.pop("source"), str(evaluated[0]), asked.pop("codecs"), **ONE, **asked)
    assert named in str(caught.value) and caught.value.exit_code == 2
    assert snapshot(evaluated[0]) == before


def test_images_that_changed_since_are_refused(tmp_path):
    write_tree(tmp_path, {"source/x.png": encoded(image_of("L", 40, 40), "PNG")})
    asked = (str(tmp_path / "source"), str(tmp_path / "out"), ["png"])
    evaluate(*asked, **ONE)
    (tmp_path / "source/x.png").write_bytes(encoded(image_of("L", 40, 41), "PNG"))
    with pytest.raises(ResumeError, match="the source has other images now"):
        evaluate(*asked, **ONE)


def test_a_model_that_was_trained_anew_under_the_same_name_is_refused(mixed, tmp_path):
    models, mine = shipped_models(), tmp_path / "mine"
    shutil.copytree(models["block-dnn-16"], mine)
    asked = (str(mixed / "colour.png"), str(tmp_path / "out"), [f"{mine}:50"])
    evaluate(*asked, **ONE)
    shutil.rmtree(mine)
    shutil.copytree(models["block-dnn-8"], mine)
    with pytest.raises(ResumeError, match="models was"):
        evaluate(*asked, **ONE)


def test_a_damaged_part_is_found_and_named(mixed, tmp_path):
    asked = (str(mixed / "colour.png"), str(tmp_path / "out"), ["png"])
    evaluate(*asked, **ONE)
    part = tmp_path / "out/parts/00000.parquet"
    data = bytearray(part.read_bytes())
    data[len(data) // 3] ^= 1
    part.write_bytes(data)
    (tmp_path / "out/results.parquet").unlink()
    with pytest.raises(IntegrityError, match="00000"):
        evaluate(*asked, **ONE)
