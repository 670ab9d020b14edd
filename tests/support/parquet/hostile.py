"""Footers that contradict themselves, many of which end a process whose pyarrow is given them."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.parquet.footers import (
    COLUMNS,
    FACTS,
    FLAG,
    GROUPS,
    HASH,
    LONG,
    NUMBER,
    REAL,
    SCHEMA,
    SIZES,
    STATISTICS,
    TEXT,
    Struct,
    X,
    changed,
    chunk_facts,
    small_file,
)
from tilepress.pipeline.archive.parquet.reading import open_parquet
from tilepress.pipeline.archive.parquet.thrift import BINARY, I32, I64, LIST, STRUCT
from tilepress.pipeline.errors import IntegrityError

KEPT = Path(__file__).parents[2] / "fuzz/corpus/parquet/size-statistics"


def _facts(column: int, field: int, kind: int, value: Any) -> Callable[[Struct], object]:
    """A change of one fact of a column's chunk in the second row group, in the order of fields."""

    def change(facts: Struct) -> None:
        found = chunk_facts(facts, column, group=1)
        found[field] = kind, value
        ordered = sorted(found.items())
        found.clear()
        found.update(ordered)

    return change


def _values(column: int, size: int, fields: tuple[int, int] = (5, 6)) -> Callable[[Struct], object]:
    """Statistics whose values have a size."""
    return _facts(column, STATISTICS, STRUCT, {field: (BINARY, bytes(size)) for field in fields})


def _levels(column: int, field: int, count: int) -> Callable[[Struct], object]:
    """Size statistics with a histogram of so many levels."""
    return _facts(column, SIZES, STRUCT, {field: (LIST, (I64, [0] * count))})


def _legacy(column: int, size: int) -> Callable[[Struct], object]:
    """Statistics of a file that says no order of its columns: their old fields are taken."""

    def change(facts: Struct) -> None:
        facts.pop(7)
        _values(column, size, (1, 2))(facts)

    return change


def _chunks(facts: Struct) -> list[Struct]:
    """The chunks of the second row group."""
    found: list[Struct] = facts[GROUPS][1][1][1][COLUMNS][1][1]
    return found


def _leaf(facts: Struct, number: int) -> Struct:
    """The SchemaElement of a column."""
    found: Struct = [element for element in facts[SCHEMA][1][1] if 1 in element][number]
    return found


_KEY = {2: (STRUCT, {1: (LIST, (BINARY, [b"long"]))})}
# What pyarrow 26.0.1 throws at in places where nobody catches, which ends the process.
ENDING: dict[str, Callable[[Struct], object]] = {
    "chunks-than-columns": lambda facts: _chunks(facts).append(_chunks(facts)[-1]),
    "another-type": _facts(NUMBER, 1, I32, 6),
    "another-type-of-the-size": _facts(LONG, 1, I32, 5),
    "no-type": _facts(NUMBER, 1, I32, 8),
    "a-type-beyond-32-bits": _facts(NUMBER, 1, I32, (1 << 32) + 6),
    "no-codec": _facts(TEXT, 4, I32, 8),
    "a-negative-codec": _facts(TEXT, 4, I32, -1),
    "an-encrypted-chunk": lambda facts: _chunks(facts)[LONG].update({8: (STRUCT, _KEY), 9: (BINARY, b"secret")}),
    "few-definition-levels": _levels(TEXT, 3, 1),
    "many-definition-levels": _levels(X, 3, 7),
    "repetition-levels": _levels(NUMBER, 2, 3),
    "bytes-of-numbers": _facts(NUMBER, SIZES, STRUCT, {1: (I64, 5)}),
    "bytes-of-hashes": _facts(HASH, SIZES, STRUCT, {1: (I64, 0)}),
    "no-minimum": _values(NUMBER, 0),
    "a-short-minimum": _values(LONG, 4),
    "a-short-real": _values(REAL, 7),
    "an-empty-flag": _values(FLAG, 0),
    "a-short-hash": _values(HASH, 3),
    "a-short-legacy-minimum": _legacy(LONG, 4),
    "another-schema": lambda facts: _leaf(facts, TEXT).update({1: (I32, 2)}),
    "no-repetition": lambda facts: _leaf(facts, TEXT).pop(3),
    "other-levels": lambda facts: _leaf(facts, NUMBER).update({3: (I32, 0)}),
}
# What is refused as well, since it contradicts itself, or would be read in another way than it was looked at.
CONTRADICTING: dict[str, Callable[[Struct], object]] = {
    "chunks-too-few": lambda facts: _chunks(facts).pop(),
    "no-facts": lambda facts: _chunks(facts)[0].pop(FACTS),
    "another-path": _facts(TEXT, 3, LIST, (BINARY, [b"number"])),
    "an-encrypted-file": lambda facts: facts.update({8: (STRUCT, {1: (STRUCT, {})})}),
    "maps": _facts(TEXT, 17, STRUCT, {}),
    "a-longer-number": _values(NUMBER, 5),
    "texts-for-encodings": _facts(TEXT, 2, LIST, (BINARY, [b"a"])),
    "a-name-that-is-no-text": lambda facts: _leaf(facts, TEXT).update({4: (BINARY, b"\xff")}),
    "no-schema": lambda facts: facts.pop(SCHEMA),
    "elements-behind-the-tree": lambda facts: facts[SCHEMA][1][1].append({3: (I32, 0), 4: (BINARY, b"x"), 1: (I32, 1)}),
    "elements-missing": lambda facts: facts[SCHEMA][1][1].pop(),
    "groups-as-numbers": lambda facts: facts.update({GROUPS: (I64, 1)}),
}


def hostile() -> dict[str, bytes]:
    """Return hostile files by name; those of ENDING, and the one that was found first, end the process in pyarrow."""
    sound = small_file()
    return {"as-found": KEPT.read_bytes()} | {
        name: changed(sound, change) for name, change in (ENDING | CONTRADICTING).items()
    }


def look_at(data: bytes) -> None:
    """Open a file and look at all that pyarrow says of its chunks, as readers of archives do."""
    file = open_parquet(io.BytesIO(data), "hostile.parquet")
    for group in range(file.num_row_groups):
        facts = file.metadata.row_group(group)
        for column in map(facts.column, range(facts.num_columns)):
            _ = column.path_in_schema, column.physical_type, column.compression, column.encodings, column.num_values
            if column.is_stats_set and column.statistics.has_min_max:
                _ = column.statistics.min_raw, column.statistics.max_raw


def look_at_all() -> None:
    """Look at every hostile file, and print those that were not refused; for a process that may end of it."""
    for name, data in hostile().items():
        try:
            look_at(data)
            print(name)
        except IntegrityError:
            continue
    print("all")


@cache
def require_survival() -> None:
    """Look at the hostile files in another process first, and fail if that ends."""
    command = [sys.executable, "-c", "from tests.support.parquet.hostile import look_at_all; look_at_all()"]
    done = subprocess.run(command, cwd=KEPT.parents[4], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "all\n"), done.stdout + done.stderr[-2000:]
