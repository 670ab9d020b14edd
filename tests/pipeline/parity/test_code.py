"""The erasure code: its matrix is the one of FORMAT.md, section 13, and any rows give back all of them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilepress.pipeline.errors import IntegrityError
from tilepress.pipeline.parity.code import Code


def product(a: int, b: int) -> int:
    """In GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1, as one does it on paper."""
    total = 0
    while b:
        total ^= a if b & 1 else 0
        a = (a << 1) ^ (0x11D if a & 0x80 else 0)
        b >>= 1
    return total


INVERSE = {a: next(b for b in range(1, 256) if product(a, b) == 1) for a in range(1, 256)}


def rows_of(data: int, width: int) -> list[bytes]:
    rng = random.Random(data * 1000 + width)
    return [rng.randbytes(width) for _ in range(data)]


@pytest.mark.parametrize(("data", "parity"), [(1, 1), (3, 2), (1, 5), (40, 7), (200, 55), (254, 1)])
def test_the_matrix_is_the_one_that_the_format_says(data, parity):
    rows = rows_of(data, 3)
    made = Code(data, parity).encode(b"".join(rows))
    for number in {0, parity - 1}:
        factors = [INVERSE[(data + number) ^ column] for column in range(data)]
        for place in range(3):
            expected = 0
            for factor, row in zip(factors, rows, strict=True):
                expected ^= product(factor, row[place])
            assert made[number][place] == expected


@settings(max_examples=40)
@given(st.data())
def test_as_many_rows_as_there_is_data_give_all_of_it(draws):
    data, parity = draws.draw(st.integers(1, 30)), draws.draw(st.integers(1, 12))
    rows = rows_of(data, draws.draw(st.integers(1, 40)))
    code = Code(data, parity)
    every = dict(enumerate([*rows, *code.encode(b"".join(rows))]))
    left = draws.draw(st.permutations(range(data + parity)))[:data]
    assert code.decode({number: every[number] for number in left}) == b"".join(rows)


def test_fewer_rows_are_refused():
    with pytest.raises(IntegrityError, match="2 of 3 rows"):
        Code(3, 2).decode({0: b"a", 4: b"b"})
