"""Bytes, bits per pixel and speed each way of every codec over a folder of images, side by side in one run.

    .venv/bin/python infra/bench/codecs.py /path/to/images [--codec jpegxl:3 --codec block-dnn-16 ...] [--limit 20]

One thread; CPU seconds, so that a shared machine disturbs little. Every image is cut into tiles as an archive's are.
The codecs take turns tile by tile, and what is lossless is compared with the tile. A codec with a lossy exact base
is followed by a row with its residual, which makes it lossless. PSNR is over all samples of all images.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np  # noqa: E402 - the libraries read the number of threads when they are loaded

from tilepress.codecs import registry  # noqa: E402
from tilepress.codecs.codec import Codec, ResidualCoder, Settings, TileSpec  # noqa: E402

SUFFIXES = {".png", ".tif", ".tiff"}
COLOURS = {1: "gray", 2: "gray", 3: "rgb", 4: "rgb"}


@dataclass
class Row:
    """One line of the table, and what is added up for it."""

    name: str
    codec: Codec
    settings: Settings
    residual: ResidualCoder | None = None
    raw: int = 0  # bytes of samples
    size: int = 0
    seconds: list[float] = field(default_factory=lambda: [0.0, 0.0])  # encoding, decoding
    squares: float = 0.0  # squared error, as a part of the largest sample
    samples: int = 0
    pixels: int = 0
    tiles: int = 0

    def timed(self, way: int, work: Callable[[], object]) -> object:
        """The result of `work`, whose CPU time is added to encoding (0) or decoding (1)."""
        start = time.process_time()
        result = work()
        self.seconds[way] += time.process_time() - start
        return result

    def encode(self, tile: np.ndarray, spec: TileSpec) -> tuple[bytes, bytes]:
        """Latents, and the residual on top of them."""
        (latents,) = self.codec.encode(tile[None], spec, self.settings)
        if self.residual is None:
            return latents, b""
        return latents, self.residual.encode(tile, self.codec.decode([latents], spec)[0], spec)

    def decode(self, latents: bytes, residual: bytes, spec: TileSpec) -> np.ndarray:
        """The tile."""
        base: np.ndarray = self.codec.decode([latents], spec)[0]
        return base if self.residual is None else self.residual.decode(residual, base, spec)

    def add(self, tile: np.ndarray, spec: TileSpec, count: bool = True) -> None:
        """Encode and decode a tile; without `count` only to warm up."""
        before = list(self.seconds)
        streams = self.timed(0, lambda: self.encode(tile, spec))
        decoded = self.timed(1, lambda: self.decode(*streams, spec))
        if not count:
            self.seconds = before
            return
        error = (decoded.astype(np.float64) - tile) / spec.maximum
        if (self.codec.lossless or self.residual) and error.any():
            sys.exit(f"{self.name} is not lossless: {spec}")
        self.raw += spec.nbytes
        self.size += sum(map(len, streams))
        self.squares += float((error**2).sum())
        self.samples += tile.size
        self.pixels += spec.height * spec.width
        self.tiles += 1

    def line(self) -> str:
        """The figures, in the columns of the table."""
        psnr = 10 * np.log10(self.samples / self.squares) if self.squares else np.inf
        speeds = [self.pixels / 1e6 / max(seconds, 1e-9) for seconds in self.seconds]
        quality = "lossless" if np.isinf(psnr) else f"{psnr:.2f} dB"
        return (
            f"{self.name:<26}{self.tiles:>6}{self.size:>14,}{100 * self.size / self.raw:>8.1f}"
            f"{8 * self.size / self.pixels:>9.3f}{speeds[0]:>9.2f}{speeds[1]:>9.2f}{quality:>12}"
        )


def read_image(path: Path) -> np.ndarray:
    """Samples (h, w, c) of an image file, 16 bits where it has 16."""
    import imagecodecs

    data = path.read_bytes()
    image: np.ndarray = imagecodecs.png_decode(data) if path.suffix.lower() == ".png" else imagecodecs.imread(data)
    return image if image.ndim == 3 else image[:, :, None]


def tiles_of(image: np.ndarray, side: int) -> Iterator[tuple[np.ndarray, TileSpec]]:
    """Tiles of an image, row by row, and what they are."""
    height, width, channels = image.shape
    bits = 8 if image.dtype == np.uint8 else max(9, int(image.max()).bit_length())
    for y in range(0, height, side):
        for x in range(0, width, side):
            tile = np.ascontiguousarray(image[y : y + side, x : x + side])
            yield tile, TileSpec(*tile.shape[:2], channels, image.dtype.name, bits, COLOURS[channels])


def rows_of(name: str, residual: bool) -> list[Row]:
    """The rows of a name on the command line: NAME, or NAME:NUMBER with an effort or a quality."""
    name, _, number = name.partition(":")
    choice = registry.resolve(name)
    codec = registry.load_codec(choice.codec_id, choice.model_folder)
    option = "effort" if "effort" in codec.options else "quality"
    settings = Settings(**{option: int(number)}) if number else Settings()
    label = f"{name} {option} {number}" if number else name
    rows = [Row(label, codec, settings)]
    if residual and codec.exact and not codec.lossless:
        rows += [Row(f"{label} + {rid}", codec, settings, registry.load_residual(rid)) for rid in registry.RESIDUALS]
    return rows


def default_names() -> list[str]:
    """Every codec without a model that is not fitted to its images, JPEG XL at two efforts, every shipped model."""
    plain = [codec_id for codec_id in registry.CODECS if not registry.needs_model(codec_id)]
    plain = [codec_id for codec_id in plain if registry.codec_class(codec_id).prepare is Codec.prepare]
    return [*plain, "jpegxl:3", *registry.shipped_models()]


def main() -> None:
    """Read the arguments, run, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--codec", action="append", metavar="NAME[:NUMBER]", help="default: all of them")
    parser.add_argument("--limit", type=int, default=20, help="images, evenly spread over the folder (default 20)")
    parser.add_argument("--tile", type=int, default=512)
    parser.add_argument("--no-residual", action="store_true")
    options = parser.parse_args()
    paths = sorted(path for path in options.folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        parser.error(f"no PNG or TIFF images in {options.folder}")
    paths = paths[:: max(1, len(paths) // options.limit)][: options.limit]
    rows = [row for name in options.codec or default_names() for row in rows_of(name, not options.no_residual)]
    report(paths, rows, options.tile)


def report(paths: list[Path], rows: list[Row], side: int) -> None:
    """Run all rows over all images, and print the table."""
    warm: set[tuple[str, str]] = set()
    for path in paths:
        for tile, spec in tiles_of(read_image(path), side):
            for row in rows:
                if row.codec.supports(spec):
                    if (row.name, spec.dtype) not in warm:
                        row.add(tile, spec, count=False)
                        warm.add((row.name, spec.dtype))
                    row.add(tile, spec)
    print(f"{len(paths)} images; MP per CPU second, one thread")
    print(f"{'codec':<26}{'tiles':>6}{'bytes':>14}{'% raw':>8}{'bpp':>9}{'enc MP/s':>9}{'dec MP/s':>9}{'PSNR':>12}")
    for row in rows:
        print(row.line() if row.tiles else f"{row.name:<26}{0:>6}  supports none of these images")


if __name__ == "__main__":
    main()
