"""Whether decoding gives the same bits on the device as on the processor, whatever PyTorch is told to do.

For every model: symbols made by the CPU from fixed tiles are synthesised on the device under every combination of
settings, batch size and memory layout, and the CRC of each tile is compared with that of the CPU. Streams encoded on
the device are decoded on both, and compared too.
"""

from __future__ import annotations

import itertools
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from infra.gpu.subjects import Subject, asked, kinds, tiles
from tilepress.codecs.codec import Codec, Settings, Symbols, TileSpec

LAYOUTS = ("contiguous", "channels last", "reversed")
_MOST_FAILURES = 20
_MOST_CALLS = 8  # of a variant: tiles one by one take long


@dataclass(frozen=True)
class Extent:
    """How much is checked: tiles of `side`, in these batches."""

    side: int = 96
    count: int = 32
    batches: tuple[int, ...] = (1, 8, 32)


@dataclass
class Verdict:
    """What came of one model."""

    checks: int = 0
    variants: int = 0
    failures: list[str] = field(default_factory=list)
    analysis_differs: float = 0.0  # share of symbols that the device's analysis chose otherwise; harmless
    seconds: float = 0.0

    def expect(self, same: bool, what: str) -> None:
        """Count a check."""
        self.checks += 1
        if not same and len(self.failures) < _MOST_FAILURES:
            self.failures.append(what)

    def to_json(self) -> dict[str, Any]:
        """For the report."""
        return {**vars(self), "passed": not self.failures and self.checks > 0}


def settings_of(device: str) -> list[dict[str, Any]]:
    """Every combination of what PyTorch can be told that changes how it computes on a device."""
    if device == "cuda":
        names = ("cudnn", "benchmark", "deterministic", "tf32")
        grid = [dict(zip(names, values, strict=True)) for values in itertools.product((True, False), repeat=4)]
        return [*grid, {"autocast": torch.bfloat16}, {"autocast": torch.float16}, {"precision": "medium"}]
    names = ("onednn", "threads")
    grid = [dict(zip(names, values, strict=True)) for values in itertools.product((True, False), (1, 2))]
    return [*grid, {"autocast": torch.bfloat16}, {"precision": "medium"}]


@contextmanager
def told(device: str, settings: dict[str, Any]) -> Iterator[None]:
    """PyTorch under these settings; afterwards as it was."""
    with ExitStack() as stack:
        for name, value in settings.items():
            if name == "autocast":
                stack.enter_context(torch.autocast(device, dtype=value))
            elif name == "onednn":
                stack.enter_context(torch.backends.mkldnn.flags(enabled=value))
            else:
                read, write = _KNOBS[name]
                stack.callback(write, read())
                write(value)
        yield


def _attribute(place: Any, name: str) -> tuple[Callable[[], Any], Callable[[Any], None]]:
    return lambda: getattr(place, name), lambda value: setattr(place, name, value)


def _allow_tf32(value: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = value


_KNOBS: dict[str, tuple[Callable[[], Any], Callable[[Any], None]]] = {
    "cudnn": _attribute(torch.backends.cudnn, "enabled"),
    "benchmark": _attribute(torch.backends.cudnn, "benchmark"),
    "deterministic": _attribute(torch.backends.cudnn, "deterministic"),
    "tf32": (lambda: torch.backends.cuda.matmul.allow_tf32, _allow_tf32),
    "precision": (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    "threads": (torch.get_num_threads, torch.set_num_threads),
}


def check(subject: Subject, device: str, extent: Extent, deadline: float) -> Verdict:
    """All checks of one model. TimeoutError at `deadline` (time.monotonic)."""
    started = time.monotonic()
    reference, codec = subject.load("cpu"), subject.load(device)
    verdict = Verdict(variants=len(settings_of(device)) * len(extent.batches) * len(LAYOUTS))
    shares = []
    for number, spec in enumerate(kinds(reference, extent.side)):
        for settings in asked(reference)[: None if number == 0 else 1]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{subject.name} was not checked to the end: no time was left in this slice")
            shares.append(_check_kind(reference, codec, device, spec, settings, extent, verdict))
    verdict.analysis_differs = float(np.mean(shares)) if shares else 0.0
    verdict.seconds = round(time.monotonic() - started, 1)
    return verdict


def _check_kind(
    reference: Codec, codec: Codec, device: str, spec: TileSpec, asked_of: Settings, extent: Extent, verdict: Verdict
) -> float:
    originals = tiles(spec, extent.count)
    shared = reference.prepare(list(originals), spec, asked_of)
    made = reference.analyse(originals, spec, asked_of, shared)
    symbols = reference.unpack(reference.pack(made), spec)
    wanted = crcs(reference.synthesise(symbols, shared))
    label = f"{spec.colour} {spec.dtype} {spec.height}x{spec.width}, quality {asked_of.quality}"
    for settings in settings_of(device):
        for batch, layout in itertools.product(extent.batches, LAYOUTS):
            what = f"{label}: {_words(settings)}, batch {batch}, {layout}"
            with told(device, settings):
                found = _synthesised(codec, symbols, shared, batch, layout)
            verdict.expect(bool(found) and found == wanted[: len(found)], what)
    latents = codec.pack(codec.analyse(originals, spec, asked_of, shared))
    here, there = (crcs(each.synthesise(each.unpack(latents, spec), shared)) for each in (reference, codec))
    verdict.expect(here == there, f"{label}: encoded on the device, decoded on both")
    return _differing(symbols, reference.unpack(latents, spec))


def _words(settings: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in settings.items())


def crcs(decoded: np.ndarray) -> list[int]:
    """CRC-32 of every tile."""
    return [zlib.crc32(np.ascontiguousarray(tile).tobytes()) for tile in decoded]


def _synthesised(codec: Codec, symbols: Symbols, shared: bytes, batch: int, layout: str) -> list[int]:
    count = min(len(next(iter(symbols.arrays.values()))), _MOST_CALLS * batch)
    found: list[int] = []
    for first in range(0, count, batch):
        arrays = {name: _laid_out(array[first : first + batch], layout) for name, array in symbols.arrays.items()}
        found += crcs(codec.synthesise(Symbols(symbols.spec, arrays, symbols.settings), shared))
    return found


def _laid_out(array: np.ndarray, layout: str) -> np.ndarray:
    """The same values, their axes in another order in memory."""
    if layout == "channels last" and array.ndim == 4:
        return np.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    if layout == "reversed":
        return np.asfortranarray(array)
    return np.ascontiguousarray(array)


def _differing(one: Symbols, other: Symbols) -> float:
    pairs = [(array, other.arrays.get(name)) for name, array in one.arrays.items() if array.dtype.kind in "iu"]
    same_shape = [(a, b) for a, b in pairs if b is not None and a.shape == b.shape and a.size]
    total = sum(a.size for a, _ in same_shape)
    return sum(int((a != b).sum()) for a, b in same_shape) / total if total else 0.0
