"""What is fuzzed, and how checksums around mutated bytes are made right again, so that they are looked into."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import zstandard

from tilepress.codecs.stream import read_frame, write_frame
from tilepress.pipeline.archive.sealed import SEAL_KEY, seal_json
from tilepress.pipeline.storage.base import Storage, open_storage

GOLDEN = Path(__file__).parents[1] / "golden"
_BLANK = b"0" * 64
_PLACE = SEAL_KEY.encode() + b"\x18\x40"


@dataclass(frozen=True)
class Parser:
    """What is fuzzed: `parse` takes any bytes, and raises nothing but `errors`.

    `runs`: how many inputs `make fuzz` tries, fewer where one takes long; `tests`: how many the tests try each time.
    """

    parse: Callable[[bytes], object]
    errors: tuple[type[BaseException], ...]
    seeds: Callable[[], Sequence[bytes]]
    runs: int = 1_000_000
    tests: int = 200


def framed(magic: bytes, parse: Callable[[bytes], object], *, packed: bool = False) -> Callable[[bytes], object]:
    """Return a parser of payloads: a frame is forged around them, compressed if the format has them so."""

    def parse_payload(payload: bytes) -> object:
        return parse(write_frame(magic, 1, zstandard.compress(payload) if packed else payload))

    return parse_payload


def payload_of(frame: bytes, magic: bytes, *, packed: bool = False) -> bytes:
    """Return what a frame is around."""
    payload = read_frame(magic, {1}, frame)[1]
    return zstandard.decompress(payload) if packed else bytes(payload)


def sealed(data: bytes) -> bytes:
    """Return JSON with a right seal, if it is JSON and an object."""
    try:
        content = json.loads(data)
        return seal_json({key: value for key, value in content.items() if key != "sha256"})
    except (ValueError, AttributeError, RecursionError):
        return data


def unsealed(data: bytes) -> bytes:
    """Return sealed JSON without its seal."""
    content = json.loads(data)
    return json.dumps({key: value for key, value in content.items() if key != "sha256"}).encode()


def resealed(data: bytes) -> bytes:
    """Return a Parquet file with a right seal, if it has a place for one."""
    at = data.rfind(_PLACE) + len(_PLACE)
    if at < len(_PLACE) or at + len(_BLANK) > len(data):
        return data
    blank = data[:at] + _BLANK + data[at + len(_BLANK) :]
    return data[:at] + hashlib.sha256(blank).hexdigest().encode() + data[at + len(_BLANK) :]


@cache
def scratch() -> Path:
    """Return a folder for parsers that read files; it goes when the process ends."""
    return Path(_scratch().name)


@cache
def _scratch() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="tilepress-fuzz-")


@cache
def _storage(folder: str) -> Storage:
    (scratch() / folder).mkdir()
    return open_storage(str(scratch() / folder))


def stored(name: str, data: bytes) -> Storage:
    """Return a storage that has a file, and others only below other folders."""
    storage = _storage(hashlib.sha256(name.encode()).hexdigest()[:8])
    path = Path(storage.url, name)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return storage
