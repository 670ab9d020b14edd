"""Groups: how files are cut into blocks and stripes, and what parity is promised to restore."""

from __future__ import annotations

import math
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from tilepress.pipeline.parity import group as groups
from tilepress.pipeline.parity.group import CoveredFile, Group, groups_of

SIZES = st.lists(st.integers(0, 40_000), min_size=1, max_size=12)
PERCENTS = st.floats(0.1, 100)


def group_of(sizes: list[int], percent: float) -> Group:
    return Group.of("parity", [CoveredFile(f"file-{number}", size) for number, size in enumerate(sizes)], percent)


@given(SIZES, PERCENTS, st.integers(0, 50))
def test_spans_tell_every_byte_once(sizes, percent, cut):
    group = group_of(sizes, percent)
    rows = [*group.spans(0, min(cut, group.blocks)), *group.spans(min(cut, group.blocks), group.blocks)]
    for number, size in enumerate(sizes):
        places = sorted((offset, length) for each, offset, length, _ in rows if each == number)
        assert sum(length for _, length in places) == size
        assert all(a + b == c for (a, b), (c, _) in pairwise(places))


@given(SIZES, PERCENTS)
@example([13_107_200 * 50], 3.0)
@example([2**35, 1], 100.0)
def test_there_is_as_much_parity_as_was_asked_for_and_at_most_a_row_more(sizes, percent):
    group = group_of(sizes, percent)
    assert group.data + group.parity <= 255
    assert 100 * group.parity >= percent * group.data - 1e-6
    assert group.parity == 1 or 100 * (group.parity - 1) < percent * group.data
    assert (group.data - 1) * group.stripes < group.blocks <= group.data * group.stripes


@given(SIZES, PERCENTS)
def test_the_largest_files_that_are_promised_take_no_more_than_the_parity_of_any_stripe(sizes, percent):
    group = group_of(sizes, percent)
    largest = sorted(range(len(sizes)), key=lambda number: -sizes[number])[: group.whole_files]
    lost = [0] * group.stripes
    for number in largest:
        for block in range(group.starts[number], group.starts[number + 1]):
            lost[block % group.stripes] += 1
    assert max(lost) <= group.parity


def test_a_few_parts_of_one_size_and_little_parity_promise_no_whole_part():
    assert group_of([100_000_000] * 5, 3).whole_files == 0
    assert group_of([100_000_000] * 5, 21).whole_files == 1
    assert group_of([100_000_000] * 40, 3).whole_files == 1


def test_the_key_follows_from_files_and_layout_alone():
    assert group_of([5, 6], 3).key == group_of([5, 6], 3).key
    assert len({group_of([5, 6], 3).key, group_of([5, 7], 3).key, group_of([6, 5], 3).key, group_of([5], 3).key}) == 4


def test_many_files_become_several_groups(monkeypatch):
    monkeypatch.setattr(groups, "GROUP_BYTES", 1000)
    files = [CoveredFile(str(number), 300) for number in range(10)]
    made = list(groups_of("parity", files, 3))
    assert [len(group.files) for group in made] == [3, 3, 3, 1]
    assert [file for group in made for file in group.files] == files
    assert sum(group.blocks for group in made) == 10 * math.ceil(300 / groups.MIN_BLOCK)
