"""What jpegls promises beyond the contract of every codec: its header, its golden streams, hostile bytes, colours."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest

from tests.support.fuzzing import rounds
from tests.support.tile_samples import KINDS, assert_valid_or_stream_error, spec_of, tiles_of
from tilepress.codecs.classical.jpegls import JpegLs
from tilepress.codecs.classical.jpegls_stream import header
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.errors import StreamError
from tilepress.codecs.stream import read_frame, write_frame

GOLDEN = Path(__file__).parent.parent.parent / "golden/jpegls.json"
SHA256 = "8f703e55bba19c989d3f8349c4d0cc1ec1a366e25e2f2f4d3f9e8aa613c24b21"  # as make_golden_streams.py gave it, once
EXPECTED: list[dict[str, Any]] = json.loads(GOLDEN.read_text())
CODEC = JpegLs()


def smooth(spec: TileSpec) -> np.ndarray:
    y, x = np.mgrid[: spec.height, : spec.width]
    wave = 0.5 + 0.4 * np.sin(x / 9)[:, :, None] * np.cos(y / 7)[:, :, None] * np.linspace(1, 0.8, spec.channels)
    noise = np.random.default_rng(0).normal(0, 0.01, spec.shape[:2])[:, :, None]  # of all planes, as light is
    return np.clip((wave + noise) * spec.maximum, 0, spec.maximum).astype(spec.dtype)


def planes_of(stream: bytes, spec: TileSpec) -> list[bytes]:
    """The JPEG-LS streams in one of ours."""
    _, payload = read_frame(b"JL", {1}, stream)
    planes, at = [], 2
    for _ in range(spec.channels):
        (length,) = struct.unpack_from("<I", payload, at)
        planes.append(payload[at + 4 : at + 4 + length])
        at += 4 + length
    assert at == len(payload)
    return planes


def test_the_golden_streams_are_those_that_were_written() -> None:
    assert hashlib.sha256(GOLDEN.read_bytes()).hexdigest() == SHA256


@pytest.mark.parametrize("entry", EXPECTED, ids=lambda entry: f"{entry['tile']['bit_depth']}-{entry['max_error']}")
def test_a_golden_stream_decodes_to_the_samples_that_it_did(entry: dict[str, Any]) -> None:
    (tile,) = CODEC.decode([base64.b64decode(entry["stream"])], TileSpec(**entry["tile"]))
    little = tile.astype(tile.dtype.newbyteorder("<")).tobytes()
    assert hashlib.sha256(little).hexdigest() == entry["samples"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("near", [0, 1, 127])
def test_every_plane_is_a_plain_jpeg_ls_stream_with_the_header_that_its_tile_implies(kind: str, near: int) -> None:
    spec = spec_of(kind)
    (stream,) = CODEC.encode(smooth(spec)[None], spec, Settings(max_error=near))
    bits = 8 if spec.dtype == "uint8" else 16
    exact = spec.colour == "indexed" or spec.bit_depth == 1
    for plane in planes_of(stream, spec):
        assert plane.startswith(header(spec.width, spec.height, bits, 0 if exact else near))
        assert imagecodecs.jpegls_decode(plane).shape == spec.shape[:2]


def test_subtracted_green_shrinks_colour_pictures() -> None:
    spec = spec_of("rgb", 200, 200)
    tile = smooth(spec)
    (ours,) = CODEC.encode(tile[None], spec)
    assert len(ours) < 0.75 * sum(len(imagecodecs.jpegls_encode(tile[..., at].copy())) for at in range(3))


@pytest.mark.parametrize("depth", [8, 9, 12, 16])
def test_differences_to_green_of_any_size_come_back(depth: int) -> None:
    spec = TileSpec(3, 64, 3, "uint8" if depth == 8 else "uint16", depth, "rgb")
    tile = np.random.default_rng(depth).choice([0, 1, spec.maximum // 2, spec.maximum], spec.shape).astype(spec.dtype)
    np.testing.assert_array_equal(CODEC.decode(CODEC.encode(tile[None], spec), spec)[0], tile)


def test_the_largest_tiles_of_noise_and_of_the_worst_alternation_find_room() -> None:
    for spec in (spec_of("gray", 512, 512), spec_of("16-bit gray", 512, 512)):
        stripes = np.where(np.indices(spec.shape).sum(0) % 2, spec.maximum, 0).astype(spec.dtype)
        for tile in (tiles_of(spec, "noise")[0], stripes):
            np.testing.assert_array_equal(CODEC.decode(CODEC.encode(tile[None], spec), spec)[0], tile)


def forged(payload: bytes) -> bytes:
    return write_frame(b"JL", 1, payload)


def test_streams_that_contradict_their_tile_never_reach_the_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_of("rgb", 40, 30)
    (stream,) = CODEC.encode(smooth(spec)[None], spec)
    payload = read_frame(b"JL", {1}, stream)[1]
    monkeypatch.setattr(imagecodecs, "jpegls_decode", lambda data: pytest.fail("decoded"))
    (length,) = struct.unpack_from("<I", payload, 2)
    plane, rest = payload[6 : 6 + length], payload[6 + length :]
    claims = [header(65535, 65535, 8, 0), header(40, 30, 8, 0), header(30, 40, 16, 0), header(30, 40, 8, 1)]
    start = len(header(30, 40, 8, 0))
    bad = [struct.pack("<BBI", 0, 1, len(claim) + length - start) + claim + plane[start:] + rest for claim in claims]
    bad += [b"\x80\0" + payload[2:], b"\1\1" + payload[2:], b"\0\2" + payload[2:], payload[:5], payload[:1]]
    bad += [payload[:2] + b"\xff\xff\xff\xff" + payload[6:], payload[:2] + struct.pack("<I", length - 2) + plane + rest]
    for each in bad:
        with pytest.raises(StreamError):
            CODEC.decode([forged(each)], spec)


def test_transforms_are_refused_where_they_mean_nothing() -> None:
    spec = spec_of("gray")
    payload = read_frame(b"JL", {1}, CODEC.encode(smooth(spec)[None], spec)[0])[1]
    with pytest.raises(StreamError):
        CODEC.decode([forged(b"\0\1" + payload[2:])], spec)


def mutate(least: int, seconds: float = 0.0) -> None:
    """At least so many streams of each kind and bound, and for so many seconds."""
    rng = np.random.default_rng(7)
    for kind in ("gray", "16-bit rgba", "12-bit gray"):
        spec = spec_of(kind)
        for near in (0, 2):
            payload = read_frame(b"JL", {1}, CODEC.encode(smooth(spec)[None], spec, Settings(max_error=near))[0])[1]
            for _ in rounds(least, seconds):
                bad = bytearray(payload)
                for at in rng.integers(0, len(bad), rng.integers(1, 6)):
                    bad[at] = rng.integers(256)
                data = forged(bytes(bad))
                assert_valid_or_stream_error(lambda data=data, spec=spec: CODEC.decode([data], spec), spec)


def test_mutated_streams_give_stream_error_or_a_valid_tile() -> None:
    mutate(150)


@pytest.mark.slow
def test_mutated_streams_without_end_give_stream_error_or_a_valid_tile() -> None:
    mutate(1500, seconds=1.5)
