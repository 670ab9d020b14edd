"""What `lossless.py` measured, as text and as CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import fmean


@dataclass(frozen=True)
class Measurement:
    """One image through one coder; `latents` are the bytes of a base, part of `bytes`; CPU seconds."""

    group: str
    image: str
    coder: str
    max_error: int
    pixels: int
    bytes: int
    latents: int
    encode_s: float
    decode_s: float


@dataclass(frozen=True)
class Row:
    """A coder over the images of a group that it supports; ratios are to the reference over the same images."""

    coder: str
    bytes: int
    bits_per_pixel: float
    latents: float  # as a part of the bytes
    ratio: float
    mean_ratio: float
    worst_ratio: float
    encode: float  # MP per CPU second
    decode: float


HEAD = (
    f"{'coder':<34}{'bytes':>12}{'bits/px':>9}{'ratio':>9}{'mean':>9}{'worst':>9}"
    f"{'enc MP/s':>10}{'dec MP/s':>10}{'latents':>9}"
)


def row(coder: str, measured: Sequence[Measurement], reference: dict[str, int]) -> Row:
    """The sums and ratios of one coder; `reference` has the bytes of each image by the coder compared with."""
    size, pixels = sum(m.bytes for m in measured), sum(m.pixels for m in measured)
    ratios = [m.bytes / reference[m.image] for m in measured]
    return Row(
        coder=coder,
        bytes=size,
        bits_per_pixel=8 * size / pixels,
        latents=sum(m.latents for m in measured) / size,
        ratio=size / sum(reference[m.image] for m in measured),
        mean_ratio=fmean(ratios),
        worst_ratio=max(ratios),
        encode=pixels / 1e6 / max(sum(m.encode_s for m in measured), 1e-9),
        decode=pixels / 1e6 / max(sum(m.decode_s for m in measured), 1e-9),
    )


def line(row: Row) -> str:
    """A row in the columns of HEAD."""
    latents = f"{row.latents:9.4f}" if row.latents else f"{'':>9}"
    return (
        f"{row.coder:<34}{row.bytes:>12,}{row.bits_per_pixel:>9.4f}{row.ratio:>9.4f}{row.mean_ratio:>9.4f}"
        f"{row.worst_ratio:>9.4f}{speed(row.encode):>10}{speed(row.decode):>10}{latents}"
    ).rstrip()


def speed(value: float) -> str:
    """Three significant digits, without exponents."""
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}"


def table(measured: Sequence[Measurement], coders: Sequence[str], reference: str) -> str:
    """The rows of one group, smallest first; coders that support none of its images come last, with dashes."""
    of_reference = {m.image: m.bytes for m in measured if m.coder == reference}
    by_coder = _without_twins({name: [m for m in measured if m.coder == name] for name in coders})
    rows = sorted((row(name, ms, of_reference) for name, ms in by_coder.items() if ms), key=lambda row: row.ratio)
    lines = [HEAD, *map(line, rows)]
    for name, ms in by_coder.items():
        if not ms:
            lines.append(f"{name:<34}{'-':>12}{'-':>9}{'-':>9}{'-':>9}{'-':>9}{'-':>10}{'-':>10}")
        elif len(ms) < len(of_reference):
            lines.append(f"{name} supports {len(ms)} of {len(of_reference)} images: its ratios are over those")
    return "\n".join(lines)


def _without_twins(by_coder: dict[str, list[Measurement]]) -> dict[str, list[Measurement]]:
    """Without the rows of tiles where every image is within one tile, so that they repeat those of whole images."""
    seen: dict[object, str] = {}
    for name, measured in by_coder.items():
        seen.setdefault(tuple((m.image, m.bytes, m.encode_s, m.decode_s) for m in measured) or name, name)
    return {name: by_coder[name] for name in seen.values()}


def write_csv(path: Path, measured: Iterable[Measurement]) -> None:
    """Every measurement, a line each."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Measurement)])
        writer.writeheader()
        writer.writerows(asdict(measurement) for measurement in measured)
