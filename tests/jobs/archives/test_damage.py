"""The trust in an archive: whatever happens to its files, verify names it and restore never gives a wrong byte."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.faults.damages import KINDS, Damage, Sound, check, make_sound
from tests.support.fuzzing import rounds

Damager = Callable[[Callable[..., Damage], random.Random], tuple[Path, Damage]]
SEED = 20261121


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    """A sound archive to be damaged."""
    return make_sound(tmp_path_factory.mktemp("sound"))


@pytest.fixture
def damaged(sound: Sound, tmp_path: Path) -> Damager:
    """A function that gives a freshly damaged copy of the archive."""

    def make(kind: Callable[..., Damage], rng: random.Random) -> tuple[Path, Damage]:
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(sound.archive, copy)
        return copy, kind(rng, sound, copy)

    return make


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_damage_is_found_and_named_and_never_restored(kind, sound: Sound, damaged, tmp_path: Path) -> None:
    rng = random.Random(f"{SEED}{kind.__name__}")
    for _ in rounds(3):
        copy, damage = damaged(kind, rng)
        check(sound, copy, damage, tmp_path / "restored")


def test_a_model_that_lost_its_last_byte_is_found(sound: Sound, tmp_path: Path) -> None:
    shutil.copytree(sound.archive, tmp_path / "copy")
    for path in sorted(tmp_path.glob("copy/models/*/*")):
        data = path.read_bytes()
        for wrong in (data[:-1], data + b"\n"):
            path.write_bytes(wrong)
            name = str(path.parent.relative_to(tmp_path / "copy"))
            check(
                sound, tmp_path / "copy", Damage((f"{name}/{path.name}",), sound.learned[name]), tmp_path / "restored"
            )
        path.write_bytes(data)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_damages_without_end_are_found_and_named_and_never_restored(kind, sound, damaged, tmp_path) -> None:
    rng = random.Random(f"{SEED}{kind.__name__}slow")
    for _ in rounds(30, seconds=20):
        copy, damage = damaged(kind, rng)
        check(sound, copy, damage, tmp_path / "restored")
