"""Patterns of --include and --exclude: what they match, and what is none."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.storage.globs import Selection, compile_glob


@given(st.text(alphabet="a*?[]!/.^-\\\n", max_size=12), st.text(alphabet="a/.]\\\n", max_size=8))
def test_any_text_is_a_pattern_or_a_clear_mistake_and_brackets_take_characters_literally(pattern, name):
    with contextlib.suppress(UsageError):
        assert (name in Selection([pattern])) in (True, False)
    meant = pattern.replace("/", "") + "x"
    literal = "/" + "".join(f"[{c}]" if c in "*?[" else c for c in meant)
    assert meant in Selection([literal]) and (name + "y") not in Selection([literal])


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("[a-c]", "b", "d"),
        ("[!a-c]", "d", "b"),
        ("[]x]", "]", "y"),
        ("[!]]", "x", "]"),
        ("[]", "[]", "]"),
        ("a[!/]b", "a[!/]b", "axb"),
        ("a**b", "axxb", "ax/xb"),
        ("a/**/b", "a/b", "ab"),
        ("a/**", "a/b/c", "a"),
        ("?.png", "x.png", "/.png"),
        ("*.png", "a\nb.png", "a.jpg"),
    ],
)
def test_a_pattern_matches_as_documented(pattern, yes, no):
    assert yes in Selection([pattern]) and no not in Selection([pattern])


def test_a_backward_range_in_a_pattern_is_a_clear_mistake():
    with pytest.raises(UsageError, match="backwards"):
        Selection(["[z-a]"])


def test_a_hostile_pattern_takes_no_time_that_grows_exponentially() -> None:
    assert not compile_glob("*a" * 200 + "*b").fullmatch("a" * 1000)
    assert not compile_glob("**/a/" * 60 + "b").fullmatch("a/" * 400 + "c")


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("*a*a/*b", "aba/ab", True), ("*a/b", "aa/b", True), ("*a*ba", "abba", True), ("a*[bc]*d", "abcd", True),
        ("**/a/**/b/*c*d", "a/a/x/b/b/ccd", True), ("*a*b*c", "acb", False),
    ],
)  # fmt: skip
def test_several_stars(pattern: str, name: str, matches: bool) -> None:
    assert bool(compile_glob(pattern).fullmatch(name)) is matches
