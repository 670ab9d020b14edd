"""Train a recipe on pictures that stay on the GPU, from which crops are drawn there: no feed keeps the device waiting.

    python infra/gpu/pack.py PHOTOS PICTURES.npy
    python infra/gpu/resident.py RECIPE PICTURES.npy OUT --seconds 505 [key=value ...]

PICTURES.npy: uint8 (n, h, w, 3), in the order of the SHA-256 of their names: those held out are the ones that
`tilepress train` holds out. Network, steps, averages and checkpoints are tilepress's own. OUT gets the checkpoint: put
into the folder `MODEL.training/checkpoints` of `tilepress train RECIPE --out MODEL minutes=... key=value`, begun by the
same keys and stopped, it is exported when that command is repeated. The shipped `jpeg-dncnn` was made so, with
batch_size=64 crop=128 checkpoint_every=2000.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "src"))  # tilepress of this checkout, if none is installed

import numpy as np
import torch

from tilepress.jobs.recipes.recipe import load_plan
from tilepress.jobs.training.checkpoints import TrainingState, save
from tilepress.jobs.training.learner import Learner
from tilepress.jobs.training.loop import Hooks, Row, run
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.sources.crops import held_out
from tilepress.pipeline.storage.base import open_storage

_VALIDATED, _SIDE, _POST_EVERY_S = 40, 256, 15.0


def read_pictures(path: Path, crop: int) -> np.ndarray:
    """Return the pictures of an .npy, uint8 (n, h, w, 3). ValueError for what cannot be trained on; OSError."""
    with path.open("rb") as file:
        pictures: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[3] != 3:
        raise ValueError(f"{path} holds {pictures.dtype} {pictures.shape}, not uint8 (n, h, w, 3)")
    if len(pictures) < 2:
        raise ValueError(f"{path} holds {len(pictures)} pictures: one is held out, others are learned from")
    if min(pictures.shape[1:3]) < crop:
        raise ValueError(f"the pictures of {path} are smaller than crop={crop}")
    return pictures


@dataclass(frozen=True)
class Windows:
    """What is drawn: `side` of a crop; `flips`: also mirrored and turned by 90 degrees."""

    side: int
    flips: bool = True


def crops(pictures: torch.Tensor, count: int, windows: Windows, generator: torch.Generator) -> torch.Tensor:
    """Return random crops uint8 (count, side, side, 3) of pictures uint8 (n, h, w, 3), on their device."""
    side = windows.side
    limits = len(pictures), pictures.shape[1] - side + 1, pictures.shape[2] - side + 1, 8 if windows.flips else 1
    picture, y, x, turn = (
        torch.randint(limit, (count, 1, 1), generator=generator).to(pictures.device) for limit in limits
    )
    place = torch.arange(side, device=pictures.device)
    rows, columns = place[None, :, None], place[None, None, :]
    rows, columns = torch.where(turn % 2 == 1, columns, rows), torch.where(turn % 2 == 1, rows, columns)
    rows = torch.where(turn // 2 % 2 == 1, side - 1 - rows, rows)
    columns = torch.where(turn // 4 == 1, side - 1 - columns, columns)
    return pictures[picture, y + rows, x + columns]


def endless(pictures: torch.Tensor, count: int, windows: Windows, generator: torch.Generator) -> Iterator[torch.Tensor]:
    """Yield batches of `count` crops for ever."""
    while True:
        yield crops(pictures, count, windows, generator)


def validation_crops(pictures: torch.Tensor, unit: int) -> list[torch.Tensor]:
    """Return the crops uint8 (1, h, w, 3) that are validated on, sides up to _SIDE and multiples of `unit`."""
    whole = pictures[:, : pictures.shape[1] // unit * unit, : pictures.shape[2] // unit * unit]
    corners = [(y, x) for y in range(0, whole.shape[1], _SIDE) for x in range(0, whole.shape[2], _SIDE)]
    return [whole[i : i + 1, y : y + _SIDE, x : x + _SIDE] for i in range(len(whole)) for y, x in corners][:_VALIDATED]


class Printed:
    """Prints rows of the log: each validation, and others now and then."""

    def __init__(self) -> None:
        self._last = -_POST_EVERY_S

    def __call__(self, row: Row) -> None:
        """Print a row, if it is time."""
        if "val_mse" in row or time.monotonic() - self._last > _POST_EVERY_S:
            self._last = time.monotonic()
            print({name: round(value, 5) for name, value in row.items()}, flush=True)


def train(recipe: str, pictures: np.ndarray, out: str, seconds: float, overrides: list[str]) -> TrainingState:
    """Train for so long, the learning rate falling to its end, and write checkpoints to `out`; return the state."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    plan = load_plan(recipe, [*overrides, f"minutes={seconds / 60}"])
    options, windows = plan.options, Windows(plan.options.crop, plan.options.flips)
    count = held_out(len(pictures), options.validation)
    validation, training = (torch.from_numpy(part.copy()).to(device) for part in (pictures[:count], pictures[count:]))
    generator = torch.Generator().manual_seed(options.seed)
    learner = Learner(plan, device)
    learner.initialise(crops(training, 64, windows, generator).cpu().numpy())
    learner.network.to(memory_format=torch.channels_last)
    seen, work = validation_crops(validation, plan.recipe().crop_unit), open_storage(out)
    hooks = Hooks(lambda: iter(seen), Printed(), lambda state: save(work, state, learner.tensors()))
    batches = endless(training, options.batch_size, windows, generator)
    return run(learner, TrainingState(), batches, float(training.numel() / 3), hooks)


def main() -> None:
    """Read the arguments, and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("pictures", type=Path)
    parser.add_argument("out")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("overrides", nargs="*")
    given = parser.parse_intermixed_args()
    torch.backends.cudnn.benchmark = True
    try:
        crop = load_plan(given.recipe, given.overrides).options.crop
        pictures = read_pictures(given.pictures, crop)
        state = train(given.recipe, pictures, given.out, given.seconds, given.overrides)
    except (OSError, ValueError, UsageError) as exc:
        parser.error(str(exc))
    print(f"{state.step} steps, stopped by {state.stopped_by}: {state.figures}")


if __name__ == "__main__":
    main()
