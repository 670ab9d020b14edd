"""The measures that networks may learn by, side by side: the scales of jobs/recipes/networks/distortion.py.

    python infra/bench/learned/measures.py photos/eval [--pictures 21]

A line for each level of cnn-ae: PSNR, and squared error over 1 - MS-SSIM and over the squared mean absolute error times
pi / 2, means over centres of 256 x 256. A measure that is scaled by one of these ratios weighs as squared error there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.learned.leveled import LeveledCodec
from tilepress.codecs.registry import load_codec, resolve
from tilepress.jobs.recipes.networks.distortion import absolute, squared_error
from tilepress.jobs.recipes.networks.similarity import ms_ssim

SIDE = 256
SPEC = TileSpec(SIDE, SIDE, 3, "uint8", 8, "rgb")


def centres(folder: Path, count: int) -> np.ndarray:
    """Return the middles of the first pictures of a folder, uint8 (n, SIDE, SIDE, 3)."""
    found = []
    for path in sorted(folder.rglob("*.png"))[:count]:
        image = np.asarray(Image.open(path).convert("RGB"))
        top, left = ((side - SIDE) // 2 for side in image.shape[:2])
        found.append(image[top : top + SIDE, left : left + SIDE])
    return np.stack(found)


def figures(decoded: np.ndarray, tiles: np.ndarray) -> tuple[float, float, float]:
    """Return PSNR in dB, and squared error over both other measures."""
    pair = [torch.from_numpy(each).movedim(-1, 1).float() / 255 for each in (decoded, tiles)]
    squares = float(squared_error(*pair).mean())
    structure, amounts = float(1 - ms_ssim(*pair).mean()), float(absolute(*pair).mean())
    return float(-10 * np.log10(squares)), squares / structure, squares / amounts


def main() -> None:
    """Read the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=21)
    options = parser.parse_args()
    choice = resolve("cnn-ae")
    codec = load_codec(choice.codec_id, choice.model_folder)
    assert isinstance(codec, LeveledCodec)
    tiles = centres(options.folder, options.pictures)
    print("| quality | PSNR, dB | to 1 - MS-SSIM | to absolute error |\n|--:|--:|--:|--:|")
    for level in range(len(codec.levels)):
        quality = -(-100 * level // len(codec.levels)) + 1
        psnr, structure, amounts = figures(codec.decode(codec.encode(tiles, SPEC, Settings(quality)), SPEC), tiles)
        print(f"| {quality} | {psnr:.2f} | {structure:.4f} | {amounts:.3f} |")


if __name__ == "__main__":
    main()
