"""Peak memory of `compress` on both engines: one huge image, and many shards with a slow codec.

    python infra/bench/memory.py                       the 20,000 x 20,000 TIFF and the 100 shards of the issue
    python infra/bench/memory.py --side 4000 --shards 20

What counts is the resident memory of the driver and of Ray's worker processes, summed at the same moment, twenty
times a second; Ray's own servers (raylet, GCS and so on) are shown apart. Pages that processes share are counted in
each of them, so this is an upper bound.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import tifffile
from PIL import Image

LIMIT = 2 << 30  # bytes
_SEGMENT = 512  # height and width of a tile of the TIFF


@dataclass(frozen=True)
class Peak:
    """Largest sums of resident memory in bytes: of driver and workers, and of Ray's own servers."""

    ours: int
    rays: int
    seconds: float


def make_huge_tiff(path: Path, side: int) -> None:
    """A tiled 8-bit gray TIFF of `side` squared pixels, a tile at a time: slopes, waves and a little noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:_SEGMENT, 0:_SEGMENT]
    waves = 40 * np.sin(x / 41) + 40 * np.cos(y / 57) + rng.normal(0, 1.5, (_SEGMENT, _SEGMENT))
    across = -(-side // _SEGMENT)

    def tiles() -> Iterator[np.ndarray]:
        for number in range(across * across):
            yield np.clip(waves + 90 + 70 * ((number * 7919) % 101) / 101, 0, 255).astype(np.uint8)

    tifffile.imwrite(
        path, tiles(), shape=(side, side), dtype=np.uint8, tile=(_SEGMENT, _SEGMENT), compression="zlib",
        photometric="minisblack",
    )  # fmt: skip


def make_many(folder: Path, count: int, side: int = 512) -> None:
    """`count` different gray PNG files."""
    folder.mkdir()
    y, x = np.mgrid[0:side, 0:side]
    for number in range(count):
        noise = np.random.default_rng(number).normal(0, 4, (side, side))
        samples = np.clip(60 * np.sin(x / (20 + number)) + 60 * np.cos(y / 31) + 128 + noise, 0, 255)
        Image.fromarray(samples.astype(np.uint8)).save(folder / f"{number:04d}.png")


def peak_of(arguments: Sequence[str]) -> Peak:
    """Run `tilepress ARGUMENTS` and watch it and its descendants. RuntimeError if it fails."""
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as said:
        driver = psutil.Popen([sys.executable, "-m", "tilepress", *arguments], stdout=said, stderr=said)
        ours = rays = 0
        while driver.poll() is None:
            now = _resident(driver)
            ours, rays = max(ours, now[0]), max(rays, now[1])
            time.sleep(0.05)
        if driver.returncode:
            said.seek(0)
            raise RuntimeError(f"tilepress {' '.join(arguments)} ended with {driver.returncode}:\n{said.read()}")
    return Peak(ours, rays, time.monotonic() - started)


def _resident(driver: psutil.Popen) -> tuple[int, int]:
    ours = rays = 0
    try:
        family = [driver, *driver.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0, 0
    for process in family:
        try:
            size = process.memory_info().rss
            worker = process.pid == driver.pid or process.cmdline()[:1][0].startswith("ray::")
        except (psutil.NoSuchProcess, psutil.ZombieProcess, IndexError):
            continue
        ours, rays = (ours + size, rays) if worker else (ours, rays + size)
    return ours, rays


def measure(folder: Path, engine: str, workers: int, *, side: int = 0, shards: int = 0) -> Peak:
    """The peak of one of the two subjects: `side` of the TIFF, or the number of `shards`."""
    subject = folder / ("huge" if side else "many")
    if side and not subject.exists():
        subject.mkdir()
        make_huge_tiff(subject / "huge.tif", side)
    elif not subject.exists():
        make_many(subject, shards)
    # Of the codecs that `auto` chooses among, lossless-quick takes most memory, and the TIFF least time.
    options = ["--codec", "lossless-quick"] if side else ["--codec", "jpegxl", "--effort", "9", "--shard-size", "1B"]
    archive = folder / f"{subject.name}-{engine}"
    return peak_of(["compress", str(subject), str(archive), "--engine", engine, "-j", str(workers), *options])


def main() -> None:
    """Print a table, and fail if a figure is over the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=20_000, help="width and height of the TIFF in pixels")
    parser.add_argument("--shards", type=int, default=100)
    parser.add_argument("-j", "--workers", type=int, default=2)
    options = parser.parse_args()
    print(f"{'subject':32} {'engine':6} {'driver and workers':>18} {'Ray itself':>12} {'seconds':>8}")
    high = 0
    with tempfile.TemporaryDirectory(prefix="tilepress-memory-") as scratch:
        for engine in ("local", "ray"):
            huge = measure(Path(scratch), engine, options.workers, side=options.side)
            many = measure(Path(scratch), engine, options.workers, shards=options.shards)
            for what, peak in ((f"TIFF {options.side} x {options.side}", huge), (f"{options.shards} shards", many)):
                mb = f"{peak.ours / 1e6:15.0f} MB {peak.rays / 1e6:9.0f} MB"
                print(f"{what:32} {engine:6} {mb} {peak.seconds:8.0f}", flush=True)
                high = max(high, peak.ours)
    if high > LIMIT:
        sys.exit(f"{high / 1e6:.0f} MB is over the limit of {LIMIT / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
