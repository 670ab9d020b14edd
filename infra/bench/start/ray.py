"""What `--engine ray` takes more than `--engine local` for a few small images, beside what Ray itself takes.

    python infra/bench/start/ray.py FOLDER [--images 40] [--side 272] [--codecs auto block-dnn-16] [--rounds 3]

The images are corners of the PNG files of FOLDER. Each turn is a process of its own, with kernels and files warm: Ray
alone (`ray.init` with the options that tilepress gives it, one task, `ray.shutdown`), `compress` in process, `compress`
on Ray. They take turns, so that a noisy machine is noisy to all. `tilepress adds` is the time on Ray less that in
process less that of Ray alone; figures are medians over the rounds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

TARGET_S = 3.0
BARE = """
import logging, ray
ray.init(address="local", num_cpus={workers}, include_dashboard=False, object_store_memory=512 << 20,
         log_to_driver=False, logging_level=logging.ERROR)
assert ray.get(ray.remote(lambda: 1).remote()) == 1
ray.shutdown()
"""
OURS = """
import tilepress
report = tilepress.compress({source!r}, {archive!r}, codec={codec!r}, engine={engine!r}, workers={workers})
assert report.exit_code == 0 and not report.resumed_shards
print(report.seconds)
"""


def run(script: str) -> tuple[float, str]:
    """Wall seconds of a process from its start to its end, and the last line that it printed."""
    environment = os.environ | {"RAY_AUTH_MODE": "disabled"}
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], env=environment, check=True, capture_output=True, text=True)
    return time.monotonic() - began, (done.stdout.splitlines() or [""])[-1]


def compress_seconds(source: str, codec: str, engine: str, workers: int) -> tuple[float, float]:
    """Wall seconds of a command, and of these, those from the first shard to the manifest."""
    with tempfile.TemporaryDirectory() as folder:
        wall, shards = run(
            OURS.format(source=source, archive=f"{folder}/a", codec=codec, engine=engine, workers=workers)
        )
    return wall, float(shards)


def compare(source: str, codec: str, options: argparse.Namespace) -> None:
    """One row of the table."""
    for engine in ("local", "ray"):
        compress_seconds(source, codec, engine, options.workers)
    rows = []
    for _ in range(options.rounds):
        bare, _ = run(BARE.format(workers=options.workers))
        local, local_shards = compress_seconds(source, codec, "local", options.workers)
        on_ray, ray_shards = compress_seconds(source, codec, "ray", options.workers)
        added = on_ray - local - bare
        rows.append((bare, local, on_ray, added, added / bare, ray_shards - local_shards))
    figures = [statistics.median(column) for column in zip(*rows, strict=True)]
    print(f"| {codec} |", *(f"{figure:.2f} |" for figure in figures), flush=True)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--side", type=int, default=272)
    parser.add_argument("--codecs", nargs="+", default=["auto", "block-dnn-16"])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for number, file in enumerate(sorted(options.folder.glob("*.png"))[: options.images]):
            side = options.side
            Image.open(file).convert("RGB").crop((0, 0, side, side)).save(Path(folder) / f"{number:03}.png")
        print("| codec | Ray alone, s | in process, s | on Ray, s | tilepress adds, s | of Ray alone | shards, s |")
        print("|---|---|---|---|---|---|---|")
        for codec in options.codecs:
            compare(folder, codec, options)
    print(f"target: tilepress adds at most {TARGET_S} s; load: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
