"""A run as it is planned: which files, in which shard, with which settings. A plan never changes."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from tilepress.pipeline.archive.parquet.reading import check_schema, footer_metadata, open_parquet, read_batches
from tilepress.pipeline.archive.places import read_places
from tilepress.pipeline.archive.sealed import REMADE_KEY, check_seal
from tilepress.pipeline.errors import IntegrityError
from tilepress.pipeline.storage.base import FOLDER, LINK, ListedFile

FORMAT = "tilepress-plan-1"
ADD = "add"  # a file to store; the other states are GONE and FORGOTTEN
STORED = frozenset({ADD, LINK, FOLDER})  # states of what is to be stored
_BATCH_ROWS = 8192

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
        self.seal = metadata.get(REMADE_KEY, self.seal)  # of the lost one that it stands for
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
        for batch in read_batches(self._parquet(), self._name, _BATCH_ROWS):
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


def _left_out(text: str, where: str) -> tuple[LeftOut, ...]:
    try:
        found = [(each["name"], each["reason"], each["unreadable"]) for each in json.loads(text)]
    except (KeyError, ValueError, TypeError, RecursionError) as exc:
        raise IntegrityError(f"{where}: its list of what was left out cannot be read ({exc!r})") from exc
    return tuple(LeftOut(str(name), str(reason), bool(unreadable)) for name, reason, unreadable in found)


def plan_from_bytes(data: Any, name: str) -> Plan:
    """Return a stored plan, from its bytes or a memory map of them."""
    file = io.BytesIO(data) if isinstance(data, bytes) else data
    return Plan(file, name)
