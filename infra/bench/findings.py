"""How often the detectors of `tilepress audit` are right: false alarms, hits, and what a look costs.

    python infra/bench/findings.py photos/eval [more folders] [--pictures 60] [--untouched]

A line a detector for each folder. False alarms: findings of the pictures as they are, in percent, with some of their
names, since a picture may truly be what is said of it. Hits: the same pictures made so, in percent of those that may
be (8 bits in 16 only of 8-bit pictures, JPEG only of gray and RGB of 8 bits). Of near-duplicates: how many changed
copies have a hash within 6 bits, and how many pairs of different pictures of the folder do. Times are the processor's.
"""

from __future__ import annotations

import argparse
import io
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from tilepress.pipeline.findings.double_jpeg import inspect_jpeg
from tilepress.pipeline.findings.finding import BLURRED, CLIPPED, DOUBLE_JPEG, JPEG_GRID, KINDS, SHALLOW, UPSCALED
from tilepress.pipeline.findings.inspect import inspect
from tilepress.pipeline.findings.likeness import FLAT, hamming, perceptual_hash
from tilepress.pipeline.findings.near_duplicates import MOST

Pixels = np.ndarray
Change = Callable[[Pixels], Pixels]
_LANCZOS = Image.Resampling.LANCZOS
_KERNELS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC, "lanczos": _LANCZOS}
_CORNER = 768  # side of the upper left of a picture, which is changed


def saved(pixels: Pixels, quality: int) -> bytes:
    """Return the JPEG file of a picture, chroma at half."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality)
    return out.getvalue()


def jpeg(quality: int) -> Change:
    """Return what gives the pixels of the JPEG file of a picture."""
    return lambda pixels: np.asarray(Image.open(io.BytesIO(saved(pixels, quality))))


def resized(factor: float, kernel: Image.Resampling) -> Change:
    """Return what enlarges a picture, or makes it smaller."""

    def change(pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        size = max(1, round(width * factor)), max(1, round(height * factor))
        return np.asarray(Image.fromarray(pixels).resize(size, kernel))

    return change


def blurred(sigma: float) -> Change:
    """Return what blurs a picture."""
    return lambda pixels: np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(sigma)))


def brighter(gain: float, offset: float = 0.0) -> Change:
    """Return what multiplies samples, cutting off what is above white."""
    return lambda pixels: np.clip(pixels * gain + offset, 0, 255).astype(np.uint8)


def cut(share: float) -> Change:
    """Return what cuts a share of width and height off each border."""

    def change(pixels: Pixels) -> Pixels:
        rows, columns = (int(side * share) for side in pixels.shape[:2])
        return pixels[rows : pixels.shape[0] - rows, columns : pixels.shape[1] - columns]

    return change


FAULTS: Mapping[str, tuple[str, Change]] = {  # what was done -> what must be found
    **{
        f"enlarged {factor} {name}": (UPSCALED, resized(factor, kernel))
        for factor in (1.5, 2, 3)
        for name, kernel in _KERNELS.items()
    },
    **{f"blurred {sigma}": (BLURRED, blurred(sigma)) for sigma in (1.5, 3)},
    **{f"JPEG {quality}": (JPEG_GRID, jpeg(quality)) for quality in (50, 75, 90, 95)},
    "JPEG 75, cut": (JPEG_GRID, lambda pixels: jpeg(75)(pixels)[3:, 5:]),
    "8 bits times 257": (SHALLOW, lambda pixels: pixels.astype(np.uint16) * 257),
    "8 bits shifted": (SHALLOW, lambda pixels: pixels.astype(np.uint16) << 8),
    "gain 2": (CLIPPED, brighter(2.0)),
}
TWICE = ((60, 85), (85, 60), (75, 90), (90, 75))
COPIES: Mapping[str, Change] = {
    "brighter": brighter(1.1, 8),
    "resized 0.5": resized(0.5, _LANCZOS),
    "resized 1.7": resized(1.7, _LANCZOS),
    "JPEG 40": jpeg(40),
    "cut 1 %": cut(0.01),
    "cut 4 %": cut(0.04),
}


def pictures(folder: Path, most: int) -> Iterator[tuple[str, Pixels, int]]:
    """Yield names, pixels and bits of a folder's PNG files that Pillow reads."""
    for path in sorted(folder.rglob("*.png") if folder.is_dir() else [folder])[:most]:
        try:
            with Image.open(path) as image:
                wide = image.mode.startswith("I")
                plain = image if wide or image.mode in ("L", "RGB") else image.convert("RGB")
                yield path.name, np.asarray(plain).astype(np.uint16 if wide else np.uint8), 16 if wide else 8
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            print(f"    {path.name} is left out: {error}")


