"""The checksums of what is stored: of files, of pixels, of a tile's samples. FORMAT.md says the same."""

from __future__ import annotations

import hashlib
import mmap
import zlib
from collections.abc import Iterable, Iterator

import numpy as np

_STEP = 1 << 24


def sha256(data: bytes | mmap.mmap) -> bytes:
    """Return SHA-256 of a file, without copying it."""
    if len(data) <= _STEP:
        return hashlib.sha256(data).digest()
    digest = hashlib.sha256()
    with memoryview(data) as view:
        for start in range(0, len(view), _STEP):
            digest.update(view[start : start + _STEP])
    return digest.digest()


def hash_band(digest: hashlib._Hash, band: np.ndarray) -> None:
    """Add a band to a pixel hash: samples in raster order, little-endian."""
    digest.update(np.ascontiguousarray(band, band.dtype.newbyteorder("<")).data)


def hashed(digest: hashlib._Hash, bands: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the same bands, each added to the digest as it passes."""
    for band in bands:
        hash_band(digest, band)
        yield band


def samples_crc(samples: np.ndarray) -> int:
    """Return CRC-32 of samples in raster order, little-endian."""
    return zlib.crc32(np.ascontiguousarray(samples, samples.dtype.newbyteorder("<")).data)
