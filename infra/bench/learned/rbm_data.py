"""What the shipped `rbm-autoencoder` learns from: digits, blocks of photographs and ramps, a folder of small PNG files.

    python infra/bench/learned/rbm_data.py mnist/train-images-idx3-ubyte.gz photos/train OUT
    tilepress train rbm-autoencoder --data OUT --out MODEL

OUT gets the first 20,000 digits, 28 x 28 blocks of planes as the codec makes them of photographs (two of luma for one
of each colour difference), and drawn ramps, flat beyond a corner as incomplete blocks are. Without those, a model of
digits would know of black and white alone.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import tilepress
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.planes.blocks import to_blocks
from tilepress.codecs.planes.frame import frames

SIDE = 28
PLANES = (0, 0, 1, 2)  # of which blocks are drawn in turn


def blocks_of(path: Path) -> np.ndarray:
    """uint8 (3, blocks, SIDE, SIDE): luma and colour differences of a photograph, incomplete blocks left out."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    height, width = (side // SIDE * SIDE for side in pixels.shape[:2])
    spec = TileSpec(height, width, 3, "uint8", 8, "rgb")
    tiles = pixels[None, :height, :width]
    there = torch.from_numpy(tiles.copy())
    blocks = to_blocks(there, spec, frames(there, spec), SIDE)[0].numpy() * 256
    return np.clip(np.rint(blocks), 0, 255).astype(np.uint8).reshape(3, -1, SIDE, SIDE)


def write_blocks(photos: Path, folder: Path, each: int) -> int:
    """Write `each` blocks of every photograph; return how many there are."""
    rng, count = np.random.default_rng(1), 0
    folder.mkdir(parents=True)
    for path in sorted(photos.glob("*.png")):
        blocks = blocks_of(path)
        for place in rng.permutation(blocks.shape[1])[:each]:
            Image.fromarray(blocks[PLANES[count % len(PLANES)], place]).save(folder / f"{count:05}.png")
            count += 1
    return count


def write_ramps(folder: Path, count: int) -> None:
    """Write planes of any direction, steepness and levels, each up to a row and a column."""
    rng = np.random.default_rng(2)
    folder.mkdir(parents=True)
    for number in range(count):
        y, x = (np.minimum(np.arange(SIDE), rng.integers(1, SIDE + 1)) * rng.normal() for _ in range(2))
        ramp = y[:, None] + x[None, :]
        ramp = (ramp - ramp.min()) / max(np.ptp(ramp), 1e-9)
        first, last = rng.uniform(-20, 275, 2)
        block = np.clip(np.rint(first + (last - first) * ramp), 0, 255).astype(np.uint8)
        Image.fromarray(block).save(folder / f"{number:05}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("digits")
    parser.add_argument("photos", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=20_000, help="digits")
    parser.add_argument("--each", type=int, default=32, help="blocks of a photograph")
    parser.add_argument("--ramps", type=int, default=4_000)
    options = parser.parse_args()
    blocks = write_blocks(options.photos, options.out / "blocks", options.each)
    report = tilepress.import_arrays(options.digits, options.out / "digits", limit=options.count)
    write_ramps(options.out / "ramps", options.ramps)
    digits = sum(report.images.values())
    print(f"{digits} digits, {blocks} blocks of photographs and {options.ramps} ramps in {options.out}")


if __name__ == "__main__":
    main()
