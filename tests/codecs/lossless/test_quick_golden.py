"""Streams of level quick of lossless, and of lossless-quick-1, that were once written are read for ever.

If a test here fails, archives out there can no longer be read. make_quick_streams.py is not the remedy. They need not
be written again to the byte: an encoder chooses predictors by sums whose order is the linear algebra library's.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.codecs.lossless.test_golden import assert_decoded, unpacked
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.lossless.codec import Lossless
from tilepress.codecs.lossless.levels import QUICK
from tilepress.codecs.lossless.quick.residual import QuickResidual
from tilepress.codecs.model import SHIPPED, Model

GOLDEN = Path(__file__).parent.parent.parent / "golden" / "lossless-quick-1.json"
SHA256 = "b09907c90d2bfc80df86afe8455e1ce0438452b5dea93d055b0474b033ea6f2f"  # as make_quick_streams.py gave it, once
LEVEL = 7  # where its code is in a stream
ENTRIES: list[dict[str, Any]] = json.loads(GOLDEN.read_text())
TILES = [number for number, entry in enumerate(ENTRIES) if "tile" in entry]


def test_the_golden_streams_are_those_that_were_written() -> None:
    assert hashlib.sha256(GOLDEN.read_bytes()).hexdigest() == SHA256
    streams = [base64.b64decode(entry["stream"]) for entry in ENTRIES if "stream" in entry]
    assert {stream[LEVEL] for stream in streams} == {0, QUICK.code}
    assert sum(stream[LEVEL] for stream in streams) > 0.8 * QUICK.code * len(streams)


@pytest.mark.parametrize("first", TILES)
def test_a_golden_stream_decodes_as_it_did(first: int) -> None:
    tile = ENTRIES[first]
    spec = TileSpec(**tile["tile"])
    original, base = (unpacked(tile[name], spec) for name in ("original", "base"))
    codec, residual = Lossless(Model.load(SHIPPED / "lossless")), QuickResidual()
    end = next((number for number in TILES if number > first), len(ENTRIES))
    for entry in ENTRIES[first + 1 : end]:
        stream = base64.b64decode(entry["stream"])
        samples = residual.decode(stream, base, spec) if entry["based"] else codec.decode_tile(stream, spec)
        assert_decoded(samples, entry, original, spec)
