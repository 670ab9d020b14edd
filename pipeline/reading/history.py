"""What the runs say about one path: which row gives its content, and whether the source still had it.

A run may move content: its manifest names parts of earlier runs that its own parts stand for from then on. Rows of
replaced parts give no content. Rows of a run that moves say where content is, and nothing about the source.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tilepress.pipeline.archive.places import Place
from tilepress.pipeline.archive.schema import CONTENTLESS, FORGOTTEN, GONE
from tilepress.pipeline.reading.run_view import RunView

Version = tuple[RunView, dict[str, Any]]  # a row of an index, and the run it is of
COLUMNS = ("path", "method", "part")  # what a history looks at


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
    counting = [version for version in versions if place(version) not in replaced]
    said = next((version for version in reversed(versions) if not version[0].moves), versions[-1])
    newest = said
    if place(said) in replaced:  # what stands for it; only a row without content can have been left out
        newest = next((each for each in reversed(counting) if each[1]["method"] != GONE), said)
    return History(tuple(counting), newest, bool(said[1]["method"] == GONE))


def place(version: Version) -> Place:
    """Return where the content of a row lies."""
    view, row = version
    return view.run.number, -1 if row["part"] is None else row["part"]


def has_content(version: Version) -> bool:
    """Tell whether a row gives the content of its path."""
    return version[1]["method"] not in CONTENTLESS


def replaced_parts(views: Iterable[RunView]) -> frozenset[Place]:
    """Return the parts that later runs stand for."""
    return frozenset(place for view in views for place in view.replaces)
