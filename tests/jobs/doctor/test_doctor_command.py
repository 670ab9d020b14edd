"""`tilepress doctor` as people type it: a table, one JSON object, exit codes, and nothing left after an interrupt."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tilepress.jobs.cli import app
from tilepress.jobs.doctor import contention
from tilepress.jobs.doctor.checks import BROKEN, Finding


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        raise SystemExit(app._exit_code(["doctor", *arguments]))
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_table_says_what_was_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(tmp_path)) in (0, 3)
    out = capsys.readouterr().out
    assert "create-only" in out and "of 8 writers at once won" in " ".join(out.split())
    assert [*tmp_path.iterdir()] == []


def test_a_broken_promise_has_exit_code_4(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contention, "_races", lambda *_: Finding(BROKEN, "two writers won"))
    assert run(str(tmp_path)) == 4
    assert "A PROMISE IS BROKEN" in capsys.readouterr().out


def test_json_names_every_check_and_its_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(str(tmp_path), "--json")
    report = json.loads(capsys.readouterr().out)
    assert report["exit_code"] == code and report["left"] == []
    figures = {check["name"]: check["figures"] for check in report["checks"]}
    assert figures["pace"]["write_ms"] > 0 and figures["pace"]["read_mb_per_s"] > 0


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("s3:/bucket", 2, "looks like a URL without its slashes"),
        (__file__, 2, "it is a file where a folder is needed"),
        ("/proc/nothing/here", 5, "not tried"),
    ],
)
def test_a_place_that_is_none_is_an_error(url: str, code: int, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(url) == code
    told = capsys.readouterr()
    assert words in told.out + told.err


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing(ending: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tilepress", "doctor", str(tmp_path), "--thorough"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "listing" in line:
                process.send_signal(ending)
                break
        process.stderr.read()
        assert process.wait(60) == 128 + ending
    assert [*tmp_path.iterdir()] == []
