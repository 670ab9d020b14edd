"""Two sorted streams side by side, in memory that does not grow with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Left = TypeVar("Left")
Right = TypeVar("Right")


def merge_join(
    left: Iterable[Left], right: Iterable[Right], left_name: Callable[[Left], str], right_name: Callable[[Right], str]
) -> Iterator[tuple[Left | None, Right | None]]:
    """Items of equal names in pairs, every other item with None, in order.

    Both sides ascend by the UTF-8 bytes of their names, and no name occurs twice on a side.
    """
    lefts, rights = iter(left), iter(right)
    ours, theirs = next(lefts, None), next(rights, None)
    while ours is not None or theirs is not None:
        mine = None if ours is None else left_name(ours).encode()
        other = None if theirs is None else right_name(theirs).encode()
        ours_comes = other is None or (mine is not None and mine <= other)
        theirs_comes = mine is None or (other is not None and other <= mine)
        yield ours if ours_comes else None, theirs if theirs_comes else None
        ours = next(lefts, None) if ours_comes else ours
        theirs = next(rights, None) if theirs_comes else theirs
