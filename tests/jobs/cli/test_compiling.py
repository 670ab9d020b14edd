"""People are told when kernels compile, once, and those seconds are part of no rate."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from tests.support.in_process import StandingClock
from tests.support.make_collection import encoded, image_of, write_tree
from tilepress.codecs.kernels import compile_clock
from tilepress.codecs.kernels.compile_clock import CompileClock
from tilepress.jobs.cli import progress
from tilepress.jobs.cli.meter import Meter


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> StandingClock:
    """The time of clock and display."""
    time = StandingClock()
    monkeypatch.setattr(compile_clock, "time", time)
    monkeypatch.setattr(progress, "time", time)
    return time


@pytest.fixture
def clock(at: StandingClock, monkeypatch: pytest.MonkeyPatch) -> CompileClock:
    clock = CompileClock()
    monkeypatch.setattr(progress, "COMPILE_CLOCK", clock)
    return clock


def compile_for(seconds: float, clock: CompileClock, at: StandingClock, *, lasting: bool = True) -> None:
    clock.start(lasting=lasting)
    at.now += seconds
    clock.count()
    clock.stop()


@pytest.mark.parametrize("lasting", [True, False])
def test_plain_output_has_one_line_before_and_one_after(clock, at, capsys, lasting: bool) -> None:
    with Meter("compress", 1000) as meter:
        compile_for(9.0, clock, at, lasting=lasting)
        compile_for(3.0, clock, at, lasting=lasting)
        meter.advance(bytes_in=500, images=1, pixels=1_000_000)
        compile_for(1.0, clock, at, lasting=lasting)
    first, second = capsys.readouterr().err.splitlines()
    if lasting:
        assert first == "compress: compiling kernels, once on this machine"
        assert second == "compress: compiled 2 kernels in 12.0 s"
    else:
        assert first == "compress: compiling kernels"
        assert second.endswith("s, and could not keep them: set TILEPRESS_KERNEL_CACHE to a folder that can be written")


def test_nothing_is_said_where_nothing_compiles_or_nobody_listens(clock, at, capsys) -> None:
    with Meter("compress", 1000) as meter:
        meter.advance(bytes_in=1000, images=1)
    with Meter("compress", 1000, quiet=True) as meter:
        compile_for(9.0, clock, at)
        meter.advance(bytes_in=1000, images=1)
    assert capsys.readouterr().err == ""


def test_rates_and_the_time_left_are_those_of_coding(clock, at, monkeypatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(progress, "Console", lambda stderr: Console(file=shown, force_terminal=True, width=140))
    with Meter("compress", 1000) as meter:
        clock.start(lasting=True)
        at.now += 60.0
        clock.count()
        meter._live.refresh()
        clock.stop()
        for _ in range(2):
            at.now += 2.0
            meter.advance(bytes_in=250, images=1, pixels=4_000_000)
        meter._live.refresh()
    text = shown.getvalue()
    assert "compiling kernels, once on this machine: 1 so far" in text
    last = text[text.rindex("500 B of 1 kB") :]
    assert "2 MP/s" in last and "compiling" not in last
    left = re.findall(r"0:00:(\d\d)", last)
    assert left and int(left[0]) <= 4  # half is done after 4 seconds of coding and 60 of compiling


@pytest.mark.slow
def test_the_first_run_on_a_machine_says_that_it_compiles_and_the_second_has_nothing_to_say(tmp_path: Path) -> None:
    write_tree(tmp_path / "source", {"a.png": encoded(image_of("L", 60, 60, seed=1), "PNG")})
    environment = os.environ | {"TILEPRESS_KERNEL_CACHE": str(tmp_path / "kernels")}
    command = [sys.executable, "-m", "tilepress", "compress", str(tmp_path / "source")]
    options = ["--codec", "block-dnn-16", "--engine", "local"]
    said = []
    for archive in ("one", "two"):
        words = [*command, str(tmp_path / archive), *options]
        said.append(subprocess.run(words, env=environment, check=True, capture_output=True, text=True))
    assert re.search(r"compress: compiling kernels, once on this machine\n", said[0].stderr)
    assert re.search(r"compress: compiled \d+ kernels in [\d.]+ s\n", said[0].stderr)
    assert re.search(r"in [\d.]+ s, of which [\d.]+ s compiling kernels, [\d.]+ MP/s", said[0].stdout)
    assert "compil" not in said[1].stderr + said[1].stdout
    words = [*command, str(tmp_path / "three"), *options, "--json"]
    report = json.loads(subprocess.run(words, env=environment, check=True, capture_output=True).stdout)
    assert report["compiling_seconds"] == 0.0


def test_warm_compiles_what_named_codecs_use(tmp_path: Path) -> None:
    environment = os.environ | {"TILEPRESS_KERNEL_CACHE": str(tmp_path / "kernels")}
    command = [sys.executable, "-m", "tilepress", "warm", "raw", "png", "--json"]
    done = json.loads(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)
    assert (done["compiled"], done["not_kept"]) == (0, 0)
    wrong = subprocess.run([*command[:-3], "rwa"], env=environment, check=False, capture_output=True, text=True)
    assert wrong.returncode == 2 and "rwa" in wrong.stderr
