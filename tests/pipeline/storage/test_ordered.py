"""Streams in the order of names: sorting beyond memory, and joining two."""

from __future__ import annotations

import random

import pytest

from tilepress.pipeline.storage.base import ListedFile
from tilepress.pipeline.storage.ordered import merge_join, sorted_by_name


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 57])
def test_sorting_beyond_memory_keeps_every_entry_in_order(count):
    made = [ListedFile(f"{i * 37 % 101} \n é", i, f"e{i}", i) for i in range(count)]
    assert list(sorted_by_name(made, run_length=10)) == sorted(made, key=lambda entry: entry.name)


@pytest.mark.parametrize("seed", range(20))
def test_joining_pairs_equal_names_and_leaves_out_none(seed):
    rng = random.Random(seed)
    names = ["a", "a-b", "a/b", "a0", "z/\uffff", "z/\U0001f600", "é"]  # by UTF-8 bytes; UTF-16 would differ
    left = [name for name in names if rng.random() < 0.6]
    right = [(name, number) for number, name in enumerate(names) if rng.random() < 0.6]
    found = list(merge_join(left, right, lambda item: item, lambda item: item[0]))
    numbers = dict(right)
    wanted = [name for name in names if name in left or name in numbers]
    assert found == [
        (name if name in left else None, (name, numbers[name]) if name in numbers else None) for name in wanted
    ]
