"""The certificate: one sealed JSON file of facts, which names a sealed Parquet file of rows, and may be signed.

certify.json        what was asked; created first
parts/00000.parquet rows of one task, create-only: a killed `certify` goes on behind them; see `marked`
decoders/ID.json    who decoded: each is written before the first row that names it
files.parquet       the rows of all files, in the order of their paths
certificate.sig     64 bytes: Ed25519 over the bytes of certificate.json, where a key was given
certificate.json    the certificate; created last
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from tilepress.jobs.certification.rows import ROW_SCHEMA
from tilepress.jobs.certification.signature import SIGNATURE_BYTES, require_signature
from tilepress.jobs.task_folder import TaskFolder
from tilepress.pipeline.archive.parquet.reading import check_schema, open_parquet, read_batches
from tilepress.pipeline.archive.sealed import check_seal, read_json, seal_json
from tilepress.pipeline.errors import AlreadyExists, IntegrityError, MissingError, UsageError
from tilepress.pipeline.storage.base import Storage
from tilepress.pipeline.storage.range_file import RangeFile

FORMAT = "tilepress-certificate-1"
CERTIFICATE, SIGNATURE, FILES = "certificate.json", "certificate.sig", "files.parquet"
IN_ARCHIVE = "certificates/"
TASKS = TaskFolder("certify", FORMAT, ROW_SCHEMA, CERTIFICATE)
_MAX_JSON = 64 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_BATCH = 8192  # rows that are read at a time
_MEMBERS: dict[str, Any] = {
    "archive_id": str,
    "runs": list,
    "decoders": list,
    "independent": bool,
    "independence": str,
    "begun": str,
    "ended": str,
    "files": dict,
    "parts": int,
    "models": list,
    "signed_by": str,
}


@dataclass(frozen=True)
class Certificate:
    """A certificate whose seal was checked; its fields are members of certificate.json.

    `runs`: number, seals of manifest, plan and index, and who wrote it, of each run. `files`: name, seal, number of
    rows, bytes of the source files, and their numbers by what comes back. `begun`: before the first file was read.
    """

    storage: Storage
    content: Mapping[str, Any]
    sha256: str  # of certificate.json

    def __getattr__(self, name: str) -> Any:
        if name in _MEMBERS:
            return self.content[name]
        raise AttributeError(name)

    @property
    def run_seals(self) -> dict[int, str]:
        """The seal of the manifest of each run."""
        return {int(each["run"]): str(each["manifest"]) for each in self.content["runs"]}

    def require_files(self) -> None:
        """Hash files.parquet whole: IntegrityError unless it is the one that the certificate names."""
        file, where = self._table()
        check_seal(file, where, str(self.content["files"]["seal"]))
        parquet = open_parquet(file, where)
        check_schema(parquet, ROW_SCHEMA, where)
        if parquet.metadata.num_rows != self.content["files"]["rows"]:
            raise IntegrityError(f"{where} has {parquet.metadata.num_rows} rows: the certificate says otherwise")

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of all files in the order of their paths; call `require_files` first."""
        file, where = self._table()
        for batch in read_batches(open_parquet(file, where), where, _BATCH):
            yield from batch.to_pylist()

    def _table(self) -> tuple[BinaryIO, str]:
        return cast(BinaryIO, RangeFile(self.storage, FILES)), f"{self.storage.url}/{FILES}"


def read_certificate(storage: Storage, confirmed: str | None = None) -> Certificate:
    """Return the certificate in a folder: its seal is right, and its signature if it is signed.

    Args:
        storage: The folder's.
        confirmed: The public key (64 hexadecimal digits) that it must be signed by.

    Raises:
        UsageError: There is none, or it is of a later format.
        IntegrityError: It is damaged, or not signed as it says, or not by that key.
    """
    where = f"{storage.url}/{CERTIFICATE}"
    try:
        data = storage.read(CERTIFICATE) if storage.size(CERTIFICATE) <= _MAX_JSON else b""
    except MissingError as exc:
        raise UsageError(f"there is no certificate at {storage.url}; `tilepress certify` makes one") from exc
    content = read_json(data, where)
    if content.get("format") != FORMAT:
        raise UsageError(f"{where} has the format {content.get('format')!r}; this tilepress reads {FORMAT!r}")
    if wrong := [name for name in _MEMBERS if not _makes_sense(content, name)]:
        raise IntegrityError(f"{where}: {wrong[0]} is missing, or makes no sense")
    _require_signed(storage, data, content["signed_by"], confirmed, where)
    return Certificate(storage, content, hashlib.sha256(data).hexdigest())


def _makes_sense(content: Mapping[str, Any], name: str) -> bool:
    """Whether a member is of the type that it has in a certificate, as far as anything depends on it."""
    value = content.get(name)
    if not isinstance(value, _MEMBERS[name]):
        return False
    if name == "files":
        kinds: dict[str, type] = {"seal": str, "rows": int, "source_bytes": int, "comes_back": dict}
        return all(isinstance(value.get(key), kind) for key, kind in kinds.items())
    if name == "runs":
        runs = [each for each in value if isinstance(each, dict)]
        known = all(isinstance(each.get("run"), int) and isinstance(each.get("manifest"), str) for each in runs)
        return known and len(runs) == len(value) > 0
    if name == "models":  # they become names of objects
        return all(isinstance(each, str) and _SHA256.fullmatch(each) for each in value)
    return True


def _require_signed(storage: Storage, data: bytes, signed_by: str, confirmed: str | None, where: str) -> None:
    if confirmed is not None and signed_by != confirmed:
        by = f"signed by the key {signed_by}" if signed_by else "not signed"
        raise IntegrityError(f"{where} is {by}, and not by the key that was given")
    if not signed_by:
        return
    try:
        signature = storage.read(SIGNATURE) if storage.size(SIGNATURE) == SIGNATURE_BYTES else b""
    except MissingError as exc:
        raise IntegrityError(
            f"{storage.url}/{SIGNATURE} is missing, and the certificate says that it is signed"
        ) from exc
    require_signature(signed_by, signature, data, where)


def write_certificate(storage: Storage, content: Mapping[str, Any], key: Any = None) -> None:
    """Create the certificate of these members, and before it the signature by a private key, if there is one.

    Another driver's certificate, made at the same time, is left as it is, and so is its signature: whoever reads them
    finds out if they do not belong together.
    """
    data = seal_json({"format": FORMAT, **content})
    if key is not None:
        storage.write(SIGNATURE, key.sign(data), overwrite=True)
    with suppress(AlreadyExists):
        storage.create(CERTIFICATE, data)
