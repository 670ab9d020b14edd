"""Open Parquet files from elsewhere, and read their rows within bounds.

A few kilobytes of Parquet can stand for gigabytes of rows: a dictionary of one long name, a million times. So what a
footer claims is checked before rows are read, and then they are read so few at a time that no column of text can grow
beyond a bound before it is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tilepress.pipeline.archive.parquet.footer import MAX_FOOTER, file_of, read_footer
from tilepress.pipeline.errors import IntegrityError

MOST_ROWS = 1 << 22  # of a row group, which has 8,192 at most but in manifests, where it has a row a part
MOST_VALUES = 1 << 23  # of a column of a row group: tiles of all of its images
MOST_TEXT = 16 << 20  # bytes of a column of text of a row group, and on top of that
MOST_ROW_TEXT = 16 << 10  # a row
MOST_GROUP = 1 << 30  # bytes of a row group in memory
_STEP = 64 << 20  # bytes that a column of text can become before it is counted


def open_parquet(file: Any, name: str) -> pq.ParquetFile:
    """Open a Parquet file, seekable and binary; IntegrityError if its footer cannot be read, or contradicts itself.

    pyarrow is given the very bytes that were looked at, and reads no footer itself.
    """
    footer = pa.py_buffer(file_of(read_footer(file, name)))
    try:
        metadata = pq.ParquetFile(pa.BufferReader(footer), thrift_string_size_limit=MAX_FOOTER).metadata
        return pq.ParquetFile(file, metadata=metadata, page_checksum_verification=True)
    except (pa.ArrowException, OSError, ValueError, EOFError) as exc:
        raise IntegrityError(f"{name}: not a readable Parquet file ({exc})") from exc


def check_schema(file: pq.ParquetFile, schema: pa.Schema, name: str) -> None:
    """IntegrityError unless the columns and their types are those of `schema`."""
    if not file.schema_arrow.equals(schema):
        raise IntegrityError(f"{name}: its columns are not those that this tilepress reads")


def footer_metadata(file: pq.ParquetFile) -> dict[str, str]:
    """Return key-value metadata of a Parquet footer."""
    found = file.metadata.metadata or {}
    return {key.decode("utf-8", "replace"): value.decode("utf-8", "replace") for key, value in found.items()}


def read_table(file: pq.ParquetFile, name: str) -> pa.Table:
    """Return all rows of a file, which is to be small; IntegrityError beyond the limits, or if they cannot be read."""
    return pa.Table.from_batches(list(read_batches(file, name, MOST_ROWS)), schema=file.schema_arrow)


def read_group(file: pq.ParquetFile, name: str, group: int, columns: Sequence[str] | None = None) -> pa.Table:
    """Return some columns of a row group, or all; IntegrityError for one beyond the limits, or that cannot be read."""
    batches = list(read_batches(file, name, MOST_ROWS, columns, [group]))
    if not batches:
        return file.schema_arrow.empty_table().select(columns or file.schema_arrow.names)
    return pa.Table.from_batches(batches)


def read_batches(
    file: pq.ParquetFile,
    name: str,
    rows: int,
    columns: Sequence[str] | None = None,
    groups: Sequence[int] | None = None,
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file, whose texts are texts; IntegrityError beyond the limits, or if they cannot be read.

    Args:
        file: The file.
        name: What messages call it.
        rows: At most so many at a time.
        columns: Those of these names; all of them if not given.
        groups: Row groups; all of them if not given.
    """
    try:
        for group in range(file.num_row_groups) if groups is None else groups:
            yield from _read_group(file, name, group, rows, columns)
    except (pa.ArrowException, OSError) as exc:
        raise IntegrityError(f"{name}: its rows cannot be read ({exc})") from exc


def _read_group(
    file: pq.ParquetFile, name: str, group: int, rows: int, columns: Sequence[str] | None
) -> Iterator[pa.RecordBatch]:
    facts = file.metadata.row_group(group)
    step = min(rows, _check_claims(facts, f"{name}: row group {group}", columns))
    size, most_text = 0, _most_text(facts)
    for batch in file.iter_batches(step, row_groups=[group], columns=columns and list(columns)):
        size += batch.nbytes
        text = max((column.nbytes for column in batch.columns if not pa.types.is_nested(column.type)), default=0)
        if size > MOST_GROUP or text > most_text:
            raise IntegrityError(
                f"{name}: row group {group} has {size:,} bytes, {text:,} in a column: beyond the limits"
            )
        batch.validate(full=True)
        yield batch


def _most_text(group: pq.RowGroupMetaData) -> int:
    return MOST_TEXT + MOST_ROW_TEXT * int(group.num_rows)


def _check_claims(group: pq.RowGroupMetaData, where: str, columns: Sequence[str] | None) -> int:
    """How many rows of a row group may be read at a time; IntegrityError if it claims more than it may."""
    if not 0 <= group.num_rows <= MOST_ROWS:
        raise IntegrityError(f"{where} claims {group.num_rows:,} rows; {MOST_ROWS:,} are the most")
    step = max(1, int(group.num_rows))
    for chunk in map(group.column, range(group.num_columns)):
        if columns is not None and chunk.path_in_schema.partition(".")[0] not in columns:
            continue
        size, text = chunk.total_uncompressed_size, chunk.physical_type == "BYTE_ARRAY"
        if not 0 <= chunk.num_values <= MOST_VALUES or not 0 <= size <= (_most_text(group) if text else MOST_GROUP):
            raise IntegrityError(
                f"{where}, column {chunk.path_in_schema} claims {chunk.num_values:,} values of {size:,} bytes: beyond "
                "the limits"
            )
        if text:
            step = min(step, max(1, _STEP // max(1, size)))
    return step
