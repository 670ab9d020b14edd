"""What `auto` makes of tiles beside JPEG XL at its usual effort and the smaller of all: bytes, and CPU seconds.

    python infra/bench/speed/auto.py FOLDER ... [--tiles 40] [--every]

A line a folder: tiles, what `auto` makes in bytes of JPEG XL's, and of the smallest of JPEG XL, bzip2 and level quick;
the share of pixels that JPEG XL keeps; CPU seconds for a megapixel of `auto` and JPEG XL, encoding, and
decoding. `--every`: also a line a tile of which `auto` makes more than the smallest. Images that archives do not hold
by their pixels, or by what they were made from, are not told apart: only their tiles are coded.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from tilepress.codecs.errors import UnsupportedError
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.coding.fallbacks import JPEG_XL, code_tiles
from tilepress.pipeline.coding.look import QUICK, SPARSE
from tilepress.pipeline.coding.tile_coding import CodedTile, coded_exactly
from tilepress.pipeline.coding.tiles import Tile
from tilepress.pipeline.errors import PictureError
from tilepress.pipeline.formats.registry import read_picture
from tilepress.pipeline.sources.dataset import picture_tiles
from tilepress.pipeline.storage.base import open_storage

AUTO = replace(JPEG_XL, sparse=True, quick=True)
_SIDE = 512
Result = TypeVar("Result")


@dataclass
class Row:
    """Sums over tiles."""

    tiles: int = 0
    pixels: int = 0
    auto: int = 0
    jpegxl: int = 0
    smallest: int = 0
    by_jpegxl: int = 0  # pixels
    auto_s: float = 0.0
    jpegxl_s: float = 0.0
    auto_back_s: float = 0.0
    jpegxl_back_s: float = 0.0

    def __str__(self) -> str:
        """Return the line."""
        mp = self.pixels / 1e6
        seconds = (self.auto_s, self.jpegxl_s, self.auto_back_s, self.jpegxl_back_s)
        return (
            f"{self.tiles:5} tiles, {mp:6.1f} MP: auto {self.auto / self.jpegxl:.3f} of JPEG XL, "
            f"{self.auto / self.smallest:.3f} of the smallest, kept by JPEG XL {self.by_jpegxl / self.pixels:4.0%}; "
            "s/MP auto {:.2f}, JPEG XL {:.2f}; back {:.2f}, {:.2f}".format(*(each / mp for each in seconds))
        )

    def add(self, tile: Tile, pool: CodecPool) -> str:
        """Code a tile by every way, and return what to say where `auto` missed the smallest."""
        (auto,), seconds = _timed(lambda: list(code_tiles([tile], lambda _: AUTO, pool)))
        self.auto_s += seconds
        jpegxl, seconds = _timed(lambda: coded_exactly(pool, tile, JPEG_XL.reference))
        self.jpegxl_s += seconds
        self.auto_back_s += _timed(lambda: _back(auto, tile, pool))[1]
        self.jpegxl_back_s += _timed(lambda: _back(jpegxl, tile, pool))[1]
        best = min([jpegxl, *_others(tile, pool)], key=lambda each: each.nbytes)
        pixels = tile.spec.width * tile.spec.height
        self.tiles, self.pixels = self.tiles + 1, self.pixels + pixels
        self.auto, self.jpegxl, self.smallest = (
            self.auto + auto.nbytes,
            self.jpegxl + jpegxl.nbytes,
            self.smallest + min(best.nbytes, auto.nbytes),
        )
        self.by_jpegxl += pixels if auto.facts.codec == JPEG_XL.reference else 0
        if auto.nbytes <= best.nbytes:
            return ""
        return (
            f"{auto.facts.codec} {auto.nbytes:,}, {best.facts.codec} {best.nbytes:,} ({auto.nbytes / best.nbytes:.3f})"
        )


def _timed(do: Callable[[], Result]) -> tuple[Result, float]:
    began = time.process_time()
    return do(), time.process_time() - began


def _back(coded: CodedTile, tile: Tile, pool: CodecPool) -> None:
    codec = pool.codec(coded.facts.codec)
    (back,) = codec.decode([coded.latents], tile.spec)
    assert (back == tile.samples).all()


def _others(tile: Tile, pool: CodecPool) -> Iterator[CodedTile]:
    for reference in (SPARSE, QUICK):
        try:
            yield coded_exactly(pool, tile, reference)
        except UnsupportedError:
            continue


def tiles_of(path: Path) -> list[Tile]:
    """Return the tiles of an image that archives may hold by its pixels, else none."""
    try:
        picture = read_picture(path.read_bytes(), byte_exact=False)
        return [] if picture.format == "jpeg" else list(picture_tiles(0, picture, picture.read_bands(_SIDE), _SIDE))
    except PictureError:
        return []


def main() -> None:
    """Measure the folders that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--tiles", type=int, default=40, help="of a folder, drawn at random, two of an image at most")
    parser.add_argument("--every", action="store_true")
    asked = parser.parse_args()
    pool = CodecPool(open_storage("."))
    for folder in asked.folders:
        draw, row = random.Random(1), Row()
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        draw.shuffle(paths)
        for path in paths:
            tiles = tiles_of(path)
            for tile in draw.sample(tiles, min(2, len(tiles), asked.tiles - row.tiles)):
                if not row.tiles:
                    Row().add(tile, pool)  # kernels are loaded
                if (missed := row.add(tile, pool)) and asked.every:
                    print(f"{path}, tile {tile.number}: {missed}")
            if row.tiles == asked.tiles:
                break
        if row.tiles:
            print(f"{'/'.join(folder.parts[-2:]):16} {row}", flush=True)


if __name__ == "__main__":
    main()
