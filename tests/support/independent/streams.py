"""What all streams share, as FORMAT.md specifies it: seals, models, rANS."""

from __future__ import annotations

import hashlib
import json
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import zstandard


@dataclass(frozen=True)
class Shape:
    """What a tile is."""

    height: int
    width: int
    channels: int
    dtype: str
    bit_depth: int
    mode: str


def unseal(magic: bytes, stream: bytes) -> bytes:
    """FORMAT.md 6."""
    assert stream[:3] == magic + b"\1" and struct.unpack_from("<I", stream, 3) == (zlib.crc32(stream[7:]),)
    return stream[7:]


def read_model(folder: Path, named: bool = True) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """FORMAT.md 10: `config` and tensors, after the hash was checked; `named`: it is the folder's name."""
    text = _file(folder, "model.json").decode()
    facts = json.loads(text)
    tensors = safetensors.numpy.load(_file(folder, "weights.safetensors"))
    without = re.sub(r'\n "sha256": "[0-9a-f]{64}",', "", text)
    strings_or_space = re.compile(r'("(?:[^"\\]|\\.)*")|\s+')
    digest = hashlib.sha256(strings_or_space.sub(lambda found: found[1] or "", without).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)], separators=(",", ":")).encode())
        digest.update(tensor.tobytes())
    assert digest.hexdigest() == facts["sha256"] and (not named or folder.name == facts["sha256"])
    return facts["config"], tensors


def _file(folder: Path, name: str) -> bytes:
    """A file of a model, which is compressed in an archive, and plain elsewhere."""
    plain = folder / name
    if plain.exists():
        return plain.read_bytes()
    return zstandard.ZstdDecompressor().decompress((folder / f"{name}.zst").read_bytes())


def level_tensors(tensors: dict[str, np.ndarray], level: int, kind: str = "level") -> dict[str, np.ndarray]:
    """What `level{i}.NAME` says of a level, by NAME; integers."""
    names = {name.partition(".")[2]: name for name in tensors if name.startswith(f"{kind}{level}.")}
    whole = {name for name in names if tensors[names[name]].dtype.kind in "iu"}
    return {name: tensors[names[name]].astype(np.int64) for name in whole}


class Rans:
    """FORMAT.md 8, rANS."""

    def __init__(self, data: bytes) -> None:
        (self.state,) = struct.unpack_from("<I", data)
        self.words = list(np.frombuffer(data, "<u2", offset=4))
        self.at = 0

    def _advance(self, start: int, freq: int) -> None:
        self.state = freq * (self.state >> 15) + (self.state & 32767) - start
        if self.state < 1 << 16:
            self.state = self.state << 16 | int(self.words[self.at])
            self.at += 1

    def bits(self, count: int) -> int:
        """Raw bits."""
        value = (self.state & 32767) >> (15 - count)
        if count:
            self._advance(value << (15 - count), 1 << (15 - count))
        return value

    def value(self, cdf: np.ndarray) -> int:
        """A value under one row."""
        last = len(cdf) - 2
        symbol = int(np.searchsorted(cdf, self.state & 32767, side="right")) - 1
        self._advance(int(cdf[symbol]), int(cdf[symbol + 1]) - int(cdf[symbol]))
        if symbol < last:
            return symbol
        n = self.bits(5)
        value = last - 1 + (1 << n)
        for at in (0, 12, 24):
            value += self.bits(min(max(n - at, 0), 12)) << at
        return value

    def check_end(self) -> None:
        """All is read."""
        assert self.state == 1 << 16 and self.at == len(self.words)
