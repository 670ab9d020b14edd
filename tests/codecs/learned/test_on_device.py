"""Every learned codec on another device than the processor: the two are not mixed, and nothing waits in between."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from tests.support.pretended_device import DEVICE, pretended_device
from tests.support.tile_samples import spec_of, tiles_of
from tilepress.codecs.codec import Codec, Settings, TileSpec
from tilepress.codecs.integer.checks import require, together
from tilepress.codecs.learned import on_device
from tilepress.codecs.registry import CODECS, DEFAULT_MODELS, codec_class, load_codec, resolve

NETWORKS = [name for name in CODECS if name in DEFAULT_MODELS and codec_class(name).networks]
MODELS = [*(DEFAULT_MODELS[name] for name in NETWORKS), "pca-16-kmeans", "block-dnn-sigmoid-16"]
KINDS = ["rgb", "gray", "12-bit gray", "16-bit rgba"]
HEIGHT, WIDTH = 24, 40
_NUMBER = "aten._local_scalar_dense.default"


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Why the processor waited for the device, on which two of these tiles make a batch."""
    monkeypatch.setattr(on_device, "_PIXELS_OFF_CPU", 2 * HEIGHT * WIDTH)
    with pretended_device() as waits:
        yield waits


def loaded(model: str, device: str) -> Codec:
    choice = resolve(model)
    return load_codec(choice.codec_id, choice.model_folder, device)


def samples_of(spec: TileSpec) -> np.ndarray:
    return np.concatenate([tiles_of(spec, content) for content in ("gradient", "noise", "white")])


@pytest.mark.parametrize("model", MODELS)
def test_symbols_and_tiles_are_those_of_the_processor(model: str) -> None:
    here, there = loaded(model, "cpu"), loaded(model, DEVICE)
    sizes = [(HEIGHT, WIDTH), (32, 48), (32, 48), (32, 48)]  # the first has blocks that are incomplete
    for spec in (spec_of(kind, *size) for kind, size in zip(KINDS, sizes, strict=True)):
        if not here.supports(spec):
            continue
        wanted, found = (codec.analyse(samples_of(spec), spec, Settings()) for codec in (here, there))
        assert wanted.arrays.keys() == found.arrays.keys()
        for name, array in wanted.arrays.items():
            np.testing.assert_array_equal(found.arrays[name], array)
            assert found.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(there.synthesise(wanted), here.synthesise(wanted))


@pytest.mark.parametrize("model", ["gan", "rbm-autoencoder"])
def test_views_are_those_of_the_processor(model: str) -> None:
    spec = spec_of("rgb", HEIGHT, WIDTH)
    here, there = loaded(model, "cpu"), loaded(model, DEVICE)
    symbols = here.analyse(samples_of(spec), spec, Settings())
    for view in here.views:
        np.testing.assert_array_equal(there.view(view).synthesise(symbols), here.view(view).synthesise(symbols))


def test_weights_and_latents_are_tuned_to_an_image_whose_networks_are_on_a_device() -> None:
    spec, asked = spec_of("rgb", 128, 128), Settings(effort=1)
    codec = loaded("cnn-ae-ft", DEVICE)
    tile = tiles_of(spec, "gradient") // 2 + tiles_of(spec, "noise") // 8
    changes = codec.prepare(list(tile), spec, asked)
    symbols = codec.analyse(tile, spec, Settings(effort=7), changes)
    wanted = loaded("cnn-ae-ft", "cpu").synthesise(symbols, changes)
    np.testing.assert_array_equal(codec.synthesise(symbols, changes), wanted)


@pytest.mark.parametrize(
    "model", ["block-dnn-16", "pca-16-kmeans", "rbm-autoencoder", "cnn-ae", "gdn-factorized", "cnn-rnn-ae", "cae"]
)
def test_the_processor_looks_at_numbers_of_the_device_only_when_all_batches_are_ordered(
    model: str, waits: list[str]
) -> None:
    codec, spec = loaded(model, DEVICE), spec_of("rgb", HEIGHT, 30)
    symbols = codec.analyse(samples_of(spec), spec, Settings())
    codec.synthesise(symbols)
    waits.clear()
    for work in (lambda: codec.analyse(samples_of(spec), spec, Settings()), lambda: codec.synthesise(symbols)):
        work()
        numbers = waits.count(_NUMBER)
        assert waits[len(waits) - numbers :] == [_NUMBER] * numbers
        copies = waits[: len(waits) - numbers]
        assert 2 * 2 <= len(copies) <= 2 * (1 + len(symbols.arrays))  # of two batches: arrays there and back
        waits.clear()


@pytest.mark.parametrize("model", ["block-dnn-16", "pca-16-kmeans"])
def test_symbols_that_no_stream_holds_are_refused(model: str) -> None:
    spec = spec_of("rgb", HEIGHT, WIDTH)
    symbols = loaded(model, "cpu").analyse(samples_of(spec), spec, Settings())
    symbols.arrays["latents"][1, 0, 0, 0, 0] = 30000
    for device in ("cpu", DEVICE):
        with pytest.raises(ValueError, match="outside"):
            loaded(model, device).synthesise(symbols)


def test_what_does_not_hold_on_a_device_is_known_when_the_block_ends(waits: list[str]) -> None:
    right = torch.ones((), dtype=torch.bool)
    with together():
        require(right, "of the processor")
        require(right.to(DEVICE), "of the device")
        waits.clear()
        require(~right.to(DEVICE) | right.to(DEVICE), "later")
        assert _NUMBER not in waits
        with pytest.raises(ValueError, match="at once"):
            require(~right, "at once")
    with pytest.raises(ValueError, match="late"), together():
        require(~right.to(DEVICE), "late")
    with pytest.raises(ValueError, match="alone"):
        require(~right.to(DEVICE), "alone")


@pytest.mark.parametrize("at_once", [1, 2, 5, 9])
def test_batches_make_one_array_of_what_comes_back(at_once: int) -> None:
    arrays = {"a": np.arange(30, dtype=np.int16).reshape(5, 2, 3), "b": np.arange(5, dtype=np.int32)}
    arrays["a"] = np.asfortranarray(arrays["a"])
    for array in arrays.values():
        array.setflags(write=False)
    for device in (torch.device("cpu"), torch.device(DEVICE)):
        made = on_device.in_batches(
            lambda batch: {"sum": batch["a"] + batch["b"][:, None, None], "b": batch["b"] * 2}, arrays, at_once, device
        )
        np.testing.assert_array_equal(made["sum"], arrays["a"] + arrays["b"][:, None, None])
        np.testing.assert_array_equal(made["b"], arrays["b"] * 2)


def test_two_batches_are_under_way_at_most_and_none_when_the_arrays_are_returned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With CUDA's pinned memory, streams and events stood in for: there is no GPU here."""
    under_way: list[Event] = []
    most = []

    class Event:
        def record(self, stream: object) -> None:
            under_way.append(self)
            most.append(len(under_way))

        def synchronize(self) -> None:
            assert under_way.pop(0) is self

    monkeypatch.setattr(on_device, "_has_pinned_memory", lambda device: device.type != "cpu")
    monkeypatch.setattr(on_device, "_memory", lambda shape, dtype, pinned: torch.empty(shape, dtype=dtype))
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self.clone())
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: None)
    numbers = np.arange(12, dtype=np.int16).reshape(6, 2)
    made = on_device.in_batches(lambda batch: {"y": batch["x"] * 3}, {"x": numbers}, 1, torch.device(DEVICE))
    np.testing.assert_array_equal(made["y"], numbers * 3)
    assert under_way == [] and most == [1, 2, 2, 2, 2, 2]
