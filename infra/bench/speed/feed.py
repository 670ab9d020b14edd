"""How fast crops are drawn for a training, streamed and from images that stay on the device, and how fast it then is.

    python infra/bench/speed/feed.py FOLDER [--crop 128] [--batch 16] [--seconds 3] [--rounds 3] [--device cpu]
    python infra/bench/speed/feed.py FOLDER --recipe cnn-ae --crop 64 --batch 4

Megapixels of crops a second, or steps of a recipe, both feeds taking turns, so that a noisy machine is noisy to both;
the ratio is the median of those of turns. Every feed begins with a pass over the images that is not counted. `--most`
images of the folder are used, and `--kept` says how many megabytes of them may stay on the device.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from tilepress.jobs.recipes.recipe import load_plan
from tilepress.jobs.training import feeding
from tilepress.jobs.training.device import fast_convolutions
from tilepress.jobs.training.feeding import Feed, batches, initial_crops
from tilepress.jobs.training.learner import Learner
from tilepress.pipeline.sources.crops import split
from tilepress.pipeline.sources.dataset import Source

FEEDS = ("streamed", "resident")
Step = Callable[[torch.Tensor, int], object]


def rate(crops: Iterator[torch.Tensor], step: Step, seconds: float, device: torch.device) -> float:
    """Return batches a second, of which each goes through a step, over so many seconds."""
    began = time.perf_counter()
    for number in itertools.count(1):
        step(next(crops), number)
        if time.perf_counter() - began > seconds:
            _wait(device)
            return number / (time.perf_counter() - began)
    raise AssertionError("there is no end to numbers")


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _learning(given: argparse.Namespace, feed: Feed) -> Step:
    """What a batch goes through: a step of the recipe, if one is named, or only the way to the device."""
    device = torch.device(given.device)
    if not given.recipe:
        return lambda crops, number: crops.to(device, non_blocking=True)
    learner = Learner(load_plan(given.recipe, _keys(given)), given.device)
    learner.initialise(initial_crops(feed))
    return lambda crops, number: learner.learn(crops, number, 0.0)


def _keys(given: argparse.Namespace) -> list[str]:
    return [f"crop={given.crop}", f"batch_size={given.batch}", f"images={given.most}", *given.keys]


def _feed(given: argparse.Namespace, name: str) -> Feed:
    source = Source(str(given.folder)).absolute()
    plan = load_plan(given.recipe or "cnn-ae", [*_keys(given), f"feed={name}"])
    divided = split(source.open(), plan.options.validation, plan.options.images)
    return Feed(source, divided, plan.options, plan.recipe().channels)


def main(arguments: list[str] | None = None) -> int:
    """Measure, and print a line for each feed and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("keys", nargs="*", metavar="KEY=VALUE", help="of the recipe")
    for name, value in (("crop", 128), ("batch", 16), ("rounds", 3), ("most", 100), ("kept", 4096)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--seconds", type=float, default=3.0, help="of a turn")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--recipe")
    given = parser.parse_intermixed_args(arguments)
    feeding.room_on = lambda device: given.kept << 20
    device = torch.device(given.device)
    feeds = {name: _feed(given, name) for name in FEEDS}
    crops = {name: batches(feed, 0, device) for name, feed in feeds.items()}
    step = _learning(given, feeds["streamed"])
    found: dict[str, list[float]] = {name: [] for name in FEEDS}
    with fast_convolutions(device):
        for name, feed in feeds.items():
            windows = feed.cropper().windows_per_pass
            for batch in itertools.islice(crops[name], windows * feed.batches_per_window):
                del batch
            step(next(crops[name]), 0)
        for _, name in itertools.product(range(given.rounds), FEEDS):
            found[name].append(rate(crops[name], step, given.seconds, device))
    for made in crops.values():
        made.close()
    return _print(given, feeds["streamed"], found)


def _print(given: argparse.Namespace, feed: Feed, found: dict[str, list[float]]) -> int:
    pixels = given.batch * given.crop**2 / 1e6
    images, load = len(feed.split.train), os.getloadavg()[0]
    print(f"{images} images, {feed.split.pixels / 1e6:.1f} MP; {given.batch} crops of {given.crop}; load {load:.1f}")
    for name, each in found.items():
        middle = statistics.median(each)
        print(f"{name:10} {middle:8.2f} {given.recipe or ''} batches/s {middle * pixels:8.1f} MP/s of crops")
    ratio = statistics.median(b / a for a, b in zip(*found.values(), strict=True))
    print(f"resident / streamed: {ratio:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
