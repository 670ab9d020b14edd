"""The description of a group's parity: sealed JSON, that stands alone and behind every parity row.

It has all that restoring takes but bytes: the files with their sizes, seals and SHA-256, and the layout. Beside it, and
before its copies, stand the sums: CRC-32 of every block, by which damaged blocks are told from sound ones.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tilepress.pipeline.archive.sealed import read_json, seal_json
from tilepress.pipeline.errors import IntegrityError, MissingError, StorageError, TransientStorageError, UnsafeName
from tilepress.pipeline.parity.code import MOST_ROWS
from tilepress.pipeline.parity.group import MAX_BLOCK, MIN_BLOCK, CoveredFile, Group
from tilepress.pipeline.storage.base import Storage, check_name

FORMAT = "tilepress-parity-1"
MAGIC = b"TPPARITY"
TRAILER = 8 + len(MAGIC)  # bytes: length of the description as uint64, then the magic
_MAX_JSON = 256 << 20
_NAME = re.compile(r"(?P<key>[0-9a-f]{16})(?:\.json|\.crc|-(?P<row>\d{3})\.parity)", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)

Sums = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Description:
    """A group with what its bytes were when its parity was made."""

    group: Group
    percent: float  # as asked for
    files_sha256: tuple[str, ...]  # hex digits, of each file
    rows_sha256: tuple[str, ...]  # of the blocks of each parity row
    sums_sha256: str


@dataclass(frozen=True)
class Parity:
    """What there is in an archive of the parity of one group."""

    folder: str
    key: str
    objects: frozenset[str]  # names of the files that are there
    description: Description | None  # from whichever of them still tells it
    data: bytes = b""  # the same as it is stored
    problem: str = ""  # why there is none

    @property
    def complete(self) -> bool:
        """Whether all its files are there."""
        return self.description is not None and self.objects.issuperset(self.description.group.objects)


def description_bytes(found: Description) -> bytes:
    """Return a description as its file."""
    group = found.group
    files = zip(group.files, found.files_sha256, strict=True)
    return seal_json(
        {
            "format": FORMAT,
            "folder": group.folder,
            "key": group.key,
            "percent": found.percent,
            "block": group.block,
            "data": group.data,
            "parity": group.parity,
            "stripes": group.stripes,
            "files": [{**asdict(file), "content": content} for file, content in files],
            "rows": list(found.rows_sha256),
            "sums": found.sums_sha256,
        }
    )


def read_description(data: bytes, name: str) -> Description:
    """Return what a description says; IntegrityError unless it is one, whole, and of the group that its key names."""
    content = read_json(data, name)
    if content.get("format") != FORMAT:
        raise IntegrityError(f"{name}: not a description of parity that this tilepress reads")
    try:
        return _description(content)
    except (KeyError, ValueError, TypeError, UnsafeName, OverflowError) as exc:
        raise IntegrityError(f"{name}: what it describes cannot be ({exc!r})") from exc


def _description(content: dict[str, Any]) -> Description:
    layout = [int(content[name]) for name in ("block", "data", "parity")]
    files = tuple(
        CoveredFile(check_name(str(each["name"])), int(each["bytes"]), str(each["seal"])) for each in content["files"]
    )
    group = Group(str(content["folder"]), files, *layout)
    contents, rows = (tuple(map(str, each)) for each in ([f["content"] for f in content["files"]], content["rows"]))
    sums = str(content["sums"])
    block, data, parity = layout
    if not (MIN_BLOCK <= block <= MAX_BLOCK and data >= 1 and parity >= 1 and data + parity <= MOST_ROWS):
        raise ValueError("a layout that no code has")
    if not files or any(file.bytes < 0 for file in files) or len({file.name for file in files}) < len(files):
        raise ValueError("its files")
    if group.key != content["key"] or group.stripes != content["stripes"] or len(rows) != parity:
        raise ValueError("its key, stripes or rows")
    if not all(map(_HEX.fullmatch, (*contents, *rows, sums))):
        raise ValueError("its hashes")
    return Description(group, float(content["percent"]), contents, rows, sums)


def find_parity(storage: Storage, folder: str) -> Iterator[Parity]:
    """Yield the parity that lies in a folder, by key: what still tells its description is enough."""
    there: dict[str, set[str]] = {}
    for entry in storage.list(f"{folder}/"):
        match = _NAME.fullmatch(entry.name.removeprefix(f"{folder}/"))
        if match:
            there.setdefault(match["key"], set()).add(entry.name)
    for key, objects in sorted(there.items()):
        yield _found(storage, folder, key, frozenset(objects))


def _found(storage: Storage, folder: str, key: str, objects: frozenset[str]) -> Parity:
    problem = ""
    telling = (name for name in objects if not name.endswith(".crc"))
    for name in sorted(telling, key=lambda name: (not name.endswith(".json"), name)):
        try:
            data = read_stored(storage, name)
            description = read_description(data, f"{storage.url}/{name}")
            if (description.group.folder, description.group.key) != (folder, key):
                raise IntegrityError(f"{storage.url}/{name}: this is the parity of another group")
            return Parity(folder, key, objects, description, data)
        except (IntegrityError, MissingError) as exc:
            problem = problem or str(exc)
    return Parity(folder, key, objects, None, problem=problem)


def read_stored(storage: Storage, name: str) -> bytes:
    """Return the bytes of a description: its own file, or behind a parity row. IntegrityError, MissingError."""
    size = storage.size(name)
    start, length = 0, size
    if not name.endswith(".json"):
        trailer = storage.read_ranges(name, [(size - TRAILER, TRAILER)])[0] if size >= TRAILER else b""
        length = int.from_bytes(trailer[:8], "little")
        start = size - TRAILER - length
        if trailer[8:] != MAGIC or start < 0:
            raise IntegrityError(f"{storage.url}/{name}: no parity row, or one that is cut off")
    if length > _MAX_JSON:
        raise IntegrityError(f"{storage.url}/{name}: its description is larger than tilepress writes it")
    return storage.read_ranges(name, [(start, length)])[0] if length else b""


def sums_bytes(data_crc: Sums, parity_crc: Sums) -> bytes:
    """Return CRC-32 of every block of the files, then of every parity row, as they are stored."""
    return np.concatenate([data_crc, parity_crc.reshape(-1)]).astype("<u4").tobytes()


def sums_size(group: Group) -> int:
    """Return the bytes of the sums of a group."""
    return 4 * (group.blocks + group.parity * group.stripes)


def read_sums(storage: Storage, description: Description) -> tuple[Sums, Sums]:
    """Return CRC-32 of the data blocks (blocks,) and of the parity blocks (parity, stripes), from whatever has them.

    IntegrityError where nothing has them any more.
    """
    group = description.group
    places = [(group.sums, 0), *((group.row(number), group.stripes * group.block) for number in group.copies)]
    for name, offset in places:
        try:
            data = storage.read_ranges(name, [(offset, sums_size(group))])[0]
        except TransientStorageError:
            raise
        except StorageError:  # missing, or cut off
            continue
        if hashlib.sha256(data).hexdigest() == description.sums_sha256:
            found = np.frombuffer(data, "<u4").astype(np.uint32)
            return found[: group.blocks], found[group.blocks :].reshape(group.parity, group.stripes)
    raise IntegrityError(f"{storage.url}/{group.sums}: the sums of this parity are damaged, and so are all copies")


def behind_blocks(sums: bytes, description: bytes) -> bytes:
    """Return what a parity row has behind its blocks: sums and description of its group, and how long the latter is."""
    return sums + description + len(description).to_bytes(8, "little") + MAGIC
