"""Parsers of the files of an archive: each gets bytes whose seal is right, as a forger would make it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz.parser import GOLDEN, Parser, resealed, sealed, stored, unsealed
from tests.support.parquet.footers import joined, small_file, split
from tests.support.parquet.hostile import look_at
from tilepress.pipeline.archive import index, part
from tilepress.pipeline.archive.audits import AuditRecord, damaged_records, records
from tilepress.pipeline.archive.index import Index
from tilepress.pipeline.archive.index_row import index_row, index_row_or_damage
from tilepress.pipeline.archive.layout import Run, read_archive
from tilepress.pipeline.archive.manifest import read_manifest
from tilepress.pipeline.archive.parquet.reading import open_parquet, read_batches
from tilepress.pipeline.archive.part_index import part_index
from tilepress.pipeline.archive.places import read_places
from tilepress.pipeline.archive.plan import plan_from_bytes
from tilepress.pipeline.archive.schema import INDEX_SCHEMA, PART_SCHEMA
from tilepress.pipeline.archive.sealed import SealedWriter, read_json, seal_json
from tilepress.pipeline.compress.lease import FORMAT as LEASE
from tilepress.pipeline.compress.lease import holder_of
from tilepress.pipeline.errors import IntegrityError, UsageError
from tilepress.pipeline.parity.description import read_description

_RUN = GOLDEN / "format-1/archive/runs/0001"
# Of these a thousand or less take a second: files are written, read and listed, Parquet files several times.
_SLOW, _SLOWEST = 200_000, 50_000


def _golden(*names: str) -> Callable[[], Sequence[bytes]]:
    return lambda: [path.read_bytes() for name in names for path in sorted(_RUN.glob(name))]


def _parquet(data: bytes) -> None:
    look_at(data)
    for batch in read_batches(open_parquet(io.BytesIO(data), "fuzzed"), "fuzzed", 100):
        batch.to_pylist()


def _rows(rows: Sequence[dict[str, Any]]) -> None:
    """Read index rows as restoring does; one that makes no sense is told as damaged, or as an IntegrityError."""
    for row in rows:
        assert index_row_or_damage(row).facts is not None
    for row in rows:
        found = index_row(row)
        assert found.nbytes >= 0


def _index(data: bytes) -> None:
    found = Index(resealed(data), "fuzzed")
    found.at(1)
    rows = list(found.walk())
    for row in rows[:2]:
        found.find(row["path"])
    _rows(rows)


def _part(data: bytes) -> None:
    _rows(part_index(io.BytesIO(resealed(data)), "fuzzed", 0).to_pylist())


def _plan(data: bytes) -> None:
    assert all(shard.files for shard in plan_from_bytes(resealed(data), "fuzzed").shards())


def _manifest(data: bytes) -> None:
    run = Run(1)
    read_manifest(stored(run.manifest, resealed(data)), run)


def _as_json(value: Any) -> Any:
    """A value of a row as JSON has it: bytes as text, a character a byte."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, list):
        return [_as_json(each) for each in value]
    return {key: _as_json(each) for key, each in value.items()} if isinstance(value, dict) else value


def _from_json(value: Any, kind: pa.DataType) -> Any:
    """Invert `_as_json`; what is no value of the type stays what it is."""
    if isinstance(value, str) and (pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind)):
        return value.encode("latin-1", "replace")
    if isinstance(value, list) and pa.types.is_list(kind):
        return [_from_json(each, kind.value_type) for each in value]
    if isinstance(value, dict) and pa.types.is_struct(kind):
        return {name: _from_json(value.get(name), kind.field(name).type) for name in (each.name for each in kind)}
    return value


def _rows_of(name: str) -> Callable[[], Sequence[bytes]]:
    def seeds() -> Sequence[bytes]:
        path = sorted(_RUN.glob(name))[0]
        return [json.dumps(_as_json(row)).encode() for row in pq.read_table(path).to_pylist()[:12]]

    return seeds


