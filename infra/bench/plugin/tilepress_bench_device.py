"""Codecs with networks of a known cost: a device that sleeps, and entropy coding that burns processor time.

A batch keeps the device for as long as one of so many MP/s takes; `pack` and `unpack` take what entropy coding takes.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from tilepress_bench_codecs import burn_until

from tilepress.codecs.codec import Codec, Settings, Symbols, Tiles, TileSpec
from tilepress.codecs.errors import StreamError

PACK_S = 0.030  # of a processor, a megapixel: 33 MP/s, as block-dnn-16 has it
STEP = 8  # of whose squares one sample is kept


class SimulatedDevice(Codec):
    """Keeps one sample of 64 and decodes to squares of it, on a device that sleeps meanwhile."""

    summary = "a device that sleeps, for benchmarks"
    exact = True
    lossless = False
    networks = True
    needs_model = False
    dtypes = frozenset({"uint8"})
    mp_per_s: ClassVar[float]

    def analyse(self, tiles: Tiles, spec: TileSpec, settings: Settings, side_information: bytes = b"") -> Symbols:
        """Return samples of the tiles, after a while."""
        began = time.monotonic()
        kept = tiles[:, ::STEP, ::STEP].astype(np.int16)
        self._sleep(began, len(tiles), spec)
        return Symbols(spec, {"samples": kept}, settings)

    def pack(self, symbols: Symbols) -> list[bytes]:
        """Return the samples deflated, after some work."""
        burn(PACK_S * megapixels(symbols.spec) * len(symbols.arrays["samples"]))
        return [zlib.compress(samples.astype(np.uint8).tobytes(), 1) for samples in symbols.arrays["samples"]]

    def unpack(self, latents: Sequence[bytes], spec: TileSpec) -> Symbols:
        """Return the samples, after some work. StreamError."""
        burn(PACK_S * megapixels(spec) * len(latents))
        shape = -(-spec.height // STEP), -(-spec.width // STEP), spec.channels
        try:
            samples = [np.frombuffer(zlib.decompress(data), np.uint8).reshape(shape) for data in latents]
        except (zlib.error, ValueError) as exc:
            raise StreamError(f"no samples of a tile: {exc}") from exc
        return Symbols(spec, {"samples": np.stack(samples).astype(np.int16)})

    def synthesise(self, symbols: Symbols, side_information: bytes = b"") -> Tiles:
        """Return squares of the samples, after a while."""
        began, spec = time.monotonic(), symbols.spec
        tiles = symbols.arrays["samples"].astype(np.uint8).repeat(STEP, 1).repeat(STEP, 2)
        self._sleep(began, len(tiles), spec)
        return np.ascontiguousarray(tiles[:, : spec.height, : spec.width])

    def _sleep(self, began: float, tiles: int, spec: TileSpec) -> None:
        """Keep the device until a batch that came at `began` would be done."""
        time.sleep(max(0.0, began + tiles * megapixels(spec) / self.mp_per_s - time.monotonic()))


class Device1(SimulatedDevice):
    """1 MP/s, to be slower than processors that are busy with other work."""

    codec_id = "bench-device-1"
    mp_per_s = 1.0


class Device10(SimulatedDevice):
    """10 MP/s."""

    codec_id = "bench-device-10"
    mp_per_s = 10.0


class Device100(SimulatedDevice):
    """100 MP/s."""

    codec_id = "bench-device-100"
    mp_per_s = 100.0


class Device1000(SimulatedDevice):
    """1,000 MP/s."""

    codec_id = "bench-device-1000"
    mp_per_s = 1000.0


class NoDevice(SimulatedDevice):
    """What is left for processors, for the bare pool."""

    codec_id = "bench-device-none"
    mp_per_s = float("inf")


def megapixels(spec: TileSpec) -> float:
    """Return those of a tile."""
    return spec.height * spec.width / 1e6


def burn(seconds: float) -> None:
    """Use a processor for so long, as kernels do."""
    burn_until(time.thread_time() + seconds)
