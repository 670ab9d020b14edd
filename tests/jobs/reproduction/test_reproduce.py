"""A table made again: what is printed, that nothing is computed twice, what is refused, and going on after a kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.evaluations import snapshot
from tests.support.reproduction.tiny import SAMPLES, STEPS, reproduced
from tilepress.errors import IntegrityError, ResumeError, UsageError
from tilepress.jobs.reproduction import measuring, models
from tilepress.jobs.reproduction.page import Line
from tilepress.jobs.reproduction.reproduce import ReproduceReport
from tilepress.jobs.training import loop
from tilepress.jobs.training.checkpoints import saved_steps
from tilepress.pipeline.storage.base import open_storage

ROOT = Path(__file__).parents[3]


class Killed(BaseException):
    """Raised in the middle of a command."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ReproduceReport]:
    """A folder of the tiny table, and the report of the command that made it."""
    out = tmp_path_factory.mktemp("reproduced")
    return out, reproduced(out)


def line(report: ReproduceReport, name: str) -> Line:
    (found,) = (each for section in report.sections for each in section.lines if each.name == name)
    return found


def test_models_are_trained_and_every_row_measured(made: tuple[Path, ReproduceReport]) -> None:
    _, report = made
    assert report.trained == ["network", "components"]
    assert (report.measured, report.found) == (6 + 2, 0)
    network, jpeg = line(report, "the network"), line(report, "JPEG in as many bytes")
    assert network.values[0] and network.values[2] and jpeg.values[2]
    assert jpeg.values[2] <= network.values[2] < 8
    at_4 = line(report, "JPEG 2000 at 4:1")
    assert at_4.values[0] and at_4.values[0] > 30 and 1.8 < (at_4.values[2] or 0) <= 2
    assert line(report, "JPEG of no bytes").cells == ("–", "–", "–", "–")
    assert line(report, "`raw`").cells[0] == "lossless" and line(report, "`raw`").values[3] == pytest.approx(
        0, abs=1e-4
    )
    assert (network.values[3] or 0) > 1
    low, high, blocky = line(report, "`jpeg`").values
    assert low and high and blocky and blocky < low < high


def test_the_page_has_every_published_row_and_the_figures_of_the_run(made: tuple[Path, ReproduceReport]) -> None:
    out, report = made
    page = (out / "tiny.md").read_text()
    lines = {
        cells[1].strip(): [cell.strip() for cell in cells[2:-1]] for cells in map(_cells, page.splitlines()) if cells
    }
    assert lines["network, published"] == ["10.00", "–", "0.001", "–"]
    assert lines["another, published"] == ["99.90", "0.999", "–", "–"]
    for section in report.sections:
        assert all(lines[each.name] == list(each.cells) for each in section.lines)
    for text in (
        "nobody can have that",
        "A remark.",
        "photographs of cliffs",
        "tilepress reproduce tiny --data FOLDER",
    ):
        assert text in page
    assert f"reaches 10.00 (PSNR, dB); {line(report, 'the network').cells[2]} misses 0.001 (bits a pixel)" in page
    assert f"against baseline -2.50 published, {difference(report):+.2f} here" in page
    assert f"| network | {STEPS} |" in page
    plots = [name for name in report.written if name.endswith(".png")]
    assert len(plots) == 3 and all(f"]({name})" in page and (out / name).stat().st_size > 1000 for name in plots)


def difference(report: ReproduceReport) -> float:
    """PSNR of the network without that of JPEG, in dB."""
    ours, jpeg = (line(report, name).values[0] for name in ("the network", "JPEG in as many bytes"))
    assert ours is not None and jpeg is not None
    return ours - jpeg


def _cells(text: str) -> list[str]:
    return text.split("|") if text.startswith("| ") else []


def test_run_twice_nothing_is_computed_again(made: tuple[Path, ReproduceReport], monkeypatch) -> None:
    out, first = made
    before = snapshot(out)
    monkeypatch.setattr(models, "run_train", _refuse)
    monkeypatch.setattr(measuring, "measure", _refuse)
    again = reproduced(out)
    assert snapshot(out) == before
    assert (again.trained, again.measured, again.found, again.written) == ([], 0, 8, [])
    assert again.sections == first.sections


def _refuse(*arguments: object, **options: object) -> None:
    raise AssertionError("computed again")


def test_other_settings_and_other_images_are_refused(made: tuple[Path, ReproduceReport], tmp_path: Path) -> None:
    out, _ = made
    with pytest.raises(ResumeError, match="overrides was '', now 'steps=3'"):
        reproduced(out, "steps=3")
    (tmp_path / "other.png").write_bytes((SAMPLES / "coffee.png").read_bytes())
    with pytest.raises(ResumeError, match="images of nature was"):
        reproduced(out, data=(str(SAMPLES), f"nature={tmp_path}"))


