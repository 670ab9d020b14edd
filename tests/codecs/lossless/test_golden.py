"""Streams of lossless and lossless-1 that were once written are read for ever, and written again to the byte.

If a test here fails, archives out there can no longer be read. make_lossless_streams.py is not the remedy (but until
the first release, where the model of lossless-1 was trained anew, its streams are written anew, as that file says).
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.lossless.codec import Lossless
from tilepress.codecs.lossless.residual import LosslessResidual
from tilepress.codecs.model import Model

GOLDEN = Path(__file__).parent.parent.parent / "golden" / "lossless-1"
SHA256 = "b5d3f8d02a04cc606286ba35d0dec74498cdb4ff5ce09d408f554809fdea6bdb"  # as make_lossless_streams.py gave it, once
RESIDUAL_SHA256 = "7ea21a5c35e32737a858c62da5bd7c2fb45c75a5488ba2da4461c9b5606a11f8"

Entries = list[dict[str, Any]]


def groups(name: str) -> list[tuple[dict[str, Any], Entries]]:
    """Every tile, and its streams."""
    out: list[tuple[dict[str, Any], Entries]] = []
    for entry in json.loads((GOLDEN / name).read_text()):
        if "tile" in entry:
            out.append((entry, []))
        else:
            out[-1][1].append(entry)
    return out


CODEC, RESIDUAL = groups("expected.json"), groups("residual.json")
LEVEL = 7  # where its code is in a stream


def label(group: tuple[dict[str, Any], Entries]) -> str:
    tile = group[0]["tile"]
    return f"{tile['colour']}-{tile['channels']}x{tile['bit_depth']}"


@cache
def codec(name: str) -> Lossless:
    return Lossless(Model.load(GOLDEN / "models" / name))


def unpacked(text: str, spec: TileSpec) -> np.ndarray:
    """Samples (h, w, c) of the entry of a tile."""
    data = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.dtype(spec.dtype).newbyteorder("<"))
    return data.reshape(spec.shape).astype(spec.dtype)


def assert_decoded(samples: np.ndarray, entry: dict[str, Any], original: np.ndarray, spec: TileSpec) -> None:
    assert samples.shape == spec.shape and samples.dtype == spec.dtype
    assert hashlib.sha256(samples.astype(samples.dtype.newbyteorder("<")).tobytes()).hexdigest() == entry["samples"]
    assert np.abs(samples.astype(np.int64) - original).max() <= entry["max_error"]


def test_the_golden_streams_are_those_that_were_written() -> None:
    out = hashlib.sha256()
    for path in sorted(path for path in GOLDEN.rglob("*") if path.is_file() and path.name != "residual.json"):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        out.update(f"{path.relative_to(GOLDEN).as_posix()}\n{digest}\n".encode())
    assert out.hexdigest() == SHA256


def test_the_golden_residual_streams_are_those_that_were_written() -> None:
    assert hashlib.sha256((GOLDEN / "residual.json").read_bytes()).hexdigest() == RESIDUAL_SHA256


def test_the_golden_streams_are_small() -> None:
    assert sum(path.stat().st_size for path in GOLDEN.rglob("*") if path.is_file()) < 250_000


def test_the_golden_streams_cover_every_kind() -> None:
    for found in (CODEC, RESIDUAL):
        tiles = [tile["tile"] for tile, _ in found]
        assert {tile["bit_depth"] for tile in tiles} == {1, 3, 8, 9, 12, 16}
        assert {tile["channels"] for tile in tiles} == {1, 2, 3, 4, 5}
        assert {tile["colour"] for tile in tiles} == {"gray", "rgb", "cmyk"}
    streams = [entry for _, entries in CODEC for entry in entries]
    coded = {(base64.b64decode(e["stream"])[LEVEL], e["model"], e["max_error"]) for e in streams}
    pairs = (("networks", 0), ("networks", 3), ("plain", 0), ("plain", 300))
    assert coded >= {(level, *pair) for level in (1, 2, 3) for pair in pairs}
    assert {base64.b64decode(e["stream"])[LEVEL] for e in streams} == {0, 1, 2, 3}
    over = {(base64.b64decode(e["stream"])[LEVEL], e["max_error"]) for _, entries in RESIDUAL for e in entries}
    assert over >= {(2, 0), (2, 3), (2, 300)}


@pytest.mark.parametrize("group", CODEC, ids=label)
def test_a_golden_stream_decodes_as_it_did_and_is_written_again(group: tuple[dict[str, Any], Entries]) -> None:
    tile, entries = group
    spec = TileSpec(**tile["tile"])
    original = unpacked(tile["original"], spec)
    for entry in entries:
        stream = base64.b64decode(entry["stream"])
        assert_decoded(codec(entry["model"]).decode_tile(stream, spec), entry, original, spec)
        effort = max(2, entry["effort"])  # when they were written, effort 1 was level fast
        asked = Settings(effort=effort, max_error=entry["max_error"])
        assert codec(entry["model"]).encode_tile(original, spec, asked) == stream


@pytest.mark.parametrize("group", RESIDUAL, ids=label)
def test_a_golden_residual_decodes_as_it_did_and_is_written_again(group: tuple[dict[str, Any], Entries]) -> None:
    tile, entries = group
    spec = TileSpec(**tile["tile"])
    original, base = (unpacked(tile[name], spec) for name in ("original", "base"))
    for entry in entries:
        stream = base64.b64decode(entry["stream"])
        assert_decoded(LosslessResidual().decode(stream, base, spec), entry, original, spec)
        assert LosslessResidual().encode(original, base, spec, entry["max_error"]) == stream
