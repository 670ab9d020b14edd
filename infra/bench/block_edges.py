"""Block edges of `cnn-ae`: pictures cut into blocks side by side, into overlapping blocks, and not at all.

    .venv/bin/python infra/bench/block_edges.py /path/to/photos [--model cnn-ae] [--blocks-model DIR] [--png edges.png]

For each way and quality, over all images: bits per pixel, PSNR, PSNR of the samples next to block borders, and how
much stronger the steps between neighbouring samples are across borders (`edges`) than between other latents, and
between latents (`cells`) than within what one latent stands for, both relative to the original: 1.00 is invisible.
Borders of overlapping blocks are where an overlap begins and where it ends; of whole
pictures, the same places as those of blocks side by side. The PNG shows the crop with the strongest edges.

`--model` is one model, put to all three uses. One trained on blocks (`tilepress train cnn-ae block=32 crop=64`) knows
their borders: with `--blocks-model` it is measured in the first two ways too.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from tilepress.codecs import registry
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.learned.cnn_ae.codec import CnnAe
from tilepress.codecs.model import Model

BLOCK = 32
CROP, ZOOM, CAPTION = 96, 4, 14


@dataclass
class Way:
    """One way to cut, at one quality, and what is added up for it.

    Index 0: at borders of blocks, 1: at other borders of latents, 2: elsewhere.
    """

    name: str
    codec: CnnAe
    quality: int
    bytes: int = 0
    pixels: int = 0
    squares: list[float] = field(default_factory=lambda: [0.0] * 3)
    samples: list[int] = field(default_factory=lambda: [0] * 3)
    steps: list[float] = field(default_factory=lambda: [0.0] * 3)  # sum of |differences| of neighbours
    original_steps: list[float] = field(default_factory=lambda: [0.0] * 3)
    pairs: list[int] = field(default_factory=lambda: [0] * 3)

    def add(self, image: np.ndarray) -> np.ndarray:
        """Measure an image (h, w, 3); gives it as decoded."""
        spec = TileSpec(*image.shape[:2], 3, "uint8", 8, "rgb")
        (stream,) = self.codec.encode(image[None], spec, Settings(quality=self.quality))
        decoded: np.ndarray = self.codec.decode([stream], spec)[0]
        self.bytes += len(stream)
        self.pixels += image.shape[0] * image.shape[1]
        for axis in (0, 1):
            self._add_axis(np.moveaxis(image.astype(np.int64), axis, 0), np.moveaxis(decoded.astype(np.int64), axis, 0))
        return decoded

    def _add_axis(self, image: np.ndarray, decoded: np.ndarray) -> None:
        kinds = np.full(len(image) - 1, 2)  # of the steps from one sample to the next
        kinds[self.codec.config.cut.stride - 1 :: self.codec.config.cut.stride] = 1
        kinds[[at - 1 for at in self.borders(len(image))]] = 0
        beside = np.minimum(np.append(kinds, 2), np.append(2, kinds))
        error = (decoded - image) ** 2
        for kind in range(3):
            self.steps[kind] += float(np.abs(np.diff(decoded, axis=0))[kinds == kind].sum())
            self.original_steps[kind] += float(np.abs(np.diff(image, axis=0))[kinds == kind].sum())
            self.pairs[kind] += int((kinds == kind).sum()) * image[0].size
            self.squares[kind] += float(error[beside == kind].sum())
            self.samples[kind] += int((beside == kind).sum()) * image[0].size

    def borders(self, side: int) -> list[int]:
        """First sample behind each border."""
        overlap = self.codec.config.overlap
        starts = range(BLOCK - overlap, side, BLOCK - overlap)
        return sorted({at for start in starts for at in (start, start + overlap) if at < side})

    def strength(self, here: int, there: int) -> float:
        """Steps of one kind against those of another, relative to the original's."""
        decoded, original = (
            (sums[here] / self.pairs[here]) / (sums[there] / self.pairs[there])
            for sums in (self.steps, self.original_steps)
        )
        return decoded / original

    def line(self) -> str:
        """The figures, in the columns of the table."""
        everywhere = sum(self.squares) / sum(self.samples)
        beside = self.squares[0] / self.samples[0]
        psnr, psnr_beside = (10 * np.log10(255**2 / mse) for mse in (everywhere, beside))
        rate = 8 * self.bytes / self.pixels
        edges, cells = self.strength(0, 1), self.strength(1, 2)
        return f"{self.name:<34}{self.quality:>8}{rate:>9.3f}{psnr:>9.2f}{psnr_beside:>12.2f}{edges:>8.3f}{cells:>8.3f}"


