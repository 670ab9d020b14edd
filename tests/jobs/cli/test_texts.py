"""Texts of options that are values are those, and no text, however long, is more than refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import typer

from tilepress.jobs.cli import texts

READERS: list[Callable[[str], Any]] = [
    *(texts.size, texts.region, texts.subset, texts.qualities, texts.percentage, texts.network, texts.slice_of),
    texts.sample_of,
]
LONG = "9" * 5000  # more digits than Python converts to an integer, or than a float has room for
HOSTILE = (LONG, f"{LONG}.5%", f"{LONG}TB", f"1/{LONG}", f"{LONG},0,1,1", f"50,{LONG}", f"fast={LONG},1", "\0")


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:8]))
def test_a_text_without_end_is_refused_in_a_few_words(read: Callable[[str], Any], text: str) -> None:
    with pytest.raises(typer.BadParameter) as refused:
        read(text)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("text", "nbytes"),
    [("4096", 4096), ("256MB", 256_000_000), ("1.5GiB", 3 << 29), ("1 k", 1000), ("2TB", 2 * 10**12)],
)
def test_sizes_are_bytes(text: str, nbytes: int) -> None:
    assert texts.size(text) == nbytes


@pytest.mark.parametrize("text", ["", "0", "MB", "-1", "9999999999TB", "1e9"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        texts.size(text)
