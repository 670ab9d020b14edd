"""A run may be killed at any moment: the same command goes on, and nothing shows in the archive afterwards."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.support.interrupted import ONE, command, contents, identities, make_source, uninterrupted
from tilepress import compress, verify
from tilepress.jobs.cli import app
from tilepress.pipeline.errors import ResumeError

SMALL = {"shard_size": 9000}
SLOW = ["--codec", "test-slow", "--shard-size", "9kB", "--engine", "local", "-j", "2"]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_source(tmp_path_factory.mktemp("resume") / "source")


@pytest.fixture(scope="module")
def wanted(source: Path) -> dict[str, bytes]:
    """The archive of an undisturbed run."""
    return uninterrupted(source, source.parent / "wanted", **SMALL)


@pytest.fixture(scope="module")
def slowly_wanted(source: Path, plugin: Path) -> dict[str, bytes]:
    """The same with the slow codec."""
    return uninterrupted(source, source.parent / "slowly", codec="test-slow", **SMALL)


@pytest.fixture
def drivers(plugin):
    import tilepress_test_drivers

    return tilepress_test_drivers


def is_kept(before: dict[str, tuple[int, ...]], archive: str) -> bool:
    """Whether the parts that were there are untouched."""
    after = identities(archive)
    return all(after[name] == facts for name, facts in before.items())


@pytest.mark.parametrize("storage_root", ["local", pytest.param("s3", marks=pytest.mark.slow)], indirect=True)
@pytest.mark.parametrize("moment", [pytest.param("before", marks=pytest.mark.slow), "after"])
def test_killed_at_every_object_it_creates_a_run_still_completes_as_if_nothing_had_been(
    moment, storage_root, source, wanted, drivers
):
    kills = 0
    for number in range(1, 40):
        parts = identities(storage_root)
        nth, options = number if moment == "before" else 1, SMALL | {**ONE}
        child = drivers.start(drivers.run_until, nth, moment, str(source), storage_root, options, aws())
        child.join()
        assert is_kept(parts, storage_root)
        if child.exitcode == 0:
            break
        assert child.exitcode == -signal.SIGKILL
        kills += 1
    assert kills >= 9 and len(parts) >= 3
    assert contents(storage_root) == wanted
    assert verify(storage_root, **ONE).exit_code == 0


def aws() -> dict[str, str]:
    """Where the S3 server is: the server that forks drivers may be older than it."""
    return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}


@pytest.mark.parametrize(("after", "left"), [("plan", "manifest index parts"), ("index", "manifest")])
def test_a_run_killed_between_two_steps_goes_on_from_there(after, left, source, wanted, tmp_path):
    archive = tmp_path / "archive"
    compress(str(source), str(archive), **ONE, **SMALL)
    for path in sorted(archive.rglob("*.parquet")):
        if path.stem in left.split() or ("parts" in left and path.parent.name == "parts"):
            path.unlink()
    report = compress(str(source), str(archive), **ONE, **SMALL)
    assert report.run == 1 and report.resumed_shards == (0 if after == "plan" else report.shards)
    assert contents(str(archive)) == wanted
    assert compress(str(source), str(archive), **ONE, **SMALL).run is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_at_once_with_its_code_and_says_how_to_go_on(
    number, source, slowly_wanted, tmp_path, monkeypatch
):
    archive = tmp_path / "archive"
    monkeypatch.setenv("TILEPRESS_TEST_SECONDS", "0.5")
    driver = command("compress", source, archive, *SLOW)
    while not list(archive.glob("runs/0001/parts/*.parquet")):
        time.sleep(0.01)
    asked = time.monotonic()
    driver.send_signal(number)
    _, said = driver.communicate(timeout=20)
    assert time.monotonic() - asked < 5
    assert driver.returncode == 128 + number
    assert said.strip().endswith("run the same command again; what it had written is not made again")
    assert "Traceback" not in said
    before = identities(str(archive))
    monkeypatch.setenv("TILEPRESS_TEST_SECONDS", "0")
    again = command("compress", source, archive, *SLOW)
    again.communicate(timeout=60)
    assert again.returncode == 0 and before and is_kept(before, str(archive))
    assert contents(str(archive)) == slowly_wanted


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"codec": "png"}, "codec was 'auto', now 'png'"),
        ({"effort": 3}, "effort was None, now 3"),
        ({"tile": 256}, "tile was 512, now 256"),
        ({"include": ("*.png",)}, "include"),
        ({"shard_size": 10_000}, "shard_bytes was 9000, now 10000"),
        ({"fidelity": "file"}, "fidelity was 'pixels', now 'file'"),
    ],
)
def test_going_on_with_other_settings_is_refused_and_names_them(changed, named, source, tmp_path):
    archive = unfinished(source, tmp_path)
    before = contents(archive)
    with pytest.raises(ResumeError, match="unfinished run") as caught:
        compress(str(source), archive, **ONE, **(SMALL | changed))
    assert named in str(caught.value) and caught.value.exit_code == 2
    assert contents(archive) == before


def test_an_unfinished_run_can_be_given_up_as_the_message_says(source, tmp_path):
    archive = unfinished(source, tmp_path)
    with pytest.raises(ResumeError, match=r"give it up: `tilepress (abandon \S+)`$") as caught:
        compress(str(source), archive, **ONE, **(SMALL | {"codec": "png"}))
    assert app._run(str(caught.value).rpartition("`tilepress ")[2].rstrip("`").split()) == 0
    assert compress(str(source), archive, **ONE, **(SMALL | {"codec": "png"})).run == 2
    assert verify(archive, against=source, **ONE).exit_code == 0


def test_going_on_with_another_source_is_refused(source, tmp_path):
    with pytest.raises(ResumeError, match="source was"):
        compress(str(make_source(tmp_path / "other")), unfinished(source, tmp_path), **ONE, **SMALL)


def unfinished(source: Path, folder: Path) -> str:
    """An archive whose run lacks its last files."""
    archive = folder / "archive"
    compress(str(source), str(archive), **ONE, **SMALL)
    for name in ("manifest", "index", "parts/00001"):
        (archive / f"runs/0001/{name}.parquet").unlink()
    return str(archive)


def test_two_drivers_at_once_give_one_archive_and_both_succeed(storage_root, source, slowly_wanted, drivers):
    options = SMALL | {"engine": "local", "workers": 2, "codec": "test-slow"}
    environment = aws() | {"TILEPRESS_TEST_SECONDS": "0.2"}
    both = [drivers.start(drivers.run, str(source), storage_root, options, environment) for _ in range(2)]
    for driver in both:
        driver.join()
    assert [driver.exitcode for driver in both] == [0, 0]
    assert contents(storage_root) == slowly_wanted
    assert verify(storage_root, **ONE).exit_code == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_killed_at_random_moments_until_it_completes(seed, source, slowly_wanted, tmp_path, drivers):
    rng = random.Random(seed)
    archive, kills = str(tmp_path / "archive"), 0
    options = SMALL | {"engine": "local", "workers": 2, "codec": "test-slow"}
    while True:
        before = identities(archive)
        child = drivers.start(drivers.run, str(source), archive, options, {"TILEPRESS_TEST_SECONDS": "0.15"})
        child.join(rng.uniform(0.05, 0.4 + 0.05 * kills))
        child.kill()
        child.join()
        assert is_kept(before, archive)
        if child.exitcode == 0:
            break
        kills += 1
    assert kills > 1
    assert contents(archive) == slowly_wanted


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_driver_on_ray_may_be_killed_too(number, source, slowly_wanted, tmp_path, monkeypatch):
    archive = tmp_path / "archive"
    options = ["--codec", "test-slow", "--shard-size", "9kB", "--engine", "ray", "-j", "2"]
    monkeypatch.setenv("TILEPRESS_TEST_SECONDS", "1")
    driver = command("compress", source, archive, *options)
    while not list(archive.glob("runs/0001/parts/*.parquet")):
        time.sleep(0.01)
    driver.send_signal(number)
    _, said = driver.communicate(timeout=30)
    assert driver.returncode == (-9 if number == signal.SIGKILL else 128 + number), said
    last_words = [line for line in said.splitlines() if " elapsed" not in line]  # progress is told meanwhile
    assert (number == signal.SIGKILL) == (not last_words) and "Traceback" not in said
    before = identities(str(archive))
    monkeypatch.setenv("TILEPRESS_TEST_SECONDS", "0")
    again = command("compress", source, archive, *options)
    out, _ = again.communicate(timeout=120)
    assert again.returncode == 0, out
    assert is_kept(before, str(archive)) and contents(str(archive)) == slowly_wanted
