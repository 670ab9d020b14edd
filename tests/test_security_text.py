"""SECURITY.md says the limits that the code has, and names files that are there."""

from __future__ import annotations

import importlib
import re
from functools import reduce
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "SECURITY.md").read_text()
LIMIT = re.compile(r"^\| (.+) \| ([\d,]+) \| `([\w/]+)\.py` `([\w.]+)` \|$", re.MULTILINE)
LIMITS = LIMIT.findall(TEXT)


def test_every_row_of_the_table_is_read() -> None:
    table = TEXT.partition("## Declared limits")[2].partition("\n\n")[2].partition("\n\n")[0].splitlines()
    assert len(LIMITS) == len(table) - 2 > 20


@pytest.mark.parametrize(("what", "number", "module", "name"), LIMITS, ids=[row[0] for row in LIMITS])
def test_a_limit_is_as_declared(what: str, number: str, module: str, name: str) -> None:
    found = importlib.import_module(f"tilepress.{module.replace('/', '.')}")
    assert reduce(getattr, name.split("."), found) == int(number.replace(",", ""))


def test_every_file_that_is_named_is_there() -> None:
    named = {word for word in re.findall(r"`([\w./-]+)`", TEXT) if "/" in word and not word.startswith("/")}
    assert len(named) > 15
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
