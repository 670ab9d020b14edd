"""What the network of jpeg-dncnn sees: the same in an archive as in training, and bounded whatever a file holds."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from tilepress.codecs.jpeg.file.tables import CHROMA, LUMA, standard_table
from tilepress.codecs.learned.dncnn.features import INPUTS, MIDDLE, OCTAVE, bounds, features, logarithm
from tilepress.codecs.learned.networks import UNIT, plan_restoration
from tilepress.jobs.recipes.dncnn.network import Restoration

EXTREMES = (-32768, -1024, -1023, -5, -4, -1, 0, 1, 3, 4, 5, 1023, 32767)


def test_integers_are_those_that_the_float_network_learns_from() -> None:
    rng = np.random.default_rng(1)
    network = Restoration(plan_restoration(["conv 64 1"], INPUTS))
    for quality in (1, 10, 50, 90, 100):
        for kind in (LUMA, CHROMA):
            deviations = rng.integers(4, 600, 64)
            network.deviations.copy_(torch.from_numpy(deviations))
            table = standard_table(kind, quality)
            levels = rng.integers(-1023, 1024, (5, 7, 64)) >> rng.integers(0, 10, (5, 7, 64))
            seen = network.features(
                torch.from_numpy(np.moveaxis(levels, -1, 0)[None]).float(), torch.from_numpy(table[None]).long()
            )
            made = features(levels.astype(np.int16), table, deviations)
            np.testing.assert_array_equal((seen[0] * UNIT).numpy(), made)


@given(
    levels=st.lists(st.sampled_from(EXTREMES) | st.integers(-32768, 32767), min_size=64, max_size=64),
    steps=st.lists(st.integers(1, 65535), min_size=64, max_size=64),
    deviation=st.integers(1, 1 << 15),
)
def test_no_file_leads_beyond_the_bounds_that_the_network_is_proven_for(
    levels: list[int], steps: list[int], deviation: int
) -> None:
    blocks = np.array(levels, np.int16).reshape(1, 1, 64)
    found = features(blocks, np.array(steps, np.int32), np.full(64, deviation))
    assert found.shape == (INPUTS, 1, 1) and found.dtype == np.int32
    assert (np.abs(found[:, 0, 0].astype(np.int64)) <= bounds()).all()
    values = [max(-2048, min(2048, 256 * q * s // deviation)) for q, s in zip(levels, steps, strict=True)]
    assert found[:64, 0, 0].tolist() == values


def test_logarithms_of_all_steps_are_those_of_pythons_integers() -> None:
    steps = range(1, 65536)
    wanted = [OCTAVE * (s.bit_length() - 1 - MIDDLE) + OCTAVE * s // (1 << s.bit_length() - 1) - OCTAVE for s in steps]
    found = logarithm(np.array(steps, np.int32))
    assert found.tolist() == wanted == sorted(wanted)
    exact = OCTAVE * (np.log2(np.array(steps)) - MIDDLE)
    assert np.abs(found - exact).max() < 0.09 * OCTAVE + 1
