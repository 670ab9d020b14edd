"""What a command says while it runs: lines, JSON events, a log; times and rates that are right."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from tests.support.in_process import StandingClock
from tests.support.make_collection import encoded, image_of, write_tree
from tilepress.codecs.kernels import compile_clock
from tilepress.codecs.kernels.compile_clock import CompileClock
from tilepress.jobs.cli import app, progress
from tilepress.jobs.cli.meter import Meter
from tilepress.pipeline.coding.progress import Progress

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
LINE = re.compile(rf"{STAMP} (INFO|ERROR) (.+)")


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> StandingClock:
    """The time of displays."""
    time = StandingClock()
    monkeypatch.setattr(compile_clock, "time", time)
    monkeypatch.setattr(progress, "time", time)
    monkeypatch.setattr(progress, "COMPILE_CLOCK", CompileClock())
    return time


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("messages") / "source"
    write_tree(folder, {"a.png": encoded(image_of("L", 40, 40), "PNG"), "b.txt": b"text"})
    return folder


def terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    shown = io.StringIO()
    monkeypatch.setattr(progress, "Console", lambda stderr: Console(file=shown, force_terminal=True, width=width))
    return shown


def run(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = app._run([str(argument) for argument in arguments])
    out, err = capfd.readouterr()
    return code, out, err


def test_with_json_progress_and_errors_are_events_of_one_line(source, tmp_path, capfd) -> None:
    code, out, err = run(capfd, "compress", source, tmp_path / "a", "--engine", "local", "--json")
    events = [json.loads(line) for line in err.splitlines()]
    assert (code, json.loads(out)["exit_code"]) == (0, 0)
    assert {event["event"] for event in events} == {"progress"}
    last = events[-1]
    assert (last["task"], last["share"], last["seconds_left"]) == ("compress", 1.0, 0.0)
    assert (last["images"], last["bytes"]) == (2, last["bytes_total"])
    code, out, err = run(capfd, "restore", tmp_path / "a", tmp_path / "out", "--include", "*.bmp", "--json")
    assert (code, out) == (2, "")
    assert json.loads(err)["kind"] == "UsageError" and "matches" in json.loads(err)["message"]


@pytest.mark.parametrize("wrong", [("compress", "--qualty", "3"), ("restore", "only"), ("nothing",)])
def test_wrong_use_is_an_event_too(wrong, capfd) -> None:
    code, out, err = run(capfd, *wrong, "--json")
    event = json.loads(err)
    assert (code, out, event["event"], event["exit_code"]) == (2, "", "error", 2)


def test_the_log_has_all_that_is_said_with_the_time_and_is_appended_to(source, tmp_path, capfd) -> None:
    log = tmp_path / "log.txt"
    code, out, _ = run(capfd, "compress", source, tmp_path / "a", "--engine", "local", "--log", log)
    assert code == 0
    first = log.read_text().splitlines()
    said = [match[2] for match in map(LINE.fullmatch, first) if match]
    assert len(said) == len(first)
    assert said[0] == "tilepress compress"
    assert [line.rstrip() for line in out.splitlines()] == said[-len(out.splitlines()) :]
    code, _, err = run(capfd, "verify", tmp_path / "none", "--log", log)
    lines = log.read_text().splitlines()
    assert code == 2 and lines[: len(first)] == first
    assert LINE.fullmatch(lines[-1])[1] == "ERROR" and lines[-1].endswith(err.strip().removeprefix("tilepress: "))
    run(capfd, "verify", tmp_path / "a", "--log", log, "--json")
    last = LINE.fullmatch(log.read_text().splitlines()[-1])
    assert json.loads(last[2])["images"] == 2


def test_a_log_that_cannot_be_written_is_wrong_use(source, tmp_path, capfd) -> None:
    code, _, err = run(capfd, "compress", source, tmp_path / "a", "--log", tmp_path / "no/log.txt")
    assert code == 2 and "--log" in err and not (tmp_path / "a").exists()


def test_every_command_that_shows_progress_has_json_and_log() -> None:
    options = {name: {o for p in command.params for o in p.opts} for name, command in app.cli.commands.items()}
    telling = {"compress", "restore", "verify", "import", "train", "fit-lossless", "evaluate"}
    assert telling <= {name for name, taken in options.items() if {"--json", "--log"} <= taken}


def test_lines_tell_elapsed_and_remaining_time_after_the_first_seconds(at, capsys) -> None:
    with Meter("compress", 1000, checked=True) as meter:
        at.now += 4.0
        meter.progressed(0, Progress(images=1, coded_bytes=100.0, decoded_bytes=100.0, pixels=8_000_000))
        assert capsys.readouterr().err.strip() == (
            "compress: 10 %, 100 B of 1 kB, 1 image, 2 MP/s, 0:00:04 elapsed, 0:00:36 left"
        )
        meter.progressed(0, Progress(images=2, coded_bytes=200.0, decoded_bytes=100.0))
        assert capsys.readouterr().err == "", "not twice at a time"
        at.now += 30.0
        meter.ended(0)
        meter.advance(bytes_in=500, images=3, failures=1)
        assert "50 %, 500 B of 1 kB, 3 images, 1 failed, 0:00:34 elapsed, 0:00:34 left" in capsys.readouterr().err


def test_what_an_earlier_command_did_is_in_no_rate(at) -> None:
    with Meter("compress", 1000, quiet=True) as meter:
        meter.advance(bytes_in=500, images=5, pixels=90_000_000, found=True)
        at.now += 10.0
        meter.advance(bytes_in=250, images=1, pixels=10_000_000)
        assert "1 MP/s" in meter._facts()
        assert meter._left() == pytest.approx(10.0)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_a_terminal_of_any_width_has_one_line_with_the_time_left(width, at, monkeypatch) -> None:
    shown = terminal(width, monkeypatch)
    with Meter("compress", 10**12) as meter:
        at.now += 3600.0
        meter.advance(bytes_in=10**11, images=123_456, bytes_out=7 * 10**10, pixels=10**11, failures=12)
        meter._live.refresh()
        lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.getvalue()).replace("\r", "\n").splitlines()
    last = [line for line in lines if line.strip()][-1]
    assert "9:00:00 left" in last and "10 %" in last
    assert len(last.rstrip()) <= width
    assert ("failed" in last) == (width >= 80), "what matters most stays longest"
    assert ("saved" in last) == (width == 200)


def test_a_resumed_run_counts_the_megapixels_that_it_coded(tmp_path, capfd) -> None:
    files = {f"{n}.png": encoded(image_of("L", 80, 100, seed=n), "PNG") for n in range(2)}
    write_tree(tmp_path / "source", files)
    command = ("compress", tmp_path / "source", tmp_path / "a", "--engine", "local", "--shard-size", "1")
    assert run(capfd, *command)[0] == 0
    for name in ("manifest.parquet", "index.parquet", "parts/00001.parquet"):
        (tmp_path / "a/runs/0001" / name).unlink()
    report = json.loads(run(capfd, *command, "--json")[1])
    assert (report["resumed_shards"], report["coded_pixels"], report["summary"]["pixels"]) == (1, 8000, 16000)
