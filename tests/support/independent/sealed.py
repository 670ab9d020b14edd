"""Files that prove themselves, read as FORMAT.md 2 and 3 say."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq


def json_file(path: Path) -> dict[str, Any]:
    """FORMAT.md 2, a sealed JSON file."""
    data = path.read_bytes()
    content: dict[str, Any] = json.loads(data)
    _check_seal(data, content["sha256"], path)
    return content


def parquet_file(path: Path, kind: str) -> tuple[pq.ParquetFile, dict[str, str]]:
    """FORMAT.md 2 and 3, a sealed Parquet file and its metadata."""
    data = path.read_bytes()
    file = pq.ParquetFile(path, page_checksum_verification=True)
    metadata = {key.decode(): value.decode() for key, value in file.metadata.metadata.items()}
    assert metadata["tilepress.format"] == kind, path
    _check_seal(data, metadata["tilepress.seal"], path)
    return file, metadata


def _check_seal(data: bytes, seal: str, path: Path) -> None:
    assert len(seal) == 64 and data.count(seal.encode()) == 1, path
    blank = data.replace(seal.encode(), b"0" * 64)
    assert hashlib.sha256(blank).hexdigest() == seal, f"{path} is damaged"
