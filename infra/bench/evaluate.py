"""How much of a bare process pool's speed `evaluate` reaches, after start-up, doing the same work.

    python infra/bench/evaluate.py FOLDER [--images 21] [--workers 2] [--rounds 3]

The pool decodes each PNG, and for every codec and quality encodes its tiles, decodes them and takes the same measures;
so does `evaluate`, which besides commits the rows of every task and reads them back. What is done once is stated
apart: the start of the engine, and afterwards summary, page, plots and crops. Both are warmed first; they take turns,
so that a noisy machine is noisy to both, and the ratio is the median of those of neighbouring turns.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from functools import cache
from pathlib import Path

os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import imagecodecs
import numpy as np

from tilepress import evaluate
from tilepress.codecs.codec import COLOUR_PLANES, Codec, Settings, TileSpec
from tilepress.codecs.registry import load_codec, resolve
from tilepress.jobs.evaluation.evaluate import EvaluateReport
from tilepress.pipeline.quality.metrics import distortion

TARGET = 0.85
TILE = 512
QUALITIES = (10, 30, 50, 70, 90)
CASES = (("jpeg",), ("jpegxl",), ("block-dnn-16",), ("jpeg", "jpegxl", "block-dnn-16"))


@cache
def codec_of(name: str) -> Codec:
    """An instance, made once in a process."""
    choice = resolve(name)
    return load_codec(choice.codec_id, choice.model_folder)


def bare(job: tuple[str, tuple[str, ...]]) -> int:
    """One image by hand: decode, then for every codec and quality encode, decode back and measure."""
    path, names = job
    pixels = np.atleast_3d(imagecodecs.png_decode(Path(path).read_bytes()))
    size = 0
    for name in names:
        codec = codec_of(name)
        for quality in QUALITIES if "quality" in codec.options else (None,):
            decoded = np.empty_like(pixels)
            for y in range(0, pixels.shape[0], TILE):
                for x in range(0, pixels.shape[1], TILE):
                    tile = np.ascontiguousarray(pixels[y : y + TILE, x : x + TILE])
                    spec = TileSpec(
                        *tile.shape, "uint8", 8, "gray" if tile.shape[2] == COLOUR_PLANES["gray"] else "rgb"
                    )
                    streams = codec.encode(tile[None], spec, Settings(quality))
                    decoded[y : y + TILE, x : x + TILE] = codec.decode(streams, spec)[0]
                    size += len(streams[0])
            distortion(pixels, decoded, 255)
    return size


def one_thread() -> None:
    """Workers are the parallelism."""
    import torch

    torch.set_num_threads(1)


def pool_seconds(pool: multiprocessing.pool.Pool, files: list[Path], names: tuple[str, ...]) -> float:
    """Wall time of the bare pool."""
    started = time.perf_counter()
    pool.map(bare, [(str(file), names) for file in files], chunksize=1)
    return time.perf_counter() - started


def ours(source: Path, names: tuple[str, ...], engine: str, workers: int) -> EvaluateReport:
    """One evaluation into an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        qualities = QUALITIES if any("quality" in codec_of(name).options for name in names) else ()
        asked = {"qualities": qualities, "tile": TILE, "engine": engine, "workers": workers}
        return evaluate(source, f"{folder}/out", names, **asked)


def compare(files: list[Path], source: Path, names: tuple[str, ...], options: argparse.Namespace) -> None:
    """One row for each engine, all measured in turn."""
    pool_s: list[float] = []
    reports: dict[str, list[EvaluateReport]] = {engine: [] for engine in options.engines}
    with multiprocessing.get_context("spawn").Pool(options.workers, one_thread) as pool:
        pool_seconds(pool, files[: 2 * options.workers], names)
        for engine in options.engines:
            ours(source, names, engine, options.workers)
        for _ in range(options.rounds):
            pool_s.append(pool_seconds(pool, files, names))
            for engine in options.engines:
                reports[engine].append(ours(source, names, engine, options.workers))
    bare_s = statistics.median(pool_s)
    header = f"| {', '.join(names)} |"
    for kind, found in reports.items():
        seconds = statistics.median(report.measuring_s for report in found)
        share = statistics.median(bare / report.measuring_s for bare, report in zip(pool_s, found, strict=True))
        start = statistics.median(report.starting_s for report in found)
        rest = statistics.median(report.seconds - report.starting_s - report.measuring_s for report in found)
        figures = f"{bare_s:.2f} | {seconds:.2f} | {share:.2f} | {TARGET:.2f} | {start:.1f} | {rest:.1f} |"
        print(header, kind, "|", figures, flush=True)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=21)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engines", nargs="+", default=["ray", "local"])
    parser.add_argument("--codecs", nargs="+", help="only these, together")
    options = parser.parse_args()
    files = sorted(options.folder.glob("*.png"))[: options.images]
    if "ray" in options.engines:
        import ray

        ray.init(num_cpus=options.workers, include_dashboard=False, log_to_driver=False)
    print(
        "| codecs | engine | bare pool, s | evaluate, s | share of the pool's speed | target | start, s "
        "| survey, page, plots and crops, s |"
    )
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            (Path(folder) / file.name).symlink_to(file.resolve())
        for names in [tuple(options.codecs)] if options.codecs else CASES:
            compare(files, Path(folder), names, options)


if __name__ == "__main__":
    main()
