"""The trainings of block_dnn.py: recipes of tilepress over blocks drawn once, so that epochs can be counted."""

from __future__ import annotations

import argparse
import math
import sys
import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from tilepress.codecs.learned.block.codec import BlockCodec
from tilepress.codecs.learned.block.dnn import BlockDnn
from tilepress.codecs.learned.block.pca import Pca
from tilepress.codecs.model import Model
from tilepress.jobs.recipes.block.dnn import BlockDnnRecipe
from tilepress.jobs.recipes.block.pca import PcaRecipe
from tilepress.jobs.recipes.recipe import Recipe

RATIOS = (4, 8, 16)
BLOCK = 16
BATCH = 128
STEPS = [96.0, 64.0, 40.0, 24.0, 16.0, 8.0]  # of quantisation
EXPORTED = 30  # images that entropy models are fitted to
HELD_IMAGES = 8  # images that choose the level


@dataclass(frozen=True)
class Data:
    """Blocks uint8 (m, 16, 16, 1) for the training and held out, and whole images."""

    training: torch.Tensor
    held_out: torch.Tensor
    tiles: list[np.ndarray]
    held_images: list[np.ndarray]


@dataclass(frozen=True)
class Trained:
    """A network and how it came about: MSE after every epoch on training blocks and on held-out ones."""

    recipe: Recipe
    network: torch.nn.Module
    tiles: list[np.ndarray]
    training: list[float]
    held_out: list[float]

    @cached_property
    def codec(self) -> BlockCodec:
        """The network as a codec, with real bytes."""
        record: dict[str, Any] = {"mse": self.held_out[-1]}
        model: Model = self.recipe.export(self.network, self.tiles, record, "of the training images")
        return BlockDnn(model) if model.codec_id == "block-dnn" else Pca(model)


def draw(images: list[np.ndarray], options: argparse.Namespace) -> Data:
    """`options.blocks` blocks, and a fifth as many of every tenth image."""
    if len(images) < 10:
        sys.exit("the training folder must hold ten images or more")
    rng = np.random.default_rng(options.seed)
    whole = [image[: image.shape[0] // BLOCK * BLOCK, : image.shape[1] // BLOCK * BLOCK] for image in images]
    kept = [image for i, image in enumerate(whole) if i % 10]
    held = whole[::10]
    parts = [_blocks(part, count, rng) for part, count in ((kept, options.blocks), (held, options.blocks // 5))]
    return Data(*parts, [image[:, :, None] for image in kept[:: max(1, len(kept) // EXPORTED)]], held[:HELD_IMAGES])


def _blocks(images: list[np.ndarray], count: int, rng: np.random.Generator) -> torch.Tensor:
    cut = [i.reshape(-1, BLOCK, i.shape[1] // BLOCK, BLOCK).swapaxes(1, 2).reshape(-1, BLOCK, BLOCK) for i in images]
    blocks = np.concatenate(cut)
    return torch.from_numpy(blocks[rng.permutation(len(blocks))[:count], :, :, None])


def fit_pca(ratio: int, data: Data) -> Trained:
    """The principal components of the training blocks."""
    recipe = PcaRecipe({"colour": "gray", "ratio": ratio, "quantisation_steps": STEPS})
    network = recipe.build()
    recipe.initialise(network, data.training)
    curves = [[_mse(recipe, network, blocks)] for blocks in (data.training, data.held_out)]
    return Trained(recipe, network.eval(), data.tiles, *curves)


def train(ratio: int, activation: str, data: Data, options: argparse.Namespace) -> Trained:
    """Adam on the squared error from a random start; the learning rate falls along a cosine."""
    torch.manual_seed(options.seed)
    model = {"colour": "gray", "ratio": ratio, "activation": activation, "init": "random", "quantisation_steps": STEPS}
    recipe = BlockDnnRecipe(model)
    network = recipe.build()
    optimiser = torch.optim.Adam(network.parameters(), lr=options.lr)
    curves: tuple[list[float], list[float]] = ([], [])
    begin = time.process_time()
    for epoch in range(options.epochs):
        optimiser.param_groups[0]["lr"] = options.lr * 0.5 * (1 + math.cos(math.pi * epoch / options.epochs))
        network.train()
        for batch in torch.split(data.training[torch.randperm(len(data.training))], BATCH):
            optimiser.zero_grad()
            recipe.loss(network, batch).total.backward()
            optimiser.step()
        for curve, blocks in zip(curves, (data.training, data.held_out), strict=True):
            curve.append(_mse(recipe, network, blocks))
    seconds = time.process_time() - begin
    print(f"{ratio}:1 {activation}: MSE {curves[1][-1]:.5f} held out, {seconds:.0f} CPU s", file=sys.stderr, flush=True)
    return Trained(recipe, network.eval(), data.tiles, *curves)


@torch.no_grad()
def _mse(recipe: Recipe, network: torch.nn.Module, blocks: torch.Tensor) -> float:
    network.eval()
    parts = torch.split(blocks, 4096)
    return sum(float(recipe.loss(network, p).figures["mse"]) * len(p) for p in parts) / len(blocks)
