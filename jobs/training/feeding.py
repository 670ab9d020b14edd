"""Crops on their way from a data set into the loop: the same ones whatever makes them. See crops.py.

Streamed, windows of crops are made on the processor, in this process or by Ray Data's tasks. Resident, decoded images
stay on the device of the network, which draws, mirrors and turns crops there (resident.py).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from tilepress.jobs.recipes.options import Options
from tilepress.jobs.training.resident import ResidentCrops, room_on
from tilepress.pipeline.sources.crops import WINDOW_IMAGES, Cropper, CropSettings, Split, WindowPlan
from tilepress.pipeline.sources.dataset import Source

_WINDOW_CROPS = 256  # of 16 images, about
_CACHE_BYTES = 1 << 30
_INITIAL_BYTES = 48 << 20
_VALIDATION_CROPS = 128
_TILE = 512
DATA_CPUS = 0.25  # of a task of Ray Data; trainers leave a quarter of the cluster, so that some node has that much free


@dataclass(frozen=True)
class Share:
    """Which windows are one worker's, of several that train together."""

    rank: int = 0
    world: int = 1


ALL = Share()


@dataclass(frozen=True)
class Feed:
    """What to train on; travels to workers."""

    source: Source
    split: Split
    options: Options
    channels: int

    @property
    def crops(self) -> CropSettings:
        """Of the training crops: of small images, a window has so many that no sample is in two crops, on average."""
        pixels = self.window_crops * self.options.crop**2
        images = math.ceil(pixels * len(self.split.train) / max(1, self.split.pixels))
        images = min(self.window_crops, max(WINDOW_IMAGES, images))
        return CropSettings(self.options.crop, self.channels, self.options.flips, self.options.seed, images)

    @property
    def batches_per_window(self) -> int:
        """Whole batches that a window is cut into."""
        return max(1, _WINDOW_CROPS // self.options.batch_size)

    @property
    def window_crops(self) -> int:
        """Crops of a window."""
        return self.batches_per_window * self.options.batch_size

    def resident(self, device: torch.device | str) -> bool:
        """Whether decoded images are to stay on a device."""
        return self.options.feed == "resident" or (self.options.feed == "auto" and torch.device(device).type != "cpu")

    def plan(self, number: int) -> WindowPlan:
        """Return which crops window `number` holds."""
        return WindowPlan(self.crops, len(self.split.train), number, self.window_crops)

    def cropper(self, cache_bytes: int = 0) -> Cropper:
        """Return the cropper over the training images."""
        return Cropper(self.source, self.split.train, self.crops, cache_bytes)


def batches(
    feed: Feed, first_step: int, device: torch.device | str = "cpu", share: Share = ALL
) -> Generator[torch.Tensor, None, None]:
    """Yield batches uint8 (batch_size, side, side, c) from a step on, for ever.

    They are on the device where images stay there, else on the processor.
    """
    number, skip = divmod(first_step, feed.batches_per_window)
    numbers = itertools.count(number * share.world + share.rank, share.world)
    made = _resident(feed, torch.device(device), numbers) if feed.resident(device) else _streamed(feed, numbers)
    with closing(made) as windows:
        for window in windows:
            yield from torch.split(window, feed.options.batch_size)[skip:]
            skip = 0


def _streamed(feed: Feed, numbers: Iterator[int]) -> Generator[torch.Tensor, None, None]:
    cropper = feed.cropper(_CACHE_BYTES)
    for number in numbers:
        yield torch.from_numpy(cropper.window(number, feed.window_crops))


def _resident(feed: Feed, device: torch.device, numbers: Iterator[int]) -> Generator[torch.Tensor, None, None]:
    shape = feed.split.pixels, feed.channels
    with closing(ResidentCrops(lambda: feed.cropper().image, shape, device, room_on(device))) as images:
        plans = map(feed.plan, numbers)
        plan = next(plans)
        for following in plans:
            images.expect([*plan.images, *following.images])
            yield images.window(plan, feed.window_crops, feed.options.crop)
            plan = following


def initial_crops(feed: Feed) -> np.ndarray:
    """Return crops to initialise from: about 48 MB, or a pass over the data set if that is less."""
    cropper = feed.cropper()
    each = feed.options.crop**2 * feed.channels * feed.window_crops
    windows = max(1, min(cropper.windows_per_pass, _INITIAL_BYTES // each))
    return np.concatenate([cropper.window(number, feed.window_crops) for number in range(windows)])


def validation_batches(feed: Feed) -> list[torch.Tensor]:
    """Return crops of the held-out images, the same every time."""
    settings = replace(feed.crops, flips=False, seed=0)
    cropper = Cropper(feed.source, feed.split.validation, settings)
    each = max(1, _VALIDATION_CROPS // cropper.windows_per_pass)
    crops = np.concatenate([cropper.window(number, each) for number in range(cropper.windows_per_pass)])
    return list(torch.split(torch.from_numpy(crops), feed.options.batch_size))


def export_tiles(feed: Feed) -> list[np.ndarray]:
    """Return tiles of up to 512 x 512 of the training images, uint8 (h, w, c), one an image."""
    return feed.cropper().images(feed.options.export_tiles, _TILE)


def ray_dataset(feed: Feed, first_step: int, world: int) -> Any:
    """Return a ray.data.Dataset of the windows that are left, one crop a row: column `crop` uint8 (side, side, c)."""
    import ray

    from tilepress.pipeline.engine.ray_environment import environment

    first = first_step * world // feed.batches_per_window
    last = -(-feed.options.steps * world // feed.batches_per_window) + world
    windows = ray.data.range(max(1, last - first), override_num_blocks=max(1, min(last - first, 2000)))
    variables = environment()
    key = f"{feed.split.fingerprint} {feed.source} {feed.crops}"
    return windows.flat_map(lambda row: _window_rows(feed, key, first + int(row["id"]), variables), num_cpus=DATA_CPUS)


_CROPPERS: dict[str, Cropper] = {}  # of this process: the windows that a worker of Ray Data makes share one


def _window_rows(
    feed: Feed, key: str, number: int, variables: tuple[tuple[str, str], ...]
) -> list[dict[str, np.ndarray]]:
    from tilepress.pipeline.engine.ray_environment import adopt

    adopt(variables)
    if key not in _CROPPERS:
        _CROPPERS.clear()
        _CROPPERS[key] = feed.cropper(_CACHE_BYTES // 4)
    return [{"crop": crop} for crop in _CROPPERS[key].window(number, feed.window_crops)]
