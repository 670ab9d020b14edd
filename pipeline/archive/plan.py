"""Plan a run: which files, in which shard, with which settings. The plan is written once and never changes."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from tilepress.pipeline.archive.places import Place, read_places
from tilepress.pipeline.archive.sealed import SealedWriter, check_schema, check_seal, footer_metadata, open_parquet
from tilepress.pipeline.errors import IntegrityError
from tilepress.pipeline.storage.base import FOLDER, LINK, ListedFile

FORMAT = "tilepress-plan-1"
ADD = "add"  # a file to store; the other states are GONE and FORGOTTEN
STORED = frozenset({ADD, LINK, FOLDER})  # states of what is to be stored
MAX_SHARD_IMAGES = 8192
_SHARD_BOUNDS = (8 << 20, 256 << 20)  # bytes; between them, a 64th of the run
_BATCH_ROWS = 8192
_MAX_LEFT_OUT = 1000

_ENCODINGS = {"image": "DELTA_BINARY_PACKED", "path": "DELTA_BYTE_ARRAY", "modified_ns": "DELTA_BINARY_PACKED"}

PLAN_SCHEMA = pa.schema(
    [
        pa.field("image", pa.int32(), nullable=False),
        pa.field("shard", pa.int32(), nullable=False),
        pa.field("state", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("locator", pa.binary(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("modified_ns", pa.int64()),
        pa.field("etag", pa.string(), nullable=False),
        pa.field("permissions", pa.int32()),
        pa.field("name", pa.binary(), nullable=False),
    ]
)


Name = bytes  # this name because a field of PlannedFile hides the built-in type from annotations


@dataclass(frozen=True)
class PlannedFile:
    """One file of a plan. `locator` is the name in the source's own bytes, empty where `path` is that name."""

    image: int
    shard: int
    state: str
    path: str
    locator: bytes = b""
    bytes: int = 0
    modified_ns: int | None = None
    etag: str = ""
    permissions: int | None = None
    name: Name = b""  # under which the file is to come back, where that is not UTF-8

    @property
    def kind(self) -> str:
        """LINK or FOLDER if that is what is to be stored, else an empty text."""
        return self.state if self.state in (LINK, FOLDER) else ""

    @property
    def entry(self) -> ListedFile:
        """The file as its collection lists it."""
        known = self.modified_ns, self.locator, self.permissions, self.name
        return ListedFile(self.path, self.bytes, self.etag, *known, self.kind)

    @staticmethod
    def of(entry: ListedFile) -> PlannedFile:
        """Return a listed file as one to store, not numbered yet."""
        listed = entry.name, entry.locator, entry.size, entry.modified_ns, entry.etag
        return PlannedFile(0, 0, entry.kind or ADD, *listed, entry.permissions, entry.own_name)


@dataclass(frozen=True)
class Shard:
    """Consecutive files of a plan: the unit of work, retry and commit."""

    number: int
    files: tuple[PlannedFile, ...]

    @property
    def additions(self) -> tuple[PlannedFile, ...]:
        """The files to store."""
        return tuple(file for file in self.files if file.state in STORED)

    @property
    def marks(self) -> tuple[PlannedFile, ...]:
        """The files of which only something is said: that the source no longer has them, or that they are forgotten."""
        return tuple(file for file in self.files if file.state not in STORED)

    @property
    def bytes(self) -> int:
        """Bytes to read from the source."""
        return sum(file.bytes for file in self.additions)


@dataclass(frozen=True)
class LeftOut:
    """Something of the source that no run can store: a pipe, a link to a folder, a folder that may not be read ..."""

    name: str  # of a folder with "/" at the end
    reason: str
    unreadable: bool  # there may be files in it, or it is one


@dataclass(frozen=True)
class Totals:
    """Size of a plan."""

    files: int
    bytes: int
    gone: int
    shards: int


