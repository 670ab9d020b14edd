"""The ways in which a machine may compute the same thing, and the promise that they all give the same bits."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch

from tilepress.codecs.codec import Codec, Symbols

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
BATCHES = (1, 8, 16, 32)


@contextmanager
def torch_settings(threads: int, onednn: bool, precision: str = "highest") -> Iterator[None]:
    before = torch.get_num_threads(), torch.backends.mkldnn.enabled, torch.get_float32_matmul_precision()
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(precision)
    try:
        with torch.backends.mkldnn.flags(enabled=onednn):
            yield
    finally:
        torch.set_num_threads(before[0])
        torch.set_float32_matmul_precision(before[2])


def assert_same_everywhere(
    decode: Callable[[int, bool], np.ndarray],
    wanted: np.ndarray,
    batches: Sequence[int] = BATCHES,
    precision_of_other: str = "highest",
) -> None:
    """`decode(batch, other)` decodes everything in batches of a size, from arrays of the usual memory order or of the
    other: `wanted` under every number of threads, with oneDNN and without. With the other order comes another
    precision for float32, if wanted: each alone would take twice as long.
    """
    for threads, batch, onednn, other in itertools.product((1, 2), batches, (True, False), (False, True)):
        with torch_settings(threads, onednn, precision_of_other if other else "highest"):
            got = decode(batch, other)
        np.testing.assert_array_equal(got, wanted)


def assert_network_is_the_same_everywhere(
    network: Callable[[torch.Tensor], torch.Tensor], x: np.ndarray, wanted: np.ndarray
) -> None:
    """Of an integer network and inputs (32, c, h, w)."""

    def decode(batch: int, other: bool) -> np.ndarray:
        memory = torch.channels_last if other else torch.contiguous_format
        parts = [part.contiguous(memory_format=memory) for part in torch.from_numpy(x).split(batch)]
        return torch.cat([network(part) for part in parts]).numpy()

    assert_same_everywhere(decode, wanted)


def assert_synthesis_is_the_same_everywhere(codec: Codec, symbols: Symbols, batches: Sequence[int] = BATCHES) -> None:
    """Of a codec and the symbols of some tiles."""
    count = len(next(iter(symbols.arrays.values())))

    def decode(batch: int, other: bool) -> np.ndarray:
        parts = []
        for at in range(0, count, batch):
            order = "F" if other else "C"
            arrays = {k: np.asarray(a[at : at + batch], order=order) for k, a in symbols.arrays.items()}
            parts.append(codec.synthesise(Symbols(symbols.spec, arrays)))
        return np.concatenate(parts)

    assert_same_everywhere(decode, codec.synthesise(symbols), batches, precision_of_other="medium")
