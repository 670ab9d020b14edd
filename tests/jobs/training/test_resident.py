"""Crops drawn on the device: the ones that are made on the processor, from whatever images, and nothing waits."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.support.learned.training import SLIM
from tests.support.pretended_device import DEVICE, pretended_device
from tilepress import train
from tilepress.codecs.model import Model
from tilepress.jobs.recipes.options import Options
from tilepress.jobs.training import checkpoints, feeding, resident
from tilepress.jobs.training import train as train_module
from tilepress.jobs.training.feeding import Feed, Share, batches
from tilepress.jobs.training.figures import Figures
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.sources.crops import Split, split
from tilepress.pipeline.sources.dataset import Source
from tilepress.pipeline.storage.base import open_storage

SIZES = [(40, 50, 3), (9, 70, 3), (64, 64, 1), (33, 20, 3), (16, 16, 1), (100, 12, 3), (5, 5, 3)]


Images = tuple[Source, Split]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    """Gray and RGB, larger and smaller than a crop, and one that is another by the time it is decoded."""
    folder, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(1)
    for number, shape in enumerate(SIZES):
        Image.fromarray(np.squeeze(rng.integers(0, 256, shape, np.uint8))).save(folder / f"{number}.png")
    source = Source(str(folder))
    divided = split(source.open(), 0.1)
    (folder / divided.train[3].name).write_bytes(b"another")
    return source, divided


def feed_of(images: Images, channels: int = 3, **options: object) -> Feed:
    return Feed(*images, Options(**{"crop": 16, "batch_size": 60, "seed": 5, **options}), channels)


def some(feed: Feed, first: int, device: str = "cpu", share: Share = feeding.ALL, count: int = 6) -> list[np.ndarray]:
    return [batch.cpu().numpy() for batch in itertools.islice(batches(feed, first, device, share), count)]


@pytest.fixture
def waits() -> Iterator[list[str]]:
    with pretended_device() as found:
        yield found


@pytest.mark.parametrize("device", ["cpu", DEVICE])
@pytest.mark.parametrize(("channels", "flips"), [(1, True), (3, True), (3, False)])
@pytest.mark.parametrize("room", [1 << 30, 9000, 0])
def test_they_are_the_crops_that_are_streamed(
    images: Images,
    waits: list[str],
    device: str,
    channels: int,
    flips: bool,
    room: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Even where few images stay on the device, or none; and from any step on."""
    monkeypatch.setattr(feeding, "room_on", lambda device: room)
    monkeypatch.setattr(resident, "_AT_ONCE", 16 * 16 * 70)
    streamed = feed_of(images, channels, flips=flips, feed="streamed")
    drawn = replace(streamed, options=replace(streamed.options, feed="resident"))
    for first in (0, 5):
        wanted, found = some(streamed, first), some(drawn, first, device)
        assert all(np.array_equal(a, b) for a, b in zip(wanted, found, strict=True))
    assert len({each.tobytes() for each in wanted}) == 6


def test_crops_are_those_that_seeds_have_always_made(images: Images) -> None:
    digest = hashlib.sha256(b"".join(each.tobytes() for each in some(feed_of(images), 0)))
    assert digest.hexdigest() == "6c5bd5a32983056efee60b86950959e684c7883647fe3ee9bdcd1e4e13d3dc86"


def test_workers_that_train_together_have_windows_of_their_own(images: Images) -> None:
    feed = feed_of(images, feed="resident")
    alone, per_window = some(feed, 0, count=16), feed.batches_per_window
    for rank in range(2):
        for first in (0, per_window + 1):
            windows = [alone[at : at + per_window] for at in range(0, 16, per_window)][rank::2]
            wanted = list(itertools.chain(*windows))[first : first + 3]
            found = some(feed, first, share=Share(rank, 2), count=3)
            assert all(np.array_equal(a, b) for a, b in zip(wanted, found, strict=True))


def test_nothing_waits_for_the_device_once_images_are_there(images: Images, waits: list[str]) -> None:
    feed = feed_of(images, feed="auto")
    assert feed.resident(DEVICE) and not feed.resident("cpu")
    made = batches(feed, 0, DEVICE)
    for _ in range(2 * feed.batches_per_window):
        next(made)
    waits.clear()
    assert all(str(next(made).device) == DEVICE for _ in range(3 * feed.batches_per_window))
    assert waits == []


