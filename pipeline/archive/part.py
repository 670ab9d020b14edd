"""Write one shard's rows as one Parquet part, and find every payload's byte range in it.

Payload columns are PLAIN, uncompressed, without statistics, one page a chunk: a value's bytes follow from the chunk's
offset and the lengths before it, so that a reader fetches one image by range requests.
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
import pyarrow.parquet as pq

from tilepress.pipeline.archive.schema import (
    IMAGE_COLUMNS,
    IMAGE_ROW,
    INDEX_SCHEMA,
    KIND_PAYLOADS,
    PART_SCHEMA,
    PAYLOADS,
    PIECE_ROW,
    TILE_COLUMNS,
    TILE_ROW,
    Facts,
    facts_dict,
    row_crc,
)
from tilepress.pipeline.archive.sealed import SealedWriter, check_schema, footer_metadata, open_parquet
from tilepress.pipeline.errors import IntegrityError

FORMAT = "tilepress-part-1"
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
    """Collects the rows of a shard, payloads in a spool, and writes them image rows first."""

    def __init__(self) -> None:
        self._spool = cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115
        self._end = 0
        self._images: list[_Row] = []
        self._others: list[_Row] = []

    def stage(self, kind: str, facts: Facts, payloads: Sequence[bytes]) -> StagedRows:
        """Spool a row without adding it, and return its handle: dropping that forgets the row."""
        if len(payloads) != len(KIND_PAYLOADS[kind]):
            raise ValueError(f"a {kind} row has {len(KIND_PAYLOADS[kind])} payloads, not {len(payloads)}")
        spans = []
        for payload in payloads:
            self._spool.write(payload)
            spans.append((self._end, len(payload)))
            self._end += len(payload)
        return StagedRows((_Row(kind, facts, row_crc(facts, payloads), tuple(spans)),))

    def add(self, held: Iterable[StagedRows]) -> None:
        """Make held rows part of the shard."""
        for group in held:
            for row in group.rows:
                (self._images if row.kind == IMAGE_ROW else self._others).append(row)

    def finish(self, metadata: dict[str, str]) -> BuiltPart:
        """Write the Parquet file: in memory if small, else on local disk."""
        self._images.sort(key=lambda row: row.facts.image)
        self._others.sort(key=lambda row: (row.facts.image, row.facts.tile))  # type: ignore[union-attr]
        rows = self._images + self._others
        digest = zlib.crc32(b"".join(row.crc.to_bytes(4, "little") for row in rows))
        out = cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115
        writer = SealedWriter(out, PART_SCHEMA, **_parquet_options())
        for group in _groups(self._images, self._others):
            writer.write(self._table(group))
        seal = writer.close({"tilepress.format": FORMAT, "tilepress.rows": f"{len(rows)}:{digest:08x}", **metadata})
        return BuiltPart(out, seal, len(rows))

    def close(self) -> None:
        """Forget the spool."""
        self._spool.close()

    def _table(self, rows: list[_Row]) -> pa.Table:
        columns: dict[str, list[Any]] = {field.name: [] for field in PART_SCHEMA}
        for row in rows:
            facts = facts_dict(row.facts)
            spans = dict(zip(KIND_PAYLOADS[row.kind], row.spans, strict=True))
            facts |= {"kind": row.kind, "row_crc": row.crc}
            for name in PAYLOADS:
                offset, length = spans.get(name, (0, 0))
                facts[name], facts[f"{name}_bytes"] = self._read(offset, length), length
            for name, values in columns.items():
                values.append(facts.get(name))
        return pa.table(columns, schema=PART_SCHEMA)

    def _read(self, offset: int, length: int) -> bytes:
        if not length:
            return b""
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


def _parquet_options() -> dict[str, Any]:
    plain = [field.name for field in PART_SCHEMA if field.name not in PAYLOADS]
    words = [name for name in plain if pa.types.is_string(PART_SCHEMA.field(name).type)]
    return {
        "compression": {name: "NONE" if name in PAYLOADS else "ZSTD" for name in PART_SCHEMA.names},
        "use_dictionary": words,
        "write_statistics": ["image", "path"],
        "data_page_size": 1 << 30,
        "write_batch_size": _GROUP_ROWS,
    }


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


def read_part_footer(file: Any, name: str) -> tuple[pq.ParquetFile, dict[str, str]]:
    """Open a part; IntegrityError unless it is one."""
    part = open_parquet(file, name)
    metadata = footer_metadata(part)
    if metadata.get("tilepress.format") != FORMAT:
        found = metadata.get("tilepress.format")
        raise IntegrityError(f"{name}: not a part that this tilepress reads (format {found!r}, not {FORMAT!r})")
    check_schema(part, PART_SCHEMA, name)
    return part, metadata


def part_index(file: Any, name: str, shard: int) -> pa.Table:
    """Return the index rows of a part, derived from its facts and chunk offsets alone (payloads are not read).

    IntegrityError if the part is not readable or not one page a payload chunk.
    """
    part, _ = read_part_footer(file, name)
    images: dict[int, dict[str, Any]] = {}
    facts = [column for column in PART_SCHEMA.names if column not in PAYLOADS]
    try:
        for group in range(part.num_row_groups):
            rows = part.read_row_group(group, columns=facts).to_pylist()
            ranges = {column: _value_offsets(part.metadata, group, column, rows, name) for column in PAYLOADS}
            for position, row in enumerate(rows):
                _add_to_index(images, row, {c: ranges[c][position] for c in PAYLOADS}, shard)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as exc:
        raise IntegrityError(f"{name}: its rows cannot be read ({exc!r})") from exc
    return pa.Table.from_pylist(list(images.values()), schema=INDEX_SCHEMA)


def _value_offsets(metadata: Any, group: int, column: str, rows: list[dict[str, Any]], name: str) -> list[int]:
    chunk = metadata.row_group(group).column(PART_SCHEMA.names.index(column))
    lengths = [row[f"{column}_bytes"] for row in rows]
    header = chunk.total_compressed_size - sum(4 + length for length in lengths)
    if not 0 < header < 256 or chunk.compression != "UNCOMPRESSED":
        raise IntegrityError(f"{name}: column {column} is not one plain page in row group {group}")
    offsets = []
    position = chunk.data_page_offset + header
    for length in lengths:
        offsets.append(position + 4)
        position += 4 + length
    return offsets


def _add_to_index(images: dict[int, dict[str, Any]], row: dict[str, Any], offsets: dict[str, int], shard: int) -> None:
    payloads = KIND_PAYLOADS[row["kind"]]
    spans: dict[str, Any] = {"row_crc": row["row_crc"]}
    for column in payloads:
        spans |= {f"{column}_offset": offsets[column], f"{column}_bytes": row[f"{column}_bytes"]}
    if row["kind"] == IMAGE_ROW:
        entry = {column: row[column] for column in IMAGE_COLUMNS}
        if None in entry.values():
            raise ValueError("an image row lacks a fact")
        images[row["image"]] = {**entry, **spans, "part": shard, "pieces": [], "tiles": []}
    elif row["kind"] == TILE_ROW:
        images[row["image"]]["tiles"].append({**{column: row[column] for column in TILE_COLUMNS[1:]}, **spans})
    elif row["kind"] == PIECE_ROW:
        images[row["image"]]["pieces"].append(spans)