def test_what_was_measured_under_another_key_is_measured_again(made: tuple[Path, ReproduceReport], monkeypatch) -> None:
    out, first = made
    kept = next((out / "tiny.work/rows").glob("*/raw.json"))
    content = json.loads(kept.read_text())
    content["camera"] |= {"key": "of another picture", "figures": None}
    kept.write_text(json.dumps(content))
    again = reproduced(out)
    assert (again.measured, again.found, again.written) == (1, 7, [])
    assert again.sections == first.sections


@pytest.mark.parametrize(
    "damage",
    [
        {"camera": 5},
        {"camera": {}},
        {"camera": {"figures": 5}},
        {"camera": {"figures": {}}},
        {"camera": {"figures": {"bytes": None}}},
        {"camera": {"figures": {"psnr": "x"}}},
    ],
)
def test_figures_that_are_damaged_are_measured_again(made: tuple[Path, ReproduceReport], damage: object) -> None:
    out, first = made
    kept = next((out / "tiny.work/rows").glob("*/raw.json"))
    kept.write_text(json.dumps(merged(json.loads(kept.read_text()), damage)))
    again = reproduced(out)
    assert (again.measured, again.found) == (1, 7)
    assert again.sections == first.sections


def merged(content: Any, damage: Any) -> Any:
    """A value with the members of another in their places; no member, or another value, replaces it."""
    if isinstance(content, dict) and isinstance(damage, dict) and damage:
        return content | {name: merged(content[name], value) for name, value in damage.items()}
    return damage


@pytest.mark.parametrize("name", ["network/model.json", "network/weights.safetensors", "network.training/log.parquet"])
def test_a_damaged_model_or_log_says_what_to_remove(made: tuple[Path, ReproduceReport], name: str) -> None:
    out, first = made
    file = out / "tiny.work/models" / name
    whole = file.read_bytes()
    try:
        file.write_bytes(whole[:-20])
        with pytest.raises(IntegrityError, match=r"models/network.*remove .*models/network to train it again"):
            reproduced(out)
    finally:
        file.write_bytes(whole)
    assert reproduced(out).sections == first.sections


def test_missing_images_are_named_with_where_they_are_got(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"`data` does not name \(nature: photographs of cliffs, usually from the rep"):
        reproduced(tmp_path / "out", data=(f"gray={SAMPLES}/gray",))
    with pytest.raises(UsageError, match=r"nature.*gray"):
        reproduced(tmp_path / "out", data=())
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_picture_that_a_section_names_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "nature").mkdir()
    (tmp_path / "nature/other.png").write_bytes((SAMPLES / "coffee.png").read_bytes())
    with pytest.raises(UsageError, match="lacks cliff"):
        reproduced(tmp_path / "out", "steps=0", data=(str(tmp_path), f"gray={SAMPLES}/gray"))


@pytest.mark.slow
def test_a_killed_training_goes_on_from_its_checkpoint(tmp_path: Path, monkeypatch) -> None:
    learned: list[int] = []
    learn = loop.Learner.learn

    def dying(self: loop.Learner, crops: object, step: int, *rest: object) -> object:
        if step == 12 and 12 not in learned:
            learned.append(step)
            raise Killed
        learned.append(step)
        return learn(self, crops, step, *rest)

    monkeypatch.setattr(loop.Learner, "learn", dying)
    with pytest.raises(Killed):
        reproduced(tmp_path)
    assert saved_steps(open_storage(str(tmp_path / "tiny.work/models/network.training")))[-1] == 10
    report = reproduced(tmp_path)
    assert learned == [*range(13), *range(10, STEPS)]
    assert report.trained == ["network", "components"]


@pytest.mark.slow
def test_killed_while_measuring_it_goes_on_with_the_next_picture(made, tmp_path: Path, monkeypatch) -> None:
    _, whole = made
    measure, trips = measuring.measure, 0

    def dying(*arguments: object, **options: object) -> object:
        nonlocal trips
        trips += 1
        if trips == 2:
            raise Killed
        return measure(*arguments, **options)

    monkeypatch.setattr(measuring, "measure", dying)
    with pytest.raises(Killed):
        reproduced(tmp_path)
    report = reproduced(tmp_path)
    assert (report.trained, report.found, report.measured) == ([], 1, 7)
    assert report.sections == whole.sections


@pytest.mark.slow
def test_a_killed_process_leaves_what_another_goes_on_with(made, tmp_path: Path) -> None:
    _, whole = made
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'infra/src'}"}
    command = [sys.executable, "-m", "tests.support.reproduction.tiny", str(tmp_path)]
    kills = 0
    while True:
        process = subprocess.Popen(command, env=environment, cwd=ROOT)
        try:
            assert process.wait(6 + kills) == 0  # each lives a second longer than the one before
            break
        except subprocess.TimeoutExpired:
            kills += 1
            process.kill()
            process.wait()
    report = reproduced(tmp_path)
    assert kills and (report.trained, report.measured, report.written) == ([], 0, [])
    assert report.sections == whole.sections