class Plan:
    """A plan as a sealed Parquet file, read in shards without holding them all."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        """Open and check a plan; IntegrityError if it is damaged."""
        self.seal = check_seal(file, name)
        self._file = file
        self._name = name
        metadata = footer_metadata(self._parquet())
        if metadata.get("tilepress.format") != FORMAT:
            raise IntegrityError(f"{name}: not a plan that this tilepress reads")
        check_schema(self._parquet(), PLAN_SCHEMA, name)
        try:
            self.settings: dict[str, Any] = dict(json.loads(metadata["tilepress.settings"]))
            self.totals = Totals(**json.loads(metadata["tilepress.totals"]))
        except (KeyError, ValueError, TypeError, RecursionError) as exc:
            raise IntegrityError(f"{name}: its settings cannot be read ({exc!r})") from exc
        self.parent = metadata.get("tilepress.parent", "")
        self.date = metadata.get("tilepress.date", "")  # when it was made; empty in the oldest plans
        self.replaces = read_places(metadata.get("tilepress.replaces", "[]"), name)
        self.left_out = _left_out(metadata.get("tilepress.left_out", "[]"), name)

    @property
    def file(self) -> BinaryIO:
        """The file itself."""
        return self._file

    def files(self) -> Iterator[PlannedFile]:
        """Yield all files in path order."""
        for batch in self._parquet().iter_batches(_BATCH_ROWS):
            for row in batch.to_pylist():
                yield PlannedFile(**row)

    def shards(self) -> Iterator[Shard]:
        """Yield the shards in order, one at a time in memory."""
        number, files = 0, list[PlannedFile]()
        for file in self.files():
            if file.shard != number and files:
                yield Shard(number, tuple(files))
                files = []
            number = file.shard
            files.append(file)
        if files:
            yield Shard(number, tuple(files))

    def _parquet(self) -> pq.ParquetFile:
        return open_parquet(self._file, self._name)


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
        left_out: Looked at when `files` is exhausted, since listing them finds it. The plan keeps the first 1,000.
        date: When listing them was begun: see dates.py.
        replaces: Parts of earlier runs that this one is to stand for.
    """
    scratch = _temporary()
    with pq.ParquetWriter(scratch, PLAN_SCHEMA) as writer:
        size = sum(_write(writer, batch) for batch in _batches(files))
    low, high = _SHARD_BOUNDS
    target = shard_bytes or min(max(size // 64, low), high)
    scratch.seek(0)
    rows = (PlannedFile(**row) for b in pq.ParquetFile(scratch).iter_batches(_BATCH_ROWS) for row in b.to_pylist())
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
    for batch in _batches(_cut(rows, target)):
        counter.add(batch)
        sealed.write(_table(batch))
    sealed.close(
        {
            "tilepress.format": FORMAT,
            "tilepress.parent": parent,
            "tilepress.settings": json.dumps(settings, sort_keys=True),
            "tilepress.totals": json.dumps(asdict(counter.totals), sort_keys=True),
            "tilepress.left_out": json.dumps([asdict(each) for each in left_out[:_MAX_LEFT_OUT]]),
        }
        | ({"tilepress.date": date} if date else {})
        | ({"tilepress.replaces": json.dumps(replaces)} if replaces else {})
    )
    scratch.close()
    return Plan(out, "the plan just made")


def _left_out(text: str, where: str) -> tuple[LeftOut, ...]:
    try:
        found = [(each["name"], each["reason"], each["unreadable"]) for each in json.loads(text)]
    except (KeyError, ValueError, TypeError, RecursionError) as exc:
        raise IntegrityError(f"{where}: its list of what was left out cannot be read ({exc!r})") from exc
    return tuple(LeftOut(str(name), str(reason), bool(unreadable)) for name, reason, unreadable in found)


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


def _cut(files: Iterable[PlannedFile], target: int) -> Iterator[PlannedFile]:
    shard = size = count = 0
    for number, file in enumerate(files):
        if count and (size + file.bytes > target or count >= MAX_SHARD_IMAGES):
            shard, size, count = shard + 1, 0, 0
        yield replace(file, image=number, shard=shard)
        size += file.bytes
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


def plan_from_bytes(data: Any, name: str) -> Plan:
    """Return a stored plan, from its bytes or a memory map of them."""
    file = io.BytesIO(data) if isinstance(data, bytes) else data
    return Plan(file, name)
