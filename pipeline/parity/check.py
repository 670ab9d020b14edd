"""Checks that the parity of a group is as it was written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.errors import MissingError
from tilepress.pipeline.monitoring.scope import carried
from tilepress.pipeline.parity.description import Description, Parity, behind_blocks, sums_size
from tilepress.pipeline.storage.base import SourceBytes, Storage

# A row is read in long ranges, and several rows at a time: a store answers late, and sends fast.
_RANGE_BYTES, _ROWS = 8 << 20, 4


@dataclass(frozen=True)
class ParityTask:
    """The parity of one group to be read whole."""

    number: int
    parity: Parity

    @property
    def bytes(self) -> int:
        """Bytes of its largest file."""
        group = self.parity.description.group if self.parity.description else None
        return group.stripes * group.block + sums_size(group) if group else 0


def check_parity(task: ParityTask, archive: Storage, pool: CodecPool) -> tuple[ParityTask, list[tuple[str, str]]]:
    """Read the parity of a group (a stage); return the task, and what is wrong with which file."""
    return task, list(_problems(archive, task.parity))


def _problems(storage: Storage, parity: Parity) -> Iterator[tuple[str, str]]:
    description = parity.description
    if description is None:
        yield f"{parity.folder}/{parity.key}.json", f"nothing tells any more what this parity is of ({parity.problem})"
        return
    group = description.group
    try:
        sums = storage.read(group.sums)
        if hashlib.sha256(sums).hexdigest() != description.sums_sha256:
            yield group.sums, "its bytes are not what was written (its SHA-256 does not match)"
    except MissingError as exc:
        yield group.sums, str(exc)
    try:
        if storage.read(group.description) != parity.data:
            yield group.description, "it is damaged; its copies behind the parity rows are not"
    except MissingError as exc:
        yield group.description, str(exc)

    def problem_of(number: int) -> str:
        try:
            with storage.open_source(group.row(number)) as row:
                return _row_problem(row, description, parity.data, number)
        except MissingError as exc:
            return str(exc)

    with ThreadPoolExecutor(_ROWS) as threads:
        for number, problem in enumerate(threads.map(carried(problem_of), range(group.parity))):
            if problem:
                yield group.row(number), problem


def _row_problem(row: SourceBytes, description: Description, data: bytes, number: int) -> str:
    """What is wrong with a parity row; nothing if it is as it was written."""
    group, digest = description.group, hashlib.sha256()
    length = group.stripes * group.block
    behind = bytes(row[length + sums_size(group) :])
    for start in range(0, length, _RANGE_BYTES):
        digest.update(row[start : min(length, start + _RANGE_BYTES)])
    if digest.hexdigest() != description.rows_sha256[number]:
        return "its bytes are not what was written (its SHA-256 does not match)"
    if number not in group.copies:
        return "" if len(row) == length else f"it has {len(row):,} bytes in place of {length:,}"
    sums = bytes(row[length : length + sums_size(group)])
    if hashlib.sha256(sums).hexdigest() != description.sums_sha256 or behind != behind_blocks(b"", data):
        return "what stands behind its blocks is not what was written"
    return ""
