"""Makes the parity of a group: files are proven and their blocks summed first, then read again by stripes and coded.

Everything follows from the files and the layout, so that whoever makes the parity of a group again makes the same
bytes. The description is created last: with it the group is protected.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa

from tilepress.pipeline.archive.models import load_model
from tilepress.pipeline.archive.sealed import check_seal, read_json
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.errors import AlreadyExists, IntegrityError, MissingError
from tilepress.pipeline.monitoring.scope import carried
from tilepress.pipeline.parity.blocks import WINDOW_BYTES, Blocks, crcs, sums_by_row
from tilepress.pipeline.parity.code import Code
from tilepress.pipeline.parity.description import (
    Description,
    Sums,
    behind_blocks,
    description_bytes,
    sums_bytes,
)
from tilepress.pipeline.parity.group import CoveredFile, Group
from tilepress.pipeline.storage.base import Storage
from tilepress.pipeline.storage.creating import holds

_MODELS = "models/"
_AT_ONCE = 8  # files that are proven at the same time
_AT_ONCE_BYTES = 256 << 20  # of them together, if there are several; S3 gives larger ones by way of a temporary file


@dataclass(frozen=True)
class GroupTask:
    """A group whose parity is to be made; with `again`, wrong bytes that lie under its names are replaced."""

    number: int
    group: Group
    percent: float
    again: bool = False

    @property
    def bytes(self) -> int:
        """What a worker holds in memory, by and large."""
        return 4 * WINDOW_BYTES


@dataclass(frozen=True)
class MadeGroup:
    """Parity that was made, or was there."""

    group: Group
    stored: int  # bytes of all its files


def make_parity(task: GroupTask, archive: Storage, pool: CodecPool) -> MadeGroup:
    """Make the parity of a group (a stage). IntegrityError if a file is not as it was written."""
    return write_parity(task, archive)


def prove_files(task: GroupTask, archive: Storage, pool: CodecPool) -> GroupTask:
    """Read the files of a group whole (a stage). IntegrityError if one is missing, or not as it was written."""
    _proven_files(archive, task.group)
    return task


def write_parity(task: GroupTask, archive: Storage) -> MadeGroup:
    """Make the parity of a group, in scratch space as large as that; see `make_parity`."""
    group = task.group
    hashes, sums = zip(*_proven_files(archive, group), strict=True)
    data_crc = np.concatenate(sums)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tilepress-")))
        paths = [scratch / f"{number:03d}" for number in range(group.parity)]
        rows = [stack.enter_context(path.open("w+b")) for path in paths]
        parity_crc, row_hashes = _encode(archive, group, data_crc, rows)
        told = sums_bytes(data_crc, parity_crc)
        sums_hash = hashlib.sha256(told).hexdigest()
        data = description_bytes(Description(group, task.percent, hashes, row_hashes, sums_hash))
        for number, (row, path) in enumerate(zip(rows, paths, strict=True)):
            if number in group.copies:
                row.write(behind_blocks(told, data))
            row.close()
            _create(archive, group.row(number), path, replace=task.again)
    _create(archive, group.sums, told, replace=task.again)
    _create(archive, group.description, data, replace=task.again)
    return MadeGroup(
        group, group.parity_bytes + len(group.copies) * len(behind_blocks(told, data)) + len(told) + len(data)
    )


def _proven_files(storage: Storage, group: Group) -> list[tuple[str, Sums]]:
    """What `_proven` says of each file; those that are small enough together are read at the same time."""
    found = list[tuple[str, Sums]]()
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for files in _batches(group.files):
            found += threads.map(carried(partial(_proven, storage, group.block)), files)
    return found


def _batches(files: Iterable[CoveredFile]) -> Iterator[list[CoveredFile]]:
    """Yield files in their order, as many at a time as may be in memory: one, or several of `_AT_ONCE_BYTES`."""
    batch, size = list[CoveredFile](), 0
    for file in files:
        if batch and (size + file.bytes > _AT_ONCE_BYTES or len(batch) == _AT_ONCE):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.bytes
    yield batch


def _proven(storage: Storage, block: int, file: CoveredFile) -> tuple[str, Sums]:
    """SHA-256 of a file, and the CRC-32 of its blocks; IntegrityError unless it is what is to be protected."""
    try:
        return _read_proven(storage, file, block)
    except MissingError as exc:
        raise IntegrityError(f"{exc}: `tilepress repair {storage.url}` first") from exc


def _read_proven(storage: Storage, file: CoveredFile, block: int) -> tuple[str, Sums]:
    name = f"{storage.url}/{file.name}"
    if file.name.startswith(_MODELS):
        load_model(storage, file.name.split("/")[1])
    with storage.open_source(file.name) as data:
        if len(data) != file.bytes:
            raise IntegrityError(f"{name}: it has {len(data):,} bytes in place of {file.bytes:,}: `tilepress repair`")
        if file.name.endswith(".parquet"):
            buffer = pa.BufferReader(pa.py_buffer(data))
            check_seal(cast(BinaryIO, buffer), name, file.seal or None, or_remade=True)
            del buffer  # a mapping that something looks at cannot be closed
        elif file.name.endswith(".json"):
            read_json(bytes(data), name)
        return hashlib.sha256(data).hexdigest(), crcs(data, block)


def _encode(storage: Storage, group: Group, data_crc: Sums, rows: Sequence[BinaryIO]) -> tuple[Sums, tuple[str, ...]]:
    """Write the parity rows; CRC-32 of their blocks (parity, stripes), and SHA-256 of each row."""
    code, blocks = Code(group.data, group.parity), Blocks(storage, group)
    expected, digests = sums_by_row(group, data_crc), [hashlib.sha256() for _ in rows]
    found = np.zeros((group.parity, group.stripes), np.uint32)
    for stripe, count in windows(group.stripes, blocks.window):
        data = blocks.data(stripe, count)
        if (crcs(data, group.block).reshape(group.data, count) != expected[:, stripe : stripe + count]).any():
            raise IntegrityError(f"{storage.url}/{group.folder}: files changed while their parity was made")
        for number, parity in enumerate(code.encode(bytes(data))):
            rows[number].write(parity)
            digests[number].update(parity)
            found[number, stripe : stripe + count] = crcs(parity, group.block)
    return found, tuple(digest.hexdigest() for digest in digests)


def windows(stripes: int, most: int) -> Iterator[tuple[int, int]]:
    """Yield first stripe and number of stripes of each window."""
    for first in range(0, stripes, most):
        yield first, min(most, stripes - first)


def _create(storage: Storage, name: str, content: Path | bytes, *, replace: bool) -> None:
    """Create a file of the parity; one that is there must be the same."""
    try:
        storage.create_file(name, content) if isinstance(content, Path) else storage.create(name, content)
    except AlreadyExists:
        if holds(storage, name, content):
            return
        if not replace:
            raise IntegrityError(
                f"{storage.url}/{name} is there and is not what follows from the files: `tilepress repair` the archive"
            ) from None
        if isinstance(content, Path):
            storage.write_file(name, content, overwrite=True)
        else:
            storage.write(name, content, overwrite=True)
