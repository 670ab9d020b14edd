"""The quantiser of all learned codecs: what symbols and values are, with and without dead zone, shift and table."""

from __future__ import annotations

import numpy as np
import torch

from tilepress.codecs.planes.quantiser import Quantiser

Z = torch.linspace(-4, 4, 801)[:, None].expand(-1, 2)
EDGE = np.array([3, 2])


def test_latents_are_rounded_in_steps_and_clipped_channel_by_channel() -> None:
    quantiser = Quantiser(-EDGE, EDGE, gain=np.array([1, 2], np.float32), step=0.5)
    wanted = np.clip(np.rint(Z.numpy() * [2, 4]), -EDGE, EDGE)
    np.testing.assert_array_equal(quantiser.latents(Z), wanted)
    assert quantiser.latents(Z).dtype == torch.int16


def test_a_dead_zone_draws_latents_to_zero_from_both_sides() -> None:
    quantiser = Quantiser(-EDGE, EDGE, dead=np.array([0.0, 0.25]))
    symbols = quantiser.latents(Z).numpy()
    np.testing.assert_array_equal(symbols, -symbols[::-1])
    assert np.abs(Z.numpy()[symbols[:, 0] == 0]).max() < 0.5
    zero = np.abs(Z.numpy()[symbols[:, 1] == 0, 1])
    assert 0.74 < zero.max() < 0.75
    assert not (np.abs(symbols[:, 1]) > np.abs(symbols[:, 0])).any()


def test_values_are_worth_what_the_decoder_sees_and_stay_within_their_bounds() -> None:
    zero, worth = np.array([3, 1]), np.array([5, 1 << 20])
    quantiser = Quantiser(np.zeros(2, int), 2 * EDGE, zero=zero, worth=worth)
    symbols = torch.from_numpy(np.stack([np.zeros(2, int), zero, 2 * EDGE]))
    np.testing.assert_array_equal(quantiser.values(symbols), [[-15, -(1 << 20)], [0, 0], [15, 3 << 20]])
    np.testing.assert_array_equal(quantiser.bounds, [15, 3 << 20])
    np.testing.assert_array_equal(quantiser.values(symbols[:, 1:], 1), quantiser.values(symbols)[:, 1:])


def test_a_shift_places_the_grid() -> None:
    quantiser = Quantiser(np.zeros(2, int), np.full(2, 9), shift=np.array([0.3, 4.0]))
    np.testing.assert_array_equal(quantiser.latents(torch.tensor([[0.3, 0.3], [-1, -5]])), [[1, 4], [0, 0]])


def test_a_table_gives_the_nearest_value_and_its_bounds() -> None:
    table = np.array([[-300, 0, 7], [2, 4, 4]])
    quantiser = Quantiser(np.zeros(2, int), np.array([2, 1]), step=0.5, table=table)
    symbols = quantiser.latents(torch.tensor([[-99.0, 1.4], [-70.0, 1.6], [2.0, 99.0]]))
    np.testing.assert_array_equal(symbols, [[0, 0], [1, 1], [2, 1]])
    np.testing.assert_array_equal(quantiser.values(symbols), [[-300, 2], [0, 4], [7, 4]])
    np.testing.assert_array_equal(quantiser.bounds, [300, 4])
