"""What the residual coder promises: every tile exactly, from any base, and nothing but StreamError from bad bytes."""

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tilepress.codecs.adaptive_residual.codec import AdaptiveResidual
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import StreamError, UnsupportedError
from tilepress.codecs.stream import write_frame

CODER = AdaptiveResidual()
KINDS = [("gray", 1), ("gray", 2), ("rgb", 3), ("rgb", 4), ("cmyk", 4), ("cmyk", 5), ("indexed", 1)]
OVERHEAD = 12  # header and kind of a stream that could not be made shorter


def spec_of(tile: np.ndarray, colour: str, bit_depth: int | None = None) -> TileSpec:
    return TileSpec(*tile.shape, str(tile.dtype), bit_depth or 8 * tile.itemsize, colour)  # type: ignore[arg-type]


def scene(height: int, width: int, channels: int, dtype: str, bit_depth: int) -> np.ndarray:
    """A smooth picture with edges and texture, in integer arithmetic alone."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(channels), indexing="ij")
    texture = (x * 7919 + y * 104729 + x * y * 31 + c * 13) % 61
    value = (x * 5 + y * 3 + c * 40) * 16 + (((x // 9) + (y // 7)) % 2) * 900 + texture * 4
    return ((value % 4096) * ((1 << bit_depth) - 1) // 4095).astype(dtype)


def blurred(tile: np.ndarray, block: int = 8) -> np.ndarray:
    """A base as a coarse codec would give: the first sample of each block."""
    return tile[np.ix_(np.arange(tile.shape[0]) // block * block, np.arange(tile.shape[1]) // block * block)]


def round_trip(tile: np.ndarray, base: np.ndarray, spec: TileSpec) -> bytes:
    data = CODER.encode(tile, base, spec)
    back = CODER.decode(data, base, spec)
    assert back.dtype == tile.dtype
    np.testing.assert_array_equal(back, tile)
    assert len(data) <= tile.nbytes + OVERHEAD
    return data


@pytest.mark.parametrize(("dtype", "bit_depth"), [("uint8", 1), ("uint8", 8), ("uint16", 12), ("uint16", 16)])
@pytest.mark.parametrize(("colour", "channels"), KINDS)
def test_every_kind_of_tile_comes_back_exactly(colour: str, channels: int, dtype: str, bit_depth: int) -> None:
    tile = scene(37, 51, channels, dtype, bit_depth)
    round_trip(tile, blurred(tile), spec_of(tile, colour, bit_depth))


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (1, 2), (2, 1), (1, 300), (300, 1), (700, 3), (3, 700), (16, 16), (17, 33), (5, 31)]
)
def test_every_size_comes_back_exactly(height: int, width: int) -> None:
    for channels, colour in ((1, "gray"), (3, "rgb")):
        tile = scene(height, width, channels, "uint8", 8)
        round_trip(tile, blurred(tile), spec_of(tile, colour))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("fill", ["zero", "middle", "top", "noise", "inverse"])
def test_a_useless_base_costs_bytes_but_never_pixels(dtype: str, fill: str) -> None:
    tile = scene(40, 40, 3, dtype, 8 * np.dtype(dtype).itemsize)
    top = np.iinfo(dtype).max
    noise = np.random.default_rng(3).integers(0, top + 1, tile.shape)
    bases = {"zero": 0, "middle": top // 2, "top": top, "noise": noise, "inverse": top - tile}
    base = np.broadcast_to(bases[fill], tile.shape).astype(dtype)
    round_trip(tile, base, spec_of(tile, "rgb"))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_noise_is_never_larger_than_raw_and_a_header(dtype: str) -> None:
    rng = np.random.default_rng(5)
    tile, base = (rng.integers(0, np.iinfo(dtype).max + 1, (33, 47, 3)).astype(dtype) for _ in range(2))
    round_trip(tile, base, spec_of(tile, "rgb"))


def test_extreme_steps_come_back_exactly() -> None:
    for dtype in ("uint8", "uint16"):
        top = np.iinfo(dtype).max
        y, x = np.mgrid[0:48, 0:48]
        smooth_then_jump = np.where(x * x + y * y < 1500, x + y, top - x % 3)[..., None].astype(dtype)
        for base in (np.zeros_like(smooth_then_jump), top - smooth_then_jump):
            round_trip(smooth_then_jump, base, spec_of(smooth_then_jump, "gray"))


def test_one_outlier_in_a_flat_tile_comes_back() -> None:
    tile = np.zeros((64, 64, 3), np.uint16)
    tile[60, 60] = (65535, 1, 40000)
    assert len(round_trip(tile, np.zeros_like(tile), spec_of(tile, "rgb"))) < 150


def test_samples_above_the_stated_bit_depth_still_come_back() -> None:
    tile = scene(20, 20, 1, "uint16", 16)
    round_trip(tile, blurred(tile), spec_of(tile, "gray", 9))


def test_a_constant_tile_and_a_perfect_base_cost_almost_nothing() -> None:
    flat = np.full((256, 256, 3), 77, np.uint8)
    assert len(round_trip(flat, np.zeros_like(flat), spec_of(flat, "rgb"))) <= OVERHEAD
    tile = scene(256, 256, 3, "uint8", 8)
    assert len(round_trip(tile, tile, spec_of(tile, "rgb"))) < tile.nbytes // 200


def test_a_better_base_makes_a_smaller_stream() -> None:
    tile = scene(128, 128, 3, "uint8", 8)
    spec = spec_of(tile, "rgb")
    near = (tile // 4 * 4).astype(np.uint8)
    assert len(CODER.encode(tile, near, spec)) < len(CODER.encode(tile, np.zeros_like(tile), spec))


def test_planes_that_resemble_an_earlier_one_are_cheap() -> None:
    gray = np.random.default_rng(1).integers(0, 256, (128, 128, 1)).astype(np.uint8)
    tile = np.repeat(gray, 3, axis=2)
    assert len(round_trip(tile, np.full_like(tile, 128), spec_of(tile, "rgb"))) < 1.15 * gray.nbytes


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 24),
    width=st.integers(1, 40),
    kind=st.sampled_from(KINDS),
    bit_depth=st.integers(1, 16),
    spread=st.integers(0, 16),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_tile_comes_back_from_any_base(
    height: int, width: int, kind: tuple[str, int], bit_depth: int, spread: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    dtype = "uint8" if bit_depth <= 8 else "uint16"
    shape = (height, width, kind[1])
    base = rng.integers(0, 1 << bit_depth, shape)
    change = rng.integers(-(1 << spread) // 2, (1 << spread) // 2 + 1, shape)
    tile = np.clip(base + change, 0, (1 << bit_depth) - 1).astype(dtype)
    round_trip(tile, base.astype(dtype), spec_of(tile, kind[0], bit_depth))


# ----------------------------------------------------------------------------------------------- hostile bytes


def sample_stream(dtype: str = "uint8") -> tuple[bytes, np.ndarray, TileSpec]:
    tile = scene(24, 40, 3, dtype, 8 * np.dtype(dtype).itemsize)
    base = blurred(tile)
    spec = spec_of(tile, "rgb")
    return CODER.encode(tile, base, spec), base, spec


def resealed(payload: bytes) -> bytes:
    return write_frame(b"rA", 1, payload)


def test_every_flipped_bit_and_every_truncation_is_found_by_the_checksum() -> None:
    data, base, spec = sample_stream()
    for i in range(0, len(data), 7):
        flipped = bytearray(data)
        flipped[i] ^= 1 << (i % 8)
        with pytest.raises(StreamError):
            CODER.decode(bytes(flipped), base, spec)
        with pytest.raises(StreamError):
            CODER.decode(data[:i], base, spec)


@settings(max_examples=150, deadline=None)
@given(
    dtype=st.sampled_from(["uint8", "uint16"]),
    head=st.binary(max_size=5),
    words=st.one_of(st.binary(max_size=400), st.sampled_from([b"\xff", b"\x00\xff", b"\x00"]).map(lambda b: b * 900)),
    cut=st.integers(0, 2000),
)
@example(dtype="uint16", head=b"\x01\x00\x00\xff\xff", words=b"\xff" * 5000, cut=5)
@example(dtype="uint16", head=b"\x01\x00\x00\xff\xff", words=b"\x00" * 5000, cut=5)
def test_hostile_payloads_under_a_valid_checksum_give_a_tile_or_stream_error(
    dtype: str, head: bytes, words: bytes, cut: int
) -> None:
    data, base, spec = sample_stream(dtype)
    genuine = data[7:]
    for payload in (head + words, genuine[:cut] + words, head + genuine[len(head) :], genuine[:cut]):
        try:
            tile = CODER.decode(resealed(payload), base, spec)
        except StreamError:
            continue
        assert tile.shape == spec.shape
        assert tile.dtype == spec.dtype


def test_a_stream_decoded_over_another_base_or_size_gives_a_wrong_tile_at_worst() -> None:
    data, base, spec = sample_stream()
    wrong = CODER.decode(data, 255 - base, spec)
    assert wrong.shape == spec.shape
    large = np.zeros((90, 70, 5), np.uint8)
    assert CODER.decode(data, large, spec_of(large, "cmyk")).shape == large.shape


def test_streams_of_another_kind_size_or_range_are_refused() -> None:
    _, base, spec = sample_stream()
    payloads = [
        b"",
        b"\x02" + bytes(40),
        b"\x00" + bytes(spec.nbytes - 1),
        b"\x00" + bytes(spec.nbytes + 1),
        b"\x01\x05\x00\x04\x00" + bytes(9),  # lowest above highest
        b"\x01\x00\x00\x00\x01" + bytes(9),  # 256 in uint8
        b"\x01\x00\x00\xff\x00" + bytes(spec.nbytes + 9),
    ]
    for payload in payloads:
        with pytest.raises(StreamError):
            CODER.decode(resealed(payload), base, spec)
    for data in (b"", write_frame(b"xx", 1, bytes(20)), write_frame(b"rA", 2, bytes(20))):
        with pytest.raises(StreamError):
            CODER.decode(data, base, spec)


def test_a_tile_or_base_that_contradicts_its_spec_is_refused() -> None:
    data, base, spec = sample_stream()
    for wrong in (base[:-1], base[..., :2], base.astype(np.uint16)):
        with pytest.raises(UnsupportedError):
            CODER.decode(data, wrong, spec)
        with pytest.raises(UnsupportedError):
            CODER.encode(wrong, base, spec)


# ------------------------------------------------------------------------------------------------ permanence

GOLDEN = {
    ("uint8", 3, "rgb", 8): "5ef1c7f56d0f9051e81e5d4785af79db4198094fe77c739685fafe33503bc71f",
    ("uint16", 1, "gray", 12): "b0ecb014678be3d9a1589385e6bc2609c13d38ddfc2f4eda960fe9ac9abd7db2",
}


@pytest.mark.parametrize("kind", GOLDEN)
def test_streams_are_the_same_bytes_for_ever(kind: tuple[str, int, str, int]) -> None:
    dtype, channels, colour, bit_depth = kind
    tile = scene(61, 83, channels, dtype, bit_depth)
    data = CODER.encode(tile, blurred(tile), spec_of(tile, colour, bit_depth))
    assert hashlib.sha256(data).hexdigest() == GOLDEN[kind]


def test_input_order_in_memory_does_not_matter() -> None:
    tile = scene(30, 44, 3, "uint8", 8)
    spec = spec_of(tile, "rgb")
    assert CODER.encode(np.asfortranarray(tile), blurred(tile), spec) == CODER.encode(tile, blurred(tile), spec)


def test_threads_do_not_disturb_one_another() -> None:
    tiles = [scene(60, 70 + i, 3, "uint8", 8) for i in range(8)]
    alone = [CODER.encode(t, blurred(t), spec_of(t, "rgb")) for t in tiles]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda t: CODER.encode(t, blurred(t), spec_of(t, "rgb")), tiles))
    assert together == alone


@pytest.mark.slow
def test_no_index_leaves_its_array_even_for_hostile_bytes(tmp_path: Path) -> None:
    """The same tests with numba's bounds checks compiled in, which production kernels do without."""
    checked = os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", "--import-mode=importlib", __file__]
    done = subprocess.run(command, env=checked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
