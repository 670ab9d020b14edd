"""Parsers of bytes from elsewhere raise one kind of error, whatever the bytes are. `run.py` tries a million."""

from __future__ import annotations

import pytest

from tests.fuzz.parsers import PARSERS
from tests.fuzz.run import failure, kept, mutants, warm
from tests.support.parquet.hostile import require_survival


@pytest.mark.parametrize("name", PARSERS)
def test_parsers_raise_nothing_but_what_they_say(name: str) -> None:
    require_survival()  # of inputs that once ended the process, and would end this one
    parser = PARSERS[name]
    seeds = [*warm(parser), *kept(name)]
    assert [failure(parser, seed) for seed in seeds] == [None] * len(seeds)
    found = [error for data in mutants(seeds, parser.tests, seed=1) if (error := failure(parser, data)) is not None]
    assert found == []
