"""Writing a plan: files are numbered, cut into shards and sealed, in local scratch space; again where it is lost."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from tilepress.pipeline.archive.index import Index
from tilepress.pipeline.archive.manifest import Manifest
from tilepress.pipeline.archive.places import Place
from tilepress.pipeline.archive.plan import ADD, FORMAT, PLAN_SCHEMA, STORED, LeftOut, Plan, PlannedFile, Totals
from tilepress.pipeline.archive.schema import FORGOTTEN, GONE, NO_FILES
from tilepress.pipeline.archive.sealed import REMADE_KEY, SealedWriter

MAX_SHARD_IMAGES = 8192
_SHARD_BOUNDS = (8 << 20, 256 << 20)  # bytes; between them, a 64th of the run
_BATCH_ROWS = 8192
_MAX_LEFT_OUT = 1000
_ENCODINGS = {"image": "DELTA_BINARY_PACKED", "path": "DELTA_BYTE_ARRAY", "modified_ns": "DELTA_BINARY_PACKED"}
_INDEXED = ["image", "part", "path", "method", "source_bytes", "modified_ns", "etag", "permissions", "name"]
_STATES = NO_FILES | {GONE, FORGOTTEN}  # which rows of the index call by the same word


def write_plan(
    files: Iterable[PlannedFile],
    settings: Mapping[str, Any],
    shard_bytes: int | None = None,
    parent: str = "",
    left_out: Sequence[LeftOut] = (),
    date: str = "",
    replaces: Sequence[Place] = (),
) -> Plan:
    """Number files, cut them into shards, write the plan to local scratch space and return it.

    Two passes over a scratch file: memory does not grow with the plan.

    Args:
        files: The files in path order.
        settings: The request of the run, as JSON.
        shard_bytes: A shard ends there or at 8,192 files; by default at a 64th of the run, within 8 to 256 MB. A
            file that is as large as that by itself is alone.
        parent: The seal of the manifest of the run before.
        left_out: Looked at when `files` is exhausted, since listing them finds it. The plan keeps the first 1,000; of
            more, the last of these says how many.
        date: When listing them was begun: see dates.py.
        replaces: Parts of earlier runs that this one is to stand for.
    """
    scratch = _temporary()
    with pq.ParquetWriter(scratch, PLAN_SCHEMA) as writer:
        size = sum(_write(writer, batch) for batch in _batches(files))
    low, high = _SHARD_BOUNDS
    target = shard_bytes or min(max(size // 64, low), high)
    scratch.seek(0)
    rows = (row for batch in pq.ParquetFile(scratch).iter_batches(_BATCH_ROWS) for row in batch.to_pylist())
    about = plan_metadata(settings, parent, left_out, date, replaces)
    plan = Plan(seal_plan(_cut(rows, target), about), "the plan just made")
    scratch.close()
    return plan


def plan_again(manifest: Manifest, index: Index, settings: Mapping[str, Any], parent: str) -> Plan:
    """Return the plan of a complete run: the very file, or one that says which seal it stands for.

    What the source held that was left out, and where the files of a list were, is not known any more.

    Args:
        manifest: That of the run.
        index: The one that the manifest names.
        settings: What was asked for.
        parent: The seal of the manifest of the run before.
    """
    about = plan_metadata(settings, parent, (), manifest.date, manifest.replaces)
    plan = Plan(seal_plan(_planned(index), about), "the plan made again")
    if plan.seal == manifest.plan_seal:
        return plan
    return Plan(seal_plan(_planned(index), about | {REMADE_KEY: manifest.plan_seal}), "the plan made again")


def plan_metadata(
    settings: Mapping[str, Any], parent: str, left_out: Sequence[LeftOut], date: str, replaces: Sequence[Place]
) -> dict[str, str]:
    """Return what the footer of a plan says: see `write_plan`."""
    return (
        {
            "tilepress.format": FORMAT,
            "tilepress.parent": parent,
            "tilepress.settings": json.dumps(settings, sort_keys=True),
            "tilepress.left_out": json.dumps([asdict(each) for each in _first(left_out)]),
        }
        | ({"tilepress.date": date} if date else {})
        | ({"tilepress.replaces": json.dumps(replaces)} if replaces else {})
    )


def seal_plan(files: Iterable[PlannedFile], about: Mapping[str, str]) -> BinaryIO:
    """Return numbered files and what a footer is to say as a sealed plan in local scratch space."""
    out = _temporary()
    sealed = SealedWriter(
        out,
        PLAN_SCHEMA,
        compression="ZSTD",
        write_statistics=["image", "path"],
        use_dictionary=["state", "shard", "bytes"],
        column_encoding=_ENCODINGS,
    )
    counter = _Counter()
    for batch in _batches(files):
        counter.add(batch)
        sealed.write(_table(batch))
    sealed.close({**about, "tilepress.totals": json.dumps(asdict(counter.totals), sort_keys=True)})
    return out


def _first(left_out: Sequence[LeftOut]) -> Sequence[LeftOut]:
    """As many as a plan names; the last stands for the rest where that is more than itself."""
    named, rest = left_out[: _MAX_LEFT_OUT - 1], left_out[_MAX_LEFT_OUT - 1 :]
    if len(rest) < 2:
        return left_out
    unreadable = any(each.unreadable for each in rest)
    return [*named, LeftOut("...", f"{len(rest):,} more, which are not named here", unreadable)]


class _Counter:
    """Adds up a plan's totals while it streams past."""

    def __init__(self) -> None:
        self.totals = Totals(0, 0, 0, 0)

    def add(self, files: list[PlannedFile]) -> None:
        added = [file for file in files if file.state in STORED]
        self.totals = replace(
            self.totals,
            files=self.totals.files + len(added),
            bytes=self.totals.bytes + sum(file.bytes for file in added),
            gone=self.totals.gone + len(files) - len(added),
            shards=max(self.totals.shards, files[-1].shard + 1),
        )


def _cut(files: Iterable[dict[str, Any]], target: int) -> Iterator[PlannedFile]:
    """Files, as rows of the scratch file, numbered and in shards."""
    shard = size = count = 0
    for number, file in enumerate(files):
        if count and (size + file["bytes"] > target or count >= MAX_SHARD_IMAGES):
            shard, size, count = shard + 1, 0, 0
        yield PlannedFile(**(file | {"image": number, "shard": shard}))
        size += file["bytes"]
        count += 1


def _batches(files: Iterable[PlannedFile]) -> Iterator[list[PlannedFile]]:
    batch: list[PlannedFile] = []
    for file in files:
        batch.append(file)
        if len(batch) == _BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _write(writer: pq.ParquetWriter, batch: list[PlannedFile]) -> int:
    writer.write_table(_table(batch))
    return sum(file.bytes for file in batch)


def _table(batch: list[PlannedFile]) -> pa.Table:
    return pa.Table.from_pylist([vars(file) for file in batch], schema=PLAN_SCHEMA)


def _temporary() -> BinaryIO:
    return cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=16 << 20))


def _planned(index: Index) -> Iterator[PlannedFile]:
    shard = 0
    for row in index.walk(_INDEXED):
        shard = shard if row["part"] is None else row["part"]  # a mark has no part: it was planned with its neighbours
        state, name = row["method"] if row["method"] in _STATES else ADD, row["name"] or b""
        facts = row["source_bytes"], row["modified_ns"], row["etag"] or "", row["permissions"]
        yield PlannedFile(row["image"], shard, state, row["path"], name, *facts, name)
