"""The trainings of rbm.py: the published network from three starts under two optimisers, its error after every epoch.

A run that was finished is read from the folder of work, so that the study goes on where it was stopped.
"""

from __future__ import annotations

import gzip
import json
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from tilepress.jobs.recipes.rbm.boltzmann import Machine, pretrain
from tilepress.jobs.recipes.rbm.network import MirroredAutoencoder
from tilepress.jobs.recipes.rbm.recipe import RbmAutoencoderRecipe

SIDE, PIXELS = 28, 28 * 28
LAYERS = (1000, 500, 196)
RATES = {  # learning rates by start and optimiser: the best of five or six for SGD and for klt, else the usual one
    ("random", "SGD"): 1e-3,
    ("random", "Adam"): 1e-3,
    ("scaled", "Adam"): 1e-3,
    ("machines", "SGD"): 0.03,
    ("machines", "Adam"): 1e-3,
    ("klt", "SGD"): 1e-6,
    ("klt", "Adam"): 3e-4,
}
STARTS = tuple(dict.fromkeys(start for start, _ in RATES))
BATCH = 100
MACHINE_EPOCHS = 10
_HEADER = 16  # bytes of an idx file of images
_WARMUP = 200  # steps
_SEED = 1


@dataclass(frozen=True)
class Digits:
    """uint8 (m, SIDE, SIDE, 1) each: to learn from, and to test with."""

    training: np.ndarray
    test: np.ndarray


@dataclass(frozen=True)
class Run:
    """A trained network: its start, optimiser, errors on the test digits before and after every epoch, CPU seconds.

    An error is the squared error of a digit, summed over its pixels, full scale 1, of codes of 8 bits in floats.
    """

    start: str
    optimiser: str
    errors: list[float]
    seconds: float
    network: MirroredAutoencoder


def read_digits(folder: Path, training: int, test: int) -> Digits:
    """The first so many digits of both files of MNIST."""
    parts = []
    for name, count in (("train", training), ("t10k", test)):
        data = gzip.decompress((folder / f"{name}-images-idx3-ubyte.gz").read_bytes())
        parts.append(np.frombuffer(data, np.uint8, count * PIXELS, _HEADER).reshape(-1, SIDE, SIDE, 1))
    return Digits(*parts)


def published(**changes: object) -> RbmAutoencoderRecipe:
    """The recipe of the published configuration."""
    return RbmAutoencoderRecipe({"layers": list(LAYERS), "coder": "fixed", "weight_bits": 16, **changes})


def trained(start: str, optimiser: str, digits: Digits, epochs: int, work: Path) -> Run:
    """A run, of the folder of work or anew."""
    facts, weights = work / f"{start}-{optimiser}-{epochs}.json", work / f"{start}-{optimiser}-{epochs}.safetensors"
    torch.manual_seed(_SEED)
    network = published(start=start).build()
    if not facts.exists():
        began = time.process_time()
        begin(network, start, digits, work)
        errors = list(_learn(network, optimiser, RATES[start, optimiser], digits, epochs))
        save_file(network.state_dict(), str(weights))
        facts.write_text(json.dumps({"errors": errors, "seconds": time.process_time() - began}))
    network.load_state_dict(load_file(str(weights)))
    return Run(start, optimiser, network=network.eval(), **json.loads(facts.read_text()))


def begin(network: MirroredAutoencoder, start: str, digits: Digits, work: Path) -> None:
    """Start a network; machines are trained once."""
    blocks = _blocks(digits.training)
    if start == "klt":
        network.begin_with_klt(blocks)
    if start == "scaled":
        network.begin_scaled(blocks.mean(dim=0))
    if start == "machines":
        network.unroll(_machines(blocks, work / "machines.safetensors"))


def _machines(blocks: torch.Tensor, path: Path) -> list[Machine]:
    if not path.exists():
        began = time.process_time()
        made = pretrain(blocks, LAYERS, MACHINE_EPOCHS, _SEED)
        path.with_suffix(".txt").write_text(f"{time.process_time() - began:.0f}\n")
        save_file({f"{i}.{name}": part for i, one in enumerate(made) for name, part in vars(one).items()}, str(path))
    parts = load_file(str(path))
    return [Machine(*(parts[f"{i}.{name}"] for name in ("weight", "hidden", "visible"))) for i in range(len(LAYERS))]


def _blocks(digits: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(digits.reshape(-1, PIXELS)).float() / 256


def _learn(network: MirroredAutoencoder, name: str, rate: float, digits: Digits, epochs: int) -> Iterator[float]:
    """Yield the error before the first epoch and after each."""
    recipe, crops = published(), torch.from_numpy(digits.training.copy())
    parameters = list(network.parameters())
    optimiser = torch.optim.Adam(parameters) if name == "Adam" else torch.optim.SGD(parameters, lr=1, momentum=0.9)
    step, steps = 0, epochs * len(crops) // BATCH
    yield error_of(network, digits.test)
    for _ in range(epochs):
        network.train()
        for chosen in torch.split(torch.randperm(len(crops)), BATCH):
            cosine = 0.5 * (1 + math.cos(math.pi * step / steps))
            optimiser.param_groups[0]["lr"] = rate * cosine * min(1, (step + 1) / _WARMUP)
            optimiser.zero_grad()
            torch.autograd.backward(recipe.loss(network, crops[chosen]).total)
            optimiser.step()
            step += 1
        yield error_of(network, digits.test)
        print(f"{name}: {step} steps, {time.process_time():.0f} CPU s", file=sys.stderr, flush=True)


@torch.no_grad()
def error_of(network: MirroredAutoencoder, digits: np.ndarray) -> float:
    """The error, as `Run` has it."""
    decoded = torch.sigmoid(network(_blocks(digits), torch.tensor([255.0]))) * 256
    pixels = torch.from_numpy(digits.reshape(-1, PIXELS).astype(np.float32))
    return float(((decoded - pixels) / 255).square().sum(dim=1).mean())
