"""Codecs of a known cost, for measuring the pipeline: found through their entry points when this folder is on
PYTHONPATH, which worker processes inherit. They burn processor time outside the interpreter's lock, as kernels do."""

from __future__ import annotations

import hashlib
import time
from typing import ClassVar

import numpy as np

from tilepress.codecs.classical.jpegxl import JpegXl
from tilepress.codecs.codec import Settings, TileCodec, TileSpec
from tilepress.codecs.errors import StreamError

_BLOCK = bytes(1 << 18)
_FASTEST = Settings(effort=1)


def burn_until(target: float) -> None:
    """Use a processor until this thread has used it for so many seconds, outside the interpreter's lock."""
    while time.thread_time() < target:
        hashlib.sha256(_BLOCK)


class Burning(JpegXl):
    """JPEG XL at effort 1, and then idle work up to `ms_per_mp` of processor time a megapixel for encoding."""

    summary = "burns time, for benchmarks"
    ms_per_mp: ClassVar[float]

    def encode_tile(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        """JPEG XL's bytes, after a while."""
        target = time.thread_time() + self.ms_per_mp / 1000 * spec.height * spec.width / 1e6
        data = super().encode_tile(tile, spec, _FASTEST)
        burn_until(target)
        return data


class Slow(Burning):
    """100 ms of processor time a megapixel."""

    codec_id = "bench-slow"
    ms_per_mp = 100.0


class Medium(Burning):
    """20 ms of processor time a megapixel."""

    codec_id = "bench-medium"
    ms_per_mp = 20.0


class NoOp(TileCodec):
    """A tile of one value is one sample: costs nothing, and represents nothing else."""

    codec_id = "bench-noop"
    summary = "tiles of one value, for benchmarks"
    exact = True
    lossless = True

    def encode_tile(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        """The first sample of each plane."""
        return tile[0, 0].tobytes()

    def decode_tile(self, data: bytes, spec: TileSpec) -> np.ndarray:
        """A tile of that value."""
        if len(data) != spec.channels * np.dtype(spec.dtype).itemsize:
            raise StreamError("not one sample a plane")
        return np.broadcast_to(np.frombuffer(data, spec.dtype), spec.shape)
