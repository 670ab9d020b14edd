"""What pictures take that a JPEG decoder made, against the JPEG files; and how fast their JPEGs are found and decoded.

    python infra/bench/origins/jpeg.py FOLDER [--pictures 4] [--quality 75 --quality 95] [--sampling 4:2:0] [--crop]
                                       [--decoder 4]

FOLDER holds pictures, which Pillow saves as JPEG and decodes; with --decoder, an encoder of this file saves them, with
optimal Huffman tables, and they become the very pixels that the decoder makes which FORMAT.md gives that number. A row
for each quality and sampling, over all pictures: bits a pixel of the JPEG files; of what the origin `jpeg` stores (the
JPEG that was found, transcoded, and exceptions), and that against the files, the worst picture's in brackets; the share
of pixels without an exception; pictures that were not recognised; megapixels per CPU second of finding and of decoding,
caches being warm.
"""

from __future__ import annotations

import argparse
import io
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from tilepress.codecs.classical.jpeg_transcode import pack_jpeg
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.jpeg.decode import decode
from tilepress.codecs.jpeg.decoders import DECODERS
from tilepress.codecs.jpeg.file.coefficients import BLOCK, SAMPLINGS, Coefficients, block_shapes
from tilepress.codecs.jpeg.file.tables import CHROMA, LUMA, standard_table
from tilepress.codecs.jpeg.file.writer import write_file
from tilepress.codecs.origins.exceptions import pack_exceptions
from tilepress.codecs.origins.jpeg.rule import Jpeg
from tilepress.codecs.origins.jpeg.search.dct import BASIS_OF_SAMPLE

QUALITIES = [40, 75, 90, 95, 97]
SUBSAMPLING = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2, "gray": None}
CROP = (5, 11, -7, -14)  # left, top, right, bottom
RULE = Jpeg()


@dataclass
class Row:
    """Sums over pictures."""

    pixels: int = 0
    files: int = 0  # bytes
    stored: int = 0
    ratios: list[float] = field(default_factory=list)
    equal: int = 0  # pixels
    lost: int = 0  # pictures
    finding: float = 0.0  # seconds
    making: float = 0.0

    def text(self) -> str:
        """The columns of a table."""
        if not self.pixels:
            return f"{'':58} {self.lost:4}"
        bits, stored = 8 * self.files / self.pixels, 8 * self.stored / self.pixels
        return (
            f"{bits:7.3f} {stored:7.3f} {self.stored / self.files:7.3f} ({max(self.ratios):.3f}) "
            f"{self.equal / self.pixels:8.5f} {self.lost:5} {self.pixels / self.finding / 1e6:8.2f} "
            f"{self.pixels / self.making / 1e6:8.1f}"
        )

    def add(self, file: bytes, pixels: np.ndarray) -> None:
        """Find the JPEG file of a decoded picture again, and count what storing the picture takes."""
        height, width, channels = pixels.shape
        spec = TileSpec(height, width, channels, "uint8", 8, "gray" if channels == 1 else "rgb")
        began = time.process_time()
        guess = RULE.detect(pixels, spec)
        recovered = RULE.invert(pixels, spec, guess) if guess else None
        if recovered is None:
            self.lost += 1
            return
        self.finding += time.process_time() - began
        began = time.process_time()
        made = RULE.apply(recovered, spec)
        self.making += time.process_time() - began
        stored = len(pack_jpeg(recovered.file)) + len(pack_exceptions(pixels, made, spec)) + len(recovered.facts)
        size = len(file)
        self.files, self.stored, self.pixels = self.files + size, self.stored + stored, self.pixels + height * width
        self.ratios.append(stored / size)
        self.equal += int((made == pixels).all(axis=2).sum())


def made(image: Image.Image, quality: int, sampling: str, decoder: int | None, crop: bool) -> tuple[bytes, np.ndarray]:
    """A JPEG file of a picture, and what it is decoded to, (h, w, c), or a part of that; None: by Pillow, both."""
    if decoder is None:
        file = saved(image, quality, sampling)
        with Image.open(io.BytesIO(file)) as back:
            pixels = np.asarray(back)
    else:
        held = coefficients(image, quality, sampling)
        file, pixels = write_file(held), decode(held, DECODERS[decoder])
    left, top, right, bottom = CROP if crop else (0, 0, pixels.shape[1], pixels.shape[0])
    cut = np.ascontiguousarray(pixels[top:bottom, left:right])
    return file, cut.reshape(*cut.shape[:2], -1)


def coefficients(image: Image.Image, quality: int, sampling: str) -> Coefficients:
    """What the JPEG file of a picture holds, with the standard tables; chroma are means of what they stand for."""
    planes = np.asarray(image.convert("L"))[:, :, None]
    factors, tables = (1, 1), [standard_table(LUMA, quality)]
    if sampling != "gray":
        planes = np.asarray(image.convert("RGB").convert("YCbCr"))
        factors, tables = SAMPLINGS[sampling], tables + [standard_table(CHROMA, quality)] * 2
    height, width, count = planes.shape
    blocks = []
    for component, (rows, columns) in enumerate(block_shapes(width, height, factors, count)):
        across, down = factors if component else (1, 1)
        pad = ((0, BLOCK * rows * down - height), (0, BLOCK * columns * across - width))
        plane = np.pad(planes[:, :, component], pad, mode="edge").astype(np.float64)
        plane = plane.reshape(BLOCK * rows, down, BLOCK * columns, across).mean(axis=(1, 3))
        cut = np.rint(plane).reshape(rows, BLOCK, columns, BLOCK).swapaxes(1, 2).reshape(rows, columns, -1) - 128
        blocks.append(np.rint(cut @ BASIS_OF_SAMPLE.astype(np.float64) / tables[component]).astype(np.int16))
    return Coefficients(width, height, factors, tuple(tables), tuple(blocks))


def saved(image: Image.Image, quality: int, sampling: str) -> bytes:
    """The JPEG file of a picture."""
    out = io.BytesIO()
    if sampling == "gray":
        image.convert("L").save(out, "JPEG", quality=quality)
    else:
        image.convert("RGB").save(out, "JPEG", quality=quality, subsampling=SUBSAMPLING[sampling])
    return out.getvalue()


def main() -> None:
    """Print a row for each quality and sampling."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=4)
    parser.add_argument("--quality", type=int, action="append")
    parser.add_argument("--sampling", choices=SUBSAMPLING, action="append")
    parser.add_argument("--decoder", type=int, choices=DECODERS, help="of FORMAT.md; Pillow if none")
    parser.add_argument("--crop", action="store_true", help="cut something off at every side")
    given = parser.parse_args()
    paths = sorted(path for path in given.folder.iterdir() if path.suffix.lower() in {".png", ".tif", ".bmp"})
    paths = paths[:: -(-len(paths) // given.pictures)]
    images = [Image.open(path).copy() for path in paths]
    Row().add(*made(images[0], 90, "4:2:0", given.decoder, given.crop))  # kernels are loaded
    print("quality sampling    JPEG  stored   of it            exact  lost     find     make")
    for quality in given.quality or QUALITIES:
        for sampling in given.sampling or SUBSAMPLING:
            row = Row()
            for image in images:
                row.add(*made(image, quality, sampling, given.decoder, given.crop))
            print(f"{quality:7} {sampling:8} {row.text()}", flush=True)


if __name__ == "__main__":
    main()
