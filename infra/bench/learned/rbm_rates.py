"""The tables of rbm.py: real bytes of stacks of digits, by rbm-autoencoder, PCA, JPEG and lossless codecs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from rbm_training import SIDE, Digits, Run, published

from tilepress.codecs.codec import Codec, Settings, TileSpec
from tilepress.codecs.learned.block.pca import Pca
from tilepress.codecs.learned.rbm.codec import BINARY, RbmAutoencoder
from tilepress.codecs.registry import load_codec, resolve
from tilepress.jobs.recipes.block.pca import PcaRecipe
from tilepress.pipeline.coding.stacks import cells_across, mosaic

TILE = 512
EXPORTED = 8_000  # digits that probability tables are fitted to
PCA_STEPS = [256.0, 192.0, 128.0, 96.0, 64.0, 32.0, 16.0]  # of quantisation
JPEG_QUALITIES = (1, 5, 10, 20, 30, 50, 75)
LOSSLESS = ("jpegxl", "lossless")
COARSE = 15  # steps of the coarse quantisers


@dataclass(frozen=True)
class Coded:
    """What digits became: bytes a digit, squared error of one, and the share of pixels that view `binary` has wrong."""

    size: float
    error: float
    binary: float = 0.0

    @property
    def psnr(self) -> float:
        """In dB."""
        return float(10 * np.log10(SIDE * SIDE / max(self.error, 1e-9)))

    def cells(self) -> str:
        """Of Markdown: bytes, squared error, dB."""
        return f"{self.size:.1f} | {self.error:.3f} | {self.psnr:.2f}"


def stacks(digits: np.ndarray) -> Iterator[np.ndarray]:
    """The stacks that an archive makes of digits."""
    across, down = cells_across(SIDE, SIDE, TILE)
    for first in range(0, len(digits), across * down):
        yield mosaic(list(digits[first : first + across * down]), TILE)


def cells_of(stack: np.ndarray) -> np.ndarray:
    """The digits of a stack, float64 (cells, pixels) of full scale 1."""
    cut = stack.reshape(stack.shape[0] // SIDE, SIDE, stack.shape[1] // SIDE, SIDE).swapaxes(1, 2)
    return cut.reshape(-1, SIDE * SIDE).astype(np.float64) / 255


def coded(codec: Codec, digits: np.ndarray, quality: int | None = None) -> Coded:
    """Real bytes, decoded again; cells that repeat the last digit cost bytes and are not judged."""
    size, decoded, seen = 0, [], []
    for stack in stacks(digits):
        spec = TileSpec(*stack.shape, "uint8", 8, "gray")
        streams = codec.encode(stack[None], spec, Settings(quality=quality))
        size += len(streams[0])
        decoded.append(cells_of(codec.decode(streams, spec)[0]))
        if BINARY in codec.views:
            seen.append(cells_of(codec.view(BINARY).decode(streams, spec)[0]))
    real = digits.reshape(len(digits), -1) / 255
    wrong = np.mean((np.concatenate(seen)[: len(real)] > 0.5) != (real > 0.5)) if seen else 0.0
    error = ((np.concatenate(decoded)[: len(real)] - real) ** 2).sum(axis=1).mean()
    return Coded(size / len(real), float(error), float(wrong))


def exported(run: Run, digits: Digits, **changes: object) -> RbmAutoencoder:
    """A trained network as a codec."""
    recipe = published(start=run.start, **changes)
    return RbmAutoencoder(recipe.export(run.network, list(digits.training[:EXPORTED]), {}, "of MNIST"))


def fixed_table(runs: list[Run], digits: Digits) -> str:
    """Markdown: the published format, and what quantisers, entropy coding and the threshold do to it."""
    lines = [
        "| start | codes | bytes | squared error | dB | wrong pixels of view `binary` |",
        "|---|---|--:|--:|--:|--:|",
    ]
    ways = [(255, "uniform", "fixed"), (255, "kmeans", "fixed"), (255, "uniform", "entropy")]
    ways += [(COARSE, "uniform", "entropy"), (COARSE, "kmeans", "entropy")]
    for run in runs:
        for steps, quantiser, coder in ways:
            codec = exported(run, digits, quantisation_steps=[steps], quantiser=quantiser, coder=coder)
            found = coded(codec, digits.test)
            name = f"{run.start}, {run.optimiser} | {steps + 1} values, {quantiser}, {coder}"
            lines.append(f"| {name} | {found.cells()} | {100 * found.binary:.2f} % |")
    error, clipped = pca_errors(digits, 196)
    lines.append(f"| – | PCA, 196 coefficients as floats | – | {error:.3f} | {_db(error):.2f} | |")
    lines.append(f"| – | the same, clipped to black and white | – | {clipped:.3f} | {_db(clipped):.2f} | |")
    return "\n".join(lines) + "\n"


def pca_errors(digits: Digits, count: int) -> tuple[float, float]:
    """Squared error of so many principal components, and of what they give, clipped to 0..1."""
    train, test = (part.reshape(len(part), -1) / 255 for part in (digits.training, digits.test))
    mean = train.mean(axis=0)
    basis = np.linalg.eigh(np.cov(train.T))[1][:, ::-1][:, :count]
    decoded = (test - mean) @ basis @ basis.T + mean
    error, clipped = (((each - test) ** 2).sum(axis=1).mean() for each in (decoded, np.clip(decoded, 0, 1)))
    return float(error), float(clipped)


def _db(error: float) -> float:
    return float(10 * np.log10(SIDE * SIDE / error))


def byte_table(run: Run, digits: Digits) -> str:
    """Markdown: rates of the shipped model, the best published network, PCA, JPEG, and lossless codecs."""
    lines = ["| codec | bytes | squared error | dB |", "|---|--:|--:|--:|"]
    shipped = load_codec("rbm-autoencoder", resolve("rbm-autoencoder").model_folder)
    assert isinstance(shipped, RbmAutoencoder)
    many = exported(run, digits, quantisation_steps=[5, 15, 51, 255], coder="entropy")
    for name, codec in (
        ("`rbm-autoencoder`, shipped", shipped),
        (f"784-1000-500-196, {run.start}, {run.optimiser}", many),
        ("PCA of 28 x 28, 56 coefficients", pca(digits, 14)),
        ("PCA of 28 x 28, 196 coefficients", pca(digits, 4)),
    ):
        for quality in _qualities(codec):
            lines.append(f"| {name} | {coded(codec, digits.test, quality).cells()} |")
    for quality in JPEG_QUALITIES:
        lines.append(f"| JPEG, quality {quality} | {coded(load_codec('jpeg'), digits.test, quality).cells()} |")
    for name in LOSSLESS:
        choice = resolve(name)
        lines.append(
            f"| `{name}`, lossless | {coded(load_codec(name, choice.model_folder), digits.test).size:.1f} | 0 | |"
        )
    return "\n".join(lines) + "\n"


def pca(digits: Digits, ratio: int) -> Pca:
    """The codec `pca` of digits, fitted to their stacks."""
    recipe = PcaRecipe({"colour": "gray", "block": SIDE, "ratio": ratio, "quantisation_steps": PCA_STEPS})
    network = recipe.build()
    recipe.initialise(network, torch.from_numpy(digits.training.copy()))
    side = TILE // SIDE * SIDE
    tiles = [stack[:side, :side] for stack in stacks(digits.training[:EXPORTED])]
    return Pca(recipe.export(network.eval(), tiles, {}, "of MNIST"))


def _qualities(codec: RbmAutoencoder | Pca) -> list[int]:
    """One of each level, coarse to fine."""
    found = {codec.level_of(quality): quality for quality in range(1, 101)}
    return [found[level] for level in sorted(found)]
