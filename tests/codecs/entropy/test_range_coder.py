"""What the binary range coder promises: the bits that went in, at about their information content."""

import numpy as np
import pytest

from tilepress.codecs.entropy import range_coder
from tilepress.codecs.entropy.range_coder import NEW_CELL, finish, raw_bit, single_bit, start


def written(bits: list[int], probabilities: list[int], room: int = 20000) -> bytes:
    words = np.zeros(room, np.uint16)
    coder = start(words, encoding=True)
    for bit, probability in zip(bits, probabilities, strict=True):
        raw_bit(bit, probability, coder, words)
    data = finish(coder, words)
    assert data is not None
    return data


def read(data: bytes, probabilities: list[int]) -> list[int]:
    words = np.frombuffer(data + bytes(len(data) % 2), "<u2").astype(np.uint16)
    coder = start(words, encoding=False)
    return [int(raw_bit(0, p, coder, words)) for p in probabilities]


@pytest.mark.parametrize("seed", range(12))
def test_bits_of_any_probability_come_back(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(0, 4000))
    probabilities = np.clip((65536 * rng.random(count) ** rng.integers(1, 9)).astype(int), 32, 65504)
    if seed % 2:
        probabilities = 65536 - probabilities
    bits = (rng.integers(0, 65536, count) < probabilities).astype(int)
    if seed % 3 == 0:
        bits = 1 - bits  # what nobody expected
    data = written(bits.tolist(), probabilities.tolist())
    assert read(data, probabilities.tolist()) == bits.tolist()


@pytest.mark.parametrize("bit", [0, 1])
@pytest.mark.parametrize("probability", [32, 32768, 65504])
def test_long_runs_come_back_through_carries_and_cost_their_information(bit: int, probability: int) -> None:
    count = 3000
    data = written([bit] * count, [probability] * count)
    assert read(data, [probability] * count) == [bit] * count
    information = -count * np.log2((probability if bit else 65536 - probability) / 65536) / 8
    assert len(data) <= 1.001 * information + 6


def test_a_carry_runs_through_many_full_words() -> None:
    """After a long unlikely path the low end sits just under a word boundary; one more step overflows it."""
    for tail in range(40):
        bits = [0] * 700 + [1] * tail + [0, 1, 0, 0]
        probabilities = [65504] * len(bits)
        assert read(written(bits, probabilities), probabilities) == bits


def test_too_little_room_is_reported_and_nothing_is_overrun() -> None:
    words = np.zeros(4, np.uint16)
    coder = start(words, encoding=True)
    for i in range(500):
        raw_bit(i & 1, 32768, coder, words)
    assert finish(coder, words) is None


def test_adaptive_bits_approach_the_entropy_of_their_source() -> None:
    rng = np.random.default_rng(2)
    bits = (rng.random(6000) < 0.03).astype(int)
    entropy = -6000 * (0.03 * np.log2(0.03) + 0.97 * np.log2(0.97)) / 8
    words = np.zeros(2000, np.uint16)
    coder, cells = start(words, encoding=True), np.full(1, NEW_CELL, np.uint32)
    for bit in bits.tolist():
        single_bit(bit, 0, cells, coder, words)
    data = finish(coder, words)
    assert data is not None
    assert len(data) < 1.12 * entropy + 6


def test_a_carry_is_added_across_full_words() -> None:
    words = np.array([7, 0xFFFF, 0xFFFF, 5], np.uint16)
    range_coder._carry(words, 3)
    assert words.tolist() == [8, 0, 0, 5]
