"""Training rbm-autoencoder: its machines, its three starts, what seconds bring, and how little the export loses."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tilepress import train
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.errors import ModelError
from tilepress.codecs.learned.rbm.codec import RbmAutoencoder
from tilepress.codecs.model import SHIPPED, Model
from tilepress.jobs.recipes.block.crops import plane_blocks
from tilepress.jobs.recipes.rbm.boltzmann import Machine, pretrain
from tilepress.jobs.recipes.rbm.network import MirroredAutoencoder
from tilepress.jobs.recipes.rbm.recipe import RbmAutoencoderRecipe
from tilepress.jobs.recipes.recipe import load_plan
from tilepress.pipeline.errors import UsageError

SIDE = 8
SPEC = TileSpec(SIDE, SIDE, 1, "uint8", 8, "gray")
SMALL: dict[str, Any] = {"block": SIDE, "layers": [32, 16, 6], "quantisation_steps": [15, 255], "default_level": 1}


def strokes(count: int, seed: int = 0) -> np.ndarray:
    """Bright lines on black, soft at their edges, uint8 (count, SIDE, SIDE, 1): two numbers say all of one."""
    rng = np.random.default_rng(seed)
    angle, offset = rng.uniform(0, np.pi, (count, 1, 1)), rng.uniform(-2, 2, (count, 1, 1))
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    distance = np.abs(x * np.cos(angle) + y * np.sin(angle) - offset)
    return np.rint(255 * np.clip(1.6 - distance, 0, 1)).astype(np.uint8)[..., None]


CROPS = torch.from_numpy(strokes(1500))
BLOCKS = plane_blocks(CROPS, SIDE).flatten(0, 2)


def recipe(**changes: Any) -> RbmAutoencoderRecipe:
    return RbmAutoencoderRecipe({**SMALL, "start": "klt", **changes})


def begun(chosen: RbmAutoencoderRecipe) -> MirroredAutoencoder:
    torch.manual_seed(1)
    network = chosen.build()
    with torch.no_grad():
        chosen.initialise(network, CROPS)
    return network


def learn(chosen: RbmAutoencoderRecipe, network: MirroredAutoencoder, steps: int) -> None:
    optimiser = torch.optim.Adam(network.train().parameters(), lr=3e-3)
    for _ in range(steps):
        optimiser.zero_grad()
        chosen.loss(network, CROPS[torch.randperm(len(CROPS))[:64]]).total.backward()
        optimiser.step()
    network.eval()


def mse(chosen: RbmAutoencoderRecipe, network: MirroredAutoencoder) -> float:
    with torch.no_grad():
        return float(chosen.loss(network.eval(), torch.from_numpy(strokes(300, 9))).figures["mse"])


@cache
def trained() -> MirroredAutoencoder:
    torch.manual_seed(2)
    network = begun(recipe())
    learn(recipe(), network, 300)
    return network


def coded_mse(codec: RbmAutoencoder, quality: int = 100) -> float:
    tiles = strokes(300, 9)
    decoded = codec.decode(codec.encode(tiles, SPEC, Settings(quality=quality)), SPEC)
    return float(np.mean((decoded.astype(np.float64) - tiles) ** 2) / 255**2)


def test_a_machine_learns_what_it_sees() -> None:
    """Its reconstructions get closer, and the units of a machine of two patterns tell them apart."""
    patterns = (torch.rand(2, 40, generator=torch.Generator().manual_seed(3)) > 0.5).float()
    data = patterns[torch.arange(400) % 2]
    (machine,) = pretrain(data, [4], 30, seed=1)
    fresh = Machine.begin(40, 4, torch.Generator().manual_seed(1))
    error, before = ((each.down(each.up(patterns)) - patterns).abs().mean() for each in (machine, fresh))
    assert error < 0.1 < 0.3 < before
    assert (machine.up(patterns)[0] - machine.up(patterns)[1]).abs().max() > 0.9


def test_a_step_of_contrastive_divergence_is_the_published_one() -> None:
    """One batch from rest: the weights move by a tenth of <v h> of the data less that of the reconstruction."""
    data = BLOCKS[:100]
    (machine,) = pretrain(data, [5], 1, seed=4)
    generator = torch.Generator().manual_seed(4)
    start = Machine.begin(64, 5, generator)
    order = torch.randperm(100, generator=generator)
    hidden = torch.sigmoid(data[order] @ start.weight.T)
    drawn = torch.bernoulli(hidden, generator=generator)
    seen = torch.sigmoid(drawn @ start.weight)
    again = torch.sigmoid(seen @ start.weight.T)
    slope = (hidden.T @ data[order] - again.T @ seen) / 100 - 0.0002 * start.weight
    torch.testing.assert_close(machine.weight, start.weight + 0.1 * slope)
    torch.testing.assert_close(machine.hidden, 0.1 * (hidden - again).mean(dim=0))
    torch.testing.assert_close(machine.visible, 0.1 * (data - seen).mean(dim=0))


def test_machines_are_the_same_for_the_same_seed() -> None:
    one, other, third = (pretrain(BLOCKS[:200], [6, 3], 1, seed) for seed in (1, 1, 2))
    assert torch.equal(one[1].weight, other[1].weight) and not torch.equal(one[1].weight, third[1].weight)
    assert [tuple(machine.weight.shape) for machine in one] == [(6, 64), (3, 6)]


def test_unrolled_machines_go_up_and_down_through_all_of_them() -> None:
    machines = pretrain(BLOCKS[:200], [6, 3], 1, seed=1)
    network = MirroredAutoencoder([64, 6, 3])
    network.unroll(machines)
    up = machines[1].up(machines[0].up(BLOCKS[:9]))
    torch.testing.assert_close(network.encode(BLOCKS[:9]), up)
    down = machines[0].down(machines[1].down(up))
    torch.testing.assert_close(torch.sigmoid(network.decode(network.encode(BLOCKS[:9]))), down)


def test_principal_components_are_a_better_start_than_machines_and_those_than_chance() -> None:
    errors = [mse(recipe(start=start), begun(recipe(start=start))) for start in ("klt", "machines", "random")]
    assert errors[0] < 0.5 * errors[1]
    assert errors[1] < 0.8 * errors[2]


def test_seconds_of_training_lower_the_error_from_every_start() -> None:
    for start in ("klt", "machines", "random", "scaled"):
        chosen = recipe(start=start)
        network = begun(chosen)
        before = mse(chosen, network)
        learn(chosen, network, 60)
        assert mse(chosen, network) < 0.9 * before


@pytest.mark.parametrize("coder", ["fixed", "entropy"])
@pytest.mark.parametrize(("quantiser", "weight_bits"), [("uniform", 8), ("kmeans", 8), ("uniform", 16)])
def test_real_bytes_keep_the_error_of_the_float_network(coder: str, quantiser: str, weight_bits: int) -> None:
    chosen = recipe(coder=coder, quantiser=quantiser, weight_bits=weight_bits)
    codec = RbmAutoencoder(chosen.export(trained(), list(strokes(1500)), {"seed": 1}, "CC0-1.0"))
    assert coded_mse(codec) < (1.15 if weight_bits == 8 else 1.02) * mse(chosen, trained())
    assert coded_mse(codec, 1) > coded_mse(codec)
    kind = f"int{weight_bits}"
    assert {str(a.dtype) for name, a in codec.model.tensors.items() if name.endswith("coder0.weight")} == {kind}


def test_codebooks_lose_less_than_uniform_steps_of_as_many_values() -> None:
    steps = {"quantisation_steps": [5], "default_level": 0}
    models = (
        recipe(quantiser=q, **steps).export(trained(), list(strokes(1500)), {}, "CC0-1.0")
        for q in ("kmeans", "uniform")
    )
    losses = [coded_mse(RbmAutoencoder(model)) for model in models]
    assert losses[0] < 0.9 * losses[1]


def test_entropy_coded_codes_are_smaller_than_a_byte_each() -> None:
    tiles, spec = strokes(64, 5), TileSpec(SIDE * 8, SIDE * 8, 1, "uint8", 8, "gray")
    mosaic = tiles.reshape(8, 8, SIDE, SIDE).swapaxes(1, 2).reshape(1, SIDE * 8, SIDE * 8, 1)
    sizes = {}
    for coder in ("fixed", "entropy"):
        codec = RbmAutoencoder(recipe(coder=coder).export(trained(), list(strokes(1500)), {}, "CC0-1.0"))
        sizes[coder] = [len(codec.encode(mosaic, spec, Settings(quality=quality))[0]) for quality in (1, 100)]
    assert sizes["fixed"] == [14 + 64 * 6] * 2
    assert sizes["entropy"][0] < 0.5 * sizes["fixed"][0] and sizes["entropy"][1] < sizes["fixed"][1]


def test_colours_are_trained_on_plane_by_plane() -> None:
    chosen = recipe(colour="rgb")
    crops = CROPS[:64].repeat(1, 2, 2, 3)
    network = chosen.build()
    assert chosen.channels == 3
    assert torch.isfinite(chosen.loss(network, crops).total)
    RbmAutoencoder(chosen.export(network.eval(), list(crops[:4].numpy()), {}, "CC0-1.0"))


def test_weights_that_are_not_finite_or_too_large_are_not_exported() -> None:
    for value, message in ((torch.nan, "finite"), (1e6, "too large")):
        network = recipe().build()
        with torch.no_grad():
            network.layers[-1].weight[0, 0] = value
        with pytest.raises(ModelError, match=message):
            recipe().export(network.eval(), list(strokes(20)), {}, "CC0-1.0")


@pytest.mark.parametrize(
    "override",
    ["quantisation_steps=[255, 15]", "quantisation_steps=[7]", "quantisation_steps=[]", "default_level=9", "block=1",
     "layers=[]", "quantiser=lattice", "coder=none", "start=zeros", "epochs=0", "weight_bits=4", "activation_bits=2"],
)  # fmt: skip
def test_settings_that_make_no_sense_are_usage_errors(override: str) -> None:
    with pytest.raises(UsageError):
        load_plan("rbm-autoencoder", [override])


def test_the_published_recipe_is_the_published_configuration() -> None:
    plan = load_plan("rbm-autoencoder-published")
    model = plan.recipe().model
    assert (model["block"], model["layers"], model["quantisation_steps"]) == (28, [1000, 500, 196], [255])
    assert (model["coder"], model["start"], plan.options.images, plan.options.crop) == ("fixed", "machines", 20_000, 28)


def test_the_recipe_of_digits_trains_the_published_network_further() -> None:
    plan, published = load_plan("rbm-autoencoder-digits"), load_plan("rbm-autoencoder-published")
    changed = {key for key, value in plan.recipe().model.items() if value != published.recipe().model[key]}
    assert changed == {"start", "error", "warp"} and not plan.options.flips
    assert (plan.options.optimiser, plan.options.images) == ("soap", published.options.images)


def test_the_shipped_model_came_from_the_shipped_recipe() -> None:
    record, plan = Model.load(SHIPPED / "rbm-autoencoder").training, load_plan("rbm-autoencoder").to_json()
    for key in ("lr", "warmup", "batch_size", "crop", "flips", "seed"):
        assert record[key] == plan[key]
    assert plan["model"] == {**RbmAutoencoderRecipe.defaults, **record["model"]}


def test_a_training_from_small_pictures_to_a_model_that_codes(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for number, picture in enumerate(strokes(60)):
        Image.fromarray(picture[..., 0]).save(tmp_path / "data" / f"{number}.png")
    overrides = (
        "steps=3",
        "batch_size=8",
        f"crop={SIDE}",
        f"block={SIDE}",
        "layers=[9, 5]",
        "start=machines",
        "epochs=1",
    )
    train("rbm-autoencoder", tmp_path / "data", tmp_path / "model", overrides=overrides)
    codec = RbmAutoencoder(Model.load(tmp_path / "model"))
    assert codec.config.layers == (9, 5) and coded_mse(codec) < 0.2
