"""The measures that networks may learn by, side by side.

    python infra/bench/learned/measures.py photos/eval [--pictures 21] [--skip 12]

First the scales of jobs/recipes/networks/distortion.py. A line for each level of cnn-ae: PSNR, and squared error over
1 - MS-SSIM, over the distance of features, and over the squared mean absolute error times pi / 2, means over centres of
256 x 256. A measure that is scaled by one of these ratios weighs as squared error there.

Then what they know of looks. Each picture is impaired in nine ways (impairments.py), as badly as gives one PSNR, so
that squared error says nothing. The ways are ranked by each measure and by SSIMULACRA 2, and the ranks correlated
(Spearman), picture by picture: the mean is printed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from impairments import IMPAIRMENTS, Impairment
from PIL import Image
from scipy.stats import spearmanr

from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.learned.leveled import LeveledCodec
from tilepress.codecs.registry import load_codec, resolve
from tilepress.jobs.recipes.networks.distortion import absolute, squared_error
from tilepress.jobs.recipes.networks.features import feature_distance
from tilepress.jobs.recipes.networks.similarity import ms_ssim
from tilepress.pipeline.quality.ssimulacra2 import ssimulacra2

SIDE = 256
SPEC = TileSpec(SIDE, SIDE, 3, "uint8", 8, "rgb")
LEVELS = (26, 30, 34)  # dB
NEAR = 0.5  # dB that an impairment may be off
FEWEST = 5  # impairments of a picture that come so near, to be ranked
Measure = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # of pictures (n, 3, h, w) of full scale 1; large is bad
MEASURES: Mapping[str, Measure] = {
    "1 - MS-SSIM": lambda decoded, pictures: 1 - ms_ssim(decoded, pictures),
    "features": feature_distance,
    "absolute error": absolute,
}


def centres(folder: Path, count: int) -> np.ndarray:
    """Return the middles of the first pictures of a folder, uint8 (n, SIDE, SIDE, 3)."""
    found = []
    for path in sorted(folder.rglob("*.png"))[:count]:
        image = np.asarray(Image.open(path).convert("RGB"))
        top, left = ((side - SIDE) // 2 for side in image.shape[:2])
        found.append(image[top : top + SIDE, left : left + SIDE])
    return np.stack(found)


def of(measure: Measure, decoded: np.ndarray, tiles: np.ndarray) -> float:
    """Return the mean of a measure over tiles uint8 (n, h, w, 3)."""
    pair = [torch.from_numpy(each.copy()).movedim(-1, 1).float() / 255 for each in (decoded, tiles)]
    return float(measure(*pair).mean())


def scales(tiles: np.ndarray) -> None:
    """Print squared error over each measure, level by level."""
    choice = resolve("cnn-ae")
    codec = load_codec(choice.codec_id, choice.model_folder)
    assert isinstance(codec, LeveledCodec)
    print("| quality | PSNR, dB |" + "".join(f" to {name} |" for name in MEASURES))
    print("|--:|" + "--:|" * (1 + len(MEASURES)))
    for level in range(len(codec.levels)):
        quality = -(-100 * level // len(codec.levels)) + 1
        decoded = codec.decode(codec.encode(tiles, SPEC, Settings(quality)), SPEC)
        squares = of(squared_error, decoded, tiles)
        ratios = [squares / of(measure, decoded, tiles) for measure in MEASURES.values()]
        print(f"| {quality} | {-10 * np.log10(squares):.2f} |" + "".join(f" {ratio:.4f} |" for ratio in ratios))


def impaired(image: np.ndarray, how: Impairment, wanted: float) -> np.ndarray | None:
    """Return a picture with a squared error, by bisection of the strength; None if that is more than NEAR off."""
    low, high, tried, squares = 0.0, 1.0, image, 0.0
    for _ in range(9):
        middle = (low + high) / 2
        tried = how(image, middle, np.random.default_rng(1))
        squares = of(squared_error, tried[None], image[None])
        low, high = (middle, high) if squares < wanted else (low, middle)
    return tried if abs(10 * np.log10(squares / wanted)) < NEAR else None


def ssimulacra(decoded: np.ndarray, image: np.ndarray) -> float:
    """Return SSIMULACRA 2 of pictures uint8 (h, w, 3): 100 is the same."""
    found = ssimulacra2(image, decoded, 255)
    assert found is not None  # pictures are large enough
    return found


def ranks(tiles: np.ndarray, psnr: float) -> list[list[float]]:
    """Return the rank correlations with SSIMULACRA 2 of each of MEASURES, picture by picture."""
    found = []
    for image in tiles:
        tried = [impaired(image, how, 10 ** (-psnr / 10)) for how in IMPAIRMENTS.values()]
        seen = [each for each in tried if each is not None]
        if len(seen) >= FEWEST:
            looks = [-ssimulacra(each, image) for each in seen]
            ours = ([of(measure, each[None], image[None]) for each in seen] for measure in MEASURES.values())
            found.append([float(spearmanr(each, looks).statistic) for each in ours])
    return found


def main() -> None:
    """Read the arguments and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=21)
    parser.add_argument("--skip", type=int, default=0, help="pictures, in front of those")
    options = parser.parse_args()
    torch.set_num_threads(1)
    tiles = centres(options.folder, options.skip + options.pictures)[options.skip :]
    scales(tiles)
    print("\n| at | pictures |" + "".join(f" {name} |" for name in MEASURES))
    print("|--:|" + "--:|" * (1 + len(MEASURES)))
    for psnr in LEVELS:
        found = ranks(tiles, psnr)
        means = "".join(f" {mean:.2f} |" for mean in np.mean(found, axis=0))
        print(f"| {psnr} dB | {len(found)} |{means}", flush=True)


if __name__ == "__main__":
    main()
