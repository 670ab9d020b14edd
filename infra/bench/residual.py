"""Bytes and speed of the residual coder over a folder of images, beside JPEG XL lossless, in one run on one thread.

    .venv/bin/python infra/bench/residual.py FOLDER [--base middle|dct] [--step 64] [--limit 20]

The base is a stand-in, so that the coder is judged alone: `middle` is a constant and tells the coder nothing;
`dct` keeps the 16 lowest frequencies of every 16x16 block of every plane after the reversible colour transform,
quantised with `--step`, and its latents are counted by the entropy of each coefficient over the image.
Whole images, not tiles. CPU seconds; every stream is decoded and compared.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

# before the libraries, which read the number of threads when they are loaded
os.environ.update(
    dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
)

import imagecodecs
import numpy as np

from tilepress.codecs import colour
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.residual import AdaptiveResidual

BLOCK, KEPT = 16, 4
EFFORTS = (1, 3, 7)
COLOURS = {1: "gray", 2: "gray", 3: "rgb", 4: "rgb"}


def read(path: Path) -> tuple[np.ndarray, TileSpec]:
    """A PNG or TIFF file as a tile (h, w, c) and its description."""
    image = imagecodecs.imread(path)
    tile = np.ascontiguousarray(image[..., None] if image.ndim == 2 else image)
    return tile, TileSpec(*tile.shape, str(tile.dtype), 8 * tile.itemsize, COLOURS[tile.shape[2]])  # type: ignore[arg-type]


def low_frequencies() -> np.ndarray:
    """Orthonormal cosines (BLOCK, KEPT)."""
    x, k = np.arange(BLOCK)[:, None] + 0.5, np.arange(KEPT)
    basis: np.ndarray = np.cos(np.pi * x * k / BLOCK) * np.where(k == 0, 1, 2**0.5) / BLOCK**0.5
    return basis


def entropy_bytes(symbols: np.ndarray) -> float:
    """Bytes of an ideal order-0 code."""
    counts = np.unique(symbols, return_counts=True)[1]
    return float(-(counts * np.log2(counts / counts.sum())).sum() / 8)


def dct_base(tile: np.ndarray, spec: TileSpec, step: float) -> tuple[np.ndarray, float]:
    """Base and estimated bytes of its latents."""
    grown = [(0, -n % BLOCK) for n in tile.shape[:2]]
    planes = np.pad(colour.forward(tile, spec), [*grown, (0, 0)], mode="edge")
    height, width, channels = planes.shape
    blocks = planes.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK, channels)
    cosines = low_frequencies()
    levels = np.rint(np.einsum("aybxc,yk,xl->abklc", blocks, cosines, cosines, optimize=True) / step)
    size = sum(entropy_bytes(levels[:, :, k, m, c]) for k, m, c in np.ndindex(levels.shape[2:]) if k + m)
    size += sum(entropy_bytes(np.diff(levels[:, :, 0, 0, c].ravel())) for c in range(channels))
    smooth = np.einsum("abklc,yk,xl->aybxc", levels * step, cosines, cosines, optimize=True).reshape(planes.shape)
    return colour.inverse(np.rint(smooth)[: spec.height, : spec.width].astype(np.int32), spec), size


def middle_base(tile: np.ndarray, spec: TileSpec, step: float) -> tuple[np.ndarray, float]:
    """Mid-gray, at no cost."""
    return np.full_like(tile, (spec.maximum + 1) // 2), 0.0


BASES: dict[str, Callable[[np.ndarray, TileSpec, float], tuple[np.ndarray, float]]] = {
    "dct": dct_base,
    "middle": middle_base,
}


class Table:
    """Bytes and CPU seconds each way, by method."""

    def __init__(self) -> None:
        self.bytes: defaultdict[str, float] = defaultdict(float)
        self.seconds: defaultdict[tuple[str, str], float] = defaultdict(float)
        self.pixels = 0

    def measure(
        self, name: str, tile: np.ndarray, encode: Callable[[], bytes], decode: Callable[[bytes], np.ndarray]
    ) -> int:
        """One round trip, compared; returns its bytes."""
        began = time.thread_time()
        data = encode()
        coded = time.thread_time()
        back = decode(data)
        self.seconds[name, "encode"] += coded - began
        self.seconds[name, "decode"] += time.thread_time() - coded
        if not np.array_equal(back.reshape(tile.shape), tile):
            raise SystemExit(f"{name} did not give the pixels back")
        self.bytes[name] += len(data)
        return len(data)

    def show(self) -> None:
        """Print; ratios are to JPEG XL effort 3."""
        print(f"{'method':24}{'bytes':>12}{'bits/px':>9}{'/ e3':>8}{'MP/s enc':>10}{'MP/s dec':>10}")
        for name, size in self.bytes.items():
            speeds = [self.pixels / 1e6 / self.seconds.get((name, way), np.inf) for way in ("encode", "decode")]
            rates = "".join(f"{speed:10.2f}" if speed else " " * 10 for speed in speeds)
            ratio = size / self.bytes["jpegxl lossless e3"]
            print(f"{name:24}{size:12.0f}{8 * size / self.pixels:9.3f}{ratio:8.4f}{rates}")


def measure_residual(table: Table, tile: np.ndarray, base: np.ndarray, spec: TileSpec) -> int:
    """The residual coder given `base`; returns its bytes."""
    coder = AdaptiveResidual()
    return table.measure(
        "residual", tile, lambda: coder.encode(tile, base, spec), lambda data: coder.decode(data, base, spec)
    )


def measure_jpegxl(table: Table, tile: np.ndarray) -> None:
    """JPEG XL lossless at each effort, one thread."""
    for effort in EFFORTS:
        table.measure(
            f"jpegxl lossless e{effort}",
            tile,
            lambda e=effort: imagecodecs.jpegxl_encode(tile, lossless=True, effort=e, numthreads=1),  # type: ignore[misc]
            lambda data: imagecodecs.jpegxl_decode(data, numthreads=1),
        )


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--base", choices=sorted(BASES), default="dct")
    parser.add_argument("--step", type=float, default=64.0, help="quantisation step of dct (orthonormal)")
    parser.add_argument("--limit", type=int, default=sys.maxsize, help="at most so many images, evenly spread")
    options = parser.parse_args()
    paths = sorted(p for p in options.folder.rglob("*") if p.suffix.lower() in {".png", ".tif", ".tiff"})
    if not paths:
        raise SystemExit(f"no PNG or TIFF files under {options.folder}")
    table = Table()
    for number, path in enumerate(paths[:: max(1, -(-len(paths) // options.limit))]):
        tile, spec = read(path)
        base, latents = BASES[options.base](tile, spec, options.step)
        if number == 0:  # compile before the clock runs
            measure_residual(Table(), tile, base, spec)
        size = measure_residual(table, tile, base, spec)
        table.bytes["residual + latents est."] += size + latents
        measure_jpegxl(table, tile)
        table.pixels += spec.height * spec.width
    table.show()


if __name__ == "__main__":
    main()
