"""Which rows, and so which parts, an archive still refers to: what `compact` keeps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tilepress.pipeline.archive.index_row import index_row_or_damage
from tilepress.pipeline.archive.places import Place
from tilepress.pipeline.archive.schema import NOT_STORED, SAME
from tilepress.pipeline.reading.archive import Archive
from tilepress.pipeline.reading.contents import Key, key_of
from tilepress.pipeline.reading.history import Version, place


def referred(archive: Archive) -> Iterator[Version]:
    """Yield, in the order of the paths, the rows that must not be lost: one a path, unless that is forgotten.

    That is the row with the path's content, gone from the source or not; of a file that was never stored, the row that
    says why. Older versions are not referred to.
    """
    for history in archive.histories():
        if history.content is not None:
            yield history.content
        elif history.newest[1]["method"] == NOT_STORED:
            yield history.newest


def shared_contents(archive: Archive) -> set[Key]:
    """Return what rows that are referred to say their content is: only such content can be met twice."""
    newest = (history.content for history in archive.histories(["of_image"]))
    return {(row["of_run"], row["of_image"]) for _, row in filter(None, newest) if row["method"] == SAME}


@dataclass
class PartUse:
    """How much of a part is referred to: images, and payload bytes."""

    file_bytes: int
    images: int = 0
    payload: int = 0
    used_images: int = 0
    used_payload: int = 0

    @property
    def unused(self) -> float:
        """The share of the payload, of the images where there is no payload, that nothing refers to: 0 to 1."""
        used, everything = (self.used_payload, self.payload) if self.payload else (self.used_images, self.images)
        return 1 - used / everything if everything else 1.0


def part_uses(archive: Archive) -> dict[Place, PartUse]:
    """Return how much is referred to of every part that a complete run has and no later one stands for."""
    manifests = [(view.run.number, view.manifest) for view in archive.runs if view.manifest]
    uses = {(run, part.shard): PartUse(part.bytes) for run, manifest in manifests for part in manifest.parts}
    uses = {place: use for place, use in uses.items() if place not in archive.replaced}
    for view in archive.runs:
        for row in view.index.walk():
            use = uses.get(place((view, row)))
            if use is not None:
                use.images += 1
                use.payload += index_row_or_damage(row).nbytes
    for version, content in once_each(archive):
        for each in (version, content):
            use = uses.get(place(each)) if each else None
            if use is not None:
                use.used_images += 1
                use.used_payload += index_row_or_damage(each[1]).nbytes if each else 0
    return uses


def once_each(archive: Archive) -> Iterator[tuple[Version | None, Version | None]]:
    """Yield the rows that are referred to and have no content of their own, and rows with content, each once."""
    shared = shared_contents(archive)
    found = set[Key]()
    for version in referred(archive):
        content = archive.content(version)
        key = key_of(content)
        again = key in found
        if key in shared:
            found.add(key)
        yield (None if content is version else version), (None if again else content)
