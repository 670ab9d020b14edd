"""Files come back byte for byte from what is left of them and of their parity; or not at all, and that is said."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from pathlib import Path
from threading import Lock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tilepress.pipeline.errors import IntegrityError
from tilepress.pipeline.parity import blocks, group
from tilepress.pipeline.parity.check import ParityTask, check_parity
from tilepress.pipeline.parity.description import Parity, find_parity
from tilepress.pipeline.parity.group import CoveredFile, Group
from tilepress.pipeline.parity.make import GroupTask, write_parity
from tilepress.pipeline.parity.restore import restore_files
from tilepress.pipeline.storage.base import Ranges, Storage, open_storage
from tilepress.pipeline.storage.local import LocalStorage

SIZES = (0, 1, 511, 512, 513, 5000, 20_000, 1024 * 12)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Several stripes and windows of small files."""
    monkeypatch.setattr(group, "MAX_BLOCK", 512)
    monkeypatch.setattr(group, "MOST_DATA", 20)
    monkeypatch.setattr(blocks, "WINDOW_BYTES", 20 * 512 * 2)


def filled(storage: Storage, sizes: tuple[int, ...] = SIZES, percent: float = 30) -> tuple[Parity, dict[str, bytes]]:
    """A storage with files and their parity; the parity and all bytes by name."""
    rng = random.Random(7)
    for number, size in enumerate(sizes):
        storage.create(f"file-{number}", rng.randbytes(size))
    files = [CoveredFile(f"file-{number}", size) for number, size in enumerate(sizes)]
    write_parity(GroupTask(0, Group.of("parity", files, percent), percent), storage)
    (found,) = find_parity(storage, "parity")
    return found, {entry.name: storage.read(entry.name) for entry in storage.list()}


def problems(storage: Storage, parity: Parity) -> list[str]:
    return [name for name, _ in check_parity(ParityTask(0, parity), storage, None)[1]]


def test_parity_lies_beside_files_and_is_the_same_when_made_again(storage):
    parity, everything = filled(storage)
    assert parity.complete and problems(storage, parity) == []
    assert parity.description is not None
    write_parity(GroupTask(0, parity.description.group, 30), storage)
    assert {entry.name: storage.read(entry.name) for entry in storage.list()} == everything


