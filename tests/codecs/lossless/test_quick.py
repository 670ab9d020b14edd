"""Level quick where a plane has several classes of blocks, and the names of residual coders."""

from __future__ import annotations

from typing import get_args, get_type_hints

import numpy as np
import pytest

from tests.support.lossless_cases import coarse, scene
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.lossless.quick.classes import CLASS_BITS, MOST_CLASSES
from tilepress.codecs.lossless.stack import decode_stack, encode_quickly
from tilepress.codecs.registry import RESIDUAL_NAMES, RESIDUALS


@pytest.mark.parametrize("error", [0, 2])
@pytest.mark.parametrize("based", [False, True])
@pytest.mark.parametrize("flat", [None, 0, 1, 2])
def test_several_classes_come_back(flat: int | None, based: bool, error: int) -> None:
    spec = TileSpec(150, 170, 3, "uint16", 12, "rgb")
    tile = scene(spec)
    if flat is not None:
        tile[..., flat] = 77
    base = coarse(tile) if based else None
    payload = encode_quickly(tile, base, spec, error)
    assert payload[0] == 4
    difference = np.abs(decode_stack(payload, base, spec, {}).astype(np.int64) - tile)
    assert difference.max() <= error
    if flat is not None:
        assert not difference[..., flat].any()


def test_a_class_has_a_number_in_the_stream() -> None:
    assert MOST_CLASSES == 1 << CLASS_BITS


def test_verbs_offer_the_residual_coders_that_there_are() -> None:
    from tilepress import compress, estimate

    for verb in (compress, estimate):
        reports = {"CompressReport": object, "EstimateReport": object}
        asked = get_type_hints(verb, localns=reports, include_extras=True)["residual"]
        assert get_args(get_args(asked)[0]) == tuple(RESIDUAL_NAMES)
    assert set(RESIDUAL_NAMES.values()) == set(RESIDUALS)
