"""The recipes of the block codecs: what a few seconds of training reach, and that models decode to what they should."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.learned.block.dnn import BlockDnn
from tilepress.codecs.learned.block.pca import Pca
from tilepress.codecs.planes.blocks import to_blocks
from tilepress.codecs.planes.frame import frames
from tilepress.codecs.registry import load_codec
from tilepress.jobs.recipes.block.crops import block_pictures, export_blocks, plane_blocks, sample_mse
from tilepress.jobs.recipes.block.dnn import BlockDnnRecipe
from tilepress.jobs.recipes.block.pca import PcaRecipe
from tilepress.jobs.recipes.export.lloyd import centres_for, codebook
from tilepress.jobs.recipes.recipe import Recipe, load_plan
from tilepress.pipeline.errors import UsageError

SAMPLES = Path(__file__).parents[3] / "infra" / "samples" / "images"
SMALL: dict[str, Any] = {"block": 8, "ratio": 8, "extra": 8, "quantisation_steps": [64.0, 4.0]}
PCA: dict[str, Any] = {"block": 8, "ratio": 8, "quantisation_steps": [16.0, 4.0]}


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    with Image.open(SAMPLES / "coffee.png") as image:
        return np.asarray(image.convert("RGB"))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.manual_seed(1)


def crops_of(photo: np.ndarray, channels: int) -> torch.Tensor:
    """uint8 (n, 64, 64, channels): the photo in pieces."""
    height, width = (side // 64 * 64 for side in photo.shape[:2])
    cut = photo[:height, :width].reshape(height // 64, 64, width // 64, 64, 3).swapaxes(1, 2).reshape(-1, 64, 64, 3)
    return torch.from_numpy(np.ascontiguousarray(cut if channels == 3 else cut[..., 1:2]))


def trained(recipe: Recipe, crops: torch.Tensor, steps: int, lr: float = 2e-3) -> torch.nn.Module:
    """As the trainer does it: initialise, Adam."""
    network = recipe.build()
    with torch.no_grad():
        recipe.initialise(network, crops)
    if steps:
        optimiser = torch.optim.Adam(network.parameters(), lr=lr)
        for _ in range(steps):
            optimiser.zero_grad()
            recipe.loss(network, crops[torch.randperm(len(crops))[:16]]).total.backward()
            optimiser.step()
    return network.eval()


def mse(recipe: Recipe, network: torch.nn.Module, crops: torch.Tensor) -> float:
    with torch.no_grad():
        return float(recipe.loss(network, crops).figures["mse"])


def coded_mse(codec: BlockDnn | Pca, photo: np.ndarray, channels: int, quality: int = 100) -> float:
    tiles = crops_of(photo, channels).numpy()
    spec = TileSpec(64, 64, channels, "uint8", 8, "rgb" if channels == 3 else "gray")
    decoded = codec.decode(codec.encode(tiles, spec, Settings(quality=quality)), spec)
    return float(np.mean((decoded.astype(np.float64) - tiles) ** 2) / 255**2)


@pytest.mark.parametrize("colour", ["gray", "rgb"])
def test_blocks_of_crops_are_those_that_the_codec_makes_of_tiles(photo: np.ndarray, colour: str) -> None:
    channels = 3 if colour == "rgb" else 1
    crops = crops_of(photo, channels)
    spec = TileSpec(64, 64, channels, "uint8", 8, colour)
    wanted = to_blocks(crops, spec, frames(crops, spec), 8)
    np.testing.assert_allclose(plane_blocks(crops, 8).reshape(wanted.shape), wanted, atol=1e-6)


def test_the_stated_error_is_that_of_the_samples(photo: np.ndarray) -> None:
    one, other = crops_of(photo, 3)[:4], crops_of(photo, 3)[4:8]
    wanted = float(((one.float() - other.float()) / 255).square().mean())
    assert float(sample_mse(plane_blocks(one, 8) - plane_blocks(other, 8))) == pytest.approx(wanted, rel=1e-2)


@pytest.mark.parametrize("channels", [1, 3])
def test_blocks_are_pictures_again(photo: np.ndarray, channels: int) -> None:
    """But for luma, which is rounded down."""
    crops = crops_of(photo, channels)[:3, :40]
    again = block_pictures(plane_blocks(crops, 8), crops.shape[2] // 8)
    np.testing.assert_allclose(again * 255, crops.movedim(-1, 1), atol=0 if channels == 1 else 0.76)


def test_ms_ssim_is_of_whole_crops_and_refused_where_they_are_small(photo: np.ndarray) -> None:
    recipe, crops = BlockDnnRecipe({**SMALL, "measures": {"mse": 0.0, "ms_ssim": 1.0}}), crops_of(photo, 3)[:4]
    network = recipe.build()
    assert recipe.loss(network, crops).total > 0
    with pytest.raises(UsageError, match="11 x 11: crops of 8 are too small"):
        recipe.loss(network, crops[:, :8, :8])


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_seconds_of_training_from_pca_reach_its_error_and_real_bytes_keep_it(
    photo: np.ndarray, activation: str
) -> None:
    recipe = BlockDnnRecipe({**SMALL, "activation": activation, "rate": 0.001})
    network = trained(recipe, crops_of(photo, 3), 60, 5e-4)
    floor = trained(PcaRecipe({"block": 8, "ratio": 8}), crops_of(photo, 3), 0)
    limit = mse(PcaRecipe({"block": 8, "ratio": 8}), floor, crops_of(photo, 3))
    reached = mse(recipe, network, crops_of(photo, 3))
    assert reached < 1.1 * limit
    codec = BlockDnn(recipe.export(network, [photo], {"seed": 1}, "CC0-1.0"))
    assert codec.config.activation == activation
    assert coded_mse(codec, photo, 3) < 1.15 * reached
    assert coded_mse(codec, photo, 3, 1) > coded_mse(codec, photo, 3)


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_seconds_of_training_from_a_random_start_reach_a_stated_error(photo: np.ndarray, activation: str) -> None:
    recipe = BlockDnnRecipe({**SMALL, "colour": "gray", "activation": activation, "init": "random"})
    crops = crops_of(photo, 1)
    before = mse(recipe, recipe.build().eval(), crops)
    reached = mse(recipe, trained(recipe, crops, 150, 5e-3), crops)
    assert reached < 0.007 < before


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_exported_models_decode_exactly_in_integers(photo: np.ndarray, activation: str) -> None:
    recipe = BlockDnnRecipe({**SMALL, "activation": activation})
    model = recipe.export(trained(recipe, crops_of(photo, 3), 0), [photo], {}, "CC0-1.0")
    assert all("decoder" not in name or array.dtype.kind == "i" for name, array in model.tensors.items())
    codec = load_codec("block-dnn", model)
    spec = TileSpec(64, 64, 3, "uint8", 8, "rgb")
    symbols = codec.analyse(crops_of(photo, 3).numpy(), spec, Settings())
    whole = codec.synthesise(symbols)
    for i in range(0, len(whole), 7):
        symbols_of_one = type(symbols)(spec, {name: array[i : i + 1] for name, array in symbols.arrays.items()})
        np.testing.assert_array_equal(codec.synthesise(symbols_of_one)[0], whole[i])


@pytest.mark.parametrize("quantiser", ["uniform", "kmeans"])
@pytest.mark.parametrize("colour", ["gray", "rgb"])
def test_pca_needs_no_steps_and_real_bytes_keep_its_error(photo: np.ndarray, quantiser: str, colour: str) -> None:
    channels = 3 if colour == "rgb" else 1
    recipe = PcaRecipe({**PCA, "colour": colour, "quantiser": quantiser})
    network = trained(recipe, crops_of(photo, channels), 0)
    reached = mse(recipe, network, crops_of(photo, channels))
    tile = photo if channels == 3 else photo[..., 1:2]
    codec = Pca(recipe.export(network, [tile], {}, "CC0-1.0"))
    assert coded_mse(codec, photo, channels) < 1.1 * reached
    assert coded_mse(codec, photo, 3) < 0.004  # a model of gray images still takes colour


def test_no_linear_transform_of_as_many_coefficients_beats_the_principal_components(photo: np.ndarray) -> None:
    recipe = PcaRecipe({"block": 8, "ratio": 8, "colour": "gray"})
    network = trained(recipe, crops_of(photo, 1), 0)
    best = mse(recipe, network, crops_of(photo, 1))
    for seed in range(5):
        noise = torch.randn(network.basis.shape, generator=torch.Generator().manual_seed(seed))
        turned = torch.linalg.qr((network.basis + 0.03 * noise).T).Q.T
        other = recipe.build().eval()
        other.mean.copy_(network.mean)
        other.basis.copy_(turned)
        assert mse(recipe, other, crops_of(photo, 1)) > best


@pytest.mark.parametrize(("sparsity", "activation"), [("l1", "relu"), ("l1", "sigmoid"), ("kl", "sigmoid")])
def test_the_sparsity_penalty_makes_latents_less_active(photo: np.ndarray, sparsity: str, activation: str) -> None:
    means = []
    for weight in (0.0, 1.0):
        torch.manual_seed(3)
        options = {"sparsity": sparsity, "activation": activation, "sparsity_weight": weight, "init": "random"}
        network = trained(BlockDnnRecipe({**SMALL, **options, "colour": "gray"}), crops_of(photo, 1), 60)
        with torch.no_grad():
            means.append(float(network.encode(plane_blocks(crops_of(photo, 1), 8)).mean()))
    assert means[1] < 0.8 * means[0]


def test_the_rate_proxy_makes_streams_smaller(photo: np.ndarray) -> None:
    sizes = []
    spec = TileSpec(64, 64, 3, "uint8", 8, "rgb")
    for rate in (0.0, 0.2):
        recipe = BlockDnnRecipe({**SMALL, "rate": rate, "quantisation_steps": [16.0], "default_level": 0})
        codec = BlockDnn(recipe.export(trained(recipe, crops_of(photo, 3), 60), [photo], {}, "CC0-1.0"))
        sizes.append(sum(map(len, codec.encode(crops_of(photo, 3).numpy(), spec, Settings(quality=50)))))
    assert sizes[1] < 0.95 * sizes[0]


def test_more_centres_have_less_error_and_the_error_of_the_step_that_was_asked_for() -> None:
    samples = np.random.default_rng(1).laplace(0, 1000, 100_000)
    for step in (200.0, 1000.0):
        book = codebook(samples, step)
        assert (np.diff(book) > 0).all()
        assert len(book) <= centres_for(float(samples.std()), step)
        error = np.mean(np.min(np.abs(samples[::50, None] - book), axis=1) ** 2)
        assert 0.4 < error / (step**2 / 12) < 1.4


def test_constant_latents_still_have_a_codebook() -> None:
    np.testing.assert_array_equal(codebook(np.full(100, 7.0), 10.0), [7, 8])


@pytest.mark.parametrize("name", ["block-dnn", "pca"])
def test_the_shipped_recipes_load_with_overrides(name: str) -> None:
    plan = load_plan(name, ["ratio=4", "colour=gray", "quantisation_steps=[32, 8]"])
    assert plan.family == name
    assert plan.recipe().channels == 1
    assert plan.recipe().model["ratio"] == 4


@pytest.mark.parametrize(
    "override",
    ["ratio=7", "ratio=0", "colour=blue", "activation=tanh", "init=zeros", "sparsity=kl", "block=1", "default_level=8",
     "quantisation_steps=[8, 16]", "quantisation_steps=[]", "sparsity_target=1", "extra=-1", "proxy_step=0"],
)  # fmt: skip
def test_settings_that_make_no_sense_are_usage_errors(override: str) -> None:
    with pytest.raises(UsageError):
        plan = load_plan("block-dnn", [override])
        _ = plan.recipe().channels


def test_an_unknown_quantiser_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="quantiser"):
        load_plan("pca", ["quantiser=lattice"])


def test_crops_and_images_below_a_block_are_usage_errors() -> None:
    with pytest.raises(UsageError, match="crop"):
        plane_blocks(torch.zeros(1, 8, 8, 3, dtype=torch.uint8), 16)
    with pytest.raises(UsageError, match="smaller"):
        export_blocks([np.zeros((8, 40, 3), np.uint8)], 16)