def test_images_are_decoded_once(photos: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source(photos)
    feed = feed_of((source, split(source.open(), 0.1)), feed="resident")
    decoded: list[int] = []
    cropper = feed.cropper()

    def decode(number: int) -> np.ndarray:
        decoded.append(number)
        return cropper.image(number)

    monkeypatch.setattr(Feed, "cropper", lambda self: type("Counted", (), {"image": staticmethod(decode)}))
    made = batches(feed, 0)
    for _ in range(5 * feed.batches_per_window):
        next(made)
    made.close()
    assert sorted(decoded) == list(range(len(feed.split.train)))


def test_a_data_set_of_which_nothing_decodes_says_so(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((30, 30, 3), np.uint8)).save(tmp_path / "a.png")
    source = Source(str(tmp_path))
    divided = split(source.open(), 0.5)
    (tmp_path / "a.png").write_bytes(b"another")
    with pytest.raises(UsageError, match="none of the 1 images decodes"):
        some(feed_of((source, divided), feed="resident"), 0)


@pytest.mark.slow
def test_a_training_ends_in_the_same_weights_whatever_feeds_it(recipe: str, photos: str, tmp_path: Path) -> None:
    models = []
    for feed in ("streamed", "resident"):
        out = str(tmp_path / feed)
        train(recipe, photos, out, engine="local", overrides=(f"feed={feed}", "steps=12"))
        models.append(Model.load(out))
    one, other = models
    assert one.training["feed"] == "streamed" and other.training["feed"] == "resident"
    assert all(np.array_equal(one.tensors[name], other.tensors[name]) for name in one.tensors)


def test_a_whole_training_on_a_device_goes_on_where_it_was_stopped(
    recipe: str, photos: str, tmp_path: Path, waits: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a critic, averages, a checkpoint on the way, and the images on the device."""

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    asked = ("steps=20", "game=dcgan", "ema=0.9")
    train(recipe, photos, str(tmp_path / "here"), engine="local", overrides=asked)
    monkeypatch.setattr(train_module, "_device", lambda engine: DEVICE)
    with monkeypatch.context() as patch:
        patch.setattr(train_module, "_export", stopped)
        with pytest.raises(KeyboardInterrupt):
            train(recipe, photos, str(tmp_path / "there"), engine="local", overrides=asked)
    work = open_storage(str(tmp_path / "there.training"))
    assert checkpoints.saved_steps(work) == [10, 20]
    checkpoints.remove(work, 20)
    report = train(recipe, photos, str(tmp_path / "there"), engine="local", overrides=asked)
    here, there = (Model.load(tmp_path / name).tensors for name in ("here", "there"))
    assert report.resumed_at == 10
    for name, wanted in here.items():
        np.testing.assert_allclose(there[name], wanted, atol=1e-4)


@pytest.mark.slow
def test_workers_on_ray_keep_images_of_their_own(recipe: str, photos: str, ray_cluster: object, tmp_path: Path) -> None:
    asked = ("steps=40", "feed=resident")
    report = train(recipe, photos, tmp_path / "ray", engine="ray", workers=2, gpus_per_actor=0, overrides=asked)
    alone = train(recipe, photos, tmp_path / "alone", engine="local", overrides=(*asked, "batch_size=8"))
    assert (report.workers, report.steps) == (2, 40)
    assert report.figures["mse"] == pytest.approx(alone.figures["mse"], rel=0.25)


@pytest.mark.slow
def test_steps_may_be_compiled(photos: str, tmp_path: Path) -> None:
    slim = [f"{key}={json.dumps(value)}" for key, value in SLIM["cnn-ae"].items()]
    asked = (*slim, "steps=6", "batch_size=2", "crop=32")
    models = []
    for compiled in ("false", "true"):
        train("cnn-ae", photos, tmp_path / compiled, engine="local", overrides=(*asked, f"compile={compiled}"))
        models.append(Model.load(tmp_path / compiled))
    plain, made = models
    assert made.training["final"]["mse"] == pytest.approx(plain.training["final"]["mse"], rel=1e-2)


def test_what_cannot_be_compiled_says_what_to_do(
    recipe: str, photos: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch._dynamo.exc import TorchDynamoException  # takes a second to import

    def fails(network: torch.nn.Module, options: object) -> torch.nn.Module:
        def call(*_: object) -> None:
            raise TorchDynamoException("no compiler\nat all")

        monkeypatch.setattr(network, "forward", call)
        return network

    monkeypatch.setattr(torch, "compile", fails)
    with pytest.raises(UsageError, match=r"set compile=false \(no compiler\)"):
        train(recipe, photos, tmp_path / "m", engine="local", overrides=("compile=true",))


def test_figures_are_fetched_at_once_and_a_divergence_names_its_step(waits: list[str]) -> None:
    figures = Figures(torch.device(DEVICE))
    values = torch.tensor([1.0, 2.0, float("nan"), 4.0]).to(DEVICE)
    waits.clear()
    for step in range(2):
        figures.add(step, {"loss": values[step], "mse": values[step].bfloat16()})
    assert waits == []
    figures.fetch()
    assert len(waits) == 1 and figures.taken() == [{"loss": 1.0, "mse": 1.0}, {"loss": 2.0, "mse": 2.0}]
    figures.add(7, {"loss": values[3]})
    figures.add(8, {"loss": values[2]})
    figures.add(9, {"loss": values[3]})
    with pytest.raises(UsageError, match="diverged at step 8"):
        figures.fetch()


def test_another_feed_is_refused_with_the_names_of_all() -> None:
    with pytest.raises(UsageError, match="feed must be auto or resident or streamed, not 'fast'"):
        Options(feed="fast")
