"""The tables of the block autoencoder, made again: ReLU and sigmoid at 4:1, 8:1, 16:1, PCA, JPEG, JPEG 2000.

    .venv/bin/python infra/bench/block_dnn.py TRAINING_IMAGES STANDARD_IMAGES OUT [--epochs 60] [--blocks 40000]

Trains from random orthogonal weights (gray blocks of 16 x 16, squared error only, Adam) on one core,
in four CPU minutes. OUT gets `table.md` (also printed), and for every ratio a figure of MSE against epochs (SVG, PNG).
STANDARD_IMAGES holds lena, baboon, cameraman, peppers and boats; they are made gray as Pillow's "L" does.
An epoch is a pass over `--blocks` blocks, drawn once from TRAINING_IMAGES; every tenth image is held out.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import one_thread  # noqa: F401 - imported for its effect, before the libraries are loaded

# isort: split
import numpy as np
import torch
from block_dnn_training import BLOCK, RATIOS, Trained, draw, fit_pca, train
from PIL import Image

from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.learned.block.codec import BlockCodec

IMAGES = ("lena", "baboon", "cameraman", "peppers", "boats")
PUBLISHED = {  # dB, of IMAGES
    ("ReLU", 4): (30.48, 23.70, 28.02, 28.40, 26.68),
    ("ReLU", 8): (26.20, 22.56, 24.47, 24.02, 26.31),
    ("ReLU", 16): (25.19, 21.25, 24.54, 23.25, 24.11),
    ("sigmoid", 4): (27.30, 23.95, 27.07, 28.46, 26.13),
    ("sigmoid", 8): (24.37, 20.59, 23.24, 25.54, 24.54),
    ("sigmoid", 16): (22.78, 20.06, 21.53, 22.70, 22.44),
}
TARGETS = {4: 0.0019, 8: 0.0039}  # MSE whose epochs are counted
SUFFIXES = {".png", ".tif", ".tiff"}
TILE = 512
CLOSE = 0.1  # dB that quantisation may cost: the coarsest such level is taken


@dataclass(frozen=True)
class Row:
    """One line of the table: PSNR and bits per pixel of every image, None where there are none."""

    name: str
    psnr: tuple[float | None, ...]
    bits: tuple[float | None, ...]

    def line(self) -> str:
        """Markdown; means over the five images of 512 x 512."""
        cells = ["–" if value is None else f"{value:.2f}" for value in self.psnr]
        five = [value for value in self.psnr[:5] if value is not None]
        rates = [value for value in self.bits[:5] if value is not None]
        mean = f"{np.mean(five):.2f}" if len(five) == 5 else "–"
        rate = f"{np.mean(rates):.3f}" if len(rates) == 5 else "–"
        return f"| {' | '.join([self.name, *cells, mean, rate])} |"


def gray(path: Path) -> np.ndarray:
    """uint8 (h, w)."""
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))


def standard_images(folder: Path) -> list[np.ndarray]:
    """IMAGES at 512 x 512, the small one enlarged (bicubic), then that one as it is."""
    found = {path.stem.lower(): gray(path) for path in folder.iterdir() if path.suffix.lower() in SUFFIXES}
    missing = [name for name in IMAGES if name not in found]
    if missing:
        raise SystemExit(f"{folder} lacks {', '.join(missing)}")
    size = (TILE, TILE)
    large = [np.asarray(Image.fromarray(found[name]).resize(size, Image.Resampling.BICUBIC)) for name in IMAGES]
    return [*large, found["cameraman"]]


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """dB, of 8 bits."""
    return float(10 * np.log10(255**2 / np.mean((a.astype(np.float64) - b) ** 2)))


def coded(codec: BlockCodec, image: np.ndarray, quality: int) -> tuple[float, int]:
    """PSNR of what is decoded from real bytes, and their number."""
    spec = TileSpec(*image.shape, 1, "uint8", 8, "gray")
    streams = codec.encode(image[None, :, :, None], spec, Settings(quality=quality))
    return psnr(codec.decode(streams, spec)[0, :, :, 0], image), len(streams[0])


def float_psnr(trained: Trained, image: np.ndarray) -> float:
    """PSNR of the float network without quantisation of latents; pixels rounded."""
    rows, columns = image.shape[0] // BLOCK, image.shape[1] // BLOCK
    blocks = image.reshape(rows, BLOCK, columns, BLOCK).swapaxes(1, 2).reshape(-1, BLOCK * BLOCK)
    with torch.no_grad():
        out = trained.network(torch.from_numpy(blocks).float() / 256)
    decoded = (out[0] if isinstance(out, tuple) else out).numpy() * 256
    return psnr(np.clip(np.rint(decoded), 0, 255), blocks)


def quality_of(trained: Trained, held_out: list[np.ndarray]) -> int:
    """The coarsest level that costs less than CLOSE on the held-out images."""
    codec = trained.codec
    wanted = np.mean([float_psnr(trained, image) for image in held_out]) - CLOSE
    qualities = {codec.level_of(quality): quality for quality in range(100, 0, -1)}
    for level in sorted(qualities):
        if np.mean([coded(codec, image, qualities[level])[0] for image in held_out]) > wanted:
            return qualities[level]
    return 100


def learned_rows(name: str, trained: Trained, images: list[np.ndarray], quality: int) -> list[Row]:
    """As the float network would have it, and from real bytes."""
    results = [coded(trained.codec, image, quality) for image in images]
    bits = tuple(8 * size / image.size for (_, size), image in zip(results, images, strict=True))
    nothing = (None,) * len(images)
    return [
        Row(f"{name}, unquantised", tuple(float_psnr(trained, image) for image in images), nothing),
        Row(f"{name}, decoded", tuple(value for value, _ in results), bits),
    ]


def classical_row(name: str, images: list[np.ndarray], bits: tuple[float | None, ...]) -> Row:
    """JPEG or JPEG 2000 at no more than the same bytes; nothing where they need more at their lowest quality."""
    found = []
    for image, limit in zip(images, bits, strict=True):
        assert limit is not None
        found.append(best_within(name, image, int(limit * image.size / 8)))
    values = tuple(value for value, _ in found)
    rates = tuple(size and 8 * size / image.size for (_, size), image in zip(found, images, strict=True))
    return Row(f"{name} at the bits of ReLU", values, rates)


def best_within(name: str, image: np.ndarray, limit: int) -> tuple[float | None, float | None]:
    """PSNR and bytes of the best quality of at most `limit` bytes, by bisection."""
    import imagecodecs

    best: tuple[float | None, float | None] = (None, None)
    low, high = (1.0, 100.0) if name == "JPEG" else (5.0, 60.0)
    for _ in range(12):
        middle = (low + high) / 2
        if name == "JPEG":
            data = imagecodecs.jpeg8_encode(image, level=round(middle), optimize=True)
            decoded = imagecodecs.jpeg8_decode(data)
        else:  # the level is a PSNR; a bare code stream, the irreversible 9/7 transform
            data = imagecodecs.jpeg2k_encode(image, level=middle, codecformat="j2k", reversible=False)
            decoded = imagecodecs.jpeg2k_decode(data)
        if len(data) <= limit:
            low, best = middle, (psnr(decoded, image), float(len(data)))
        else:
            high = middle
    return best


def table(ratio: int, nets: dict[str, Trained], pca: Trained, images: list[np.ndarray], held: list[np.ndarray]) -> str:
    """Markdown of one ratio."""
    rows = [Row(f"published {n}", (*PUBLISHED[n, ratio], None), (None,) * 6) for n in nets]
    for name, trained in {**{f"ours {n}": t for n, t in nets.items()}, f"PCA, K = {BLOCK**2 // ratio}": pca}.items():
        rows += learned_rows(name, trained, images, quality_of(trained, held))
    relu = next(row for row in rows if row.name == "ours ReLU, decoded")
    rows += [classical_row(name, images, relu.bits) for name in ("JPEG", "JPEG 2000")]
    heads = ["PSNR, dB", *(name.title() for name in IMAGES), "Cameraman 256", "mean of 512", "bit/pixel"]
    lines = [f"## Neuron ratio {ratio}:1 (N = {BLOCK**2}, K = {BLOCK**2 // ratio})", "", f"| {' | '.join(heads)} |"]
    return "\n".join([*lines, "|---|" + "--:|" * (len(heads) - 1), *(row.line() for row in rows)])


def epochs_table(nets: dict[int, dict[str, Trained]], pcas: dict[int, Trained]) -> str:
    """Markdown: epochs until the targets, on the blocks of the training and on those held out."""
    lines = ["## Epochs to an MSE", "", "| | target | training blocks | held out | MSE at the end | PCA |"]
    lines.append("|---|--:|--:|--:|--:|--:|")
    for ratio, named in nets.items():
        for name, trained in named.items():
            target = TARGETS.get(ratio)
            epochs = [first_below(curve, target) for curve in (trained.training, trained.held_out)]
            ends = f"{trained.held_out[-1]:.5f} | {pcas[ratio].held_out[-1]:.5f}"
            lines.append(f"| {ratio}:1 {name} | {target or '–'} | {epochs[0]} | {epochs[1]} | {ends} |")
    return "\n".join(lines)


def first_below(curve: list[float], target: float | None) -> str:
    """Number of the first epoch below the target."""
    if target is None:
        return "–"
    return next((str(epoch) for epoch, mse in enumerate(curve, 1) if mse < target), f"not in {len(curve)}")


def figure(out: Path, ratio: int, nets: dict[str, Trained], pca: Trained) -> None:
    """MSE against epochs of one ratio."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    fig, axes = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
    for colour, (name, trained) in zip(("tab:blue", "tab:orange"), nets.items(), strict=True):
        epochs = range(1, len(trained.held_out) + 1)
        axes.plot(epochs, trained.held_out, color=colour, label=f"{name}, held out")
        axes.plot(epochs, trained.training, color=colour, lw=0.8, ls="--", label=f"{name}, training")
    axes.axhline(pca.held_out[-1], color="gray", lw=0.8, label="PCA, held out")
    if ratio in TARGETS:
        axes.axhline(TARGETS[ratio], color="gray", lw=0.8, ls=":", label=f"MSE {TARGETS[ratio]}")
    axes.set(xlabel="epoch", ylabel="MSE, full scale 1", yscale="log", title=f"{ratio}:1, blocks of 16 x 16, gray")
    axes.legend(fontsize=8)
    for suffix in ("svg", "png"):
        fig.savefig(out / f"mse-{ratio}.{suffix}", dpi=120)
    plt.close(fig)


def main() -> None:
    """Read the arguments, train, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("training", "standard", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--blocks", type=int, default=40_000)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    images = standard_images(options.standard)
    data = draw([gray(p) for p in sorted(options.training.rglob("*")) if p.suffix.lower() in SUFFIXES], options)
    options.out.mkdir(parents=True, exist_ok=True)
    nets: dict[int, dict[str, Trained]] = {}
    pcas: dict[int, Trained] = {}
    parts = []
    for ratio in RATIOS:
        pcas[ratio] = fit_pca(ratio, data)
        nets[ratio] = {name: train(ratio, name.lower(), data, options) for name in ("ReLU", "sigmoid")}
        figure(options.out, ratio, nets[ratio], pcas[ratio])
        parts.append(table(ratio, nets[ratio], pcas[ratio], images, data.held_images))
    text = "\n\n".join([*parts, epochs_table(nets, pcas)])
    (options.out / "table.md").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
