"""How cnn-ae cuts pictures and reads its networks: geometry, exact blending, and texts that make no sense."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tilepress.codecs.errors import ModelError
from tilepress.codecs.learned.networks import ANALYSIS, SYNTHESIS, plan
from tilepress.codecs.planes.tiling import Tiling


@given(data=st.data())
@settings(max_examples=60)
def test_what_is_cut_comes_together_again(data: st.DataObject) -> None:
    """Of blocks that agree where they overlap, blending gives just these samples; of latents, all come back."""
    stride = data.draw(st.sampled_from([1, 2, 4]))
    block = stride * data.draw(st.integers(0, 8))
    cut = Tiling(stride, block, data.draw(st.integers(0, block // 2)), 0 if block else data.draw(st.integers(0, 3)))
    assert cut.sane
    height, width = data.draw(st.integers(1, 50)), data.draw(st.integers(1, 50))
    rng = np.random.default_rng(height)
    pictures = torch.from_numpy(rng.integers(-(1 << 20), 1 << 20, (2, 3, height, width)))
    joined = cut.join(cut.split(cut.pad(pictures)), height, width)
    assert joined.shape[2:] == (cut.padded(height), cut.padded(width))
    np.testing.assert_array_equal(joined[..., :height, :width], pictures)
    grids = torch.from_numpy(rng.integers(0, 99, (2, 4, cut.grid(height), cut.grid(width))))
    pieces = cut.scatter(grids, height, width)
    assert len(pieces) == len(cut.split(cut.pad(pictures)))
    np.testing.assert_array_equal(cut.gather(pieces, height, width), grids)


def test_blending_rises_from_one_block_to_the_next() -> None:
    cut = Tiling(4, 16, 4)
    pieces = np.stack([np.full((1, 16, 16), value) for value in (0, 800, 0, 800)])
    joined = cut.join(torch.from_numpy(pieces), 28, 28)[0, 0]
    np.testing.assert_array_equal(joined[0, 10:18], [0, 0, 100, 300, 500, 700, 800, 800])
    np.testing.assert_array_equal(joined, np.broadcast_to(joined[0], (28, 28)))


@pytest.mark.parametrize(
    "texts",
    [[], ["relu"], ["conv 8"], ["conv 8 4"], ["conv 8 17"], ["conv 0 3"], ["conv 99999 3"], ["conv -8 3"],
     ["unshuffle 0", "conv 8 3"], ["unshuffle 32", "conv 8 3"], ["pool"] * 5 + ["conv 8 3"], ["conv 8 3"] * 65,
     ["shuffle 4", "conv 8 3"], ["import os"], ["conv ² 3"]],
)  # fmt: skip
def test_a_network_that_makes_no_sense_is_a_model_error(texts: list[str]) -> None:
    with pytest.raises(ModelError):
        plan(texts, 3, ANALYSIS)
    with pytest.raises(ModelError):
        plan(texts, 3, SYNTHESIS)
