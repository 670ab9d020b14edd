"""The rows of all tasks as one sealed table, and what a certificate says of them together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, BinaryIO, cast

import pyarrow as pa

from tilepress.jobs.certification.certificate import FILES, TASKS
from tilepress.jobs.certification.decoder import decoder_id
from tilepress.jobs.certification.images import DECODERS
from tilepress.jobs.certification.rows import ROW_SCHEMA
from tilepress.pipeline.archive import dates
from tilepress.pipeline.archive.sealed import SealedWriter, check_seal, open_parquet, read_json
from tilepress.pipeline.errors import AlreadyExists, IntegrityError
from tilepress.pipeline.storage.base import Storage
from tilepress.pipeline.storage.range_file import RangeFile

_GROUP_ROWS = 65536
_AT_ONCE, _THREADS = 1024, 8  # parts of at most 64 rows, or of a stack each
_COUNTED = ["source_bytes", "comes_back", "decoder", "checked"]


def write_table(storage: Storage, seal: str, fingerprints: Sequence[str]) -> None:
    """Create files.parquet of the parts of all tasks, in their order, unless it is there.

    Args:
        storage: The certificate's folder.
        seal: Of what was asked.
        fingerprints: Of the images of each task.
    """
    if storage.exists(FILES):
        return
    with NamedTemporaryFile(suffix=".parquet") as file:
        writer = SealedWriter(cast(BinaryIO, file), ROW_SCHEMA, compression="ZSTD")
        for table in _groups(storage, seal, fingerprints):
            writer.write(table)
        writer.close(TASKS.identity(seal))
        file.flush()
        with suppress(AlreadyExists):  # of another driver, of the same parts
            storage.create_file(FILES, Path(file.name))


def _groups(storage: Storage, seal: str, fingerprints: Sequence[str]) -> Iterator[pa.Table]:
    """The rows of all tasks as tables of thousands: parts are small and many, so several are read at a time."""
    with ThreadPoolExecutor(_THREADS) as threads:
        for start in range(0, len(fingerprints), _AT_ONCE):
            tasks = range(start, min(start + _AT_ONCE, len(fingerprints)))
            parts = threads.map(lambda task: TASKS.read_part(storage, seal, task, fingerprints[task]), tasks)
            yield pa.concat_tables(parts)


def contents(storage: Storage) -> dict[str, Any]:
    """Return what the rows of files.parquet come to, as members of the certificate."""
    where = f"{storage.url}/{FILES}"
    file = cast(BinaryIO, RangeFile(storage, FILES))
    seal = check_seal(file, where)
    counts, decoders, rows, size = Counter[str](), set[str](), 0, 0
    begun = ended = ""
    for batch in open_parquet(file, where).iter_batches(_GROUP_ROWS, columns=_COUNTED):
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
