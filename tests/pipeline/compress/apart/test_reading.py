"""What compress promises of files that decoders cannot stand: they become verbatim files, at a bounded cost."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

import tilepress
from tests.conftest import REPOSITORY
from tests.support.make_collection import encoded, image_of, write_tree
from tilepress.pipeline.archive.schema import FILE, FILE_ZSTD
from tilepress.pipeline.compress.apart import process as processes
from tilepress.pipeline.compress.apart import reading, tries
from tilepress.pipeline.compress.apart.processes import PROCESSES
from tilepress.pipeline.compress.transcoding import Transcoding
from tilepress.pipeline.errors import CrashingPicture, LimitExceeded, PictureError
from tilepress.pipeline.formats import registry
from tilepress.pipeline.formats.picture import Limits
from tilepress.pipeline.reading.archive import open_archive

BAD_DECODERS = REPOSITORY / "tests/support/bad_decoders"
LOCAL = {"engine": "local"}
LIMITS = Limits()


@pytest.fixture
def bad_decoders(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Processes that read files have decoders with bugs, and little time and memory."""
    PROCESSES.close()
    path = [str(BAD_DECODERS), str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [*path, *sys.path])))
    monkeypatch.setattr(processes, "PROCESSOR_S", 1.0)
    monkeypatch.setattr(processes, "CLOCK", 2)
    monkeypatch.setattr(processes, "MEMORY", 400 << 20)
    yield
    PROCESSES.close()


def png(comment: bytes = b"", side: int = 60, seed: int = 1) -> bytes:
    """A PNG file with a comment, which decoders with bugs look for."""
    data = encoded(image_of("RGB", side, side, seed=seed), "PNG")
    return data + comment


def jpeg(comment: bytes = b"", side: int = 160) -> bytes:
    out = io.BytesIO()
    image_of("RGB", side, side, seed=3).save(out, "JPEG", quality=92, comment=comment)
    return out.getvalue()


@pytest.mark.usefixtures("bad_decoders")
def test_a_file_that_crashes_its_decoder_becomes_a_verbatim_file(tmp_path: Path) -> None:
    write_tree(tmp_path / "source", {"crash.png": png(b"SEGFAULTS"), "good.png": png()})
    report = tilepress.compress(tmp_path / "source", tmp_path / "a.tp", workers=1, **LOCAL)
    assert report.exit_code == 3 and report.summary.failures == {"untrusted": 1}
    facts = open_archive(str(tmp_path / "a.tp"))["crash.png"].index_row.facts
    assert facts.method in (FILE, FILE_ZSTD) and "crashed (SIGSEGV)" in facts.reason
    assert json.loads((tmp_path / "a.tp/run-report.json").read_text())["counts"]["quarantined"] == 1


@pytest.mark.slow
@pytest.mark.usefixtures("bad_decoders")
@pytest.mark.parametrize("workers", [1, 2])
def test_files_that_crash_hang_or_eat_become_verbatim_files(tmp_path: Path, workers: int) -> None:
    bad = {
        "crash.png": png(b"SEGFAULTS"),
        "crash.jpg": jpeg(b"SEGFAULTS"),
        "eats.png": png(b"EATS"),
        "later.png": png(b"LATER", 600),
        "sleeps.png": png(b"SLEEPS"),
        "spins.png": png(b"SPINS"),
    }
    good = {f"good-{number}.png": png(seed=number) for number in range(5)} | {"good.jpg": jpeg()}
    write_tree(tmp_path / "source", bad | good)
    began = time.monotonic()
    report = tilepress.compress(tmp_path / "source", tmp_path / "a.tp", workers=workers, **LOCAL)
    assert time.monotonic() - began < 60
    assert report.exit_code == 3 and report.summary.failures == {"untrusted": 5}
    facts = {entry.path: entry.index_row.facts for entry in open_archive(str(tmp_path / "a.tp")).entries()}
    assert {path for path, each in facts.items() if each.method in (FILE, FILE_ZSTD)} == bad.keys()
    assert "SIGSEGV" in facts["crash.png"].reason and "SIGSEGV" in facts["crash.jpg"].reason
    assert "SIGSEGV" in facts["later.png"].reason
    assert "took more than 1 s" in facts["spins.png"].reason and "took more than" in facts["sleeps.png"].reason
    assert facts["eats.png"].reason_code == "limit" and "memory" in facts["eats.png"].reason
    assert tilepress.restore(tmp_path / "a.tp", tmp_path / "out").exit_code == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == bad | good


