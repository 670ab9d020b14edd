"""Megapixels a second of each step of a codec, on the device and on one thread of the processor, side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from infra.gpu.subjects import Subject, tiles
from tilepress.codecs.codec import Codec, Settings, TileSpec

STEPS = ("analyse", "pack", "unpack", "synthesise")


@dataclass(frozen=True)
class Load:
    """What is timed: RGB tiles of `side`, in these batches, at least `repeats` times, `budget_s` a batch and device."""

    side: int = 512
    batches: tuple[int, ...] = (1, 8, 32)
    repeats: int = 3
    budget_s: float = 4.0


def measure(subject: Subject, device: str, load: Load) -> list[dict[str, Any]]:
    """One row a device and batch: MP/s of the four steps, of encoding and of decoding."""
    rows = []
    for place in dict.fromkeys((device, "cpu")):
        codec = subject.load(place)
        for batch in load.batches:
            try:
                row = _row(codec, place, batch, load)
            except torch.OutOfMemoryError:
                print(f"{subject.name}: {batch} tiles at a time do not fit the memory of the device")
                break
            rows.append(row)
            if row["seconds"] * 4 > load.budget_s:  # the next batch is four times as large
                break
    return rows


def _row(codec: Codec, place: str, batch: int, load: Load) -> dict[str, Any]:
    spec = TileSpec(load.side, load.side, 3, "uint8", 8, "rgb")
    if not codec.supports(spec):
        spec = TileSpec(load.side, load.side, 1, "uint8", 8, "gray")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as workers have it
    try:
        seconds = _median_seconds(codec, spec, batch, load)
    finally:
        torch.set_num_threads(threads)
    megapixels = batch * spec.height * spec.width / 1e6
    rates = {step: round(megapixels / each, 2) for step, each in seconds.items()}
    both = {
        "encode": round(megapixels / (seconds["analyse"] + seconds["pack"]), 2),
        "decode": round(megapixels / (seconds["unpack"] + seconds["synthesise"]), 2),
    }
    return {
        "device": place,
        "side": load.side,
        "batch": batch,
        **rates,
        **both,
        "seconds": round(sum(seconds.values()), 3),
    }


def _median_seconds(codec: Codec, spec: TileSpec, batch: int, load: Load) -> dict[str, float]:
    originals, settings = tiles(spec, batch), Settings()
    shared = codec.prepare(list(originals), spec, settings)
    times: dict[str, list[float]] = {step: [] for step in STEPS}
    started = time.monotonic()
    while True:
        symbols = _timed(times["analyse"], lambda: codec.analyse(originals, spec, settings, shared))
        latents = _timed(times["pack"], lambda: codec.pack(symbols))  # noqa: B023 - called at once
        symbols = _timed(times["unpack"], lambda: codec.unpack(latents, spec))  # noqa: B023 - called at once
        _timed(times["synthesise"], lambda: codec.synthesise(symbols, shared))  # noqa: B023 - called at once
        runs = len(times["pack"])
        if runs > load.repeats or (runs > 1 and time.monotonic() - started > load.budget_s):
            break
    return {step: statistics.median(each[1:]) for step, each in times.items()}  # the first compiles kernels


def _timed(times: list[float], step: Callable[[], Any]) -> Any:
    """The result of a step. What a codec returns lies in memory of the processor, so the device is done by then."""
    started = time.perf_counter()
    result = step()
    times.append(time.perf_counter() - started)
    return result
