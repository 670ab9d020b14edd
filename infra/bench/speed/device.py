"""Which share of a device, or of the processors, `compress --engine ray` reaches: whichever of them is slower.

    python infra/bench/speed/device.py FOLDER [--images 96] [--rates 10 100 1000] [--actors 1 2] [--workers 2]
                                       [--fidelity lossy] [--rounds 3]

The device is simulated: an actor sleeps as long as one of so many MP/s takes for a batch (plugin/
tilepress_bench_device.py). Each pixel passes it three times: analysed, synthesised for the residual, and synthesised
again of the stored bytes before commit. Several actors are as many devices. The processors' side is a bare pool of
processes, without Ray, that decodes each PNG of FOLDER, does the same entropy coding and residuals there and back,
compares, and writes. Both are warmed; they take turns, so that a noisy machine is noisy to both; shares are medians of
those of neighbouring turns. `in process` is the share of the pool's speed that `--engine local` reaches with a device
that takes no time: what Ray and actors cost lies between that and the others. With `--fidelity lossy` neither makes
residuals: the processors have a quarter of the work, and a device of 10 MP/s is slower than two of them.
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
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "plugin"))
os.environ["PYTHONPATH"] = f"{sys.path[0]}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import imagecodecs
import numpy as np

from tilepress import compress
from tilepress.codecs.codec import Codec, ResidualCoder, TileSpec
from tilepress.codecs.registry import DEFAULT_RESIDUAL, load_codec, load_residual

TARGET = 0.9
TILE = 512
PASSES = 3  # of each pixel over the device
SHARD_BYTES = 12 << 20  # several batches each, as the 256 MB of real ones have many
NONE = "bench-device-none"


@cache
def coders() -> tuple[Codec, ResidualCoder]:
    """The codec without its device, and the residual coder; made once in a process."""
    return load_codec(NONE), load_residual(DEFAULT_RESIDUAL)


def bare(job: tuple[str, str, bool]) -> float:
    """One file by hand: decode, encode, and back from what was stored; megapixels."""
    path, folder, exact = job
    data = Path(path).read_bytes()
    hashlib.sha256(data).digest()
    pixels = np.atleast_3d(imagecodecs.png_decode(data))
    codec, residual = coders()
    out = []
    for y in range(0, pixels.shape[0], TILE):
        for x in range(0, pixels.shape[1], TILE):
            tile = np.ascontiguousarray(pixels[y : y + TILE, x : x + TILE])
            spec = TileSpec(*tile.shape, "uint8", 8, "gray" if tile.shape[2] == 1 else "rgb")
            (latents,) = codec.encode(tile[None], spec)
            base = codec.decode([latents], spec)[0]
            rest = residual.encode(tile, base, spec) if exact else b""
            again = codec.decode([latents], spec)[0]
            back = residual.decode(rest, again, spec) if exact else again
            assert hashlib.sha256(back).digest() == hashlib.sha256(tile if exact else base).digest()
            out += [latents, rest]
    with (Path(folder) / Path(path).name).open("wb") as file:
        file.write(b"".join(out))
        os.fsync(file.fileno())
    return pixels.shape[0] * pixels.shape[1] / 1e6


def pool_speed(pool: multiprocessing.pool.Pool, files: list[Path], fidelity: str) -> float:
    """MP/s of the bare pool."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        pixels = sum(pool.map(bare, [(str(file), folder, fidelity != "lossy") for file in files], chunksize=1))
        return pixels / (time.perf_counter() - began)


def our_speed(source: Path, codec: str, options: argparse.Namespace, actors: int) -> float:
    """MP/s of `compress` from the first shard to the manifest, as it reports it; in process if there are no actors."""
    with tempfile.TemporaryDirectory() as folder:
        report = compress(
            source,
            f"{folder}/a",
            codec=codec,
            fidelity=options.fidelity,
            shard_size=SHARD_BYTES,
            engine="ray" if actors else "local",
            workers=options.workers,
            gpus_per_actor=1 / max(1, actors),
        )
    assert report.exit_code == 0
    return report.coded_pixels / 1e6 / report.seconds


def start_ray(workers: int) -> None:
    """A cluster of this machine with one pretended GPU, whose actors compute on processors."""
    import ray

    from tilepress.pipeline.engine import ray_cluster

    ray_cluster._GPU_DEVICE = "cpu"
    ray.init(num_cpus=workers, num_gpus=1, include_dashboard=False, log_to_driver=False)


def compare(pool: multiprocessing.pool.Pool, source: Path, options: argparse.Namespace) -> None:
    """One row for each rate and number of actors."""
    files = sorted(source.glob("*.png"))
    pool_speed(pool, files[: 2 * options.workers], options.fidelity)
    print("| device, MP/s | actors | bare pool, MP/s | device's side, MP/s | compress, MP/s | share of the slower |")
    print("|---|---|---|---|---|---|")
    cases = [(f"bench-device-{rate}", rate, actors) for rate in options.rates for actors in options.actors]
    for codec, rate, actors in [(NONE, float("inf"), 0), *cases]:
        our_speed(source, codec, options, actors)
        taken = []
        for _ in range(options.rounds):
            before = pool_speed(pool, files, options.fidelity)
            ours = our_speed(source, codec, options, actors)
            processors = (before + pool_speed(pool, files, options.fidelity)) / 2
            device = rate * max(1, actors) / PASSES
            taken.append((processors, device, ours, ours / min(processors, device)))
        figures = [statistics.median(column) for column in zip(*taken, strict=True)]
        what = f"| {rate:g} | {actors}" if actors else "| none | in process"
        print(what, *(f"| {figure:.2f}" for figure in figures), "|", flush=True)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--rates", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--actors", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--fidelity", default="pixels", choices=["pixels", "lossy"])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for file in sorted(options.folder.glob("*.png"))[: options.images]:
            shutil.copy(file, folder)
        start_ray(options.workers)
        with multiprocessing.get_context("spawn").Pool(options.workers) as pool:
            compare(pool, Path(folder), options)
    print(f"target: {TARGET} of the slower side")


if __name__ == "__main__":
    main()
