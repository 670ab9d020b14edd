"""From the rows of tasks to the tables of an audit: what takes all of them to be known is added on the way.

Rows pass in tables of a task each. Of all of them no more is held than hashes (`duplicates.py`) and counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, BinaryIO, cast

import pyarrow as pa

from tilepress.jobs.audit.duplicates import Groups, Hashes
from tilepress.jobs.audit.folder import AUDIT, FINDINGS, GROUPS, IMAGES
from tilepress.jobs.audit.rows import FINDING_SCHEMA, IMAGE_SCHEMA, Row
from tilepress.jobs.audit.totals import Totals
from tilepress.jobs.audit.unlike import Others
from tilepress.pipeline.archive.parquet.reading import check_schema, footer_metadata, open_parquet, read_batches
from tilepress.pipeline.archive.sealed import SealedWriter, check_seal
from tilepress.pipeline.errors import AlreadyExists, IntegrityError
from tilepress.pipeline.findings.finding import DUPLICATE, NEAR_DUPLICATE, Finding
from tilepress.pipeline.storage.base import Storage
from tilepress.pipeline.storage.range_file import RangeFile

Parts = Callable[[], Iterable[pa.Table]]  # the rows of all tasks, in order, each time from the first
_BATCH = 1024  # rows that are read at a time
_WAYS = ((DUPLICATE, "duplicates", "its pixels are those of"), (NEAR_DUPLICATE, "similar", "it looks like"))


def write_tables(storage: Storage, seal: str, parts: Parts, totals: Totals) -> None:
    """Write findings.parquet, groups.parquet and images.parquet, and count all rows.

    Args:
        storage: The folder's.
        seal: Of what was asked.
        parts: The rows of all tasks.
        totals: Is added to.
    """
    others, *groups = _over_all(parts())
    with ExitStack() as stack:
        images, findings, grouped = (
            _Writer(schema, stack.enter_context(NamedTemporaryFile(suffix=".parquet")))
            for schema in (IMAGE_SCHEMA, FINDING_SCHEMA, _GROUP_SCHEMA)
        )
        at = 0
        for table in parts():
            rows = table.to_pylist()
            for number, row in enumerate(rows, at):
                _complete(row, number, others, groups)
                totals.add(row)
            at += len(rows)
            images.write(rows)
            findings.write([found for row in rows for found in _findings(row)])
        findings.create(storage, FINDINGS, AUDIT.identity(seal))
        grouped.write(_group_rows(totals))
        grouped.create(storage, GROUPS, AUDIT.identity(seal))
        images.create(storage, IMAGES, AUDIT.identity(seal))


def _over_all(parts: Iterable[pa.Table]) -> tuple[Others, Groups, Groups]:
    """What takes all rows to be known: what is usual of an image's kind, which are equal, and which look alike."""
    others, hashes = Others(), Hashes()
    for table in parts:
        others.add(table)
        hashes.add(table)
    others.settle()
    equal = hashes.equal()
    return others, equal, hashes.alike(equal)


def _complete(row: Row, number: int, others: Others, groups: Sequence[Groups]) -> None:
    """Add what only all images together tell of one."""
    found = others.findings(row)
    for (kind, column, words), group in zip(_WAYS, groups, strict=True):
        if group.number[number]:
            row[column] = int(group.number[number])
            more = int(group.size[number]) - 1
            words = f"{words} {more:,} other image{'s' if more > 1 else ''}"
            found.append(Finding(kind, float(group.value[number]), words))
    row["findings"] += [vars(each) for each in found]


def _findings(row: Row) -> Iterator[dict[str, Any]]:
    group = {DUPLICATE: row["duplicates"], NEAR_DUPLICATE: row["similar"]}
    for each in row["findings"]:
        yield {"path": row["path"], **each, "group": group.get(each["kind"])}


def _group_rows(totals: Totals) -> list[dict[str, Any]]:
    named = totals.groups.items()
    rows = [{"grouping": grouping, "group": name, **figures.summary()} for (grouping, name), figures in named]
    return sorted(rows, key=lambda row: (row["grouping"], row["group"]))


_GROUP_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("grouping", "group")),
        *((name, pa.int64()) for name in ("images", "source_bytes", "stored_bytes", "pixels", "damaged", "findings")),
        *((name, pa.float64()) for name in ("saved", "bpp", "least_psnr")),
        *((f"mean_{name}", pa.float64()) for name in ("psnr", "ssim", "ms_ssim", "max_error", "ssimulacra2")),
    ]
)


class _Writer:
    """A sealed table in a temporary file, until it is created in its place."""

    def __init__(self, schema: pa.Schema, file: Any) -> None:
        self._schema, self._file = schema, file
        self._writer = SealedWriter(cast(BinaryIO, file), schema, compression="ZSTD")

    def write(self, rows: list[dict[str, Any]]) -> None:
        """Append rows."""
        if rows:
            self._writer.write(pa.Table.from_pylist(rows, schema=self._schema))

    def create(self, storage: Storage, name: str, metadata: dict[str, str]) -> None:
        """Create the table, unless another driver has; its rows would be the same."""
        self._writer.close(metadata)
        self._file.flush()
        with suppress(AlreadyExists):
            storage.create_file(name, Path(self._file.name))


def read_images(storage: Storage, seal: str | None = None) -> Iterator[Row]:
    """Yield the rows of images.parquet; IntegrityError unless they are what was written, of this request if any."""
    where = f"{storage.url}/{IMAGES}"
    data = cast(BinaryIO, RangeFile(storage, IMAGES))
    check_seal(data, where)
    file = open_parquet(data, where)
    if seal is not None and footer_metadata(file).get(f"tilepress.{AUDIT.what}") != seal:
        raise IntegrityError(f"{where} is of another audit: move it away and run the same command again")
    check_schema(file, IMAGE_SCHEMA, where)
    for batch in read_batches(file, where, _BATCH):
        yield from batch.to_pylist()
