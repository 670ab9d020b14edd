"""The facts of images in stacks have no row CRC of their own: one in the stack covers those of all its images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any

from tilepress.pipeline.archive.schema import IMAGE_COLUMNS, members_crc

_VALUES = itemgetter(*IMAGE_COLUMNS)
COLUMNS = (*IMAGE_COLUMNS, "part", "stacked")  # of an index that are looked at


def foreign_members(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what is wrong with index rows of images in stacks, which come in the order of their numbers.

    Rows that make no sense by themselves are left to whoever reads them.
    """
    found: dict[tuple[int, int], tuple[int, int]] = {}  # part and stack -> images, CRC of their facts
    wanted: dict[tuple[int, int], tuple[int, int]] = {}
    for row in rows:
        stack, stacked = row["stack"], row["stacked"]
        if stack is None or stacked is None:
            continue
        key = (row["part"], stack)
        images, crc = found.get(key, (0, 0))
        found[key] = images + 1, _next(crc, row)
        wanted[key] = stacked["images"], stacked["members_crc"]
    for (part, stack), (images, crc) in found.items():
        most, expected = wanted[part, stack]
        if crc != expected or images > (most or 0):
            yield f"the rows of the images of stack {stack} in part {part} are not those that were written"


def _next(crc: int, row: Mapping[str, Any]) -> int:
    try:
        return members_crc(crc, _VALUES(row))
    except (TypeError, ValueError, AttributeError, OverflowError):
        return -1
