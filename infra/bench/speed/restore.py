"""How long `restore` takes beside a bare pool that decodes and deflates the same, and beside `djxl`.

    python infra/bench/speed/restore.py FOLDER [--images 20] [--across 2] [--level 6] [--workers 2] [--rounds 3]

FOLDER holds RGB PNG of 512 x 512. The files that are restored are made of `across` x `across` of them, deflated at
`level`, and are held in one shard by JPEG XL. The pool has their streams, row filters and zlib settings in memory; it
decodes, filters, deflates, hashes and writes, and what it writes is the very file. `restore` and `restore --pixels` are
commands, whose start counts; `djxl` (libjxl-tools), if there is one, has the whole pictures at the same effort, one
process a file, `workers` at a time. All take turns, so that a noisy machine is noisy to all; ratios are medians of
those of neighbouring turns. Processor seconds tell where other work kept the machine from running them side by side.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from PIL import Image

import tilepress
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.registry import load_codec
from tilepress.pipeline.archive.index_row import fetch_tile_rows
from tilepress.pipeline.formats.picture import Limits, tile_spec
from tilepress.pipeline.formats.png.chunks import chunk, parse_header, scan
from tilepress.pipeline.formats.png.rows import filter_rows
from tilepress.pipeline.formats.png.stream import filtered_rows, probe
from tilepress.pipeline.formats.zlib_settings import Deflater, DeflateSettings, guess_settings
from tilepress.pipeline.reading.image import Entry

EFFORT = 7
GOAL = 1.15
Turn = Callable[[Path], float]  # what writes files to an empty folder; processor seconds that it took
_PREFIX = 1 << 20


@dataclass(frozen=True)
class Job:
    """One file for the pool: all that is known of it before the clock runs."""

    name: str
    tiles: tuple[tuple[int, int, TileSpec, bytes], ...]  # x, y, what the tile is, its stream
    shape: tuple[int, int, int]
    head: bytes
    tail: bytes
    types: bytes
    sizes: tuple[int, ...]  # of the IDAT chunks
    settings: DeflateSettings


def bare(task: tuple[Job, str]) -> float:
    """One file by hand: decode, filter, deflate, write, hash; processor seconds."""
    began = time.process_time()
    job, folder = task
    pixels = np.empty(job.shape, np.uint8)
    for x, y, spec, stream in job.tiles:
        pixels[y : y + spec.height, x : x + spec.width] = load_codec("jpegxl").decode([stream], spec)[0]
    hashlib.sha256(pixels).digest()
    rows = pixels.reshape(job.shape[0], -1)
    types = np.frombuffer(job.types, np.uint8)
    deflater = Deflater(job.settings)
    stream = deflater.feed(filter_rows(rows, np.zeros(rows.shape[1], np.uint8), 3, types).tobytes()) + deflater.finish()
    ends = np.cumsum(job.sizes).tolist()
    idat = [chunk(b"IDAT", stream[end - size : end]) for size, end in zip(job.sizes, ends, strict=True)]
    data = b"".join((job.head, *idat, job.tail))
    hashlib.sha256(data).digest()
    (Path(folder) / job.name).write_bytes(data)
    return time.process_time() - began


def job_of(entry: Entry, file: Path) -> Job:
    """What the pool is told of a file."""
    facts, source = entry.index_row.facts, file.read_bytes()
    loaded = fetch_tile_rows(entry.index_row.tiles, entry.fetch, residuals=True)
    tiles = tuple((t.facts.x, t.facts.y, _spec(entry, t.facts.h, t.facts.w), latents) for t, latents, _ in loaded)
    png = scan(source, parse_header(source), Limits())
    rows = np.concatenate([part for _, _, part in filtered_rows(png)])
    settings = guess_settings(rows.tobytes()[:_PREFIX], probe(png), complete=False)
    assert settings is not None, f"{file} was not written by zlib"
    shape = facts.height, facts.width, 3
    return Job(entry.path, tiles, shape, png.head, png.tail, rows[:, 0].tobytes(), tuple(png.sizes.tolist()), settings)


def _spec(entry: Entry, height: int, width: int) -> TileSpec:
    facts = entry.index_row.facts
    return tile_spec(facts.mode, facts.dtype, facts.bit_depth, height, width)


def by_pool(pool: multiprocessing.pool.Pool, jobs: list[Job], out: Path) -> float:
    return sum(pool.map(bare, [(job, str(out)) for job in jobs], chunksize=1))


def by_commands(commands: Callable[[Path], list[list[str]]], workers: int, out: Path) -> float:
    """So many commands at a time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with ThreadPoolExecutor(workers) as threads:
        list(threads.map(partial(subprocess.run, check=True, capture_output=True), commands(out)))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def restoring(archive: Path, workers: int, *options: str) -> Turn:
    base = [sys.executable, "-m", "tilepress", "restore", str(archive)]
    fixed = ["--engine", "local", "-j", str(workers), *options]
    return partial(by_commands, lambda out: [[*base, str(out), *fixed]], 1)


