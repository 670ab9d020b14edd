"""What stands beside tilepress in the table: a bare process pool, Ray Data, and the commands of libjxl."""

from __future__ import annotations

import hashlib
import multiprocessing
import shutil
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np

SIDE = 512
EFFORT = 7


def coded(path: str, folder: str) -> int:
    """One PNG to JPEG XL, tile by tile, decoded back and compared before it is written; return its pixels."""
    data = Path(path).read_bytes()
    pixels = np.atleast_3d(imagecodecs.png_decode(data))
    streams = []
    for y in range(0, pixels.shape[0], SIDE):
        for x in range(0, pixels.shape[1], SIDE):
            tile = np.ascontiguousarray(pixels[y : y + SIDE, x : x + SIDE])
            stream = imagecodecs.jpegxl_encode(tile, effort=EFFORT, lossless=True, numthreads=1)
            assert np.array_equal(np.atleast_3d(imagecodecs.jpegxl_decode(stream, numthreads=1)), tile)
            streams.append(stream)
    name = hashlib.sha256(path.encode()).hexdigest()
    (Path(folder) / name).write_bytes(b"".join(streams))
    return int(pixels.shape[0] * pixels.shape[1])


def pool_turn(pool: Any, files: Sequence[Path]) -> Callable[[Path], None]:
    """Return a turn of a bare process pool."""
    return lambda out: pool.starmap(coded, [(str(file), str(out)) for file in files], chunksize=1)


def new_pool(workers: int) -> Any:
    """Return processes that share nothing."""
    return multiprocessing.get_context("spawn").Pool(workers)


def ray_data_turn(files: Sequence[Path]) -> Callable[[Path], None]:
    """Return a turn of Ray Data on the cluster that is connected: the same function over the same files."""
    import ray

    def turn(out: Path) -> None:
        rows = ray.data.from_items([{"path": str(file)} for file in files], override_num_blocks=len(files))
        rows.map(lambda row: {"pixels": coded(row["path"], str(out))}).materialize()

    return turn


def commands(lines: Sequence[Sequence[str]], workers: int) -> None:
    """Run commands, so many at a time. CalledProcessError if one fails."""
    with ThreadPoolExecutor(workers) as threads:
        list(threads.map(partial(subprocess.run, check=True, capture_output=True), lines))


def cjxl_turn(files: Sequence[Path], workers: int) -> Callable[[Path], None] | None:
    """Return a turn of `cjxl -d 0 -e 7`, one process a file, each on one thread; None without libjxl-tools."""
    if not shutil.which("cjxl"):
        return None
    fixed = ["-d", "0", "-e", str(EFFORT), "--num_threads=0"]
    return lambda out: commands([["cjxl", str(file), str(out / f"{file.stem}.jxl"), *fixed] for file in files], workers)