def kinds(pixels: Pixels) -> set[str]:
    """Return the kinds that are found of a picture."""
    return {each.kind for each in inspect(pixels, 8 * pixels.itemsize, lossy_format=False)}


def percent(hits: int, of: int) -> str:
    """Return a share for people."""
    return f"{100 * hits / of:5.1f} % of {of}" if of else "none"


def print_alarms(found: list[tuple[str, Pixels, int]]) -> None:
    """Print what is said of pictures as they are, and how long looking took."""
    alarms, spent, pixels_seen = defaultdict(list), 0.0, 0
    inspect(found[0][1], found[0][2], lossy_format=False)
    for name, pixels, bits in found:
        begin = time.process_time()
        findings = inspect(pixels, bits, lossy_format=False)
        spent += time.process_time() - begin
        pixels_seen += pixels.shape[0] * pixels.shape[1]
        for finding in findings:
            alarms[finding.kind].append(f"{name} ({finding.value:.2f})")
    print(f"  a look: {pixels_seen / spent / 1e6:.0f} MP/s of one core, {1000 * spent / len(found):.1f} ms a picture")
    for kind in KINDS:
        if alarms[kind]:
            print(f"  untouched, {kind}: {percent(len(alarms[kind]), len(found))}: {', '.join(alarms[kind][:4])}")


def print_hits(plain: list[Pixels]) -> None:
    """Print how many of changed pictures are found."""
    for what, (kind, change) in FAULTS.items():
        print(f"  {what}, {kind}: {percent(sum(kind in kinds(change(pixels)) for pixels in plain), len(plain))}")
    for quality in (50, 60, 75, 85, 90):
        hits = sum(bool(inspect_jpeg(saved(pixels, quality))) for pixels in plain)
        print(f"  JPEG {quality} once, {DOUBLE_JPEG}: {percent(hits, len(plain))}")
    for first, then in TWICE:
        hits = sum(bool(inspect_jpeg(saved(jpeg(first)(pixels), then))) for pixels in plain)
        print(f"  JPEG {first} then {then}, {DOUBLE_JPEG}: {percent(hits, len(plain))}")


def print_copies(plain: list[Pixels]) -> None:
    """Print how near the hashes of copies are, and of different pictures."""
    hashes = [perceptual_hash(pixels, 8) for pixels in plain]
    for what, change in COPIES.items():
        pairs = [(perceptual_hash(change(p), 8), code) for p, code in zip(plain, hashes, strict=True) if code != FLAT]
        print(f"  copy {what}: {percent(sum(hamming(*pair) <= MOST for pair in pairs), len(pairs))} within {MOST} bits")
    pairs = list(combinations([code for code in hashes if code != FLAT], 2))
    near = sum(hamming(*pair) <= MOST for pair in pairs)
    print(f"  different pictures: {percent(near, len(pairs))} within {MOST} bits")


def main() -> None:
    """Read the arguments and print the lines of each folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--untouched", action="store_true", help="print false alarms only")
    options = parser.parse_args()
    for folder in options.folders:
        found = list(pictures(folder, options.pictures))
        print(f"{folder}: {len(found)} pictures")
        if found:
            print_alarms(found)
        plain = [pixels[:_CORNER, :_CORNER] for _, pixels, bits in found if bits == 8 and min(pixels.shape[:2]) >= 64]
        if plain and not options.untouched:
            print_hits(plain)
            print_copies(plain)


if __name__ == "__main__":
    main()
