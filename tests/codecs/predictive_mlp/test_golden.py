"""Streams of huffman and predictive-mlp that were once written are read for ever.

If a test here fails, archives out there can no longer be read. make_predictive_streams.py is not the remedy.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.predictive_mlp.weights import unseal_predictors
from tilepress.codecs.registry import load_codec

GOLDEN = Path(__file__).parent.parent.parent / "golden" / "predictive-1" / "expected.json"
SHA256 = "3d8cb3c0ee5d3d033d259d150fed7ee9355f77ae66ba9b4dbcae35c894bc001e"  # as first given
EXPECTED: list[dict[str, Any]] = json.loads(GOLDEN.read_text())
CODECS = ("huffman", "predictive-mlp", "predictive-mlp-range")


def cases() -> list[tuple[dict[str, Any], bytes, bytes]]:
    """(entry, shared bytes, stream); an entry without shared bytes of its own has those of the one before."""
    out, shared = [], b""
    for entry in EXPECTED:
        shared = shared if entry["shared"] is None else base64.b64decode(entry["shared"])
        out.append((entry, shared, base64.b64decode(entry["stream"])))
    return out


def test_the_golden_streams_are_those_that_were_written() -> None:
    assert hashlib.sha256(GOLDEN.read_bytes()).hexdigest() == SHA256


def test_the_golden_streams_cover_every_kind() -> None:
    kinds = {(entry["codec"], stream[7]) for entry, _, stream in cases()}
    assert kinds == {("huffman", 0), ("huffman", 1)} | {(name, kind) for name in CODECS[1:] for kind in (0, 1, 2)}
    tiles = [(entry["tile"], shared) for entry, shared, _ in cases()]
    assert {tile["bit_depth"] for tile, _ in tiles} == {3, 8, 12, 16}
    assert {tile["colour"] for tile, _ in tiles} == {"gray", "rgb", "cmyk"}
    networks = [
        predictor.kind
        for tile, shared in tiles
        if shared
        for predictor in unseal_predictors(shared, tile["channels"], (1 << tile["bit_depth"]) - 1)
    ]
    assert set(networks) == {0, 1, 2}


@pytest.mark.parametrize("codec_id", CODECS)
def test_golden_streams_decode_to_the_samples_that_they_did(codec_id: str) -> None:
    codec = load_codec(codec_id)
    for entry, shared, stream in (case for case in cases() if case[0]["codec"] == codec_id):
        spec = TileSpec(**entry["tile"])
        (tile,) = codec.synthesise(codec.unpack([stream], spec), shared)
        assert tile.shape == spec.shape and tile.dtype == spec.dtype
        samples = tile.astype(tile.dtype.newbyteorder("<")).tobytes()
        assert hashlib.sha256(samples).hexdigest() == entry["samples"], entry["tile"]
