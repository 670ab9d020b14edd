"""Files that prove themselves: the Parquet and JSON files of an archive carry their own SHA-256.

The seal is 64 hex digits of the SHA-256 of the whole file, taken with those 64 digits as zeros. In Parquet it is
`tilepress.seal` in the footer's key-value metadata, in JSON the member `sha256`.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from tilepress.pipeline.archive.parquet.reading import footer_metadata, open_parquet
from tilepress.pipeline.errors import IntegrityError

SEAL_KEY = "tilepress.seal"
REMADE_KEY = "tilepress.remade"  # of a file that was made again: the seal that it stands for
_BLANK = b"0" * 64
_PLACE = SEAL_KEY.encode() + b"\x18\x40" + _BLANK  # Thrift: the key, then field 2, a string of 64 bytes


class SealedWriter:
    """Writes one Parquet file to a seekable binary file and seals it on `close`."""

    def __init__(self, out: BinaryIO, schema: pa.Schema, **options: Any) -> None:
        self._tee = _HashingFile(out)
        self._out = out
        self._writer = pq.ParquetWriter(
            self._tee, schema, store_schema=False, write_page_checksum=True, version="2.6", **options
        )

    def write(self, table: pa.Table, row_group_size: int | None = None) -> None:
        """Append row groups."""
        self._writer.write_table(table, row_group_size=row_group_size or max(1, table.num_rows))

    def close(self, metadata: Mapping[str, str]) -> str:
        """Write the footer with `metadata`, seal the file and return the seal (64 hex digits)."""
        self._writer.add_key_value_metadata({**metadata, SEAL_KEY: _BLANK.decode()})
        self._writer.close()
        seal = self._tee.hexdigest()
        self._out.seek(-_footer_size(self._out), io.SEEK_END)
        start = self._out.tell()
        footer = self._out.read()
        self._out.seek(start + _seal_offset(footer))
        self._out.write(seal.encode())
        self._out.seek(0, io.SEEK_END)
        return seal


class _HashingFile(io.RawIOBase):
    """Passes writes on and hashes them."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._hash = hashlib.sha256()
        self._position = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data)
        self._out.write(view)
        self._hash.update(view)
        self._position += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        return self._position

    def close(self) -> None:  # pyarrow closes what it wrote to; the file stays ours
        pass

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def _footer_size(file: BinaryIO) -> int:
    file.seek(-8, io.SEEK_END)
    return int.from_bytes(file.read(4), "little") + 8


def _seal_offset(footer: bytes) -> int:
    # The last occurrence: paths in the statistics before it may be anything, but JSON and hashes behind it cannot.
    at = footer.rfind(_PLACE)
    if at < 0:
        raise IntegrityError("a Parquet footer has no place for its seal")
    return at + len(_PLACE) - len(_BLANK)


def check_seal(file: BinaryIO, name: str, expected: str | None = None, *, or_remade: bool = False) -> str:
    """Hash a sealed Parquet file whole; IntegrityError unless it is as written (and is the one `expected`).

    `or_remade`: one that was made again, and says that it stands for the expected one, will do.
    """
    seal = read_seal(file, name)
    size = file.seek(0, io.SEEK_END)
    footer_start = size - _footer_size(file)
    file.seek(0)
    digest = hashlib.sha256()
    left = footer_start
    while left:
        block = file.read(min(left, 1 << 20))
        left -= len(block)
        digest.update(block)
    digest.update(file.read().replace(seal.encode(), _BLANK, 1))
    if digest.hexdigest() != seal:
        raise IntegrityError(f"{name}: the file's bytes are not what was written (its seal does not match)")
    stands_for = footer_metadata(open_parquet(file, name)).get(REMADE_KEY) if or_remade else None
    if expected is not None and expected not in (seal, stands_for):
        raise IntegrityError(f"{name}: this is another file than the one that was committed here")
    return seal


def footer_hash(file: BinaryIO) -> str:
    """Return the SHA-256 of a Parquet file's footer, seal and all, to its end."""
    file.seek(-_footer_size(file), io.SEEK_END)
    return hashlib.sha256(file.read()).hexdigest()


def check_footer(file: BinaryIO, name: str, expected: str) -> None:
    """IntegrityError unless the footer is the one of this hash. What it is the footer of has checksums of its own."""
    size = file.seek(0, io.SEEK_END)
    if size < _footer_size(file) or footer_hash(file) != expected:
        raise IntegrityError(f"{name}: its footer is not the one that was committed here")


def read_seal(file: BinaryIO, name: str) -> str:
    """Return the seal in a Parquet footer, unchecked."""
    metadata = footer_metadata(open_parquet(file, name))
    if len(metadata.get(SEAL_KEY, "")) != 64:
        raise IntegrityError(f"{name}: the Parquet footer has no seal")
    return metadata[SEAL_KEY]


def seal_json(content: Mapping[str, Any]) -> bytes:
    """Return JSON text (sorted keys, two spaces) with its own seal in the member `sha256`."""
    blank = json.dumps({**content, "sha256": _BLANK.decode()}, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    digest = hashlib.sha256(blank.encode()).hexdigest()
    place = f'\n  "sha256": "{_BLANK.decode()}"'  # only a member of the outermost object stands so
    return blank.replace(place, place.replace(_BLANK.decode(), digest)).encode()


def read_json(data: bytes, name: str) -> dict[str, Any]:
    """Return the content of a sealed JSON file; IntegrityError unless every byte is as written."""
    try:
        content = json.loads(data)
        digest = content.pop("sha256").encode()
        if len(digest) != len(_BLANK):  # before it is replaced: a shorter one would make more of the bytes
            raise ValueError("its seal is none")
        blank = data.replace(digest, _BLANK)
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as exc:
        raise IntegrityError(f"{name}: not a sealed JSON file ({exc!r})") from exc
    if hashlib.sha256(blank).hexdigest().encode() != digest:
        raise IntegrityError(f"{name}: the file's bytes are not what was written (its SHA-256 does not match)")
    return dict(content)
