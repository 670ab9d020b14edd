"""Read a part's facts, without its payloads, as rows of an index: where each payload lies follows from its chunk."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tilepress.pipeline.archive.parquet.reading import check_schema, footer_metadata, open_parquet, read_group
from tilepress.pipeline.archive.part import FORMAT
from tilepress.pipeline.archive.schema import (
    IMAGE_COLUMNS,
    IMAGE_ROW,
    INDEX_SCHEMA,
    KIND_PAYLOADS,
    OPTIONAL_FACTS,
    PART_SCHEMA,
    PAYLOADS,
    PIECE_ROW,
    STACK_COLUMNS,
    STACK_ROW,
    TILE_COLUMNS,
    TILE_ROW,
)
from tilepress.pipeline.archive.stack_members import foreign_members
from tilepress.pipeline.errors import IntegrityError

_SPANS = {
    kind: [(column, f"{column}_offset", f"{column}_bytes") for column in columns]
    for kind, columns in KIND_PAYLOADS.items()
}
_IMAGE = itemgetter(*IMAGE_COLUMNS)
_NEEDED = itemgetter(*(column for column in IMAGE_COLUMNS if column not in OPTIONAL_FACTS))


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
    found: dict[str, dict[int, dict[str, Any]]] = {IMAGE_ROW: {}, STACK_ROW: {}}
    facts = [column for column in PART_SCHEMA.names if column not in PAYLOADS]
    try:
        for group in range(part.num_row_groups):
            rows = read_group(part, name, group, facts).to_pylist()
            ranges = {column: _value_offsets(part.metadata, group, column, rows, name) for column in PAYLOADS}
            for row, *offsets in zip(rows, *ranges.values(), strict=True):
                _add_to_index(found, row, dict(zip(ranges, offsets, strict=True)), shard)
        images = [_with_stack(row, found[STACK_ROW]) for row in found[IMAGE_ROW].values()]
        for problem in foreign_members(images):
            raise ValueError(problem)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as exc:
        raise IntegrityError(f"{name}: its rows cannot be read ({exc!r})") from exc
    return pa.Table.from_pylist(images, schema=INDEX_SCHEMA)


def _value_offsets(metadata: Any, group: int, column: str, rows: list[dict[str, Any]], name: str) -> list[int]:
    """Where each row's value begins in the file; of nulls, where it would."""
    chunk = metadata.row_group(group).column(PART_SCHEMA.names.index(column))
    lengths = [row[f"{column}_bytes"] for row in rows]
    header = chunk.total_compressed_size - sum(4 + length for length in lengths if length is not None)
    if not 0 < header < 256 + len(rows) // 4 or chunk.compression != "UNCOMPRESSED":  # a bit or so a row tells nulls
        raise IntegrityError(f"{name}: column {column} is not one plain page in row group {group}")
    offsets = []
    position = chunk.data_page_offset + header
    for length in lengths:
        offsets.append(position + 4)
        position += 0 if length is None else 4 + length
    return offsets


def _add_to_index(
    found: dict[str, dict[int, dict[str, Any]]], row: dict[str, Any], offsets: dict[str, int], shard: int
) -> None:
    kind = row["kind"]
    spans: dict[str, Any] = {"row_crc": row["row_crc"]}
    for column, offset_name, length_name in _SPANS[kind]:
        length = row[length_name] or 0
        spans[offset_name], spans[length_name] = offsets[column] if length else 0, length
    if kind == IMAGE_ROW:
        if None in _NEEDED(row):
            raise ValueError("an image row lacks a fact")
        entry = dict(zip(IMAGE_COLUMNS, _IMAGE(row), strict=True))
        found[IMAGE_ROW][row["image"]] = {**entry, **spans, "part": shard, "pieces": [], "tiles": []}
    elif kind == STACK_ROW:
        facts = {column: row[column] for column in STACK_COLUMNS[1:]}
        found[STACK_ROW][row["image"]] = {"stacked": facts, **spans, "tiles": []}
    elif kind == TILE_ROW:
        owner = found[STACK_ROW].get(row["image"]) or found[IMAGE_ROW][row["image"]]
        owner["tiles"].append({**{column: row[column] for column in TILE_COLUMNS[1:]}, **spans})
    elif kind == PIECE_ROW:
        found[IMAGE_ROW][row["image"]]["pieces"].append(spans)


def _with_stack(row: dict[str, Any], stacks: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """An index row; of an image in a stack, with what is known of the stack."""
    return row | {"stacked": None} if row["stack"] is None else row | stacks[row["stack"]]
