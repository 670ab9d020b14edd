"""A promise about an image: how it is named, what it allows, and which of two promises less."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tilepress.pipeline.archive.fidelity import Fidelity


@pytest.mark.parametrize(
    ("name", "bound", "text"),
    [
        ("pixels", 0, "pixels"),
        ("file", 0, "pixels"),
        ("lossy", None, "lossy"),
        ("max-error-1", 1, "within 1 level"),
        ("max-error-65535", 65535, "within 65535 levels"),
    ],
)
def test_a_name_says_the_bound(name: str, bound: int | None, text: str) -> None:
    promised = Fidelity.parse(name)
    assert (promised.name, promised.bound, promised.text, promised.is_exact) == (name, bound, text, bound == 0)
    assert not bound or Fidelity.within(bound) == promised


@pytest.mark.parametrize("name", ["max-error-", "max-error-0", "max-error-1e9", "max-error-999999", "Lossy", ""])
def test_a_name_that_is_unknown_promises_exact_pixels(name: str) -> None:
    assert Fidelity.parse(name).is_exact


def test_promises_have_an_order() -> None:
    order = [Fidelity.parse(name) for name in ("file", "pixels", "max-error-1", "max-error-2", "lossy")]
    for closer, looser in pairwise(order):
        assert looser.looser_than(closer) and not closer.looser_than(looser) and not closer.looser_than(closer)