@pytest.mark.usefixtures("bad_decoders")
@pytest.mark.slow
def test_on_ray_too(tmp_path: Path) -> None:
    write_tree(tmp_path / "source", {"crash.png": png(b"SEGFAULTS"), "good.png": png()})
    command = [sys.executable, "-m", "tilepress", "compress", "source", "a.tp", "--engine", "ray", "-j", "1", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["summary"]["failures"] == {"untrusted": 1}


@pytest.mark.usefixtures("bad_decoders")
@pytest.mark.parametrize(
    ("comment", "cost", "blame"),
    [
        (b"SEGFAULTS", 2, CrashingPicture),
        (b"BREAKS OFF", 2, CrashingPicture),
        (b"KILLED", 2, LimitExceeded),  # as a machine does that has no memory left
        (b"SPINS", 1, CrashingPicture),
    ],
)
def test_a_crash_costs_two_processes_and_a_hang_costs_one(comment: bytes, cost: int, blame: type, monkeypatch) -> None:
    started: list[object] = []
    monkeypatch.setattr(processes, "_CRASH_S", 0.2)
    monkeypatch.setattr(tries, "_PAUSE_S", 0.0)
    start = processes.start_child
    monkeypatch.setattr(processes, "start_child", lambda *a: started.append(a) or start(*a))
    with pytest.raises(blame):
        reading.read_picture(png(comment), LIMITS)
    assert len(started) == cost


@pytest.mark.usefixtures("bad_decoders")
def test_a_file_that_lacks_memory_beside_others_is_read_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    other = reading.read_picture(png(), LIMITS)
    picture = reading.read_picture(png(b"CROWDS"), LIMITS)
    for each in (other, picture):
        assert np.concatenate(list(each.read_bands(20))).shape == (60, 60, 3)
    (alone,) = [each for each in PROCESSES._processes if each.alone]
    del picture, each
    assert reading.read_picture(png(), LIMITS).width == 60 and not alone.alive
    del other
    with pytest.raises(LimitExceeded, match="more memory than there is"):
        reading.read_picture(png(b"CROWDS"), LIMITS)


def test_pictures_are_spread_over_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    PROCESSES.close()
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    pictures = [reading.read_picture(png(seed=number), LIMITS) for number in range(6)]
    assert [len(each.pictures) for each in PROCESSES._processes] == [3, 3]
    del pictures
    assert [len(each.pictures) for each in PROCESSES._processes] == [0, 0]


def test_who_waits_for_a_process_that_dies_gets_one_that_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    PROCESSES.close()
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    alive: list[bool] = []

    def wait() -> None:
        with PROCESSES.idle() as other:
            alive.append(other.alive)

    waiting = threading.Thread(target=wait)
    with PROCESSES.idle() as process:
        waiting.start()
        while not any(PROCESSES._waiting.values()):
            time.sleep(0.01)
        process.close()
    waiting.join()
    assert alive == [True]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
def test_pictures_are_the_same_as_those_read_in_this_process(kind: str) -> None:
    data = encoded(image_of("RGB", 700, 300, seed=5), kind)
    here, apart = registry.read_picture(data), reading.read_picture(data, LIMITS)
    for name in ("format", "mode", "width", "height", "dtype", "bit_depth", "container", "palette_size"):
        assert getattr(here, name) == getattr(apart, name)
    for _ in range(2):  # as often as they are asked for, from the top
        for one, other in zip(here.read_bands(100), apart.read_bands(100), strict=True):
            np.testing.assert_array_equal(one, other)


def test_small_pictures_and_transcodings_are_the_same_too() -> None:
    files = [png(seed=number) for number in range(4)] + [b"text", png()[:-20], jpeg()]
    here, apart = registry.read_small_pictures(files), reading.read_small_pictures(files, LIMITS)
    assert [picture is None for picture in here] == [picture is None for picture in apart]
    for one, other in zip(filter(None, here), filter(None, apart), strict=True):
        assert one.container == other.container
        np.testing.assert_array_equal(next(one.read_bands(99)), next(other.read_bands(99)))
    assert isinstance(reading.transcoding_of(jpeg()), Transcoding)
    assert isinstance(reading.transcoding_of(jpeg()[:300]), PictureError)
    assert reading.transcoding_of(b"text") is None


def test_large_files_are_mapped_by_both(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (700, 700, 3), np.uint8)
    data = encoded(Image.fromarray(noise), "PNG")
    assert len(data) > 1 << 20
    bands = reading.read_picture(data, LIMITS).read_bands(700)
    np.testing.assert_array_equal(np.concatenate(list(bands)), noise)


def test_a_picture_outlives_its_process() -> None:
    """The process may die of another file: then another one opens the picture again, where it was."""
    picture = reading.read_picture(encoded(image := image_of("RGB", 700, 90, seed=2), "PNG"), LIMITS)
    bands = picture.read_bands(100)
    first = next(bands)
    PROCESSES.close()
    np.testing.assert_array_equal(np.concatenate([first, *bands]), np.asarray(image))


def test_a_process_ended_by_somebody_else_blames_no_file() -> None:
    reading.read_picture(png(), LIMITS)
    child = next(each for each in PROCESSES._processes if each.alive)._process
    psutil.Process(child.pid).suspend()
    killer = threading.Timer(0.3, child.kill)
    killer.start()
    assert reading.read_picture(png(), LIMITS).width == 60
    killer.join()


def test_limits_hold_in_the_process_too() -> None:
    with pytest.raises(LimitExceeded, match="limit is 100 pixels"):
        reading.read_picture(png(), Limits(max_pixels=100))


def test_processes_end_with_their_owner() -> None:
    code = (
        "import sys; from tilepress.pipeline.compress.apart.processes import PROCESSES\n"
        "with PROCESSES.idle() as process: print(process._process.pid, flush=True)\n"
        "import os; os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    child = int(done.stdout)
    end = time.monotonic() + 20
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end
        time.sleep(0.05)
