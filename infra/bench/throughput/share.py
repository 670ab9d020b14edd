"""How much of a bare process pool's speed `compress` reaches, after start-up, doing the same work.

    python infra/bench/throughput/share.py FOLDER [--images N] [--workers 2]

The pool decodes each file, encodes its tiles, decodes them back, compares hashes and writes the bytes; so does
`compress`, which besides makes parts, an index and a manifest. Both are warmed on a few files first. The two take
turns, so that a noisy machine is noisy to both, and the ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "plugin"))
os.environ["PYTHONPATH"] = f"{sys.path[0]}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
os.environ.setdefault("RAY_AUTH_MODE", "disabled")

import imagecodecs
import numpy as np

from tilepress import compress
from tilepress.codecs.codec import COLOUR_PLANES, Settings, TileSpec
from tilepress.codecs.registry import load_codec

CASES = (("bench-slow", None, 0.90), ("bench-medium", None, 0.80), ("jpegxl", 7, 0.90))
TILE = 512


def bare(job: tuple[str, str, str, int | None]) -> int:
    """One file by hand: decode, encode, decode back, compare, write."""
    path, folder, codec_id, effort = job
    data = Path(path).read_bytes()
    hashlib.sha256(data).digest()
    pixels = imagecodecs.png_decode(data)
    pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
    codec = load_codec(codec_id)
    out = []
    for y in range(0, pixels.shape[0], TILE):
        for x in range(0, pixels.shape[1], TILE):
            tile = np.ascontiguousarray(pixels[y : y + TILE, x : x + TILE])
            spec = TileSpec(*tile.shape, "uint8", 8, "gray" if tile.shape[2] == COLOUR_PLANES["gray"] else "rgb")
            stream = codec.encode(tile[None], spec, Settings(effort=effort))[0]
            back = codec.decode([stream], spec)[0]
            assert hashlib.sha256(back.tobytes()).digest() == hashlib.sha256(tile.tobytes()).digest()
            out.append(stream)
    target = Path(folder) / hashlib.sha256(path.encode()).hexdigest()
    with target.open("wb") as file:
        file.write(b"".join(out))
        os.fsync(file.fileno())
    return pixels.shape[0] * pixels.shape[1]


def shrinks(path: Path) -> bool:
    """Whether JPEG XL at effort 1 beats the PNG: where it does not, `compress` would try harder than the pool."""
    pixels = imagecodecs.png_decode(path.read_bytes())
    return len(imagecodecs.jpegxl_encode(pixels, lossless=True, effort=1)) < 0.99 * path.stat().st_size


def pool_seconds(pool: multiprocessing.pool.Pool, files: list[Path], codec_id: str, effort: int | None) -> float:
    """Wall time of the bare pool."""
    with tempfile.TemporaryDirectory() as folder:
        jobs = [(str(file), folder, codec_id, effort) for file in files]
        started = time.perf_counter()
        pool.map(bare, jobs, chunksize=1)
        return time.perf_counter() - started


def compress_seconds(source: Path, codec_id: str, effort: int | None, engine: str, workers: int) -> float:
    """Wall time of `compress` from the first shard to the manifest, as it reports it."""
    with tempfile.TemporaryDirectory() as folder:
        report = compress(
            source, f"{folder}/a", codec=codec_id, effort=effort, shard_size=1 << 20, engine=engine, workers=workers
        )
        return report.seconds


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engines", nargs="+", default=["ray", "local"])
    options = parser.parse_args()
    files = [file for file in sorted(options.folder.glob("*.png")) if shrinks(file)][: options.images]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder)
        for file in files:
            shutil.copyfile(file, source / file.name)  # links are stored as links
        print("| codec | engine | bare pool, s | compress, s | share of the pool's speed | target |")
        print("|---|---|---|---|---|---|")
        for codec_id, effort, target in CASES:
            compare(source, files, codec_id, effort, target, options)


def compare(
    source: Path, files: list[Path], codec_id: str, effort: int | None, target: float, options: argparse.Namespace
) -> None:
    """One row for each engine, all measured in turn."""
    if "ray" in options.engines:
        import ray

        if not ray.is_initialized():
            ray.init(num_cpus=options.workers, include_dashboard=False, log_to_driver=False)
    seconds: dict[str, list[float]] = {name: [] for name in ("pool", *options.engines)}
    with multiprocessing.get_context("spawn").Pool(options.workers) as pool:
        pool_seconds(pool, files[: 2 * options.workers], codec_id, effort)
        for engine in options.engines:
            compress_seconds(source, codec_id, 1 if effort else None, engine, options.workers)
        for _ in range(options.rounds):
            seconds["pool"].append(pool_seconds(pool, files, codec_id, effort))
            for engine in options.engines:
                seconds[engine].append(compress_seconds(source, codec_id, effort, engine, options.workers))
    bare_s = statistics.median(seconds["pool"])
    for name in options.engines:
        ours = statistics.median(seconds[name])
        label = codec_id if effort is None else f"{codec_id} e{effort}"
        print(f"| {label} | {name} | {bare_s:.2f} | {ours:.2f} | {bare_s / ours:.2f} | {target:.2f} |", flush=True)


if __name__ == "__main__":
    main()
