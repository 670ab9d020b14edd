"""What a recipe is: one Python file and one YAML that say how a family of codecs is trained; the trainer does the rest.

A YAML names its family and overrides defaults; `key=value` on the command line overrides it in turn:

    family: block-dnn          # a key of RECIPES, or an entry point of the group `tilepress.recipes`
    steps: 3000                # the common keys are the fields of Options
    model: {ratio: 16}         # what only this family knows, passed to the recipe
"""

from __future__ import annotations

import difflib
import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from tilepress.jobs.recipes.keys import checked, override_keys, read_keys
from tilepress.jobs.recipes.options import Options
from tilepress.pipeline.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import torch

    from tilepress.codecs.model import Model
    from tilepress.jobs.recipes.networks.critic import Adversary

# Literal, as the registry of codecs is: a YAML never names code to import.
RECIPES: dict[str, str] = {
    "block-dnn": "tilepress.jobs.recipes.block.dnn:BlockDnnRecipe",
    "pca": "tilepress.jobs.recipes.block.pca:PcaRecipe",
    "cnn-ae": "tilepress.jobs.recipes.cnn_ae.recipe:CnnAeRecipe",
    "cnn-ae-ft": "tilepress.jobs.recipes.cnn_ae_ft.recipe:CnnAeFtRecipe",
    "gdn-factorized": "tilepress.jobs.recipes.gdn.recipe:GdnFactorizedRecipe",
    "cnn-rnn-ae": "tilepress.jobs.recipes.cnn_rnn_ae.recipe:CnnRnnAeRecipe",
    "cae": "tilepress.jobs.recipes.cae.recipe:CaeRecipe",
    "gan": "tilepress.jobs.recipes.adversarial.recipe:GanRecipe",
    "gan-ae": "tilepress.jobs.recipes.adversarial.recipe:GanAeRecipe",
    "rbm-autoencoder": "tilepress.jobs.recipes.rbm.recipe:RbmAutoencoderRecipe",
    "jpeg-dncnn": "tilepress.jobs.recipes.dncnn.recipe:JpegDncnnRecipe",
}
# Codecs whose networks learn without a recipe, to spend few bits.
_FITTED: dict[str, str] = {
    **dict.fromkeys(("predictive-mlp", "predictive-mlp-range"), "its networks are fitted to each image as it is coded"),
    "lossless": "its networks are fitted with `fit-lossless`",
}
ENTRY_POINTS = "tilepress.recipes"
FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Loss:
    """What one batch costs. `total` is minimised; `figures` are scalars to log.

    `figures` holds `mse` (mean squared error per sample, full scale 1) and, where a rate is estimated, `bpp`
    (bits per pixel). `real`, `made`: of a recipe with an adversary, pictures (n, 3, h, w) and what the network made of
    them, on one scale; `total` is then without the loss of the game, which the trainer adds.
    """

    total: torch.Tensor
    figures: Mapping[str, torch.Tensor]
    real: torch.Tensor | None = None
    made: torch.Tensor | None = None


class Recipe(ABC):
    """How one family of codecs is trained. `model` is the section of that name of the YAML, overrides applied.

    Images come as crops, uint8 (n, crop, crop, channels), of `channels` 1 (gray) or 3 (RGB): the trainer converts
    whatever the data set holds.
    """

    defaults: ClassVar[Mapping[str, Any]]  # every key that `model` may have; types are checked against these values
    notes: ClassVar[Mapping[str, str]] = {}  # what those keys mean, for people: `tilepress recipes NAME` prints it
    refused: ClassVar[Mapping[str, str]] = {}  # keys that other recipes have, and why this one has not

    def __init__(self, model: Mapping[str, Any]) -> None:
        self.model = {**self.defaults, **model}

    @property
    def channels(self) -> int:
        """1 or 3."""
        return 3

    @property
    def crop_unit(self) -> int:
        """Pixels that the side of a crop is a multiple of; 1: any side will do."""
        return 1

    @abstractmethod
    def build(self) -> torch.nn.Module:
        """Return the float network, randomly initialised from torch's global generator."""

    def initialise(self, network: torch.nn.Module, crops: torch.Tensor) -> None:  # noqa: B027 - most need none
        """Before the first step: initialise from data, in place (PCA, say). `crops` as the class says."""

    def require_start(self, model: Model) -> None:
        """UsageError unless a training may begin with the weights of a model: a recipe that says nothing takes none."""
        raise UsageError(f"networks of this recipe begin anew: there is no going on from a model of {model.codec_id}")

    def begin_from(self, network: torch.nn.Module, model: Model, crops: torch.Tensor) -> None:
        """In place of `initialise`: take the weights of a model that `require_start` accepts. `crops` as there."""
        self.require_start(model)

    def adversary(self) -> Adversary | None:
        """Return what the network is trained against, randomly initialised; most are trained against nothing."""
        return None

    @abstractmethod
    def loss(self, network: torch.nn.Module, crops: torch.Tensor) -> Loss:
        """Return the loss of one batch on the network's device; `network.training` is False where it is only evaluated.

        `network` may be wrapped (DistributedDataParallel): only call it, once; whatever the loss needs, its
        `forward` returns.
        """

    @abstractmethod
    def export(
        self, network: torch.nn.Module, tiles: Sequence[np.ndarray], training: Mapping[str, Any], licence: str
    ) -> Model:
        """Return the finished network as a model that the codec takes: integers proven exact, entropy model fitted.

        `network`: on the CPU, in evaluation mode. `tiles`: uint8 (h, w, channels), whole images or tiles of them,
        of the training part. `training`: the record to keep in the model; the recipe may add figures to a copy.
        """


