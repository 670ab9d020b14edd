"""Work on a device in batches: arrays go there as they are, and small integers come back.

On a processor, a batch is as small as what stays in its cache: of 32 tiles of 512 x 512 at once, every array would be
written to memory and read from there. On a GPU it is large. There, arrays go through pinned memory, and nothing waits
for the device but the last line: while it works at one batch, the next is copied to where its driver fetches it. Two
batches are under way at most. All of it is in the order of one stream, so that nothing is read before it is there:
PyTorch uses pinned memory again only when the copy has been made that was ordered last.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.integer.checks import together

if TYPE_CHECKING:
    import torch

_PIXELS_ON_CPU = 1 << 18  # one tile of 512 x 512: 3 MB of float32 an array
_PIXELS_OFF_CPU = 1 << 22
_UNDER_WAY = 2
_LARGE = 31 << 20  # bytes: glibc keeps what is freed up to 32 MiB, and gives larger arrays back to the system

Tensors = Mapping[str, "torch.Tensor"]


def tiles_at_once(spec: TileSpec, device: torch.device) -> int:
    """Return how many such tiles make a batch on a device."""
    pixels = _PIXELS_ON_CPU if device.type == "cpu" else _PIXELS_OFF_CPU
    return max(1, pixels // (spec.height * spec.width))


def in_batches(
    work: Callable[[dict[str, torch.Tensor]], Tensors],
    arrays: Mapping[str, np.ndarray],
    at_once: int,
    device: torch.device,
) -> dict[str, np.ndarray]:
    """Return the arrays that work on a device makes of arrays, all with tiles as their first axis.

    Args:
        work: From tensors to tensors of one batch, on the device. Gradients and autocast are off.
        arrays: At least one, of at least one tile, any layout.
        at_once: Tiles of a batch.
        device: Where the work is done.
    """
    import torch

    if device.type == "cpu":
        _keep_freed_memory()
    count = len(next(iter(arrays.values())))
    out: dict[str, torch.Tensor] = {}
    turns = _Turns(device)
    with torch.no_grad(), torch.autocast(device.type, enabled=False), together():
        for part in _parts(count, at_once):
            made = work({name: sent(array[part], device) for name, array in arrays.items()})
            for name, tensor in made.items():
                _keep(out, name, tensor, part, count)
            turns.next()
    turns.end()
    return {name: tensor.numpy() for name, tensor in out.items()}


def sent(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """Return an array on a device; on a processor it shares the memory of an array that is contiguous."""
    import torch

    contiguous = np.require(array, requirements=["C", "W"])
    tensor = torch.from_numpy(contiguous)
    return tensor.pin_memory().to(device, non_blocking=True) if _has_pinned_memory(device) else tensor.to(device)


@cache
def _keep_freed_memory() -> None:
    """Let freed arrays of a few megabytes be used again, instead of going back to the system.

    Of the size of what is freed, glibc learns how much to keep (mallopt(3): M_MMAP_THRESHOLD); at first it is so little
    that a batch begins with thousands of page faults, which took a fifth of the time of cnn-ae. Nothing is written to
    this array, so that it takes no memory.
    """
    import torch

    torch.empty(_LARGE, dtype=torch.uint8)


def _parts(count: int, at_once: int) -> Iterator[slice]:
    return (slice(at, min(at + at_once, count)) for at in range(0, count, at_once))


def _keep(out: dict[str, torch.Tensor], name: str, tensor: torch.Tensor, part: slice, count: int) -> None:
    """Put what a batch gave into `out`, memory of the processor for `count` tiles."""
    pinned = _has_pinned_memory(tensor.device)
    if tensor.device.type == "cpu" and len(tensor) == count:
        out[name] = tensor.contiguous()
        return
    if name not in out:
        out[name] = _memory((count, *tensor.shape[1:]), tensor.dtype, pinned)
    out[name][part].copy_(tensor, non_blocking=pinned)


def _memory(shape: tuple[int, ...], dtype: torch.dtype, pinned: bool) -> torch.Tensor:
    import torch

    return torch.empty(shape, dtype=dtype, pin_memory=pinned)


def _has_pinned_memory(device: torch.device) -> bool:
    """Whether copies go on while the processor does something else. Of no other device, a copy is known to be over."""
    return device.type == "cuda"


class _Turns:
    """Waits so that no more than _UNDER_WAY batches are under way on a GPU. Other devices are not waited for."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._ends: deque[Any] = deque()

    def next(self) -> None:
        """Go on to the next batch, when there are few enough."""
        import torch

        if _has_pinned_memory(self._device):
            event = torch.cuda.Event()
            event.record(torch.cuda.current_stream(self._device))
            self._ends.append(event)
            if len(self._ends) >= _UNDER_WAY:
                self._ends.popleft().synchronize()

    def end(self) -> None:
        """Wait until everything is done."""
        while self._ends:
            self._ends.popleft().synchronize()
