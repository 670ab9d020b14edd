"""Parts of rows that only a holder of the key can have made: each has a MAC in its metadata, where a key was given.

A certificate signs the rows of all parts, also of earlier attempts, and the folder that they lie in may be open to
others. A seal is a checksum, which anybody can compute. The MAC is HMAC-SHA256 (RFC 2104) over whose rows they are and
every value of them, with a secret that is derived from the private key: workers get that, and never the key.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from tilepress.jobs.certification.certificate import TASKS
from tilepress.jobs.certification.rows import ROW_SCHEMA
from tilepress.jobs.task_folder import part_name
from tilepress.pipeline.errors import IntegrityError
from tilepress.pipeline.storage.base import Storage

_MAC = "tilepress.mac"


def marked_part(seal: str, task: int, images: str, rows: Iterable[Mapping[str, Any]], secret: bytes) -> bytes:
    """Return the part of a task: see `TaskFolder.part`. `secret`: of the key, empty where there is none."""
    table, identity = pa.Table.from_pylist(list(rows), schema=ROW_SCHEMA), TASKS.identity(seal, task, images)
    mark = {_MAC: _mac(identity, table, secret)} if secret else {}
    return TASKS.parquet(table, {**identity, **mark})


def read_marked(storage: Storage, seal: str, task: int, images: str, secret: bytes) -> pa.Table:
    """Return the rows of a task; IntegrityError unless they were written for this request, by a holder of the key."""
    table = TASKS.read_part(storage, seal, task, images)
    if secret:
        found = (table.schema.metadata or {}).get(_MAC.encode(), b"")
        if not hmac.compare_digest(found, _mac(TASKS.identity(seal, task, images), table, secret).encode()):
            raise IntegrityError(
                f"{storage.url}/{part_name(task)} was not written with the key that is to sign its rows: move it away "
                "and run the same command again, which reads those images anew"
            )
    return table


def _mac(identity: Mapping[str, str], rows: pa.Table, secret: bytes) -> str:
    # The schema, which is checked, says which texts stand for bytes.
    text = json.dumps([identity, rows.to_pylist()], sort_keys=True, default=bytes.hex)
    return hmac.digest(secret, text.encode(), "sha256").hex()
