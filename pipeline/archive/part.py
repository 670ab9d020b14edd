"""Write one shard's rows as one Parquet part; part_index.py finds every payload's byte range in it.

Payload columns are PLAIN, uncompressed, without statistics, one page a chunk: a value's bytes follow from the chunk's
offset and the lengths before it, so that a reader fetches one image by range requests. Nulls take no bytes.
"""

from __future__ import annotations

import io
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

import pyarrow as pa

from tilepress.pipeline.archive.schema import (
    IMAGE_ROW,
    KIND_PAYLOADS,
    KINDS,
    PART_SCHEMA,
    PAYLOADS,
    Facts,
    ImageFacts,
    PieceFacts,
    TileFacts,
    row_crc,
)
from tilepress.pipeline.archive.sealed import SealedWriter

FORMAT = "tilepress-part-1"
ENCODINGS = {  # of columns whose values differ from row to row, but not by much
    "image": "DELTA_BINARY_PACKED",
    "path": "DELTA_BYTE_ARRAY",
    "modified_ns": "DELTA_BINARY_PACKED",
    "cell": "DELTA_BINARY_PACKED",
}
_UNIQUE = ("etag", "file_sha256", "pixels_sha256", "row_crc", "base_crc", "pixels_crc", "psnr")  # no dictionary helps
Fetch = Callable[[Sequence[tuple[int, int]]], list[bytes]]  # (offset, length) ranges of a part -> their bytes

_GROUP_BYTES = 16 << 20  # payload of a row group; small images share large groups
_GROUP_ROWS = 8192
_IN_MEMORY = 64 << 20  # larger parts are spooled to local disk


@dataclass(frozen=True)
class _Row:
    kind: str
    facts: Facts
    crc: int
    spans: tuple[tuple[int, int], ...]  # where each payload lies in the spool

    @property
    def nbytes(self) -> int:
        return sum(length for _, length in self.spans)


@dataclass(frozen=True)
class StagedRows:
    """Rows of one image that are spooled but not yet part of the shard."""

    rows: tuple[_Row, ...]

    @property
    def nbytes(self) -> int:
        """Payload bytes."""
        return sum(row.nbytes for row in self.rows)


class PartBuilder:
    """Collects the rows of a shard, payloads in a spool, and writes them image rows first, then stacks."""

    def __init__(self) -> None:
        self._spool = cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115
        self._end = 0
        self._images: list[_Row] = []
        self._others: list[_Row] = []

    def stage(self, facts: Facts, payloads: Sequence[bytes]) -> StagedRows:
        """Spool a row without adding it, and return its handle: dropping that forgets the row."""
        kind = KINDS[type(facts)]
        if len(payloads) != len(KIND_PAYLOADS[kind]):
            raise ValueError(f"a {kind} row has {len(KIND_PAYLOADS[kind])} payloads, not {len(payloads)}")
        spans = []
        for payload in payloads:
            self._spool.write(payload)
            spans.append((self._end, len(payload)))
            self._end += len(payload)
        return StagedRows((_Row(kind, facts, row_crc(facts, payloads), tuple(spans)),))

    def stage_member(self, facts: ImageFacts, stack: StagedRows) -> StagedRows:
        """Return the row of an image in a stack: it has no payload, and the CRC of its stack stands for its own."""
        return StagedRows((_Row(IMAGE_ROW, facts, stack.rows[0].crc, ()),))

    def add(self, held: Iterable[StagedRows]) -> None:
        """Make held rows part of the shard."""
        for group in held:
            for row in group.rows:
                (self._images if row.kind == IMAGE_ROW else self._others).append(row)

    def images(self) -> dict[int, ImageFacts]:
        """Return the facts of the images that were added, by their numbers."""
        return {row.facts.image: row.facts for row in self._images if isinstance(row.facts, ImageFacts)}

    def finish(self, metadata: dict[str, str]) -> BuiltPart:
        """Write the Parquet file: in memory if small, else on local disk."""
        images = sorted(self._images, key=_place)
        others = sorted(self._others, key=_place)
        rows = images + others
        digest = zlib.crc32(b"".join(row.crc.to_bytes(4, "little") for row in rows))
        out = cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115
        writer = SealedWriter(out, PART_SCHEMA, **parquet_options())
        for group in _groups(images, others):
            writer.write(self._table(group))
        seal = writer.close({"tilepress.format": FORMAT, "tilepress.rows": f"{len(rows)}:{digest:08x}", **metadata})
        return BuiltPart(out, seal, len(rows))

    def close(self) -> None:
        """Forget the spool."""
        self._spool.close()

    def _table(self, rows: list[_Row]) -> pa.Table:
        return pa.Table.from_pylist([self._columns(row) for row in rows], schema=PART_SCHEMA)

    def _columns(self, row: _Row) -> dict[str, Any]:
        """The columns that a row fills."""
        columns = {**vars(row.facts), "kind": row.kind, "row_crc": row.crc}
        for name, (offset, length) in zip(KIND_PAYLOADS[row.kind], row.spans, strict=False):
            if length:
                columns[name], columns[f"{name}_bytes"] = self._read(offset, length), length
        return columns

    def _read(self, offset: int, length: int) -> bytes:
        self._spool.seek(offset)
        return self._spool.read(length)


@dataclass
class BuiltPart:
    """A finished, sealed part that is not yet committed. `warnings`: see Summary."""

    file: BinaryIO
    seal: str
    rows: int
    warnings: Counter[str] = field(default_factory=Counter)

    @property
    def nbytes(self) -> int:
        """Size of the file."""
        return self.file.seek(0, io.SEEK_END)

    def fetch(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return bytes of (offset, length) ranges, as a reader of the committed part would get them."""
        found = []
        for offset, length in ranges:
            self.file.seek(offset)
            found.append(self.file.read(length))
        return found

    def close(self) -> None:
        """Free the file."""
        self.file.close()


def parquet_options() -> dict[str, Any]:
    """Return how a `SealedWriter` of a part is to write: payloads plain, on one page a chunk."""
    return {
        "compression": {name: "NONE" if name in PAYLOADS else "ZSTD" for name in PART_SCHEMA.names},
        "use_dictionary": [name for name in PART_SCHEMA.names if name not in (*PAYLOADS, *ENCODINGS, *_UNIQUE)],
        "column_encoding": ENCODINGS,
        "write_statistics": ["image", "path"],
        "data_page_size": 1 << 30,
        "write_batch_size": _GROUP_ROWS,
    }


def _place(row: _Row) -> tuple[bool, int, int]:
    """What rows of a section are sorted by: stacks come before tiles and pieces."""
    facts = row.facts
    if isinstance(facts, TileFacts | PieceFacts):
        return True, facts.image, facts.tile
    return False, facts.image, 0


def _groups(*sections: list[_Row]) -> Iterator[list[_Row]]:
    """Rows in row groups of bounded payload; a group never mixes sections."""
    for section in sections:
        group: list[_Row] = []
        size = 0
        for row in section:
            if group and (size + row.nbytes > _GROUP_BYTES or len(group) >= _GROUP_ROWS):
                yield group
                group, size = [], 0
            group.append(row)
            size += row.nbytes
        if group:
            yield group