def load(name: str) -> Model:
    """A shipped model by name, or a model folder."""
    folder = registry.resolve(name).model_folder
    if folder is None:
        sys.exit(f"{name} is no cnn-ae model")
    return Model.load(folder)


def ways_of(models: dict[str, Model], overlaps: list[int], qualities: list[int]) -> Iterator[Way]:
    """Every model in every way that suits it."""
    for note, model in models.items():
        cuts = [("side by side", BLOCK, 0, 0), *((f"overlapping by {n}", BLOCK, n, 0) for n in overlaps)]
        cuts += [] if note else [("whole", 0, 0, model.config["margin"])]
        for name, block, overlap, margin in cuts:
            config = {**model.config, "block": block, "overlap": overlap, "margin": margin}
            codec = CnnAe(replace(model, config=config))
            for quality in qualities:
                yield Way(name + note, codec, quality)


def strongest(image: np.ndarray, decoded: np.ndarray) -> tuple[float, int, int]:
    """Where the block borders stand out most from their surroundings: (by how much, y, x) of a crop."""
    extra = np.zeros(image.shape[:2])
    columns, rows = np.arange(BLOCK, image.shape[1], BLOCK), np.arange(BLOCK, image.shape[0], BLOCK)
    new, old = decoded.astype(np.int64), image.astype(np.int64)
    extra[:, columns] += np.abs((new - old)[:, columns] - (new - old)[:, columns - 1]).sum(axis=2)
    extra[rows] += np.abs((new - old)[rows] - (new - old)[rows - 1]).sum(axis=2)
    extra /= 8 + np.abs(np.gradient(old.mean(axis=2))).sum(axis=0)  # edges show where the picture is smooth
    total = np.pad(extra.cumsum(axis=0).cumsum(axis=1), [(1, 0), (1, 0)])
    inside = total[CROP:, CROP:] - total[:-CROP, CROP:] - total[CROP:, :-CROP] + total[:-CROP, :-CROP]
    y, x = np.unravel_index(inside.argmax(), inside.shape)
    return float(inside.max()), int(y), int(x)


def draw(panels: list[tuple[str, np.ndarray]], path: Path) -> None:
    """Crops side by side, enlarged, under their names."""
    side = CROP * ZOOM
    sheet = Image.new("RGB", (len(panels) * (side + 4), side + CAPTION), "white")
    for i, (name, crop) in enumerate(panels):
        sheet.paste(Image.fromarray(crop).resize((side, side), Image.Resampling.NEAREST), (i * (side + 4), CAPTION))
        ImageDraw.Draw(sheet).text((i * (side + 4), 1), name, fill="black")
    sheet.save(path)


def main() -> None:
    """Read the arguments, run, print the table, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="cnn-ae")
    parser.add_argument("--blocks-model", help="a model trained on blocks, measured beside the other")
    parser.add_argument("--overlap", type=int, action="append", help="pixels (default 4 and 8)")
    parser.add_argument("--quality", type=int, action="append", help="1..100 (default 1, 38 and 75)")
    parser.add_argument("--limit", type=int, default=100, help="images")
    parser.add_argument("--png", type=Path, default=Path("block-edges.png"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    models = {"": load(options.model)}
    if options.blocks_model:
        models[", trained so"] = load(options.blocks_model)
    ways = list(ways_of(models, options.overlap or [4, 8], sorted(options.quality or [1, 38, 75])))
    report(sorted(options.folder.rglob("*.png"))[: options.limit], ways, options.png)


def report(paths: list[Path], ways: list[Way], png: Path) -> None:
    """Run all ways over all images."""
    best: tuple[float, list[tuple[str, np.ndarray]]] = (0.0, [])
    lowest = min(way.quality for way in ways)
    for path in paths:
        with Image.open(path) as file:
            image = np.asarray(file.convert("RGB"))
        decoded = [(way, way.add(image)) for way in ways]
        shown = [(way.name, picture) for way, picture in decoded if way.quality == lowest]
        score, y, x = strongest(image, shown[0][1])
        if score > best[0]:
            crops = [(name, p[y : y + CROP, x : x + CROP]) for name, p in [("original", image), *shown]]
            best = score, crops
    print(f"{len(paths)} images, blocks of {BLOCK}")
    print(f"{'way':<34}{'quality':>8}{'bpp':>9}{'PSNR':>9}{'at borders':>12}{'edges':>8}{'cells':>8}")
    for way in sorted(ways, key=lambda way: way.quality):
        print(way.line())
    draw(best[1], png)
    print(f"drawn at quality {lowest}: {png}")


if __name__ == "__main__":
    main()
