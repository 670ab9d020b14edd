"""A storage that keeps its promises passes, and one that breaks any of them is found out, by the check of that one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tilepress.errors import AlreadyExists, MissingError, StorageError
from tilepress.jobs.doctor import consistency, contention, file_system, pace
from tilepress.jobs.doctor.checks import BROKEN, LOOK, OK, Finding, checked
from tilepress.jobs.doctor.scratch import Scratch, scratch_below
from tilepress.jobs.doctor.storage import storage_checks
from tilepress.pipeline.storage.base import ListedFile
from tilepress.pipeline.storage.listing_rules import ALL, ListingRules
from tilepress.pipeline.storage.local import LocalStorage
from tilepress.pipeline.storage.options import NO_OPTIONS


class AllWin(LocalStorage):
    """Does not know of create-only, as old S3 servers do not."""

    def create(self, name: str, data: Any) -> None:
        self.write(name, data, overwrite=True)


class AnothersContent(LocalStorage):
    def create(self, name: str, data: Any) -> None:
        super().create(name, b"another's" if b"writer" in data else data)


class LateReplace(LocalStorage):
    def create(self, name: str, data: Any) -> None:
        if data == b"late":
            self.write(name, data, overwrite=True)
        else:
            super().create(name, data)


class RefusedWrite(LocalStorage):
    """Refuses a late writer, and carries out its write."""

    def create(self, name: str, data: Any) -> None:
        try:
            super().create(name, data)
        except AlreadyExists:
            if data == b"late":
                self.write(name, data, overwrite=True)
            raise


class NobodyWins(LocalStorage):
    def create(self, name: str, data: Any) -> None:
        raise AlreadyExists(f"{name} exists already")


class Vanishes(LocalStorage):
    def read(self, name: str) -> bytes:
        raise MissingError(f"{name}: there is no such file")


class OwnUnknown(LocalStorage):
    """Does not show what was written, as a stale cache does."""

    def size(self, name: str) -> int:
        return 0


class TakesAnothers(LocalStorage):
    def create(self, name: str, data: Any) -> None:
        try:
            super().create(name, data)
        except AlreadyExists:
            if data != b"ours":
                raise


class StaleReads(LocalStorage):
    """Remembers the first content of each name."""

    def read(self, name: str) -> bytes:
        return vars(self).setdefault("seen", {}).setdefault(name, super().read(name))  # type: ignore[no-any-return]  # of a plain dict


class NegativeCache(LocalStorage):
    """Remembers that an object was not there."""

    def stat(self, name: str, locator: bytes = b"") -> ListedFile:
        missing = vars(self).setdefault("missing", set())
        try:
            if name not in missing:
                return super().stat(name, locator)
        except MissingError:
            missing.add(name)
        raise MissingError(name)


class NothingGoes(LocalStorage):
    def remove(self, name: str) -> None:
        return


class OffByOne(LocalStorage):
    def read_ranges(self, name: str, ranges: Any) -> list[bytes]:
        return super().read_ranges(name, [(max(0, start - 1), length) for start, length in ranges])


class ShortRanges(LocalStorage):
    def read_ranges(self, name: str, ranges: Any) -> list[bytes]:
        return [self.read(name)[start : start + length] for start, length in ranges]


class OverlooksNew(LocalStorage):
    def list(self, prefix: str = "", rules: ListingRules = ALL) -> Iterator[ListedFile]:
        return iter([*super().list(prefix, rules)][:-1])


class Disordered(LocalStorage):
    def list(self, prefix: str = "", rules: ListingRules = ALL) -> Iterator[ListedFile]:
        return iter([*super().list(prefix, rules)][::-1])


class ListsRemoved(LocalStorage):
    """Still lists what was removed."""

    def list(self, prefix: str = "", rules: ListingRules = ALL) -> Iterator[ListedFile]:
        entries = vars(self).setdefault("seen", {})
        entries.update({entry.name: entry for entry in super().list(prefix, rules)})
        return iter(sorted(entries.values(), key=lambda entry: str(entry.name)))


class NoFolders(LocalStorage):
    def folders(self, prefix: str = "") -> Any:
        return []


class OneCase(LocalStorage):
    """Does not tell small letters from capitals, as macOS and Windows do not."""

    def _path(self, name: str, locator: bytes = b"") -> str:
        return super()._path(name.lower(), locator)


class OneCaseReplacing(OneCase):
    def create(self, name: str, data: Any) -> None:
        self.write(name, data, overwrite=True)


class KeepsTemporaries(LocalStorage):
    def remove_stale_temporaries(self, prefix: str = "", older_than_s: float = 0) -> int:
        return 0


class ListsTemporaries(LocalStorage):
    def list(self, prefix: str = "", rules: ListingRules = ALL) -> Iterator[ListedFile]:
        return iter([ListedFile(path.name, path.stat().st_size) for path in Path(self.url).iterdir()])


class AnHourBehind(LocalStorage):
    def stat(self, name: str, locator: bytes = b"") -> ListedFile:
        found = super().stat(name, locator)
        return replace(found, modified_ns=(found.modified_ns or 0) - 3600 * 10**9)


def listing(scratch: Scratch) -> Finding:
    return consistency.listing(scratch, thorough=False)


@pytest.mark.parametrize(
    ("double", "check", "outcome", "words"),
    [
        (AllWin, contention.create_only, BROKEN, "were told that they had created it"),
        (AnothersContent, contention.create_only, BROKEN, "another's content is there"),
        (LateReplace, contention.create_only, BROKEN, "a late writer replaced"),
        (RefusedWrite, contention.create_only, BROKEN, "a refused writer changed the object"),
        (NobodyWins, contention.create_only, BROKEN, "writers of a new name were refused"),
        (Vanishes, contention.create_only, BROKEN, "just created is not there"),
        (OwnUnknown, contention.lost_answers, BROKEN, "does not find its own object"),
        (TakesAnothers, contention.lost_answers, BROKEN, "took another's object for its own"),
        (StaleReads, consistency.read_after_write, BROKEN, "it was replaced, and something else was read"),
        (NegativeCache, consistency.read_after_write, BROKEN, "it was written, and then not there"),
        (NothingGoes, consistency.read_after_write, BROKEN, "it was removed, and still there"),
        (OffByOne, consistency.ranges, BROKEN, "other bytes"),
        (ShortRanges, consistency.ranges, BROKEN, "beyond the end"),
        (OverlooksNew, listing, BROKEN, "1 were not listed"),
        (Disordered, listing, BROKEN, "out of order"),
        (ListsRemoved, listing, BROKEN, "15 were listed that are not there"),
        (NoFolders, listing, BROKEN, "folders were listed wrongly"),
        (OneCase, consistency.names, LOOK, "refused: 'case.png'"),
        (OneCaseReplacing, consistency.names, BROKEN, "holds another object's content"),
        (KeepsTemporaries, file_system.temporary_files, BROKEN, "is not removed"),
        (ListsTemporaries, file_system.temporary_files, BROKEN, "temporary files are listed"),
        (AnHourBehind, pace.clock, LOOK, "off this machine's"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_broken_promise_is_found(
    double: type[LocalStorage], check: Callable[[Scratch], Finding], outcome: str, words: str, tmp_path: Path
) -> None:
    (tmp_path / "place").mkdir()
    found = check(Scratch(double(str(tmp_path / "place"))))
    assert (found.outcome, words in found.text) == (outcome, True), found.text


def test_a_local_folder_keeps_every_promise_and_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "mine.png").write_bytes(b"mine")
    with scratch_below(str(tmp_path), NO_OPTIONS) as scratch:
        checks = [checked("storage", name, check) for name, check in storage_checks(scratch, thorough=False).items()]
    found = {check.name: check.outcome for check in checks}
    assert set(found.values()) <= {OK, "not applicable"} | ({LOOK} if found["file system"] == LOOK else set()), checks
    assert {"create-only", "read after write", "ranges", "listing", "names", "pace"} <= {
        n for n in found if found[n] == OK
    }
    assert [path.name for path in tmp_path.iterdir()] == ["mine.png"]


def test_storage_in_memory_is_checked_too(tmp_path: Path) -> None:
    with scratch_below(f"memory://{tmp_path.name}-{time.monotonic_ns()}", NO_OPTIONS) as scratch:
        checks = storage_checks(scratch, thorough=True)
        assert checks["listing"]().outcome == checks["ranges"]().outcome == OK
        assert checks["file system"]().outcome == "not applicable"
    assert scratch.left == [] and not [*scratch.storage.list()]


def test_a_storage_that_fails_is_neither_broken_nor_sound() -> None:
    def fails() -> Finding:
        raise StorageError("access denied")

    found = checked("storage", "names", fails)
    assert (found.outcome, found.text) == ("not tried", "access denied")
