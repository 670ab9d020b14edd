"""Every family is trained on a device as on the processor: nothing is mixed, and no step waits for the device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.support.learned.training import SLIM, crops
from tests.support.pretended_device import DEVICE, pretended_device
from tilepress.codecs.model import Model
from tilepress.codecs.registry import load_codec
from tilepress.jobs.recipes.networks import density
from tilepress.jobs.recipes.options import Options
from tilepress.jobs.recipes.recipe import RECIPES, TrainingPlan, load_plan, recipe_names
from tilepress.jobs.training.learner import Learner

FAMILIES: Mapping[str, Mapping[str, object]] = {
    **SLIM,
    "cnn-ae-ft": SLIM["cnn-ae"],
    "pca": {"block": 8, "quantisation_steps": [16.0], "default_level": 0},
    "rbm-autoencoder": {"block": 8, "layers": [24, 8], "epochs": 1, "warp": 0.5, "shifts": 1},
    "jpeg-dncnn": {"channels": 4, "layers": 1},
}
BEGUN: list[tuple[str, dict[str, object]]] = [
    *((name, {}) for name in FAMILIES),
    ("block-dnn", {"activation": "sigmoid"}),
    ("cae", {"prior": "factorized"}),
    ("cnn-ae", {"prior": "factorized", "bits": 6}),
    ("cnn-rnn-ae", {"prior": "factorized"}),
    ("gan-ae", {"synthesis": ["conv 12 3", "norm", "relu", "conv 48 3", "shuffle 4"]}),
    ("rbm-autoencoder", {"start": "klt"}),
]
AS_ON_THE_PROCESSOR = 1e-3  # where weights lie by pixel sums are in another order, and Adam takes steps of one size


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    monkeypatch.setattr(density, "_FITTING", 4)  # steps; the hundredth finds no other mistakes
    with pretended_device() as found:
        yield found


def plan_of(family: str, **options: object) -> TrainingPlan:
    settings = Options(**{"crop": 32, "seed": 3, "ema": 0.9, "clip": 1.0, "precision": "float32", **options})
    return TrainingPlan("test", family, settings, FAMILIES[family])


def pictures(plan: TrainingPlan, count: int, seed: int = 0, side: int = 0) -> np.ndarray:
    return crops(count, side or plan.options.crop, seed)[..., : plan.recipe().channels]


def learned(plan: TrainingPlan, device: str, waits: list[str]) -> tuple[Learner, list[dict[str, float]]]:
    """A learner after two steps, and the figures of those and of a validation."""
    learner = Learner(plan, device)
    learner.initialise(pictures(plan, 12))
    figures = []
    for step in range(2 if list(learner.network.parameters()) else 0):
        seen = torch.from_numpy(pictures(plan, 4, step)).to(device)
        if step == 0:
            learner.recipe.loss(learner.network, seen)  # numbers of the recipe come to the device, once
        waits.clear()
        figures.append(learner.learn(seen, step, 0.0))
        assert waits == []
    validated = learner.validate(iter([torch.from_numpy(pictures(plan, 4, 9))]))
    return learner, [*({name: float(value) for name, value in each.items()} for each in figures), validated]


def require_trained(plan: TrainingPlan, waits: list[str]) -> None:
    """Learn in both places, go on from a checkpoint, and export."""
    _, wanted = learned(plan, "cpu", waits)
    learner, found = learned(plan, DEVICE, waits)
    for here, there in zip(wanted, found, strict=True):
        assert there == pytest.approx(here, rel=AS_ON_THE_PROCESSOR, abs=1e-6)
    tensors = learner.tensors()
    assert {type(value) for value in tensors.values()} <= {torch.Tensor}
    later = Learner(plan, DEVICE)
    later.restore(tensors)
    if found[:-1]:
        seen = torch.from_numpy(pictures(plan, 4, 2))
        both = [float(each.learn(seen, 2, 0.5)["loss"]) for each in (learner, later)]
        assert both[0] == both[1]
    load_codec(plan.family, model_of(plan, tensors))


def model_of(plan: TrainingPlan, tensors: Mapping[str, torch.Tensor]) -> Model:
    """The model of a checkpoint, exported on the processor, as `tilepress train` does."""
    learner = Learner(plan)
    learner.restore(tensors)
    with learner.exported() as network, torch.no_grad():
        return learner.recipe.export(network, list(pictures(plan, 4, side=64)), {"seed": 3}, "")


def test_all_families_are_here() -> None:
    assert FAMILIES.keys() == RECIPES.keys()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_learns_validates_goes_on_and_is_exported(family: str, waits: list[str]) -> None:
    require_trained(plan_of(family), waits)


@pytest.mark.parametrize(("family", "own"), BEGUN)
def test_a_recipe_begins_on_a_device_as_on_the_processor(family: str, own: dict[str, object]) -> None:
    """The trainer lets it begin on the processor; recipes do not rely on that."""
    plan = plan_of(family)
    recipe = replace(plan, model={**plan.model, **own}).recipe()
    begun = []
    for device in ("cpu", DEVICE):
        torch.manual_seed(1)
        network = recipe.build().to(device)
        with torch.no_grad():
            recipe.initialise(network, torch.from_numpy(pictures(plan, 12)).to(device))
        begun.append(network.state_dict())
    assert all(torch.equal(value, begun[1][name].cpu()) for name, value in begun[0].items())


@pytest.mark.slow
@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_as_it_comes_does_so_too(name: str, waits: list[str]) -> None:
    unit = load_plan(name).recipe().crop_unit
    side = 56 if "rbm" in name else max(1, 32 // unit) * unit
    fewer = ["epochs=1"] if "rbm" in name else []
    require_trained(load_plan(name, [f"crop={side}", "batch_size=4", "precision=float32", *fewer]), waits)


def test_measures_and_bfloat16_stay_on_the_device(waits: list[str]) -> None:
    plan = plan_of("cnn-ae", precision="bf16", crop=64)
    plan = replace(plan, model={**plan.model, "measures": {"mse": 1.0, "l1": 1.0, "ms_ssim": 1.0, "features": 1.0}})
    learned(plan, DEVICE, waits)
