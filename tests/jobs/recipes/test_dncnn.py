"""Training jpeg-dncnn: what it learns from, where it begins, what a few steps bring, what is exported."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.support.learned.training import crops, exported, figures_of
from tests.support.photo_like import picture, psnr
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.jpeg.encode import encode
from tilepress.codecs.jpeg.file.tables import CHROMA, LUMA, quality_tables
from tilepress.codecs.jpeg.forward import quantised_plane
from tilepress.codecs.learned.dncnn.cells import plain_blocks
from tilepress.codecs.learned.dncnn.codec import JpegDncnn
from tilepress.codecs.learned.networks import reach
from tilepress.jobs.recipes.dncnn.compressed import (
    chroma_mosaics,
    compressed,
    drawings,
    luma,
    random_tables,
    tables_of,
)
from tilepress.jobs.recipes.dncnn.recipe import JpegDncnnRecipe
from tilepress.jobs.recipes.options import Options
from tilepress.jobs.recipes.recipe import TrainingPlan, load_plan
from tilepress.jobs.training.learner import Learner
from tilepress.pipeline.errors import UsageError

SMALL: dict[str, object] = {"channels": 12, "layers": 1}


def learner_of(model: dict[str, object], **options: object) -> Learner:
    learner = Learner(TrainingPlan("test", "jpeg-dncnn", Options(**{"crop": 32, "seed": 3, **options}), model))
    learner.initialise(crops(24))
    return learner


def smooth(count: int, seed: int) -> np.ndarray:
    return picture(TileSpec(64, 64, 3, "uint8", 8, "rgb"), count, seed)


def blocks_of(coefficients: torch.Tensor) -> np.ndarray:
    """Coefficients (64, rows, columns) as (rows, columns, 64)."""
    return np.moveaxis(coefficients.numpy(), 0, -1)


def test_what_is_learned_from_is_what_libjpeg_makes_of_the_same_samples() -> None:
    """But for quotients so near the middle of two levels that the rounding of its integer transform decides."""
    planes = luma(torch.from_numpy(crops(40)))
    qualities = torch.arange(1, 101, 100 / 40).long()
    jpeg = compressed(planes, tables_of(qualities, torch.tensor([LUMA, CHROMA] * 20)))
    others = 0
    for plane, levels, original, table in zip(planes, jpeg.levels, jpeg.original, jpeg.table, strict=True):
        theirs = quantised_plane(plane.numpy().astype(np.uint8), table.numpy())
        differs = blocks_of(levels) != theirs
        middle = np.abs(blocks_of(original) - (blocks_of(levels) + theirs) / 2 * table.numpy())
        assert (middle[differs] < 0.2).all()
        others += differs.sum()
    assert others < 0.005 * jpeg.levels.numel()


def test_luma_is_that_of_a_jpeg_file() -> None:
    (crop,) = crops(1)
    image = encode(crop, 100)
    samples = plain_blocks(image.blocks[0].reshape(-1, 64), image.tables[0]).reshape(4, 4, 8, 8).swapaxes(1, 2)
    assert np.abs(luma(torch.from_numpy(crop[None]))[0].numpy() - samples.reshape(32, 32)).max() <= 1


def test_tables_of_all_qualities_are_those_of_libjpeg() -> None:
    for quality in range(1, 101):
        found = tables_of(torch.tensor([quality, quality]), torch.tensor([LUMA, CHROMA])).numpy()
        np.testing.assert_array_equal(found, quality_tables(quality))


def test_random_tables_are_those_of_libjpeg_mostly_and_always_of_a_baseline_file() -> None:
    torch.manual_seed(1)
    for kind in (LUMA, CHROMA):
        found = random_tables(torch.full((800,), kind)).numpy()
        assert found.shape == (800, 64) and found.min() >= 1 and found.max() <= 255
        known = {quality_tables(q)[kind].tobytes(): q for q in range(5, 101)}
        names = [known.get(table.tobytes()) for table in found.astype(np.int32)]
        qualities = [quality for quality in names if quality is not None]
        assert 0.8 < len(qualities) / 800 < 0.95
        assert min(qualities) < 10 and max(qualities) > 90 and np.mean(np.array(qualities) <= 50) > 0.6


def test_mosaics_have_the_halved_chroma_of_two_crops_side_by_side() -> None:
    colours = np.array([[255, 0, 0], [0, 0, 255], [128, 128, 128], [0, 255, 0]], np.uint8)
    flat = np.broadcast_to(colours[:, None, None], (4, 32, 32, 3))
    found = chroma_mosaics(torch.from_numpy(flat.copy())).numpy()
    assert found.shape == (2, 32, 32)
    quarters = found.reshape(2, 2, 16, 2, 16).swapaxes(2, 3).reshape(2, 4, 256)
    assert (quarters == quarters[..., :1]).all()
    assert sorted(quarters[0, :, 0]) == [85, 107, 255, 255]
    assert sorted(quarters[1, :, 0]) == [21, 44, 128, 128]


def test_drawings_are_flat_tones_with_sharp_edges() -> None:
    torch.manual_seed(2)
    found = drawings(20, 64, torch.device("cpu")).numpy()
    assert found.shape == (20, 64, 64) and found.min() >= 0 and found.max() <= 255
    np.testing.assert_array_equal(found, np.rint(found))
    assert all(len(np.unique(plane)) <= 11 for plane in found)
    assert (found[:, :, 1:] == found[:, :, :-1]).mean() > 0.7
    assert {0, 255} <= {float(tone) for tone in np.unique(found)}


def test_an_untrained_network_leaves_what_jpeg_made_as_it_is() -> None:
    figures = figures_of(learner_of(SMALL), crops(8, seed=9))
    assert figures["gain"] == pytest.approx(0, abs=1e-6)
    assert figures["loss"] == pytest.approx(1, abs=1e-6)
    assert set(figures) == {"loss", "mse", "gain"}


def test_some_steps_bring_back_what_pictures_never_seen_lost_and_integers_do_as_much() -> None:
    """Of smooth pictures: noise is lost for good."""
    wide = {"channels": 32, "layers": 2, "chroma": 0.0, "drawings": 0.0}
    learner, held_out, seen = learner_of(wide, crop=64, lr=2e-3), smooth(8, 9), torch.from_numpy(smooth(64, 20))
    before = figures_of(learner, held_out)
    for step in range(100):
        learner.learn(seen[step % 8 :: 8], step, step / 100)
    after = figures_of(learner, held_out)
    assert after["gain"] > 0.1 and after["loss"] < 0.98 * before["loss"] and after["mse"] < before["mse"]
    model, spec = exported(learner, list(smooth(12, 5))), TileSpec(64, 64, 1, "uint8", 8, "gray")
    assert model.training["integer_loss"] < 0.02
    assert model.licence == "terms of the data"
    codec, gray = JpegDncnn(model), luma(torch.from_numpy(held_out)).numpy().astype(np.uint8)[..., None]
    gains = []
    for quality in (10, 20, 30, 40):
        symbols = codec.analyse(gray, spec, Settings(quality=quality))
        blocks, table = symbols.arrays["blocks0"], symbols.arrays["tables"][0, 0]
        plain = plain_blocks(blocks.reshape(-1, 64), table).reshape(8, 8, 8, 8, 8).swapaxes(2, 3).reshape(gray.shape)
        gains.append(psnr(codec.synthesise(symbols), gray) - psnr(plain, gray))
    assert min(gains) > 0
    assert np.mean(gains) == pytest.approx(after["gain"], abs=0.3)


def test_every_kind_of_plane_is_learned_from() -> None:
    """A batch of photographs, chroma and drawings, and what each costs, is finite."""
    learner = learner_of(SMALL | {"chroma": 0.25, "drawings": 0.25})
    figures = [learner.learn(torch.from_numpy(crops(8)), step, 0.0) for step in range(2)]
    assert all(np.isfinite(list(each.values())).all() for each in figures)
    alone = learner_of(SMALL | {"chroma": 0.0, "drawings": 0.0})
    assert np.isfinite(list(alone.learn(torch.from_numpy(crops(1)), 0, 0.0).values())).all()


@pytest.mark.parametrize("bits", [8, 16])
def test_weights_have_the_bits_that_were_asked_for_but_in_the_last_layer(bits: int) -> None:
    tensors = exported(learner_of(SMALL | {"weight_bits": bits}), list(crops(7))).tensors
    kinds = [tensors[f"synthesis{i}.weight"].dtype for i in range(3)]
    assert kinds == [np.dtype(f"int{bits}"), np.dtype(f"int{bits}"), np.int16]


@pytest.mark.parametrize(
    ("name", "far", "multiplications"), [("jpeg-dncnn", 4, 36_000), ("jpeg-dncnn-published", 3, 610_000)]
)
def test_recipes_are_as_large_as_they_say(name: str, far: int, multiplications: int) -> None:
    recipe = load_plan(name).recipe()
    assert isinstance(recipe, JpegDncnnRecipe)
    assert reach(recipe.plan) == far
    positions, total = 1, 0
    for operation in recipe.plan.operations:
        if operation.kind == "conv":
            total += positions * operation.inputs * operation.outputs * operation.size**2
        elif operation.kind in ("shuffle", "unshuffle"):
            positions = int(positions * operation.size ** (2 if operation.kind == "shuffle" else -2))
    assert total / 64 == pytest.approx(multiplications, rel=0.02)


@pytest.mark.parametrize(
    "model",
    [{"network": ["conv 63 1"]}, {"network": ["conv 64 1", "relu"]}, {"network": ["conv 8 3", "conv 64 1"]},
     {"network": ["shuffle 8", "conv 64 3", "relu", "unshuffle 8", "conv 64 1"]}, {"network": ["conv 64 15"] * 9},
     {"channels": 0}, {"channels": 300}, {"layers": 30}, {"layers": -1}, {"layers": 10**12},
     {"network": ["relu", "conv 64 1"]}, {"weight_bits": 12}, {"drawings": -0.1}, {"chroma": -0.1},
     {"drawings": 0.3, "chroma": 0.3}],
)  # fmt: skip
def test_a_configuration_that_cannot_be_trained_or_exported_is_refused_at_once(model: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        TrainingPlan("test", "jpeg-dncnn", Options(), model).recipe()


@pytest.mark.parametrize("side", [1, 8, 15])
def test_a_training_on_pictures_smaller_than_two_blocks_ends_with_a_model(side: int) -> None:
    learner = learner_of(SMALL)
    tiles = [tile[:side] for tile in crops(3)]
    with learner.exported() as network:
        assert JpegDncnn(learner.recipe.export(network, tiles, {}, ""))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("model.layer=3", "mean layers"),
        ("model.measures={l1: 1}", "no key measures"),
        ("crop=40", "multiple of 16"),
        ("seed=99999999999999999999", "seed must be at most"),
    ],
)
def test_a_wrong_key_says_what_is_wrong(asked: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        load_plan("jpeg-dncnn", [asked])


@pytest.mark.slow
def test_the_published_network_is_exported_in_integers_of_float32() -> None:
    learner = Learner(load_plan("jpeg-dncnn-published", ["crop=16"]))
    learner.initialise(crops(4, 16))
    codec = JpegDncnn(exported(learner, list(crops(7, 16))))
    assert set(codec.restorer._network.needs) == {24}
    spec = TileSpec(24, 16, 3, "uint8", 8, "rgb")
    tiles = picture(spec)
    assert codec.decode(codec.encode(tiles, spec), spec).shape == tiles.shape
