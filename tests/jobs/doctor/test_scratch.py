"""What the checks make is removed however they end, and what cannot be is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tilepress.errors import StorageError, TransientStorageError
from tilepress.jobs.doctor.scratch import Scratch, scratch_below
from tilepress.pipeline.storage.base import ListedFile
from tilepress.pipeline.storage.listing_rules import ALL, ListingRules
from tilepress.pipeline.storage.local import LocalStorage
from tilepress.pipeline.storage.options import NO_OPTIONS


def test_folders_that_were_made_for_the_checks_go_too(tmp_path: Path) -> None:
    with scratch_below(str(tmp_path / "a" / "b"), NO_OPTIONS) as scratch:
        scratch.storage.create(scratch.new("x"), b"x")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, StorageError])
def test_everything_is_removed_however_the_checks_end(error: type[BaseException], tmp_path: Path) -> None:
    with pytest.raises(error), scratch_below(str(tmp_path), NO_OPTIONS) as scratch:
        scratch.storage.create("nobody/told/of/this", b"x")
        raise error
    assert [*tmp_path.iterdir()] == []


def test_what_cannot_be_removed_is_named(tmp_path: Path) -> None:
    class Stays(LocalStorage):
        def remove(self, name: str) -> None:
            raise StorageError(f"{name}: access denied")

    scratch = Scratch(Stays(str(tmp_path)))
    scratch.storage.create(scratch.new("a"), b"a")
    scratch.clear()
    assert scratch.left == [f"{tmp_path}/a"]


def test_what_may_be_left_in_a_place_that_does_not_answer_is_named(tmp_path: Path) -> None:
    class Silent(LocalStorage):
        def list(self, prefix: str = "", rules: ListingRules = ALL) -> Iterator[ListedFile]:
            raise TransientStorageError("no answer in time")

    scratch = Scratch(Silent(str(tmp_path)))
    scratch.new("a")
    scratch.clear()
    assert scratch.left == [f"{tmp_path}/a"]


def test_what_a_stale_listing_hides_is_removed_all_the_same(tmp_path: Path) -> None:
    class Hides(LocalStorage):
        def list(self, prefix: str = "", rules: ListingRules = ALL) -> Iterator[ListedFile]:
            return iter(())

    scratch = Scratch(Hides(str(tmp_path)))
    scratch.storage.create(scratch.new("a"), b"a")
    scratch.clear()
    assert [*tmp_path.iterdir()] == [] and scratch.left == []
