"""The rows of all tasks as one sealed table, and what a certificate says of them together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, BinaryIO, cast

import pyarrow as pa

from tilepress.jobs.certification.certificate import FILES, TASKS
from tilepress.jobs.certification.decoder import decoder_id
from tilepress.jobs.certification.images import DECODERS, CertifyOptions
from tilepress.jobs.certification.marked import read_marked
from tilepress.jobs.certification.rows import ROW_SCHEMA
from tilepress.pipeline.archive import dates
from tilepress.pipeline.archive.parquet.reading import open_parquet, read_batches
from tilepress.pipeline.archive.sealed import SealedWriter, check_seal, read_json
from tilepress.pipeline.errors import AlreadyExists, IntegrityError
from tilepress.pipeline.storage.base import Storage
from tilepress.pipeline.storage.range_file import RangeFile

_GROUP_ROWS = 65536
_AT_ONCE, _THREADS = 1024, 8  # parts of at most 64 rows, or of a stack each
_COUNTED = ["source_bytes", "comes_back", "decoder", "checked"]


def write_table(storage: Storage, options: CertifyOptions, fingerprints: Sequence[str]) -> dict[str, Any]:
    """Create files.parquet of the parts of all tasks, in their order; return what it comes to, for the certificate.

    IntegrityError where another is there, or a part is not what was written by this request and with its key. One that
    an earlier attempt wrote has the same bytes; it is compared, and nothing but the own one is looked into.

    Args:
        storage: The certificate's folder.
        options: Of the tasks.
        fingerprints: Of the images of each task.
    """
    with NamedTemporaryFile(suffix=".parquet") as file:
        out = cast(BinaryIO, file)
        writer = SealedWriter(out, ROW_SCHEMA, compression="ZSTD")
        try:
            for table in _groups(storage, options, fingerprints):
                writer.write(table)
        finally:  # also where a part is refused: pyarrow closes what it began, if need be when the file is gone
            seal = writer.close(TASKS.identity(options.seal))
        file.flush()
        try:
            storage.create_file(FILES, Path(file.name))
        except AlreadyExists:  # of an earlier attempt or another driver, of the same parts
            _require_same(storage, seal)
        return _contents(storage, out, seal)


def _require_same(storage: Storage, seal: str) -> None:
    where = f"{storage.url}/{FILES}"
    try:
        check_seal(cast(BinaryIO, RangeFile(storage, FILES)), where, seal)
    except IntegrityError as exc:
        raise IntegrityError(
            f"{where} does not hold the rows of the parts beside it: move it away and run the same command again"
        ) from exc


def _groups(storage: Storage, options: CertifyOptions, fingerprints: Sequence[str]) -> Iterator[pa.Table]:
    """The rows of all tasks as tables of thousands: parts are small and many, so several are read at a time."""

    def rows(task: int) -> pa.Table:
        return read_marked(storage, options.seal, task, fingerprints[task], options.secret)

    with ThreadPoolExecutor(_THREADS) as threads:
        for start in range(0, len(fingerprints), _AT_ONCE):
            yield pa.concat_tables(threads.map(rows, range(start, min(start + _AT_ONCE, len(fingerprints)))))


def _contents(storage: Storage, file: BinaryIO, seal: str) -> dict[str, Any]:
    """What the rows of a table come to, as members of the certificate."""
    counts, decoders, rows, size = Counter[str](), set[str](), 0, 0
    begun = ended = ""
    for batch in read_batches(open_parquet(file, FILES), FILES, _GROUP_ROWS, _COUNTED):
        found = {name: batch.column(name).to_pylist() for name in _COUNTED}
        counts.update(found["comes_back"])
        decoders.update(found["decoder"])
        rows, size = rows + batch.num_rows, size + sum(found["source_bytes"])
        begun = min(filter(None, (begun, *found["checked"])), default="")
        ended = max(ended, *found["checked"], "")
    who = [_decoder(storage, each) for each in sorted(decoders)]
    told = {"rows": rows, "source_bytes": size, "comes_back": dict(sorted(counts.items()))}
    files = {"name": FILES, "seal": seal, **told}
    return {"files": files, "decoders": who, "begun": begun or dates.now(), "ended": ended or dates.now()}


def _decoder(storage: Storage, name: str) -> dict[str, Any]:
    where = f"{storage.url}/{DECODERS}{name}.json"
    facts = read_json(storage.read(f"{DECODERS}{name}.json"), where)
    if decoder_id(facts) != name:
        raise IntegrityError(f"{where} is of another decoder")
    return {"id": name, **facts}