class Store(LocalStorage):
    """Answers after a while, as a distant store does; knows how many requests there were at a time, and how large."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._lock, self._now = Lock(), 0
        self.most = self.longest = 0

    def read_ranges(self, name: str, ranges: Ranges) -> list[bytes]:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            if name.startswith("file-"):
                self.longest = max(self.longest, sum(length for _, length in ranges))
        time.sleep(0.005)
        with self._lock:
            self._now -= 1
        return super().read_ranges(name, ranges)

    def local_path(self, name: str) -> Path | None:
        return None


def test_a_store_is_asked_for_many_short_pieces_at_a_time_and_for_no_more_than_memory_has_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "_PIECE_BYTES", 200)
    store = Store(str(tmp_path / "distant"))
    parity, everything = filled(store)
    assert {name: (tmp_path / "distant" / name).read_bytes() for name in everything} == everything
    filled(LocalStorage(str(tmp_path / "near")))
    assert {name: (tmp_path / "near" / name).read_bytes() for name in everything} == everything
    store.remove("file-5")
    assert parity.description is not None
    assert dict(restore_files(store, parity.description, {"file-5"})) == {"file-5": ""}
    assert store.read("file-5") == everything["file-5"]
    assert 1 < store.most <= blocks._PIECES and store.longest <= 200


def test_files_that_are_lost_cut_off_too_long_or_swapped_come_back(storage):
    parity, everything = filled(storage)
    storage.remove("file-5")
    storage.write("file-4", everything["file-4"][:100], overwrite=True)
    storage.write("file-3", everything["file-3"] + b"more", overwrite=True)
    storage.write("file-2", everything["file-1"], overwrite=True)
    storage.write("file-1", everything["file-2"], overwrite=True)
    storage.remove("file-0")
    assert parity.description is not None
    done = dict(restore_files(storage, parity.description, {f"file-{number}" for number in range(8)}))
    assert done == {f"file-{number}": "" for number in range(6)}
    assert {entry.name: storage.read(entry.name) for entry in storage.list()} == everything


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_damage_within_the_parity_of_every_stripe_is_undone_and_none_beyond_it(tmp_path_factory, draws):
    root = tmp_path_factory.mktemp("damage")
    storage = open_storage(str(root))
    parity, everything = filled(storage, tuple(draws.draw(st.lists(st.sampled_from(SIZES), min_size=1, max_size=5))))
    assert parity.description is not None
    layout = parity.description.group
    blocks_of_all = [("data", n) for n in range(layout.blocks)]
    blocks_of_all += [(r, s) for r in range(layout.parity) for s in range(layout.stripes)]
    hit = draws.draw(st.sets(st.sampled_from(blocks_of_all), max_size=2 * layout.parity * layout.stripes))
    lost = [0] * layout.stripes
    for row, number in hit:
        lost[number % layout.stripes] += flip(root, layout, row, number)
    beyond = {stripe for stripe, count in enumerate(lost) if count > layout.parity}
    done = dict(restore_files(storage, parity.description, everything.keys()))
    for number, file in enumerate(layout.files):
        mine = {n for row, n in hit if row == "data" and layout.starts[number] <= n < layout.starts[number + 1]}
        if any(n % layout.stripes in beyond for n in mine) and done.get(file.name):
            assert "beyond its parity" in done[file.name]
        else:
            assert storage.read(file.name) == everything[file.name]


def flip(root: Path, layout: Group, row: str | int, number: int) -> bool:
    """Change a byte of a block; False if it has none that is stored."""
    if row == "data":
        spans = list(layout.spans(number, 1))
        if not spans:
            return False
        (file, offset, length, _) = spans[0]
        path, at = root / layout.files[file].name, offset + number % length
    else:
        assert isinstance(row, int)
        path, at = root / layout.row(row), number * layout.block + 5
    data = bytearray(path.read_bytes())
    data[at] ^= 0x40
    path.write_bytes(data)
    return True


def test_what_is_beyond_parity_is_left_as_it_is_and_said(tmp_path):
    storage = open_storage(str(tmp_path))
    parity, _ = filled(storage, (20_000, 20_000, 100), percent=10)
    assert parity.description is not None
    for name in ("file-0", "file-1"):
        storage.write(name, b"nothing of it is left", overwrite=True)
    done = dict(restore_files(storage, parity.description, {"file-0", "file-1", "file-2"}))
    assert done.keys() == {"file-0", "file-1"}
    assert all("blocks are damaged beyond its parity" in problem for problem in done.values())
    assert storage.read("file-0") == b"nothing of it is left"


def test_damaged_parity_is_found_by_name_and_still_restores(tmp_path):
    storage = open_storage(str(tmp_path))
    parity, everything = filled(storage)
    assert parity.description is not None
    layout = parity.description.group
    for name in (layout.description, layout.row(0)):
        storage.write(name, b"x" + everything[name][1:], overwrite=True)
    storage.remove(layout.sums)
    storage.remove(layout.row(3))
    storage.remove("file-5")
    (found,) = find_parity(storage, "parity")
    assert set(problems(storage, found)) == {layout.description, layout.sums, layout.row(0), layout.row(3)}
    assert found.description == parity.description
    assert list(restore_files(storage, found.description, {"file-5"})) == [("file-5", "")]
    write_parity(GroupTask(0, layout, 30, again=True), storage)
    assert {entry.name: storage.read(entry.name) for entry in storage.list()} == everything


def test_other_bytes_under_the_names_of_parity_are_refused_unless_it_is_repaired(tmp_path):
    storage = open_storage(str(tmp_path))
    parity, _ = filled(storage)
    assert parity.description is not None
    name = parity.description.group.row(1)
    storage.write(name, b"something else", overwrite=True)
    with pytest.raises(IntegrityError, match="repair"):
        write_parity(GroupTask(0, parity.description.group, 30), storage)
    assert storage.read(name) == b"something else"


def test_a_command_that_dies_anywhere_goes_on_when_it_is_repeated(tmp_path, monkeypatch):
    complete = open_storage(str(tmp_path / "complete"))
    parity, everything = filled(complete, SIZES[:6])
    assert parity.description is not None
    layout = parity.description.group
    for count in range(len(layout.objects)):
        storage = open_storage(str(tmp_path / f"killed-{count}"))
        for file in layout.files:
            storage.create(file.name, everything[file.name])
        with monkeypatch.context() as patch:
            die_after(count, type(storage), patch)
            with pytest.raises(KeyboardInterrupt):
                write_parity(GroupTask(0, layout, 30), storage)
        assert not any(each.complete for each in find_parity(storage, "parity"))
        write_parity(GroupTask(0, layout, 30), storage)
        assert {entry.name: storage.read(entry.name) for entry in storage.list()} == everything


def die_after(count: int, kind: type[Storage], patch: pytest.MonkeyPatch) -> None:
    """Let storages of a kind create so many objects, and no more."""
    left = [count]

    def dying(method):
        def call(*arguments, **keywords):
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            return method(*arguments, **keywords)

        return call

    for name in ("create", "create_file"):
        patch.setattr(kind, name, dying(getattr(kind, name)))


def test_a_description_that_lies_is_no_description(tmp_path):
    storage = open_storage(str(tmp_path))
    parity, everything = filled(storage)
    assert parity.description is not None
    layout = parity.description.group
    for name in layout.objects:
        moved = name.replace(layout.key, "0" * 16)
        storage.create(moved, everything[name])
    found = {each.key: each for each in find_parity(storage, "parity")}
    assert found["0" * 16].description is None
    assert "another group" in found["0" * 16].problem
    assert found[layout.key].description == parity.description
    assert problems(storage, replace(found["0" * 16])) == [f"parity/{'0' * 16}.json"]
