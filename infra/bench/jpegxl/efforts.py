"""JPEG XL at efforts 3 and 7, tile by tile as archives hold images: what keeping the smaller gains, and takes.

    python infra/bench/jpegxl/efforts.py FOLDER ... [--tile 512] [--limit N] [--noise SD]

A line a folder and kind of image: files, megapixels, bytes at effort 7, how much smaller 3 and the smaller of the two
are, and what the codec makes of its own accord; seconds of CPU for each megapixel. Files that archives do not hold by
their pixels are passed over. `--noise` makes of the first channel of every image of 8 bits one of 16, with normal noise
of that deviation, as sensors do.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tilepress.codecs.classical.jpegxl import JpegXl
from tilepress.codecs.codec import Settings
from tilepress.pipeline.errors import PictureError
from tilepress.pipeline.formats.picture import Picture
from tilepress.pipeline.formats.registry import read_picture
from tilepress.pipeline.sources.dataset import picture_tiles

EFFORTS: tuple[int | None, ...] = (3, 7, None)  # None: as the codec chooses


@dataclass
class Total:
    """Sums over the tiles of one kind of image."""

    files: int = 0
    pixels: int = 0
    smaller: int = 0  # bytes of the smaller stream of each tile
    sizes: dict[int | None, int] = field(default_factory=lambda: dict.fromkeys(EFFORTS, 0))
    seconds: dict[int | None, float] = field(default_factory=lambda: dict.fromkeys(EFFORTS, 0.0))

    def add(self, picture: Picture, bands: Iterator[np.ndarray], side: int) -> None:
        """Code the tiles of an image."""
        codec = JpegXl()
        self.files += 1
        self.pixels += picture.pixels
        for tile in picture_tiles(0, picture, bands, side):
            sizes = {}
            for effort in EFFORTS:
                start = time.process_time()
                sizes[effort] = len(codec.encode_tile(tile.samples, tile.spec, Settings(effort=effort)))
                self.seconds[effort] += time.process_time() - start
                self.sizes[effort] += sizes[effort]
            self.smaller += min(sizes.values())

    def line(self, name: str) -> str:
        """Return a row of the table."""
        gains = (100 * (size / self.sizes[7] - 1) for size in (self.sizes[3], self.smaller, self.sizes[None]))
        times = (self.seconds[effort] * 1e6 / self.pixels for effort in EFFORTS)
        columns = [name, str(self.files), f"{self.pixels / 1e6:.1f}", f"{self.sizes[7]:,}"]
        columns += [*(f"{gain:+.2f} %" for gain in gains), *(f"{each:.3f}" for each in times)]
        return "| " + " | ".join(columns) + " |"


def noisy(bands: Iterator[np.ndarray], deviation: float) -> Iterator[np.ndarray]:
    """Yield bands (rows, w, 1) of uint16: the first channel of 8 bits, and noise that is the same in every run."""
    rng = np.random.default_rng(0)
    for band in bands:
        samples = 256.0 * band[:, :, :1]
        yield np.clip(samples + rng.normal(0, deviation, samples.shape), 0, 65535).astype(np.uint16)


def measure(path: Path, totals: dict[str, Total], side: int, deviation: float) -> None:
    """Add a file to the totals of its kind."""
    picture = read_picture(path.read_bytes(), byte_exact=False)
    if picture.format == "jpeg" or (deviation and picture.bit_depth != 8):  # JPEG files are transcoded
        return
    bands = picture.read_bands(side)
    if deviation:
        picture = replace(picture, mode="L", dtype="uint16", bit_depth=16)
        bands = noisy(bands, deviation)
    totals[f"{picture.mode}, {picture.bit_depth} bits"].add(picture, bands, side)


def main() -> None:
    """Measure the folders that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--tile", type=int, default=512)
    parser.add_argument("--limit", type=int, help="files a folder")
    parser.add_argument("--noise", type=float, default=0, metavar="SD")
    asked = parser.parse_args()
    columns = ["images", "files", "MP", "bytes, e7", "e3", "smaller", "codec", "s/MP, e3", "e7", "codec"]
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for folder in asked.folders:
        totals: dict[str, Total] = defaultdict(Total)
        for path in sorted(path for path in folder.rglob("*") if path.is_file())[: asked.limit]:
            try:
                measure(path, totals, asked.tile, asked.noise)
            except PictureError:
                continue
        for kind, total in sorted(totals.items()):
            print(total.line(f"{'/'.join(folder.parts[-2:])}, {kind}"), flush=True)


if __name__ == "__main__":
    main()
