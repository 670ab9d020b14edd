"""How golden streams are written down: JSON, one object a line; bytes as base64, samples as their SHA-256."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np


def refuse_existing(target: Path) -> None:
    """What is there stays as it is."""
    if target.exists():
        raise SystemExit(f"{target} exists; golden streams are never replaced")


def write(path: Path, entries: Iterable[dict[str, Any]]) -> None:
    """A file of entries, and the folders that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("[\n" + ",\n".join(json.dumps(entry) for entry in entries) + "\n]\n")


def coded(stream: bytes, decoded: np.ndarray) -> dict[str, str]:
    """A stream, and what it decodes to; found by the program that wrote it."""
    return {"stream": base64.b64encode(stream).decode(), "samples": sha256(decoded)}


def sha256(samples: np.ndarray) -> str:
    """Of samples as they are stored, in hexadecimal."""
    return hashlib.sha256(little(samples)).hexdigest()


def little(samples: np.ndarray) -> bytes:
    """Samples in little-endian order."""
    return samples.astype(samples.dtype.newbyteorder("<")).tobytes()


def digest(folder: Path, leave_out: Collection[str] = ()) -> str:
    """SHA-256 over all names and contents but the files directly in `folder` that are named."""
    out = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name not in leave_out:
            out.update(f"{name}\n{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return out.hexdigest()
