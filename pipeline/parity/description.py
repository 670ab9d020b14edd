"""The description of a group's parity: sealed JSON, that stands alone and behind every parity row.

It has all that restoring takes but the bytes: the files with their sizes, seals and SHA-256, the layout, and CRC-32 of
every block, by which damaged blocks are told from sound ones.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tilepress.pipeline.archive.sealed import read_json, seal_json
from tilepress.pipeline.errors import IntegrityError, MissingError, UnsafeName
from tilepress.pipeline.parity.code import MOST_ROWS
from tilepress.pipeline.parity.group import MAX_BLOCK, MIN_BLOCK, CoveredFile, Group
from tilepress.pipeline.storage.base import Storage, check_name

FORMAT = "tilepress-parity-1"
MAGIC = b"TPPARITY"
TRAILER = 8 + len(MAGIC)  # bytes: length of the description as uint64, then the magic
_MAX_JSON = 256 << 20
_NAME = re.compile(r"(?P<key>[0-9a-f]{16})(?:\.json|-(?P<row>\d{3})\.parity)", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)

Sums = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Description:
    """A group with what its bytes were when its parity was made."""

    group: Group
    percent: float  # as asked for
    files_sha256: tuple[str, ...]  # hex digits, of each file
    rows_sha256: tuple[str, ...]  # of the blocks of each parity row
    data_crc: Sums  # (blocks,)
    parity_crc: Sums  # (parity, stripes)


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
            "data_crc": _text(found.data_crc),
            "parity_crc": _text(found.parity_crc),
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
    block, data, parity = layout
    if not (MIN_BLOCK <= block <= MAX_BLOCK and data >= 1 and parity >= 1 and data + parity <= MOST_ROWS):
        raise ValueError("a layout that no code has")
    if not files or any(file.bytes < 0 for file in files) or len({file.name for file in files}) < len(files):
        raise ValueError("its files")
    if group.key != content["key"] or group.stripes != content["stripes"] or len(rows) != parity:
        raise ValueError("its key, stripes or rows")
    if not all(map(_HEX.fullmatch, (*contents, *rows))):
        raise ValueError("its hashes")
    sums = _sums(content["data_crc"], group.blocks), _sums(content["parity_crc"], parity * group.stripes)
    return Description(
        group, float(content["percent"]), contents, rows, sums[0], sums[1].reshape(parity, group.stripes)
    )


def _text(sums: Sums) -> str:
    return base64.b64encode(sums.astype("<u4").tobytes()).decode()


def _sums(text: str, count: int) -> Sums:
    data = base64.b64decode(text, validate=True)
    if len(data) != 4 * count:
        raise ValueError(f"{len(data)} bytes of CRCs for {count} blocks")
    return np.frombuffer(data, "<u4").astype(np.uint32)


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
    for name in sorted(objects, key=lambda name: (not name.endswith(".json"), name)):
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


def trailer_of(data: bytes) -> bytes:
    """Return what a parity row has behind the blocks: its group's description, and how long that is."""
    return data + len(data).to_bytes(8, "little") + MAGIC
