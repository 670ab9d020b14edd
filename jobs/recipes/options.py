"""The keys of a recipe that are not of one family: how long, how fast and from how much its networks learn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from tilepress.pipeline.errors import UsageError

_MOST_SEED = (1 << 62) - 1  # with what is added to it a step, generators take it as 64 bits
FEEDS = ("auto", "resident", "streamed")  # of crops: jobs/training/feeding.py
OPTIMISERS = ("adam", "sgd", "soap")  # made in jobs/training/optimisers.py
Value = TypeVar("Value")


def _key(default: Value, note: str) -> Value:
    """A field of Options: what it is where a recipe does not say, and what it means, for people."""
    return field(default=default, metadata={"note": note})


@dataclass(frozen=True)
class Options:
    """The keys that every recipe knows. Times are wall time, sizes pixels."""

    steps: int = _key(1000, "batches seen by every worker, at most")
    minutes: float = _key(0.0, "of the whole command; 0: no limit. The learning rate falls with whichever ends first")
    batch_size: int = _key(16, "crops a step and worker")
    crop: int = _key(128, "side of the crops, in pixels")
    lr: float = _key(1e-3, "learning rate")
    optimiser: str = _key("adam", "adam; sgd, with a momentum of 0.9; soap, which learns more a step and takes longer")
    lr_end: float = _key(0.0, "share of lr that is left at the end, along a cosine")
    warmup: int = _key(0, "steps until lr is reached")
    clip: float = _key(0.0, "norm to which gradients are clipped; 0: not")
    ema: float = _key(0.0, "decay of the moving average of the weights that is exported; 0: the weights themselves")
    precision: str = _key("auto", "auto: bf16 autocast on GPUs, float32 elsewhere; or float32, bf16")
    compile: bool = _key(False, "torch.compile of the steps: a minute or two at each start, then faster steps")
    feed: str = _key("auto", "resident: decoded images stay on the device; streamed: not; auto: resident on GPUs")
    flips: bool = _key(True, "random flips and quarter turns of crops")
    seed: int = _key(1, "of the weights at first, of crops and of noise")
    images: int = _key(20_000, "images of the data set that are used, at most, chosen by name")
    validation: float = _key(0.1, "share of the images held out, chosen by name; at least one, at most 64")
    validate_every: int = _key(200, "steps between validations")
    checkpoint_every: int = _key(200, "steps between checkpoints")
    patience: int = _key(0, "validations without improvement until training ends; 0: never")
    stop_mse: float = _key(0.0, "training ends when the validation MSE (full scale 1) is below")
    export_tiles: int = _key(200, "images that the entropy model is fitted to, at most")
    licence: str = _key("not stated", "terms under which the weights may be used; depends on the data")

    def __post_init__(self) -> None:
        """UsageError for a value that could only fail later."""
        for key, least in _LEAST.items():
            if getattr(self, key) < least:
                raise UsageError(f"{key} must be at least {least}, not {getattr(self, key)!r}")
        if self.seed > _MOST_SEED:
            raise UsageError(f"seed must be at most {_MOST_SEED}, not {self.seed}")
        if not 0 < self.validation < 1 or not 0 <= self.ema < 1 or not 0 <= self.lr_end <= 1:
            raise UsageError("validation must be between 0 and 1, ema from 0 to below 1, lr_end from 0 to 1")
        if self.optimiser not in OPTIMISERS:
            raise UsageError(f"optimiser must be {' or '.join(OPTIMISERS)}, not {self.optimiser!r}")
        if self.feed not in FEEDS:
            raise UsageError(f"feed must be {' or '.join(FEEDS)}, not {self.feed!r}")
        if self.precision not in ("auto", "float32", "bf16"):
            raise UsageError(f"precision must be auto, float32 or bf16, not {self.precision!r}")


_LEAST: dict[str, float] = {
    **dict.fromkeys(("batch_size", "crop", "images", "validate_every", "checkpoint_every", "export_tiles"), 1),
    **dict.fromkeys(("steps", "minutes", "lr", "warmup", "clip", "patience", "stop_mse", "seed"), 0),
}
