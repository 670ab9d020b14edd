"""The speed of tilepress beside cjxl, djxl, a bare process pool and Ray Data on the same pictures, in one run.

    python infra/bench/throughput/table.py DATA [--images 20] [--workers 2] [--rounds 3] [--only WORD]

DATA holds photos/train (RGB PNG of 512 x 512) and mnist/train-images-idx3-ubyte.gz. Everything is done once unmeasured,
so that kernels and files are warm; then all that is compared takes turns, so that a noisy machine is noisy to all. A
figure is the median of its turns, a ratio the median of those of neighbouring turns. Starts of commands count.
What else belongs to the table is measured by speed/restore.py, evaluate.py and start/first_use.py, and on a machine
with a GPU by infra/gpu/check.py.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.append(str(Path(__file__).resolve().parents[1]))
# Ray's workers import beside.py
os.environ["PYTHONPATH"] = f"{sys.path[0]}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"

from beside import cjxl_turn, commands, new_pool, pool_turn, ray_data_turn
from PIL import Image

Turn = Callable[[Path], object]
HEAD = "| what | figure | beside it | times as fast | aim |\n|---|---|---|---|---|"


@dataclass(frozen=True)
class Given:
    """What is measured with."""

    files: list[Path]
    source: Path  # a folder of the files
    digits: Path
    workers: int
    rounds: int

    @property
    def megapixels(self) -> float:
        """Of all files."""
        sizes = (Image.open(file).size for file in self.files)
        return sum(width * height for width, height in sizes) / 1e6


def seconds(turns: Mapping[str, Turn], rounds: int) -> dict[str, list[float]]:
    """Return wall seconds of each turn, taken one after the other; the first round is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in turns}
    for number in range(rounds + 1):
        for name, turn in turns.items():
            with tempfile.TemporaryDirectory() as out:
                began = time.perf_counter()
                turn(Path(out))
                if number:
                    taken[name].append(time.perf_counter() - began)
    return taken


def show(what: str, taken: Mapping[str, list[float]], megapixels: float, aims: Mapping[str, str]) -> None:
    """Print a line for each that stands beside the first."""
    (_, mine), *others = taken.items()
    figure = f"{megapixels / statistics.median(mine):.2f} MP/s"
    if not others:
        print(f"| {what} | {figure} | | | {aims.get('', '')} |", flush=True)
    for name, theirs in others:
        ratio = statistics.median(b / a for a, b in zip(mine, theirs, strict=True))
        other = f"{name}: {megapixels / statistics.median(theirs):.2f} MP/s"
        print(f"| {what} | {figure} | {other} | {ratio:.2f} | {aims.get(name, '')} |", flush=True)


def compressing(given: Given, codec: str, *options: str) -> Turn:
    """The command."""
    words = [sys.executable, "-m", "tilepress", "compress", str(given.source)]
    fixed = ["--codec", codec, "-j", str(given.workers), *options]
    return lambda out: commands([[*words, str(out / "a.tp"), *fixed]], 1)


@contextmanager
def ray_here(workers: int) -> Any:
    """A cluster of this machine alone."""
    import ray

    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)
    try:
        yield ray
    finally:
        ray.shutdown()


def show_auto(given: Given) -> None:
    """`auto`, beside all others."""
    turns = {"tilepress": compressing(given, "auto", "--engine", "local")}
    if cjxl := cjxl_turn(given.files, given.workers):
        turns[f"{given.workers} `cjxl -e 7`"] = cjxl
    with new_pool(given.workers) as pool, ray_here(given.workers):
        turns["bare pool, JPEG XL e7"] = pool_turn(pool, given.files)
        turns["Ray Data, JPEG XL e7"] = ray_data_turn(given.files)
        aims = {f"{given.workers} `cjxl -e 7`": "1.5"}
        show("`compress`, PNG", seconds(turns, given.rounds), given.megapixels, aims)


def show_base(given: Given) -> None:
    """A learned base with its default residual, and the smallest codec."""
    for codec, aim in (("block-dnn-16", "3 MP/s"), ("lossless", "")):
        taken = seconds({codec: compressing(given, codec, "--engine", "local")}, given.rounds)
        show(f"`compress --codec {codec}`", taken, given.megapixels, {"": aim})


def show_ray(given: Given) -> None:
    """What the engine on Ray takes more than the one in process, beside Ray's own start and end."""
    bare = [sys.executable, "-c", RAY_ALONE.format(workers=given.workers)]
    turns = {
        "Ray": compressing(given, "auto", "--engine", "ray"),
        "in process": compressing(given, "auto", "--engine", "local"),
        "bare Ray": lambda _: commands([bare], 1),
    }
    ray, local, alone = (statistics.median(each) for each in seconds(turns, given.rounds).values())
    print(f"| `--engine ray` more than in process | {ray - local:.1f} s | Ray's own start: {alone:.1f} s | | 3 s |")


RAY_ALONE = """
import ray
ray.init(num_cpus={workers}, include_dashboard=False, log_to_driver=False)
ray.get([ray.remote(lambda: 1).remote() for _ in range({workers})])
ray.shutdown()
"""


def show_digits(given: Given) -> None:
    """Small images, a core."""
    from small_images import images_of, measured, write_files

    with tempfile.TemporaryDirectory() as place:
        source = Path(place, "images")
        size = write_files(images_of(given.digits)[:2000], source)
        rate = measured("auto", source, Path(place, "a"), size, 2000).split()[-1]
    print(f"| 2,000 digits, a core | {rate} images/s | | | 3,000 |", flush=True)


PARTS = {"auto": show_auto, "base": show_base, "ray": show_ray, "digits": show_digits}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=list(PARTS), action="append", default=[])
    asked = parser.parse_args()
    files = sorted((asked.data / "photos/train").glob("*.png"))[: asked.images]
    with tempfile.TemporaryDirectory() as source:
        for file in files:
            shutil.copyfile(file, Path(source, file.name))
        digits = asked.data / "mnist/train-images-idx3-ubyte.gz"
        given = Given(files, Path(source), digits, asked.workers, asked.rounds)
        print(f"{len(files)} pictures, {given.megapixels:.1f} MP; load before: {os.getloadavg()[0]:.1f}\n\n{HEAD}")
        for name in asked.only or PARTS:
            PARTS[name](given)


if __name__ == "__main__":
    main()
