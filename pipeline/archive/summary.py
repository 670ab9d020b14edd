"""Counts of what a part, or a run, holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tilepress.pipeline.archive.fidelity import PIXELS
from tilepress.pipeline.archive.index_row import IndexRow
from tilepress.pipeline.archive.schema import FAILURES, JPEG, NOT_STORED, ORIGIN, PIXEL_METHODS

_MOST_WARNINGS = 20
BEYOND_PALETTE = "palette indices beyond the palette (viewers differ; they come back as they are)"


@dataclass
class Summary:
    """Counts and bytes by method, failures by reason, and warnings: tiles that need a word, by the text."""

    images: Counter[str] = field(default_factory=Counter)
    bytes_in: Counter[str] = field(default_factory=Counter)
    bytes_out: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    pixels: int = 0  # of images that were decoded
    tiles: int = 0

    @property
    def stored_bytes_in(self) -> int:
        """Bytes of the files that are stored: what is not stored is not saved."""
        return self.bytes_in.total() - self.bytes_in[NOT_STORED]

    def add(self, image: IndexRow, *, again: bool = False) -> None:
        """Count one image; `again`: the bytes of its content were counted with another one."""
        key = method_key(image)
        self.images[key] += 1
        self.bytes_in[key] += image.facts.source_bytes
        self.bytes_out[key] += 0 if again else image.nbytes
        self.tiles += len(image.tiles)
        if image.facts.method in (*PIXEL_METHODS, JPEG):
            self.pixels += image.facts.width * image.facts.height
        if image.facts.reason_code in FAILURES:
            self.failures[image.facts.reason_code] += 1

    def progress(self) -> dict[str, int]:
        """Return the numbers that a progress display adds."""
        return {
            "bytes_in": self.bytes_in.total(),
            "images": self.images.total(),
            "bytes_out": self.bytes_out.total(),
            "pixels": self.pixels,
            "failures": self.failures.total(),
            "tiles": self.tiles,
        }

    def merge(self, other: Summary) -> None:
        """Add another summary."""
        for mine, theirs in (
            (self.images, other.images),
            (self.bytes_in, other.bytes_in),
            (self.bytes_out, other.bytes_out),
            (self.failures, other.failures),
        ):
            mine.update(theirs)
        for text, count in other.warnings.items():
            warn(self.warnings, text, count)
        self.pixels += other.pixels
        self.tiles += other.tiles


def warn(warnings: Counter[str], text: str, count: int = 1) -> None:
    """Count a warning; of many different ones only the first are told apart."""
    known = text in warnings or len(warnings) < _MOST_WARNINGS
    warnings[text if known else "a codec failed in another way"] += count


def method_key(image: IndexRow) -> str:
    """How an image is held, for summaries: the method, or the codecs of its tiles and, unless exact, how near."""
    if image.facts.method == ORIGIN:
        return f"was {image.facts.origin.partition(',')[0]}"
    if image.facts.method not in PIXEL_METHODS:
        return image.facts.method
    fidelity = image.facts.promised.text
    return codec_name(image) if fidelity == PIXELS else f"{codec_name(image)} ({fidelity})"


def codec_name(image: IndexRow) -> str:
    """Return the codecs of an image's tiles, joined by "+"; of one that has none, the method."""
    return "+".join(sorted({tile.facts.codec.partition("@")[0] for tile in image.tiles})) or image.facts.method


def summarise(images: Iterable[IndexRow]) -> Summary:
    """Return the summary of a part."""
    summary = Summary()
    for image in images:
        summary.add(image)
    return summary
