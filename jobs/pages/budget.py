"""Which images a page of limited size takes: the most important ones of every section in turn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, zip_longest

from tilepress.jobs.pages.picture_sections import Compared, Comparison, Findings, Gallery, Thumb
from tilepress.jobs.pages.sections import Section

Item = Thumb | Compared
_MARKUP = 1500  # bytes around an image: its caption, and text about it


class Room:
    """The images that a page takes."""

    def __init__(self, items: Sequence[Item], nbytes: int) -> None:
        """Take items in their order while they fit into so many bytes; one that is too large lets others pass."""
        self._taken: set[int] = set()
        for item in items:
            if (cost := _cost(item)) <= nbytes:
                nbytes -= cost
                self._taken.add(id(item))

    def has(self, item: Item) -> bool:
        """Tell whether an item is taken."""
        return id(item) in self._taken


def by_importance(sections: Sequence[Section]) -> list[Item]:
    """Return the images of all sections: the first of each, then the second of each, and so on."""
    rounds = zip_longest(*map(list, map(_items, sections)))
    return [item for item in chain.from_iterable(rounds) if item is not None]


def _items(section: Section) -> Iterator[Item]:
    if isinstance(section, Comparison):
        yield from section.images
    elif isinstance(section, Gallery):
        yield from section.thumbs
    elif isinstance(section, Findings):
        for examples in zip_longest(*(finding.thumbs for finding in section.findings)):
            yield from filter(None, examples)


def _cost(item: Item) -> int:
    pictures = [item.original, item.decoded] if isinstance(item, Compared) else [item.picture]
    return sum(picture.cost for picture in pictures) + _MARKUP
