"""What the runs say about one path: which row gives its content, and whether the source still had it.

A run may move content: its manifest names parts of earlier runs that its own parts stand for from then on. Rows of
replaced parts give no content. Rows of a run that moves say where content is, and nothing about the source.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tilepress.pipeline.archive.places import Place
from tilepress.pipeline.archive.schema import CONTENTLESS, FORGOTTEN, GONE, SAME
from tilepress.pipeline.reading.run_view import RunView

Version = tuple[RunView, dict[str, Any]]  # a row of an index, and the run it is of
COLUMNS = ("path", "method", "part", "of_run", "of_part")  # what a history looks at


@dataclass(frozen=True)
class History:
    """The rows about one path that count, oldest first; iterating gives them."""

    versions: tuple[Version, ...]
    newest: Version  # what was last said of the file
    gone: bool  # from the source, when it was last looked at

    def __iter__(self) -> Iterator[Version]:
        return iter(self.versions)

    @property
    def path(self) -> str:
        """The path."""
        return str(self.newest[1]["path"])

    @property
    def content(self) -> Version | None:
        """The newest row with content."""
        return next((version for version in reversed(self.versions) if has_content(version)), None)


def history(versions: Sequence[Version], replaced: frozenset[Place]) -> History:
    """Return what all the rows about a path, at least one and oldest first, come to."""
    forgotten = [at for at, (_, row) in enumerate(versions) if row["method"] == FORGOTTEN]
    versions = versions[forgotten[-1] :] if forgotten else versions
    counting = [version for version in versions if replaced.isdisjoint(places(version))]
    said = next((version for version in reversed(versions) if not version[0].moves), versions[-1])
    newest = said
    if not replaced.isdisjoint(places(said)):  # what stands for it; only a row without content can have been left out
        newest = next((each for each in reversed(counting) if each[1]["method"] != GONE), said)
    return History(tuple(counting), newest, bool(said[1]["method"] == GONE))


def place(version: Version) -> Place:
    """Return the part that a row is in."""
    view, row = version
    return view.run.number, -1 if row["part"] is None else row["part"]


def content_place(version: Version) -> Place:
    """Return the part that the content of a row is in: the row's own, but for those that refer to another row."""
    row = version[1]
    refers = row["method"] == SAME and None not in (row["of_run"], row["of_part"])
    return (row["of_run"], row["of_part"]) if refers else place(version)


def places(version: Version) -> frozenset[Place]:
    """Return the parts that a row needs."""
    return frozenset((place(version), content_place(version)))


def has_content(version: Version) -> bool:
    """Tell whether a row gives the content of its path."""
    return version[1]["method"] not in CONTENTLESS


def replaced_parts(views: Iterable[RunView]) -> frozenset[Place]:
    """Return the parts that later runs stand for."""
    return frozenset(place for view in views for place in view.replaces)