@dataclass(frozen=True)
class TrainingPlan:
    """A recipe with its options resolved: everything that decides what comes out, but the data."""

    name: str
    family: str
    options: Options
    model: Mapping[str, Any] = field(default_factory=dict)
    start: Model | None = field(default=None, compare=False)  # whose weights are begun with

    def recipe(self) -> Recipe:
        """Return a new instance of the recipe. UsageError for keys that it does not know, or crops of a wrong size."""
        cls = recipe_class(self.family)
        for key in sorted(cls.refused.keys() & self.model.keys()):
            raise UsageError(f"{self.family} has no key {key}: {cls.refused[key]}")
        recipe = cls(checked(self.model, cls.defaults, "model."))
        side, unit = self.options.crop, recipe.crop_unit
        if side % unit:
            near = max(unit, round(side / unit) * unit)
            raise UsageError(f"crop must be a multiple of {unit} for this network, not {side}; try crop={near}")
        return recipe

    def to_json(self) -> dict[str, Any]:
        """For checkpoints and model.json."""
        start = {"start": self.start.name} if self.start else {}
        own = {"recipe": self.name, "family": self.family, "model": dict(self.recipe().model)}
        return {**own, **vars(self.options), **start}


def key_notes(plan: TrainingPlan) -> dict[str, str]:
    """Return what the keys of a plan mean, by name; those of `model` have "model." in front."""
    own = {f"model.{key}": note for key, note in recipe_class(plan.family).notes.items()}
    common = {each.name: each.metadata["note"] for each in fields(Options)}
    return {"family": "of codecs", "model": "what only this family knows", **own, **common}


def _shipped() -> dict[str, Path]:
    """Where each recipe that comes with tilepress lies, by name: in the folder of its family."""
    return {path.stem: path for path in FOLDER.glob("*/*.yaml")}


def recipe_names() -> list[str]:
    """Return recipes that come with tilepress."""
    return sorted(_shipped())


def recipe_class(family: str) -> type[Recipe]:
    """Return the recipe of a family; UsageError if there is none."""
    if family in RECIPES:
        module, _, name = RECIPES[family].partition(":")
        return cast(type[Recipe], getattr(importlib.import_module(module), name))
    for point in entry_points(group=ENTRY_POINTS, name=family):
        return cast(type[Recipe], point.load())
    raise UsageError(f"there is no recipe for family {family!r}; there are: {', '.join(sorted(RECIPES))}")


def load_plan(name: str, overrides: Sequence[str] = ()) -> TrainingPlan:
    """A shipped recipe's name or the path of a YAML, and `key=value` overrides (`model.key=value` for the family's
    own, or just `key=value` where no common key has that name). UsageError says which key or value is wrong."""
    plan = read_plan(name, overrides)
    plan.recipe()  # finds unknown keys of the family
    return plan


def read_plan(name: str, overrides: Sequence[str] = ()) -> TrainingPlan:
    """Return the plan as load_plan does, but without its family's code: keys of `model` are not checked."""
    path = _shipped().get(name) or Path(name)
    if name in _FITTED:
        raise UsageError(f"{name} has no recipe: {_FITTED[name]}, for fewest bits, and it loses nothing")
    if not path.is_file() or path.suffix not in (".yaml", ".yml"):
        near = difflib.get_close_matches(name, recipe_names(), n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError(
            f"there is no recipe {name!r}.{hint} There are: {', '.join(recipe_names())}; or give the path of a YAML"
        )
    keys = read_keys(path)
    family = str(keys.pop("family", path.stem))
    model = keys.pop("model", {}) or {}
    if not isinstance(model, dict):
        raise UsageError(f"{path}: `model` is not a mapping of keys to values")
    common = {f.name: f.default for f in fields(Options) if f.default is not MISSING}
    for override in overrides:
        override_keys(override, keys, model, common)
    options = Options(**checked(keys, common, ""))
    return TrainingPlan(path.stem, family, options, model)
