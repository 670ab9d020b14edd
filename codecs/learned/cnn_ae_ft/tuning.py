"""Finds the changes of a synthesis that are worth their bytes for one image.

The integer synthesis is followed in floats, so that its weights have gradients. Adam (Kingma, Ba 2015) walks from no
change at all; every change pays for about the bits that it takes (log2 of one and its size), so that most stay 0.
Changes of several grains are then tried on the integer synthesis itself, and whatever costs least is taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from tilepress.codecs.integer.network import IntegerLayer, PixelShuffle, Step, Upsample
from tilepress.codecs.learned.cnn_ae_ft.changes import MAX_GRAIN, Changes, arrays_of

_RATE = 4e-3  # of learning, in units of an array's root mean square
_GRAINS = (3, 4, 5, 6)  # changes are multiples of 2^-n of that
_PAID = 2.0**-4  # the grain whose bits are paid for while learning
_PATCH, _PATCHES = 32, 4  # latents a side, and how many of a step
_DEAD = 0.1  # of rounding: changes near one half are not worth their bits
_SEED = 1
Cost = Callable[[Changes], float]


@dataclass(frozen=True)
class Image:
    """What a synthesis is tuned to.

    `inputs`: integers (n, K, h, w) as it takes them, an array a tile. `targets`: float32 (n, 3, H, W), full scale
    being 1. `unit`: what full scale is of what comes out. `margin`: inputs around that no pixel counts of. `price`:
    what a bit costs in squared error of the targets.
    """

    inputs: Sequence[np.ndarray]
    targets: Sequence[np.ndarray]
    unit: float
    margin: int
    price: float

    @property
    def stride(self) -> int:
        """How many pixels each way an input stands for."""
        return int(self.targets[0].shape[2] // self.inputs[0].shape[2])

    @property
    def pixels(self) -> int:
        """How many pixels there are, margins left out."""
        cut = 2 * self.margin * self.stride
        return sum(len(each) * (each.shape[2] - cut) * (each.shape[3] - cut) for each in self.targets)


def tune(steps: Sequence[Step], image: Image, rounds: int, cost: Cost) -> Changes | None:
    """Return the changes of least cost; None if the image is better off without.

    Args:
        steps: Of the synthesis.
        image: What they are tuned to.
        rounds: Steps of learning.
        cost: What changes, and the image decoded with them, cost; of `Changes` of zeros, without any.
    """
    arrays = arrays_of(steps)
    units = [_unit(array) for array in arrays]
    learned = _learned(steps, image, rounds, units)
    least, best = cost(Changes((0,) * len(arrays), tuple(np.zeros(a.shape, np.int64) for a in arrays))), None
    for grain in _GRAINS:
        changes = _rounded(learned, units, grain)
        if any(m.any() for m in changes.multiples) and (costs := cost(changes)) < least:
            least, best = costs, changes
    return best


def _unit(array: np.ndarray) -> float:
    """The root mean square of an array; of biases, too, which are as large as what they are added to."""
    return max(1.0, float(np.sqrt(np.square(array.astype(np.float64)).mean())))


def _learned(steps: Sequence[Step], image: Image, rounds: int, units: Sequence[float]) -> list[torch.Tensor]:
    """Changes in floats, in units of each array."""
    torch.manual_seed(_SEED)
    arrays = [torch.from_numpy(array.astype(np.float32)) for array in arrays_of(steps)]
    with torch.enable_grad():
        changes = [torch.zeros_like(array, requires_grad=True) for array in arrays]
        optimiser = torch.optim.Adam(changes, lr=_RATE)
        patches = _patches(image)
        for turn in range(rounds):
            optimiser.param_groups[0]["lr"] = _RATE * 0.5 * (1 + math.cos(math.pi * turn / rounds))
            x, target = next(patches)
            changed = [array + unit * change for array, unit, change in zip(arrays, units, changes, strict=True)]
            error = _inside(follow(steps, x, changed) / image.unit - target, image.margin * image.stride)
            bits = sum(torch.log2(1 + change.abs() / _PAID).sum() for change in changes)
            loss = 3 * error.square().mean() + image.price * bits / image.pixels
            for change, gradient in zip(changes, torch.autograd.grad(loss, changes), strict=True):
                change.grad = gradient
            optimiser.step()
    return [change.detach() for change in changes]


def follow(steps: Sequence[Step], x: torch.Tensor, arrays: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return what an integer synthesis makes of inputs (n, K, h, w), in floats, with other arrays in its layers."""
    given = iter(arrays)
    for step in steps:
        if isinstance(step, IntegerLayer):
            shift = torch.from_numpy(np.ldexp(1.0, -step.shifts).astype(np.float32))[:, None, None]
            x = functional.conv2d(x, next(given), next(given), padding=step.padding) * shift
            x = x - 0.5 * (shift < 1)  # what rounding down takes off on average
            x = x if step.low is None and step.high is None else x.clamp(step.low, step.high)
        elif isinstance(step, Upsample):
            x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        elif isinstance(step, PixelShuffle):
            x = functional.pixel_shuffle(x, step.factor)
        else:
            raise TypeError(f"a synthesis of {type(step).__name__} cannot be followed")
    return x


def _patches(image: Image) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches of equal patches (n, K, h, w) of inputs and (n, 3, H, W) of targets, drawn at random for ever."""
    random = np.random.default_rng(_SEED)
    stride = image.stride
    height, width = (min(_PATCH, *(x.shape[axis] for x in image.inputs)) for axis in (2, 3))
    weights = np.array([x[:, 0].size for x in image.inputs], np.float64)
    while True:
        xs, targets = [], []
        for number in random.choice(len(weights), _PATCHES, p=weights / weights.sum()):
            piece = slice(at := random.integers(len(image.inputs[number])), at + 1)
            x, target = image.inputs[number][piece], image.targets[number][piece]
            top, left = (random.integers(0, x.shape[axis] - side + 1) for axis, side in ((2, height), (3, width)))
            xs.append(x[:, :, top : top + height, left : left + width])
            rows, columns = slice(stride * top, stride * (top + height)), slice(stride * left, stride * (left + width))
            targets.append(target[:, :, rows, columns])
        yield torch.from_numpy(np.concatenate(xs)).float(), torch.from_numpy(np.concatenate(targets))


def _inside(error: torch.Tensor, margin: int) -> torch.Tensor:
    """What lies so far from the edges that neighbours which the patch lacks do not matter."""
    height, width = error.shape[2:]
    return error[:, :, margin : height - margin, margin : width - margin]


def _rounded(learned: Sequence[torch.Tensor], units: Sequence[float], grain: int) -> Changes:
    grains, multiples = [], []
    for change, unit in zip(learned, units, strict=True):
        exponent = min(max(0, round(math.log2(unit)) - grain), MAX_GRAIN)
        scaled = change.double().numpy() * unit / 2.0**exponent
        grains.append(exponent)
        multiples.append((np.sign(scaled) * np.floor(np.abs(scaled) + 0.5 - _DEAD)).astype(np.int64))
    return Changes(tuple(grains), tuple(multiples))