def decoding(source: Path, folder: Path, workers: int) -> Turn | None:
    """`djxl` of every file, if it is installed; the pictures are made first."""
    if not (shutil.which("djxl") and shutil.which("cjxl")):
        return None
    made = {file: folder / f"{file.stem}.jxl" for file in sorted(source.glob("*.png"))}
    encode = [["cjxl", str(file), str(jxl), "-d", "0", "-e", str(EFFORT)] for file, jxl in made.items()]
    by_commands(lambda _: encode, workers, folder)
    return partial(
        by_commands,
        lambda out: [["djxl", str(jxl), str(out / file.name), "--num_threads=0"] for file, jxl in made.items()],
        workers,
    )


def make_source(folder: Path, photographs: list[Path], images: int, across: int, level: int) -> None:
    """PNG files of `across` x `across` photographs each; those are used again when there are no more."""
    count = across * across
    for number in range(images):
        chosen = [photographs[(number * count + at) % len(photographs)] for at in range(count)]
        pixels = [np.asarray(Image.open(file).convert("RGB")) for file in chosen]
        rows = [np.concatenate(pixels[at : at + across], axis=1) for at in range(0, count, across)]
        Image.fromarray(np.concatenate(rows)).save(folder / f"{number:02d}.png", compress_level=level)


def wrong(source: Path, out: Path, *, exact: bool) -> list[str]:
    """Names of files that did not come back: byte for byte, or every pixel."""

    def differs(file: Path) -> bool:
        back = out / file.name
        if exact:
            return back.read_bytes() != file.read_bytes()
        return not np.array_equal(np.asarray(Image.open(back)), np.asarray(Image.open(file)))

    return [file.name for file in sorted(source.glob("*.png")) if differs(file)]


def measure(turns: dict[str, Turn], source: Path, rounds: int) -> None:
    """Warm all, check what each of them writes, and print a table."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in turns}
    for number in range(rounds + 1):
        for name, turn in turns.items():
            with tempfile.TemporaryDirectory() as out:
                began = time.perf_counter()
                cpu = turn(Path(out))
                wall = time.perf_counter() - began
                if number:
                    taken[name].append((wall, cpu))
                elif bad := wrong(source, Path(out), exact=name in ("pool", "restore")):
                    raise SystemExit(f"{name}: not as they were: {bad}")
    print("| | wall, s | CPU, s | wall, of the pool's | CPU, of the pool's | wall, of djxl's | CPU, of djxl's |")
    print("|---|---|---|---|---|---|---|")
    for name, mine in taken.items():
        ratios = [_ratios(mine, taken[other]) if other in taken else "| |" for other in ("pool", "djxl")]
        wall, cpu = (statistics.median(column) for column in zip(*mine, strict=True))
        print(f"| {name} | {wall:.2f} | {cpu:.2f} {ratios[0]} {ratios[1]} |")


def _ratios(mine: list[tuple[float, float]], theirs: list[tuple[float, float]]) -> str:
    wall, cpu = (statistics.median(a[at] / b[at] for a, b in zip(mine, theirs, strict=True)) for at in (0, 1))
    return f"| {wall:.2f} | {cpu:.2f}"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--across", type=int, default=2)
    parser.add_argument("--level", type=int, default=6)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        source, archive, pictures = (Path(place) / name for name in ("source", "a.tp", "jxl"))
        source.mkdir()
        pictures.mkdir()
        photographs = sorted(options.folder.glob("*.png"))
        make_source(source, photographs, options.images, options.across, options.level)
        asked = {"codec": "jpegxl", "effort": EFFORT, "shard_size": 1 << 40, "engine": "local"}
        tilepress.compress(source, archive, workers=options.workers, **asked)
        jobs = [job_of(entry, source / entry.path) for entry in tilepress.open(archive).entries()]
        with multiprocessing.get_context("spawn").Pool(options.workers) as pool:
            turns: dict[str, Turn] = {"pool": partial(by_pool, pool, jobs)}
            turns["restore"] = restoring(archive, options.workers)
            turns["restore --pixels"] = restoring(archive, options.workers, "--pixels")
            if djxl := decoding(source, pictures, options.workers):
                turns["djxl"] = djxl
            measure(turns, source, options.rounds)
    print(f"goals: restore at most {GOAL} of the pool, restore --pixels at most djxl (wall, on a quiet machine)")


if __name__ == "__main__":
    main()
