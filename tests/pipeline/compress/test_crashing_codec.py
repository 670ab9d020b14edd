"""A codec that crashes its process costs one repetition of the command: then its file is stored verbatim, and said so.

Without Ray: on Ray no repetition is needed (tests/pipeline/engine/test_ray.py).
"""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

import tilepress
from tests.pipeline.engine.test_engine import make_source
from tests.support.interrupted import ONE, command, uninterrupted
from tilepress.pipeline.archive.schema import FILE, FILE_ZSTD, TILES, UNTRUSTED

BOMB = ["--codec", "test-bomb", "--shard-size", "2kB", "--engine", "local"]


def ended(source: Path, archive: Path, *more: str) -> tuple[int, str]:
    """Exit code of a `compress`, and what it said."""
    driver = command("compress", source, archive, *BOMB, *more)
    out, said = driver.communicate(timeout=120)
    return driver.returncode, out + said


def check_kept(source: Path, archive: Path, kept: set[str], out: Path) -> None:
    """The files named, and no others, are stored verbatim with the reason; all come back byte for byte."""
    facts = {entry.path: entry.index_row.facts for entry in tilepress.open(archive).entries()}
    assert {name for name, each in facts.items() if each.method in (FILE, FILE_ZSTD)} == kept
    assert all("crashed" in facts[name].reason and facts[name].reason_code == UNTRUSTED for name in kept)
    assert all(each.method == TILES for name, each in facts.items() if name not in kept)
    assert tilepress.restore(archive, out, **ONE).exit_code == 0
    assert all((out / name).read_bytes() == (source / name).read_bytes() for name in kept)
    assert {path.name for path in out.iterdir()} == {path.name for path in source.iterdir()}
    assert tilepress.verify(archive, against=source, **ONE).exit_code == 0


@pytest.mark.slow
def test_a_file_that_crashes_its_codec_costs_one_repetition_and_is_stored_verbatim(plugin: Path, tmp_path: Path):
    from tilepress_test_codecs import DECODING_ABORTS, ENCODING_ABORTS

    shades = {"a-bomb.tif": ENCODING_ABORTS, "fine.tif": 90, "z-bomb.tif": DECODING_ABORTS}
    source, archive = make_source(tmp_path / "source", shades, count=4), tmp_path / "a.tp"
    assert ended(source, archive, "-j", "1")[0] == -signal.SIGABRT
    code, said = ended(source, archive, "-j", "1")
    assert code == 3, said
    for name in ("a-bomb.tif", "z-bomb.tif"):  # of two shards: a second crash costs no second repetition
        assert f"{name}: stored verbatim, since compressing it crashed" in said
    check_kept(source, archive, {"a-bomb.tif", "z-bomb.tif"}, tmp_path / "out")
    assert not list(archive.glob("runs/*/taken-*"))
    retry = command("retry", archive, "--failed", "--engine", "local", "-j", "1")
    out, said = retry.communicate(timeout=120)
    assert retry.returncode == 3 and "a-bomb.tif: stored verbatim" in out + said, "it costs no repetition again"


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "3"])
def test_a_command_that_was_killed_makes_no_good_file_verbatim(workers, plugin, tmp_path, monkeypatch):
    source = make_source(tmp_path / "source", count=4)
    wanted = uninterrupted(source, tmp_path / "wanted", codec="test-slow", shard_size=40_000)
    assert wanted
    archive = tmp_path / "a.tp"
    words = ("--codec", "test-slow", "--shard-size", "40kB", "--engine", "local", "-j", workers)
    monkeypatch.setenv("TILEPRESS_TEST_SECONDS", "60")
    driver = command("compress", source, archive, *words)
    while not list(archive.glob("runs/0001/taken-*")):
        time.sleep(0.01)
    driver.kill()
    driver.communicate()
    monkeypatch.setenv("TILEPRESS_TEST_SECONDS", "0")
    again = command("compress", source, archive, *words)
    _, said = again.communicate(timeout=120)
    assert again.returncode == 0 and "verbatim" not in said and "other processes" in said
    assert {entry.index_row.facts.method for entry in tilepress.open(archive).entries()} == {TILES}
