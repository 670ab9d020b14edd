"""Streams of level quick of lossless, of lossless-quick and of lossless-quick-1, once written, are read for ever.

If a test here fails, archives out there can no longer be read. make_quick_streams.py is not the remedy. They need not
be written again to the byte: an encoder chooses predictors by sums whose order is the linear algebra library's.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.codecs.lossless.test_golden import assert_decoded, unpacked
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.lossless.codec import Lossless
from tilepress.codecs.lossless.levels import QUICK
from tilepress.codecs.lossless.quick import expectation
from tilepress.codecs.lossless.quick.codec import LosslessQuick
from tilepress.codecs.lossless.quick.residual import QuickResidual
from tilepress.codecs.model import SHIPPED, Model

GOLDEN = Path(__file__).parent.parent.parent / "golden"
SHA256 = {  # as make_quick_streams.py gave it, once
    "lossless-quick-1.json": "b09907c90d2bfc80df86afe8455e1ce0438452b5dea93d055b0474b033ea6f2f",
    "lossless-quick-2.json": "f33ae5081878aa72ac7b0d75e684050541af36a13fa83402b5eb44cd98c57dd0",  # of several classes
    "lossless-quick-3.json": "62c32fbc707cd3da0168fd3557981ea89daa40e8beb108603e13c0def56ece9b",  # of lossless-quick
}
CONSTANTS = "ae52272d9b5669538649f9404ac2221abd24cef608fa99e129d9c9d9dcf9f50b"  # as float64
LEVEL = 7  # where its code is in a stream
ENTRIES: list[dict[str, Any]] = [entry for name in SHA256 for entry in json.loads((GOLDEN / name).read_text())]
TILES = [number for number, entry in enumerate(ENTRIES) if "tile" in entry]


def test_the_golden_streams_are_those_that_were_written() -> None:
    for name, digest in SHA256.items():
        assert hashlib.sha256((GOLDEN / name).read_bytes()).hexdigest() == digest
    streams = [base64.b64decode(entry["stream"]) for entry in ENTRIES if "stream" in entry]
    assert {stream[LEVEL] for stream in streams} == {0, QUICK.code}
    assert sum(stream[LEVEL] for stream in streams) > 0.8 * QUICK.code * len(streams)


def test_numbers_of_the_format_are_those_that_they_always_were() -> None:
    found = (expectation.EXPECTED, expectation.FINER, expectation._GAINS, expectation._FIRST_SIZES, expectation._RATES)
    digest = hashlib.sha256(b"".join(np.asarray(numbers, "<f8").tobytes() for numbers in found))
    assert digest.hexdigest() == CONSTANTS


@pytest.mark.parametrize("first", TILES)
def test_a_golden_stream_decodes_as_it_did(first: int) -> None:
    tile = ENTRIES[first]
    spec = TileSpec(**tile["tile"])
    original = unpacked(tile["original"], spec)
    end = next((number for number in TILES if number > first), len(ENTRIES))
    for entry in ENTRIES[first + 1 : end]:
        stream = base64.b64decode(entry["stream"])
        assert_decoded(decoded(stream, entry, tile, spec), entry, original, spec)


def decoded(stream: bytes, entry: dict[str, Any], tile: dict[str, Any], spec: TileSpec) -> np.ndarray:
    if "codec" in entry:
        return LosslessQuick().decode_tile(stream, spec)
    if entry["based"]:
        return QuickResidual().decode(stream, unpacked(tile["base"], spec), spec)
    return Lossless(Model.load(SHIPPED / "lossless")).decode_tile(stream, spec)
