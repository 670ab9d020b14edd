"""What Huffman streams promise: short codes, every value back, and one error for bytes that nobody wrote."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilepress.codecs.classical.huffman import Huffman
from tilepress.codecs.codec import TileSpec
from tilepress.codecs.entropy import huffman
from tilepress.codecs.errors import StreamError
from tilepress.codecs.stream import write_frame

GRAY = TileSpec(40, 50, 1, "uint8", 8, "gray")


def packed(bits: str) -> bytes:
    """Bits as `0` and `1`, spaces ignored, filled up with zeros."""
    bits = bits.replace(" ", "")
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def entropy(values: np.ndarray) -> float:
    counts = np.unique(values, return_counts=True)[1]
    return float(-(counts * np.log2(counts / counts.sum())).sum())


@pytest.mark.parametrize(
    ("counts", "lengths"),
    [
        ([45, 13, 12, 16, 9, 5], [1, 3, 3, 3, 4, 4]),  # the example of Cormen et al., Introduction to Algorithms
        ([0, 7, 0], [0, 1, 0]),
        ([0, 0], [0, 0]),
        ([1, 1, 1, 1], [2, 2, 2, 2]),
    ],
)
def test_code_lengths_are_those_of_the_textbook(counts: list[int], lengths: list[int]) -> None:
    assert huffman.code_lengths(np.array(counts)).tolist() == lengths


def test_code_lengths_are_limited_and_still_complete() -> None:
    fibonacci = [1, 1]
    while len(fibonacci) < 60:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    lengths = huffman.code_lengths(np.array(fibonacci))
    assert lengths.max() <= huffman.MAX_LENGTH
    assert huffman.complete(lengths)


@given(st.data())
@settings(max_examples=150)
def test_planes_of_any_values_come_back(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    alphabet = data.draw(st.sampled_from([2, 3, 8, 256, 4096, 65536]))
    size = data.draw(st.integers(1, 400))
    scale = data.draw(st.floats(0.1, alphabet))
    steps = data.draw(st.sampled_from([1, 2, 37]))
    planes = (rng.exponential(scale, (data.draw(st.integers(1, 4)), size)).astype(np.int64) * steps) % alphabet
    decoded = huffman.decode(huffman.encode(list(planes), alphabet), len(planes), size, alphabet)
    np.testing.assert_array_equal(decoded, planes)


def test_codes_are_as_short_as_huffman_promises_and_tables_are_small() -> None:
    rng = np.random.default_rng(3)
    values = np.clip(np.rint(rng.laplace(128, 6, 100_000)), 0, 255).astype(np.int64)
    data = huffman.encode([values], 256)
    table = len(huffman.encode([values[:0]], 256))
    assert table < 10  # nothing occurs
    used = np.unique(values).size
    assert 8 * len(data) < entropy(values) + 0.086 * values.size + 3 * used + 100  # Gallager 1978: the code itself


def test_a_plane_of_one_value_takes_its_table_alone() -> None:
    assert len(huffman.encode([np.full(10**6, 77)], 256)) < 8


@pytest.mark.parametrize(
    "table",
    [
        "1110 00001 110 1111 1",  # a code shorter than one bit
        "1110 11001 0",  # of 25 bits
        "1110 00000 0",  # of none
        "1110 00001 0 0 1111 1",  # three codes of one bit
        "1110 00010 0 0 1111 1",  # three of two bits: incomplete
        "1111 00110",  # more values that do not occur than there are
        "1111 00100",  # no value occurs
        "1111 00000000000000000000001",  # a run beyond any alphabet
    ],
)
def test_tables_that_are_no_complete_code_are_refused(table: str) -> None:
    with pytest.raises(StreamError):
        huffman.decode(packed(table), 1, 3, 4)


def test_a_table_as_the_text_says_is_read() -> None:
    data = packed("1110 00001  10  1111 1  0   0 10 11 0")  # lengths 1, 2, none, 2; values 0, 1, 3, 0
    assert huffman.decode(data, 1, 4, 4).tolist() == [[0, 1, 3, 0]]


def test_streams_that_are_cut_or_go_on_are_refused() -> None:
    values = np.random.default_rng(1).integers(0, 6, 500)
    data = huffman.encode([values], 6)
    for bad in (*(data[:n] for n in range(len(data))), data + b"\0", data[:-1] + bytes([data[-1] | 1]) + b"\0"):
        with pytest.raises(StreamError):
            huffman.decode(bad, 1, 500, 6)


def test_bits_that_fill_the_last_byte_must_be_zero() -> None:
    data = packed("1110 00001  10  1111 1  0   0 10 11 0")
    with pytest.raises(StreamError):
        huffman.decode(data[:-1] + bytes([data[-1] | 1]), 1, 4, 4)


def test_noise_is_kept_as_it_is() -> None:
    noise = np.random.default_rng(2).integers(0, 256, (1, *GRAY.shape)).astype(np.uint8)
    (stream,) = Huffman().encode(noise, GRAY)
    assert len(stream) == GRAY.nbytes + 8


@pytest.mark.parametrize("count", [3000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_mutated_streams_give_stream_error_or_a_valid_tile(count: int) -> None:
    rng, codec = np.random.default_rng(4), Huffman()
    tile = np.clip(np.rint(rng.normal(90, 9, (1, *GRAY.shape))), 0, 255).astype(np.uint8)
    payload = np.frombuffer(codec.encode(tile, GRAY)[0][7:], np.uint8)
    refused = 0
    for _ in range(count):
        bad = payload.copy()
        # most of the damage to kind and table, which is where structure is
        places = rng.integers(0, 60 if rng.random() < 0.8 else len(bad), rng.integers(1, 4))
        bad[places] ^= (1 << rng.integers(0, 8, len(places))).astype(np.uint8)
        try:
            assert codec.decode([write_frame(b"HU", 1, bad.tobytes())], GRAY).shape == (1, *GRAY.shape)
        except StreamError:
            refused += 1
    assert refused > count // 2
