"""Bits that flip, files cut short, lost or swapped: verify finds each, and nothing wrong is ever read."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import tilepress
from tests.support.faults.amounts import amount
from tests.support.faults.damages import (
    TELLS_ONLY,
    Damage,
    Sound,
    assert_named,
    delete,
    flip,
    make_sound,
    swap,
    truncate,
)
from tests.support.interrupted import ONE
from tilepress.errors import TilepressError

AMOUNTS = {flip: amount(60, 1000), truncate: amount(15, 200), delete: amount(8, 50), swap: amount(8, 50)}
SEED = 20261128


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    return make_sound(tmp_path_factory.mktemp("sound"))


def right_and_refused(sound: Sound, archive: Path) -> tuple[int, int]:
    """How many files of a damaged archive come back as they were, and how many not at all."""
    right = 0
    try:
        for path, entry in tilepress.open(archive, include_deleted=True).items():
            try:
                found = entry.bytes()
            except TilepressError:
                continue
            assert found == sound.files[path], f"{path} is wrong"
            right += 1
    except TilepressError:
        return 0, len(sound.files)
    return right, len(sound.files) - right


@pytest.mark.slow
@pytest.mark.parametrize("name", TELLS_ONLY)
def test_what_only_tells_people_and_machines_of_an_archive_does_no_harm(name: str, sound: Sound, tmp_path) -> None:
    """Why the test below spares these two files: damaged or gone, every file is right, and verify says no worse."""
    shutil.copytree(sound.archive, tmp_path / "copy")
    for damaged in (b"", b"\0" * 100, None):
        if damaged is None:
            (tmp_path / "copy" / name).unlink()
        else:
            (tmp_path / "copy" / name).write_bytes(damaged)
        assert right_and_refused(sound, tmp_path / "copy") == (len(sound.files), 0)
        assert tilepress.verify(tmp_path / "copy", **ONE).exit_code == 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", AMOUNTS, ids=lambda kind: kind.__name__)
def test_every_damage_is_found_and_nothing_wrong_is_read(
    kind: Callable[..., Damage], sound: Sound, tmp_path: Path, figures: dict[str, object]
) -> None:
    rng, copy = random.Random(f"{SEED}{kind.__name__}"), tmp_path / "copy"
    hit, read, refused = 0, 0, 0
    for _ in range(AMOUNTS[kind]):
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(sound.archive, copy)
        damage = kind(rng, sound, copy)
        report = tilepress.verify(copy, **ONE)
        assert report.exit_code == 4, f"verify did not see {damage}"
        assert_named(report, damage)
        right, lost = right_and_refused(sound, copy)
        assert lost <= len(damage.images), f"more is lost than was hit by {damage}"
        hit, read, refused = hit + bool(damage.images), read + right, refused + lost
    figures |= {"damages": AMOUNTS[kind], "found": AMOUNTS[kind], "of images": hit, "files read right": read}
    figures |= {"files refused": refused, "files wrong": 0}
