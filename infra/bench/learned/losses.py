"""What each loss buys: one family trained on from the same model by each of them, compared at equal bytes.

    python infra/bench/learned/losses.py photos/train photos/eval --out losses [--steps 2000] [--only features]

Every row is `tilepress train FAMILY --from MODEL` for as many steps, the first by squared error alone. A model codes
the centres of the pictures at each of its qualities; bytes and measures are means over pictures, measures between
qualities interpolated over the logarithm of bytes.
PSNR, MS-SSIM and SSIMULACRA 2 are better the larger, the distance of textures is better the smaller. A model in `--out`
is not trained again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from measures import SPEC, centres, ssimulacra

import tilepress
from tilepress.codecs.codec import Settings
from tilepress.codecs.learned.leveled import LeveledCodec
from tilepress.codecs.registry import load_codec, resolve
from tilepress.pipeline.quality.metrics import distortion
from tilepress.pipeline.quality.texture import texture_distance

LOSSES: Mapping[str, list[str]] = {  # overrides of the recipe
    "squared error": [],
    "l1": ["measures={mse: 0, l1: 1}"],
    "ms_ssim": ["measures={mse: 0, ms_ssim: 1}"],
    "features": ["measures={mse: 0.5, features: 0.5}"],
    "features-alone": ["measures={mse: 0, features: 1}"],
    "adversarial": ["adversarial=0.01", "game=dcgan", "freeze=encoder"],
    "factorized": ["prior=factorized"],
}
FINE = ["lr=3e-4", "warmup=50", "minutes=0"]  # of a training that goes on
Figure = Callable[[np.ndarray, np.ndarray], float | None]  # of a decoded and a true picture


def figures() -> dict[str, Figure]:
    """Return what is measured, by the headings of the table."""
    return {
        "PSNR, dB": lambda decoded, image: distortion(image, decoded, 255).psnr,
        "MS-SSIM": lambda decoded, image: distortion(image, decoded, 255).ms_ssim,
        "texture": lambda decoded, image: texture_distance(image, decoded, 255),
        "SSIMULACRA 2": ssimulacra,
    }


@dataclass(frozen=True)
class Curve:
    """Bits per pixel at each quality, rising, and the mean of each figure there."""

    rates: np.ndarray
    means: dict[str, np.ndarray]

    def at(self, rate: float) -> list[float]:
        """Return the figures at a rate, in their order. ValueError if the model does not reach it."""
        if not self.rates[0] <= rate <= self.rates[-1]:
            raise ValueError(f"{rate} bits per pixel are not within {self.rates[0]:.2f} to {self.rates[-1]:.2f}")
        return [float(np.interp(np.log(rate), np.log(self.rates), mean)) for mean in self.means.values()]


def curve(model: str, tiles: np.ndarray, view: str | None = None) -> Curve:
    """Return the curve of a model over tiles uint8 (n, h, w, 3); those that a figure says nothing of are left out."""
    choice = resolve(model)
    codec = load_codec(choice.codec_id, choice.model_folder)
    assert isinstance(codec, LeveledCodec)
    rates, rows, measured = [], [], figures()
    for level in range(len(codec.levels)):
        streams = codec.encode(tiles, SPEC, Settings(-(-100 * level // len(codec.levels)) + 1))
        rates.append(8 * sum(map(len, streams)) / tiles[..., 0].size)
        decoded = (codec.view(view) if view else codec).decode(streams, SPEC)
        found = [[figure(*pair) for pair in zip(decoded, tiles, strict=True)] for figure in measured.values()]
        rows.append([np.mean([value for value in values if value is not None]) for values in found])
    return Curve(np.array(rates), dict(zip(measured, np.array(rows).T, strict=True)))


def trained(family: str, start: str, data: str, out: Path, overrides: list[str]) -> str:
    """Return the folder of a model that went on from `start`, trained unless it is there."""
    tilepress.train(family, data=data, out=out, start=start, overrides=overrides, engine="local")
    return str(out)


def row(name: str, found: Curve, base: Curve, rate: float) -> str:
    """Return the line of a loss: figures, and by how much they are above those of `base`."""
    pairs = zip(found.at(rate), base.at(rate), strict=True)
    return f"| {name} |" + "".join(f" {one:.4g} ({one - other:+.3f}) |" for one, other in pairs)


def main() -> None:
    """Read the arguments, train, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="to learn from")
    parser.add_argument("folder", type=Path, help="to measure with")
    parser.add_argument("--out", type=Path, required=True, help="folder of models")
    parser.add_argument("--family", default="cnn-ae")
    parser.add_argument("--start", help="model; the family's own if not given")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="of all recipes")
    parser.add_argument("--pictures", type=int, default=21)
    parser.add_argument("--rates", type=float, nargs="+", default=[0.25, 0.5, 1.0], help="bits per pixel")
    parser.add_argument("--only", nargs="+", choices=LOSSES, default=list(LOSSES), help="besides squared error")
    options = parser.parse_args()
    torch.set_num_threads(1)
    tiles, start = centres(options.folder, options.pictures), options.start or options.family
    curves = {"before": curve(start, tiles)}
    for name in dict.fromkeys(["squared error", *options.only]):
        keys = [f"steps={options.steps}", *FINE, *options.set, *LOSSES[name]]
        model = trained(options.family, start, options.data, options.out / name.replace(" ", "-"), keys)
        curves[name] = curve(model, tiles)
        print(f"{name}: {', '.join(keys)}", flush=True)
    for rate in options.rates:
        print(f"\nAt {rate:g} bits per pixel (and more than by squared error):\n")
        print(f"| {options.family} |" + "".join(f" {name} |" for name in figures()))
        print("|---|" + "--:|" * len(figures()))
        for name, found in curves.items():
            print(row(name, found, curves["squared error"], rate))


if __name__ == "__main__":
    main()
