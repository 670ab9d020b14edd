"""The compact protocol: values end where they end, and nothing is trusted to be there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.parquet.footers import Struct, unsigned, write, write_struct
from tilepress.pipeline.archive.parquet.thrift import (
    BINARY,
    BYTE,
    DOUBLE,
    FALSE,
    I16,
    I32,
    I64,
    LIST,
    MAP,
    SET,
    STRUCT,
    TRUE,
    Fields,
    integer,
    list_of,
    skip,
    varint,
    walk,
)

NUMBERS = st.integers(-(1 << 63), (1 << 63) - 1)
SIMPLE = st.one_of(
    st.tuples(st.sampled_from([I16, I32, I64]), NUMBERS),
    st.tuples(st.just(BINARY), st.binary(max_size=200)),
    st.tuples(st.just(BYTE), st.binary(min_size=1, max_size=1)),
    st.tuples(st.just(DOUBLE), st.binary(min_size=8, max_size=8)),
)


def structs(values: st.SearchStrategy[tuple[int, Any]]) -> st.SearchStrategy[tuple[int, Struct]]:
    fields = st.dictionaries(st.integers(1, 300), values | st.tuples(st.sampled_from([TRUE, FALSE]), st.none()))
    return fields.map(lambda found: (STRUCT, dict(sorted(found.items()))))


def lists(values: st.SearchStrategy[tuple[int, Any]]) -> st.SearchStrategy[tuple[int, Any]]:
    return st.tuples(values, st.integers(0, 17)).map(lambda each: (LIST, (each[0][0], [each[0][1]] * each[1])))


VALUES = st.recursive(SIMPLE, lambda inner: structs(inner) | lists(inner), max_leaves=5)


@given(VALUES)
@settings(max_examples=60)
def test_a_value_ends_where_it_was_written_to_and_nowhere_before(value: tuple[int, Any]) -> None:
    data = write(*value)
    assert skip(data + b"more", 0, value[0]) == len(data)
    for size in range(0, len(data), 1 + len(data) // 50):
        with pytest.raises((IndexError, ValueError)):
            walk(bytes([16 | value[0]]) + data[:size], 0, {})


@given(structs(SIMPLE))
@settings(max_examples=60)
def test_a_struct_has_the_fields_that_were_written(value: tuple[int, Struct]) -> None:
    found: Fields = {}
    data = write_struct(value[1])
    assert walk(data, 0, {}, found=found) == len(data)
    assert {field: kind for field, (kind, _) in found.items()} == {field: kind for field, (kind, _) in value[1].items()}


@given(NUMBERS)
def test_numbers_come_back(number: int) -> None:
    data = write(I64, number)
    assert integer(data, 0) == (number, len(data))


@pytest.mark.parametrize("number", [0, 127, 128, 1 << 35, (1 << 64) - 1])
def test_unsigned_numbers_come_back(number: int) -> None:
    assert varint(unsigned(number), 0) == (number, len(unsigned(number)))


def test_a_number_of_more_bytes_than_any_has_is_refused() -> None:
    with pytest.raises(ValueError, match="more bytes"):
        varint(b"\x80" * 40 + b"\0", 0)


@pytest.mark.parametrize(
    "data",
    [b"\x15\x00\x05\x02\x00\x00", b"\x25\x00\x05\x03\x00\x00", b"\x05\x00\x00\x00", b"\x05\xff\xff\x7f\x00\x00"],
    ids=["again", "down", "zero", "far"],
)
def test_fields_that_do_not_ascend_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="comes after"):
        walk(data, 0, {})


@pytest.mark.parametrize("kind", [0, 13, 14, 15])
def test_types_that_there_are_not_are_refused(kind: int) -> None:
    with pytest.raises(ValueError, match="no type"):
        skip(bytes(9), 0, kind)
    with pytest.raises(ValueError, match="no type"):
        skip(bytes([16 | kind]) + bytes(9), 0, LIST)


def test_sets_and_maps_are_stepped_over() -> None:
    assert skip(b"\x28\x01a\x02bc", 0, SET) == 6
    assert skip(b"\x00", 0, MAP) == 1
    assert skip(b"\x02\x51" + write(I32, 7) + b"\x01" + write(I32, 8) + b"\x02", 0, MAP) == 6


def test_a_list_of_other_items_is_refused() -> None:
    assert list_of(I64, b"\x36", 0, LIST) == (3, 1)
    for data, kind in ((b"\x35", LIST), (b"\x36", SET), (b"\x36", STRUCT)):
        with pytest.raises(ValueError, match="in the place of a list"):
            list_of(I64, data, 0, kind)
