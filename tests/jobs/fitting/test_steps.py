"""The steps of fitting the lossless codec: which images, what is learned, and the integers that come of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.support.make_collection import picture
from tilepress.codecs.lossless.levels import DEFAULT
from tilepress.codecs.lossless.network import HIDDEN_MAX, INPUT_ONE, LAST_ONE, WEIGHT_ONE, Network, run_network
from tilepress.codecs.lossless.stack import plain_start
from tilepress.jobs.fitting.export import network_of
from tilepress.jobs.fitting.images import SIDE, Chosen, choose, shrink, spread
from tilepress.jobs.fitting.mixing import usual_mixing
from tilepress.jobs.fitting.network import MixtureNetwork, Schedule, bits, fit
from tilepress.jobs.fitting.samples import Rows, collect
from tilepress.pipeline.sources.dataset import Source


@pytest.fixture(scope="module")
def rows(pictures) -> Rows:
    return collect(choose([Source(pictures)], 6, 2, 0, gray_too=False).fitted, DEFAULT, 20_000, 10**6)


def chosen(source: str, images: int = 40, held_out: int = 10, seed: int = 0, *, gray_too: bool = False) -> Chosen:
    return choose([Source(source)], images, held_out, seed, gray_too=gray_too)


def outputs_of(network: Network, features: np.ndarray) -> np.ndarray:
    """What the integers give for features (n, FEATURES): (n, OUTPUTS) float64, as codecs/lossless/network.py does."""
    values, shift = features.astype(np.int64), WEIGHT_ONE.bit_length() - 1
    for place in range(0, 4, 2):
        sums = values @ network.layers[place].astype(np.int64) + network.layers[place + 1]
        values = np.clip(sums >> shift, 0, HIDDEN_MAX)
    outputs = values @ network.layers[4].astype(np.int64) + network.layers[5]
    return np.asarray(outputs / (INPUT_ONE * LAST_ONE))


def test_held_out_images_are_never_fitted_to(pictures):
    for seed in range(5):
        split = chosen(pictures, 5, 3, seed, gray_too=True)
        fitted_names, held = ({w.name for w in windows} for windows in (split.fitted, split.held_out))
        assert len(fitted_names) == 5 and len(held) == 3 and not fitted_names & held
    assert {w.name for w in chosen(pictures, 5, 3, 1).held_out} != {w.name for w in chosen(pictures, 5, 3, 2).held_out}


def test_copies_of_an_image_count_once(pictures, tmp_path):
    for path in Path(pictures).iterdir():
        for copy in ("a", "b"):
            (tmp_path / f"{copy}{path.name}").write_bytes(path.read_bytes())
    split = chosen(str(tmp_path))
    names = [window.name[1:] for window in (*split.fitted, *split.held_out)]
    assert len(names) == len(set(names)) == 10 and len(split.skipped) == 10


def test_of_few_images_the_same_share_is_held_out(pictures):
    split = chosen(pictures)
    assert (len(split.fitted), len(split.held_out)) == (8, 2)


def test_large_images_give_a_window_and_depth_and_alpha_stay(tmp_path):
    for n in range(4):
        Image.fromarray(picture(530, 700, 4, seed=n)).save(tmp_path / f"{n}.png")
    window = chosen(str(tmp_path)).fitted[0]
    whole = np.asarray(Image.open(tmp_path / window.name))
    assert window.samples.shape == (SIDE, SIDE, 4)
    corners = [(y, x) for y in range(19) for x in range(189)]
    assert any(np.array_equal(whole[y : y + SIDE, x : x + SIDE], window.samples) for y, x in corners)
    part = shrink(window, 4 * 100 * 100)
    assert part.samples.shape == part.spec.shape == (100, 100, 4)


def test_gray_versions_are_those_of_pillow(pictures):
    split = chosen(pictures, gray_too=True)
    gray = [window for window in (*split.fitted, *split.held_out) if window.gray]
    assert len(gray) == 7
    for window in gray:
        expected = np.asarray(Image.open(Path(pictures) / window.name).convert("L"))
        np.testing.assert_array_equal(window.samples[..., 0], expected)


def test_every_source_has_its_turn(pictures, tmp_path):
    for n in range(5):
        Image.fromarray(picture(40, 40, 1, bits=16, seed=n)[..., 0]).save(tmp_path / f"{n}.png")
    split = choose([Source(pictures), Source(str(tmp_path))], 6, 2, 0, gray_too=False)
    assert [window.source for window in split.held_out] == [0, 0, 1, 1]
    assert [window.source for window in spread(split.fitted, 56 * 64 * 3 + 40 * 40)] == [0, 1]
    assert {window.spec.dtype for window in split.fitted if window.source} == {"uint16"}


def test_the_integers_give_what_the_floats_give(rows):
    module = fit(rows, (16, 8), None, Schedule(3, 0, 1))
    network = network_of(module)
    floats = module(torch.from_numpy(rows.features)).detach()
    integers = torch.from_numpy(outputs_of(network, rows.features)[:, : floats.shape[1]]).float()
    assert float((floats - integers).abs().mean()) < 0.03
    targets = torch.from_numpy(rows.targets)
    assert float(bits(integers, targets)) == pytest.approx(float(bits(floats, targets)), abs=0.01)
    again = torch.from_numpy(rows.features[:100])
    assert torch.allclose(MixtureNetwork.of(network)(again), floats[:100], atol=0.2)


def test_the_codec_computes_the_integers_that_were_exported(rows):
    network = network_of(fit(rows, (16, 8), None, Schedule(1, 0, 1)))
    hidden = tuple(np.zeros(network.layers[i].size, np.int32) for i in (1, 3, 5))
    for features, outputs in zip(rows.features[:50], outputs_of(network, rows.features[:50]), strict=True):
        run_network(features.astype(np.int32), network.layers, hidden, 0.0, 1.0, np.zeros((3, 3)))
        assert np.array_equal(hidden[2] / (16 * LAST_ONE), outputs)


def test_training_learns(rows):
    targets = torch.from_numpy(rows.targets)
    begun, trained = MixtureNetwork(8, 8), fit(rows, (8, 8), None, Schedule(3, 0, 0))
    with torch.no_grad():
        before, after = (float(bits(net(torch.from_numpy(rows.features)), targets)) for net in (begun, trained))
    assert after < before


def test_bits_are_those_of_the_discretised_mixture():
    rng = np.random.default_rng(0)
    outputs, targets = torch.from_numpy(rng.normal(0, 1, (1, 9))), torch.tensor([[0.0, 2.0]], dtype=torch.float64)
    values = torch.stack([torch.arange(-400.0, 401.0), torch.full((801,), 2.0)], 1).double()
    each = torch.stack([bits(outputs, value[None]) for value in values])
    assert float((2.0**-each).sum()) == pytest.approx(1, abs=1e-3)
    assert float(each[400]) == pytest.approx(float(bits(outputs, targets)))


@pytest.mark.parametrize("widths", [(8, 8), (128, 128)])
def test_no_training_can_make_a_network_that_overflows(widths: tuple[int, int]):
    module = MixtureNetwork(*widths)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(1e6)
    module.clamp()
    assert isinstance(network_of(module), Network)


def test_training_stops_in_time(rows):
    assert isinstance(fit(rows, (8, 8), None, Schedule(1e6, 0.2, 0)), MixtureNetwork)


def test_mixing_weights_without_knowledge_trust_the_network_half(rows):
    network = network_of(MixtureNetwork(8, 8))
    assert np.allclose(usual_mixing(network).sum(1), 1) and np.allclose(usual_mixing(network)[:, 5], 0.5)
    assert np.array_equal(usual_mixing(None), plain_start().mixing)
