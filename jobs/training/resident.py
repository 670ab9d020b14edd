"""Crops drawn on a device from images that stay there: decoded once, uint8, side by side in one buffer.

Windows hold the very crops that pipeline/sources/crops.py makes of them. As many images stay as have room; others are
decoded anew for each window that needs them, in threads, some images ahead, and leave the device with its crops.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch

from tilepress.pipeline.engine import memory
from tilepress.pipeline.sources.crops import WindowPlan, cut

_DEVICE_SHARE = 0.5  # of a GPU's free memory, for images; the rest is for the network
_HOST_SHARE = 0.25  # of what this machine lends out, where the processor is the device
_MOST_THREADS = 8
_AT_ONCE = 1 << 22  # pixels that are drawn at once: their addresses take eight bytes each, several times over

Decoder = Callable[[], Callable[[int], np.ndarray]]  # asked once by each thread for a function that decodes


class Place(NamedTuple):
    """Where an image lies in a buffer, in pixels."""

    start: int
    height: int
    width: int


def room_on(device: torch.device) -> int:
    """Return how many bytes of images may stay on a device."""
    if device.type == "cuda":
        return int(_DEVICE_SHARE * torch.cuda.mem_get_info(device)[0])
    return int(_HOST_SHARE * memory.budget())


class ResidentCrops:
    """Windows of crops on a device. One thread at a time; `close` ends the threads that decode."""

    def __init__(
        self,
        decoder: Decoder,
        shape: tuple[int, int],
        device: torch.device,
        room: int,
    ) -> None:
        """Begin without images.

        Args:
            decoder: Of images by number, uint8 (h, w, c).
            shape: Pixels of all images together, and c.
            device: Where crops are drawn.
            room: Bytes of images that may stay there.
        """
        pixels, channels = min(shape[0], room // shape[1]), shape[1]
        self.device = device
        self._buffer = _empty((pixels, channels), device)
        self._used = 0
        self._kept: dict[int, Place] = {}
        self._ahead = _Ahead(decoder, pinned=device.type == "cuda")

    def close(self) -> None:
        """Decode nothing more."""
        self._ahead.close()

    def expect(self, numbers: Iterable[int]) -> None:
        """Decode images, in this order, that the next windows will need, as far as they are not there."""
        self._ahead.expect(number for number in numbers if number not in self._kept)  # as they are asked for

    def window(self, plan: WindowPlan, crops: int, side: int) -> torch.Tensor:
        """Return the crops of a plan, uint8 (crops, side, side, c). UsageError, StorageError of the decoder."""
        out = _empty((crops, side, side, self._buffer.shape[1]), self.device)
        rows: list[np.ndarray] = []
        for number in plan.images:
            place, samples = self._image(number)
            self._ahead.go_on()
            slots, corners = plan.places(place.height, place.width)
            table = np.column_stack([slots, np.broadcast_to(place, (len(slots), 3)), corners])
            if samples is self._buffer:
                rows.append(table)
            else:
                _draw(out, samples, table)
        if rows:
            _draw(out, self._buffer, np.concatenate(rows))
        return out

    def _image(self, number: int) -> tuple[Place, torch.Tensor]:
        """Where an image lies, and the buffer: the one of all, or its own."""
        if number in self._kept:
            return self._kept[number], self._buffer
        image = self._ahead.take(number)
        height, width, channels = image.shape
        samples = image.reshape(-1, channels)
        place = Place(self._used, height, width)
        if self._used + len(samples) > len(self._buffer):
            return Place(0, height, width), samples.to(self.device, non_blocking=True)
        self._buffer[self._used : self._used + len(samples)].copy_(samples, non_blocking=True)
        self._used += len(samples)
        self._kept[number] = place
        return place, self._buffer


def _empty(shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Room for samples. On the processor numpy makes it, which asks for large pages of memory."""
    if device.type == "cpu":
        return torch.from_numpy(np.empty(shape, np.uint8))
    return torch.empty(shape, dtype=torch.uint8, device=device)


def _draw(out: torch.Tensor, samples: torch.Tensor, table: np.ndarray) -> None:
    """Write crops into slots of `out` (crops, side, side, c), from `samples` (pixels, c) on its device.

    `table`: int64 (n, 7), a row a crop: slot; start, height and width of its image; place, as WindowPlan says.
    """
    side = out.shape[1]
    if out.device.type == "cpu":  # whose memory is copied by rows faster than by samples
        pixels, crops = samples.numpy(), out.numpy()
        for slot, start, height, width, *place in table.tolist():
            image = pixels[start : start + height * width].reshape(height, width, -1)
            crops[slot] = cut(image, side, place)
        return
    rows = torch.from_numpy(table).to(out.device, non_blocking=True)
    for part in torch.split(rows, max(1, _AT_ONCE // side**2)):
        out.index_copy_(0, part[:, 0], samples[_addresses(part, side)])


def _addresses(rows: torch.Tensor, side: int) -> torch.Tensor:
    """Of every sample of crops its pixel in the buffer, (n, side, side).

    A symmetry is where in the image a sample of the crop comes from. Beyond the lower and the right edge of an image
    smaller than the crop, its last row and column go on.
    """
    _, start, height, width, top, left, turn = (column[:, None, None] for column in rows.unbind(1))
    along = torch.arange(side, device=rows.device)
    i, j = along[None, :, None], along[None, None, :]
    quarter = turn % 4
    y, x = torch.where(quarter % 2 == 1, j, i), torch.where(quarter % 2 == 1, i, j)
    y = torch.where(quarter >= 2, side - 1 - y, y)
    x = torch.where(((quarter == 1) | (quarter == 2)) != (turn >= 4), side - 1 - x, x)
    return start + torch.minimum(top + y, height - 1) * width + torch.minimum(left + x, width - 1)


class _Ahead:
    """Images decoded in threads, a few ahead of those that are taken. Each thread has a decoder of its own."""

    def __init__(self, decoder: Decoder, pinned: bool) -> None:
        self._decoder, self._pinned = decoder, pinned
        self._own = threading.local()
        self._threads = min(_MOST_THREADS, len(os.sched_getaffinity(0)))
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="decode")
        self._begun: dict[int, Future[torch.Tensor]] = {}
        self._order: Iterator[int] = iter(())

    def expect(self, numbers: Iterable[int]) -> None:
        """Decode these next, in this order."""
        self._order = iter(numbers)
        self.go_on()

    def take(self, number: int) -> torch.Tensor:
        """Return an image, uint8 (h, w, c), waiting for it."""
        future = self._begun.pop(number, None) or self._pool.submit(self._decoded, number)
        return future.result()

    def close(self) -> None:
        """Let go of what nobody will take."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def go_on(self) -> None:
        """Begin with the next, as many as threads will soon have time for."""
        for number in itertools.islice(self._order, max(0, self._threads + 1 - len(self._begun))):
            if number not in self._begun:
                self._begun[number] = self._pool.submit(self._decoded, number)

    def _decoded(self, number: int) -> torch.Tensor:
        if not hasattr(self._own, "decode"):
            self._own.decode = self._decoder()
        image = torch.from_numpy(self._own.decode(number))
        return image.pin_memory() if self._pinned else image  # so that nothing waits while it is copied
