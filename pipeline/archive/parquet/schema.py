"""The columns of a Parquet footer: what its tree of schema elements comes to, as far as chunks must fit it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from tilepress.pipeline.archive.parquet.thrift import I32, STRUCT, Fields, binary, integer, list_of, walk

BYTE_ARRAY, _FIXED = 6, 7  # of the types of parquet.thrift
_WIDTHS = {0: 1, 1: 4, 2: 8, 3: 12, 4: 4, 5: 8, BYTE_ARRAY: 0}  # bytes of a value alone, by type
_REPEATED = 2  # of the repetitions: required, optional, repeated
_TYPE, _LENGTH, _REPETITION, _NAME, _CHILDREN = range(1, 6)  # fields of SchemaElement
MOST_COLUMNS = 4096  # tilepress has 59 at most
_MOST_DEPTH = 32
_MOST_NAME = 255  # bytes: a column's path has those of all groups around it
_MOST_LENGTH = 1 << 16  # bytes of a value of a fixed size


class Column(NamedTuple):
    """A leaf of the schema: its path, type, bytes of a value (0 if they differ), and the highest of its levels."""

    path: tuple[bytes, ...]
    kind: int
    width: int
    definition: int
    repetition: int

    def __str__(self) -> str:
        return b".".join(self.path).decode()


@dataclass
class _Group:
    """A group of which children are still to come."""

    path: tuple[bytes, ...]
    left: int
    definition: int
    repetition: int


def read_schema(data: bytes, at: int, kind: int) -> tuple[list[Column], int]:
    """Return the columns of the schema that begins at a byte, and where it ends; ValueError if it is no tree."""
    count, at = list_of(STRUCT, data, at, kind)
    if count > 2 * MOST_COLUMNS:
        raise ValueError(f"the schema has {count} elements")
    columns: list[Column] = []
    groups: list[_Group] = []
    for _ in range(count):
        element: Fields = {}
        at = walk(data, at, {}, found=element)
        if groups:
            _add(element, data, groups, columns)
        else:
            groups.append(_Group((), _number(element, _CHILDREN, data), 0, 0))
    if any(group.left for group in groups) or not groups:
        raise ValueError("the schema lacks elements")
    if len(columns) > MOST_COLUMNS:
        raise ValueError(f"the schema has {len(columns)} columns")
    return columns, at


def _add(element: Fields, data: bytes, groups: list[_Group], columns: list[Column]) -> None:
    """Give an element its place in the tree: below the innermost group that lacks one."""
    while groups and not groups[-1].left:
        groups.pop()
    if not groups:
        raise ValueError("the schema has elements that are in no group")
    group = groups[-1]
    group.left -= 1
    repetition = _number(element, _REPETITION, data)
    if _REPETITION not in element or repetition > _REPEATED:
        raise ValueError("a schema element has no repetition")
    path = (*group.path, _name(element, data))
    levels = group.definition + (repetition != 0), group.repetition + (repetition == _REPEATED)
    children = _number(element, _CHILDREN, data)
    if _TYPE not in element and children and len(groups) < _MOST_DEPTH:
        groups.append(_Group(path, children, *levels))
    elif _TYPE in element and not children:
        columns.append(Column(path, _number(element, _TYPE, data), _width(element, data), *levels))
    else:
        raise ValueError("a schema element is neither a column nor a group, or lies too deep")


def _number(element: Fields, field: int, data: bytes) -> int:
    """The number of a field, from 0 to 2^31 - 1; 0 if the field is not there."""
    if field not in element:
        return 0
    kind, at = element[field]
    value = integer(data, at)[0]
    if kind != I32 or not 0 <= value < 1 << 31:
        raise ValueError(f"field {field} of a schema element is no number that it may be")
    return value


def _name(element: Fields, data: bytes) -> bytes:
    if _NAME not in element:
        raise ValueError("a schema element has no name")
    kind, at = element[_NAME]
    name = binary(data, at, kind)
    if len(name) > _MOST_NAME:
        raise ValueError(f"a schema element has a name of {len(name)} bytes")
    name.decode()  # UnicodeDecodeError, a ValueError, for a name that pyarrow could not tell
    return name


def _width(element: Fields, data: bytes) -> int:
    kind = _number(element, _TYPE, data)
    width = _number(element, _LENGTH, data) if kind == _FIXED else _WIDTHS.get(kind)
    if width is None or (kind == _FIXED and not 0 < width <= _MOST_LENGTH):
        raise ValueError(f"there is no type {kind} of {width} bytes")
    return width
