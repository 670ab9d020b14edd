"""Plans: the same files give the same plan, and shards hold what they should."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tilepress.pipeline.archive import plan as module
from tilepress.pipeline.archive import plan_writer
from tilepress.pipeline.archive.layout import Run
from tilepress.pipeline.archive.manifest import Manifest, PartEntry, manifest_bytes, read_manifest
from tilepress.pipeline.archive.plan import ADD, LeftOut, Plan, PlannedFile, plan_from_bytes
from tilepress.pipeline.archive.plan_writer import write_plan
from tilepress.pipeline.archive.schema import GONE
from tilepress.pipeline.archive.sealed import SEAL_KEY, SealedWriter
from tilepress.pipeline.errors import IntegrityError
from tilepress.pipeline.storage.local import LocalStorage

SETTINGS = {"source": "photos", "press": {"codec": "jpegxl", "quality": None}}
FILES = st.lists(st.tuples(st.sampled_from([ADD, ADD, ADD, GONE]), st.integers(0, 500)), min_size=1, max_size=60)


def files_of(sizes: list[tuple[str, int]]) -> list[PlannedFile]:
    return [
        PlannedFile(0, 0, state, f"{at:04}/ü.png", b"raw" if at % 3 else b"", size * (state == ADD), 10**18 + at, "e")
        for at, (state, size) in enumerate(sizes)
    ]


def content(plan: Plan) -> bytes:
    plan.file.seek(0)
    return plan.file.read()


@given(FILES, st.integers(1, 2000))
@hypothesis_settings(max_examples=40)
def test_shards_hold_every_file_once_in_order_within_their_size(sizes, target: int) -> None:
    files = files_of(sizes)
    plan = write_plan(files, SETTINGS, target)
    shards = list(plan.shards())
    assert [shard.number for shard in shards] == list(range(len(shards)))
    held = [file for shard in shards for file in shard.files]
    assert [replace(file, image=0, shard=0) for file in held] == files
    assert [file.image for file in held] == list(range(len(files)))
    for shard in shards:
        assert shard.bytes <= target or len(shard.files) == 1 or not shard.files[0].bytes == shard.bytes > target
        assert {file.shard for file in shard.files} == {shard.number}
        assert [*shard.additions, *shard.marks] == sorted(shard.files, key=lambda file: file.state)
    for one, two in pairwise(shards):
        assert one.bytes + two.files[0].bytes > target, "shards are as full as they may be"
    added = [file for file in files if file.state == ADD]
    totals = plan.totals
    assert (totals.files, totals.bytes) == (len(added), sum(file.bytes for file in added))
    assert (totals.gone, totals.shards) == (len(files) - len(added), len(shards))


def test_a_file_as_large_as_a_shard_is_alone() -> None:
    plan = write_plan(files_of([(ADD, 10), (ADD, 5000), (ADD, 10), (ADD, 10)]), SETTINGS, 1000)
    assert [[file.bytes for file in shard.files] for shard in plan.shards()] == [[10], [5000], [10, 10]]


def test_a_shard_has_at_most_8192_files() -> None:
    plan = write_plan(files_of([(ADD, 1)] * 20000), SETTINGS)
    assert [len(shard.files) for shard in plan.shards()] == [8192, 8192, 3616]


@pytest.mark.parametrize(("size", "count", "expected"), [(1 << 20, 64, 8), (512 << 20, 64, 64), (1 << 30, 30, 30)])
def test_shards_are_a_64th_of_the_run_within_8_and_256_megabytes(size: int, count: int, expected: int) -> None:
    plan = write_plan(files_of([(ADD, size)] * count), SETTINGS)
    assert plan.totals.shards == expected


def test_the_same_files_and_settings_give_the_same_bytes() -> None:
    sizes = [(ADD, 3), (GONE, 0), (ADD, 900)]
    one, two = write_plan(files_of(sizes), SETTINGS, 100), write_plan(iter(files_of(sizes)), dict(SETTINGS), 100)
    assert content(one) == content(two)
    assert one.seal == two.seal
    assert write_plan(files_of(sizes), SETTINGS | {"source": "other"}, 100).seal != one.seal
    assert write_plan(files_of(sizes[:2]), SETTINGS, 100).seal != one.seal


def test_a_stored_plan_reads_as_it_was_written() -> None:
    plan = write_plan(files_of([(ADD, 3), (GONE, 0), (ADD, 900)]), SETTINGS, 100)
    again = plan_from_bytes(content(plan), "plan.parquet")
    assert (again.seal, again.settings, again.totals) == (plan.seal, SETTINGS, plan.totals)
    assert list(again.shards()) == list(plan.shards())
    assert list(again.shards()) == list(again.shards()), "shards may be walked again"


def test_a_plan_without_files_has_no_shards() -> None:
    plan = write_plan([], SETTINGS)
    assert (plan.totals.shards, list(plan.shards())) == (0, [])


def test_a_file_of_the_plan_is_the_entry_that_was_listed() -> None:
    (file,) = files_of([(ADD, 7)])
    entry = file.entry
    assert (entry.name, entry.size, entry.etag, entry.modified_ns) == (file.path, 7, "e", 10**18)


def test_of_much_that_was_left_out_the_plan_says_how_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_writer, "_MAX_LEFT_OUT", 3)
    for count in range(6):
        left_out = [LeftOut(str(at), "a pipe", unreadable=at == 4) for at in range(count)]
        kept = list(write_plan([], SETTINGS, left_out=left_out).left_out)
        rest = [LeftOut("...", f"{count - 2} more, which are not named here", unreadable=count == 5)]
        assert kept == (left_out if count < 4 else left_out[:2] + rest)


def test_shards_stream_out_of_a_large_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BATCH_ROWS", 10)
    plan = write_plan(files_of([(ADD, 1)] * 105), SETTINGS, 4)
    assert [len(shard.files) for shard in plan.shards()] == [4] * 26 + [1]
    read = []
    original = PlannedFile

    def counted(**row: object) -> PlannedFile:
        read.append(row)
        return original(**row)

    monkeypatch.setattr(module, "PlannedFile", counted)
    next(plan.shards())
    assert len(read) <= 10, "only the batch that the first shard needs"


@pytest.mark.parametrize("at", [0.1, 0.5, 0.9])
def test_a_damaged_plan_is_refused_by_name(at: float) -> None:
    data = bytearray(content(write_plan(files_of([(ADD, 3)] * 50), SETTINGS)))
    data[int(at * len(data))] ^= 4
    with pytest.raises(IntegrityError, match=r"runs/0001/plan\.parquet"):
        plan_from_bytes(bytes(data), "runs/0001/plan.parquet")


def sealed_again(data: bytes) -> bytes:
    """Bytes of a sealed Parquet file, with the seal that they have now: as of somebody who wants to be believed."""
    at = data.rindex(f"{SEAL_KEY}\x18\x40".encode()) + len(SEAL_KEY) + 2
    digest = sha256(data[:at] + b"0" * 64 + data[at + 64 :]).hexdigest()
    return data[:at] + digest.encode() + data[at + 64 :]


def torn(data: bytes) -> bytes:
    """The same file with a flipped bit in its first page of rows."""
    return sealed_again(data[:40] + bytes([data[40] ^ 4]) + data[41:])


def test_rows_that_do_not_decode_are_damage_of_a_file_that_is_named(tmp_path: Path) -> None:
    name, plan = "runs/0001/plan.parquet", content(write_plan(files_of([(ADD, 3)] * 50), SETTINGS))
    assert list(plan_from_bytes(sealed_again(plan), name).files()), "so it is the rows, and not the seal"
    with pytest.raises(IntegrityError, match=rf"{name}: its rows cannot be read \(.+\)"):
        list(plan_from_bytes(torn(plan), name).shards())
    storage, parts = LocalStorage(str(tmp_path)), tuple(PartEntry(at, 1, 1, 100, "0" * 64) for at in range(50))
    storage.create(Run(1).manifest, torn(manifest_bytes(Run(1), Manifest(parts, "", ""))))
    with pytest.raises(IntegrityError, match=r"runs/0001/manifest\.parquet: its rows cannot be read \(.+\)"):
        read_manifest(storage, Run(1))


def test_another_sealed_file_is_no_plan() -> None:
    out = io.BytesIO()
    writer = SealedWriter(out, module.PLAN_SCHEMA)
    writer.write(module.PLAN_SCHEMA.empty_table())
    writer.close({"tilepress.format": "tilepress-plan-99", "tilepress.settings": json.dumps({})})
    with pytest.raises(IntegrityError, match="not a plan"):
        plan_from_bytes(out.getvalue(), "x")