def _from_rows(schema: pa.Schema, about: str, parse: Callable[[bytes], object], **options: Any) -> Callable[..., None]:
    """A parser of one row as JSON, as a sealed file of that row."""

    def parse_row(data: bytes) -> None:
        try:
            row = json.loads(data)
            known = {field.name: _from_json(row.get(field.name), field.type) for field in schema}
            table = pa.Table.from_pylist([known], schema=schema)
        except (ValueError, TypeError, AttributeError, RecursionError, pa.ArrowException, OverflowError):
            return  # no row that a file could hold
        out = io.BytesIO()
        writer = SealedWriter(out, schema, **options)
        try:
            writer.write(table)
        except (ValueError, pa.ArrowException):  # a null where none may be
            return
        finally:
            writer.close({"tilepress.format": about})
        parse(out.getvalue())

    return parse_row


def _lease(data: bytes) -> None:
    holder = holder_of(stored("lease/00000001.json", sealed(data)))
    assert holder is None or str(holder)


def _leases() -> list[bytes]:
    times = {"since": "2026-11-28T09:00:00+00:00", "until": "2126-11-28T09:30:00+02:00"}
    who = {"machine": "0" * 16, "process": 7, "number": "1"}
    return [json.dumps({"format": LEASE, "verb": "compress", "host": "a", **times, **who}).encode()]


_AUDIT = AuditRecord("2026-11-28", 7, 30, 1, 2, 3, 4)


def _audit(data: bytes) -> None:
    storage = stored(_AUDIT.name, sealed(data))
    assert len(list(records(storage))) + len(list(damaged_records(storage))) == 1


def _audits() -> list[bytes]:
    return [json.dumps({"format": "tilepress-archive-audit-1", **vars(_AUDIT)}).encode()]


def _archive(data: bytes) -> None:
    read_archive(stored("archive.json", sealed(data)))


def _descriptions() -> list[bytes]:
    return [unsealed(path.read_bytes()) for path in sorted((GOLDEN / "parity-1").rglob("*.json"))[:2]]


PARSERS = {
    "sealed-json": Parser(
        lambda data: read_json(data, "fuzzed"), (IntegrityError,), lambda: [seal_json({"format": "x", "n": [1, 2]})]
    ),
    "places": Parser(
        lambda data: read_places(data.decode(errors="replace"), "fuzzed"), (IntegrityError,), lambda: [b"[[1, 2]]"]
    ),
    "archive-json": Parser(
        _archive,
        (IntegrityError, UsageError),
        lambda: [unsealed((_RUN.parents[1] / "archive.json").read_bytes())],
        _SLOW,
    ),
    "plan": Parser(_plan, (IntegrityError,), _golden("plan.parquet"), _SLOW),
    "manifest": Parser(_manifest, (IntegrityError,), _golden("manifest.parquet"), _SLOW),
    "index": Parser(_index, (IntegrityError,), _golden("index.parquet"), _SLOWEST, tests=40),
    "index-rows": Parser(
        _from_rows(INDEX_SCHEMA, index.FORMAT, _index), (IntegrityError,), _rows_of("index.parquet"), _SLOW, 60
    ),
    "part": Parser(_part, (IntegrityError,), _golden("parts/00000.parquet"), _SLOWEST, tests=40),
    "part-rows": Parser(
        _from_rows(PART_SCHEMA, part.FORMAT, _part, **part.parquet_options()),
        (IntegrityError,),
        _rows_of("parts/*.parquet"),
        _SLOW,
        60,
    ),
    "parquet": Parser(_parquet, (IntegrityError,), lambda: [*_golden("manifest.parquet")(), small_file()], _SLOW),
    "parquet-footer": Parser(
        lambda data: _parquet(joined(split(small_file())[0], data)),
        (IntegrityError,),
        lambda: [split(small_file(compression=each))[1] for each in ("NONE", "ZSTD")],
        _SLOW,
    ),
    "lease": Parser(_lease, (), _leases, _SLOW),
    "audit-record": Parser(_audit, (), _audits, _SLOW),
    "parity-description": Parser(
        lambda data: read_description(sealed(data), "fuzzed"), (IntegrityError,), _descriptions, _SLOW
    ),
}
