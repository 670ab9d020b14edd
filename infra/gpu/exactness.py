"""Compare what a device decodes with what the processor decodes, whatever PyTorch is told to do."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch

from tilepress.codecs.codec import Codec, Settings, Symbols, TileSpec

LAYOUTS = ("contiguous", "channels last", "reversed")
_CUDNN = ("enabled", "benchmark", "deterministic", "allow_tf32")
_MOST_CALLS = 8  # of a variant: tiles one by one take long


def settings_of(device: str) -> list[dict[str, Any]]:
    """Return every combination of settings that changes how PyTorch computes on "cuda" or "cpu"."""
    if device == "cuda":
        flags = [dict(zip(_CUDNN, values, strict=True)) for values in itertools.product((True, False), repeat=4)]
        grid = [{"cudnn": each, "precision": "high" if each["allow_tf32"] else "highest"} for each in flags]
        return [*grid, {"autocast": torch.bfloat16}, {"autocast": torch.float16}, {"precision": "medium"}]
    grid = [{"onednn": onednn, "threads": threads} for onednn, threads in itertools.product((True, False), (1, 2))]
    return [*grid, {"autocast": torch.bfloat16}, {"precision": "medium"}]


@contextmanager
def told(device: str, settings: dict[str, Any]) -> Iterator[None]:
    """Run a block with PyTorch under `settings`, and leave PyTorch as it was."""
    with ExitStack() as stack:
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        stack.callback(torch.set_float32_matmul_precision, torch.get_float32_matmul_precision())
        for name, value in settings.items():
            if name == "autocast":
                stack.enter_context(torch.autocast(device, dtype=value))
            elif name == "cudnn":
                stack.enter_context(torch.backends.cudnn.flags(**value))
            elif name == "onednn":
                stack.enter_context(torch.backends.mkldnn.flags(enabled=value))
            else:
                {"threads": torch.set_num_threads, "precision": torch.set_float32_matmul_precision}[name](value)
        yield


def checks(reference: Codec, codec: Codec, device: str, side: int, batches: list[int]) -> Iterator[tuple[bool, str]]:
    """Yield of every check whether it passed, and its description.

    `codec` is the model on `device`, `reference` the same model on the processor. Symbols that the processor made of
    tiles of about `side` x `side` pixels are synthesised on the device under every combination of settings, batch size
    and memory layout, and the CRC of each tile is compared. Streams encoded on the device are decoded on both.
    """
    for spec, asked in _kinds(reference, side):
        label = f"{spec.colour} {spec.dtype} {spec.height}x{spec.width}, quality {asked.quality}"
        originals = tiles(spec, max(batches))
        symbols = reference.unpack(reference.encode(originals, spec, asked), spec)
        wanted = _crcs(reference.synthesise(symbols))
        for settings, batch, layout in itertools.product(settings_of(device), batches, LAYOUTS):
            with told(device, settings):
                found = _synthesised(codec, symbols, batch, layout)
            yield found == wanted[: len(found)], f"{label}: {settings}, batch {batch}, {layout}"
        latents = codec.encode(originals, spec, asked)
        here, there = (_crcs(one.decode(latents, spec)) for one in (reference, codec))
        yield here == there, f"{label}: encoded on {device}, decoded on both"


def tiles(spec: TileSpec, count: int) -> np.ndarray:
    """Return (count, h, w, c) tiles, always the same: half smooth with an edge, a quarter noise, a quarter extremes."""
    out = np.empty((count, *spec.shape), spec.dtype)
    y, x = np.mgrid[: spec.height, : spec.width][..., None] / max(spec.height, spec.width)
    for number, tile in enumerate(out):
        rng = np.random.default_rng((1, number))
        smooth = 0.5 + 0.3 * np.cos(rng.normal(0, 20) * x + rng.normal(0, 20) * y + np.arange(spec.channels))
        picture = smooth + 0.2 * (x * rng.normal() > y * rng.normal()) * rng.normal() + rng.normal(0, 0.01, spec.shape)
        samples = rng.random(spec.shape) if number % 2 else np.clip(picture, 0, 1)
        tile[...] = np.rint(spec.maximum * (samples < 0.5 if number % 4 == 3 else samples))
    return out


def _kinds(codec: Codec, side: int) -> Iterator[tuple[TileSpec, Settings]]:
    """RGB at three qualities, gray with odd sides, deep gray: whichever of these the codec takes."""
    rgb = TileSpec(side, side, 3, "uint8", 8, "rgb")
    gray = TileSpec(side - 5, side + 9, 1, "uint8", 8, "gray")
    deep = TileSpec(side, side // 2, 1, "uint16", 12, "gray")
    every = [(rgb, None), (rgb, 1), (rgb, 100), (gray, None), (deep, None)]
    return ((spec, Settings(quality=quality)) for spec, quality in every if codec.supports(spec))


def _synthesised(codec: Codec, symbols: Symbols, batch: int, layout: str) -> list[int]:
    found: list[int] = []
    count = min(len(next(iter(symbols.arrays.values()))), _MOST_CALLS * batch)
    for first in range(0, count, batch):
        arrays = {name: _laid_out(array[first : first + batch], layout) for name, array in symbols.arrays.items()}
        found += _crcs(codec.synthesise(Symbols(symbols.spec, arrays, symbols.settings)))
    return found


def _laid_out(array: np.ndarray, layout: str) -> np.ndarray:
    """The same values, their axes in another order in memory."""
    if layout == "channels last" and array.ndim == 4:
        return np.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    return np.asfortranarray(array) if layout == "reversed" else np.ascontiguousarray(array)


def _crcs(decoded: np.ndarray) -> list[int]:
    return [zlib.crc32(np.ascontiguousarray(tile).tobytes()) for tile in decoded]
