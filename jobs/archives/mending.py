"""What becomes of each image of damaged parts: copied where it is sound, else read from the source, else lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tilepress.jobs.archives.moving import moved_file
from tilepress.pipeline.archive.layout import Run
from tilepress.pipeline.archive.places import Place
from tilepress.pipeline.archive.plan import PlannedFile, plan_from_bytes
from tilepress.pipeline.coding.settings import EncodeSettings
from tilepress.pipeline.errors import IntegrityError, MissingError, UsageError
from tilepress.pipeline.reading.archive import Archive
from tilepress.pipeline.reading.history import Version, content_place, place, places
from tilepress.pipeline.reading.references import referred
from tilepress.pipeline.sources.collection import Collection
from tilepress.pipeline.storage.base import ListedFile
from tilepress.pipeline.storage.listing_rules import KEEP
from tilepress.pipeline.storage.ordered import merge_join


@dataclass(frozen=True)
class Mended:
    """One image of a damaged part: it is `sound` there, or with `settings` it is stored again."""

    file: PlannedFile
    place: Place  # of its content
    own: Place  # of its row, which may only refer to that
    content: Version
    sound: bool = False
    settings: EncodeSettings | None = None
    source: str = ""

    @property
    def path(self) -> str:
        """Its name."""
        return self.file.path

    @property
    def lost(self) -> bool:
        """Whether neither the archive nor the source has it."""
        return not self.sound and self.settings is None


def mended_images(
    archive: Archive, damaged: Mapping[Place, set[str]], source: str | None, options: Mapping[str, Any], *, needed: bool
) -> Iterator[Mended]:
    """Yield the images of damaged parts that are referred to, in the order of their paths.

    Args:
        archive: The archive.
        damaged: The paths that are damaged in each part.
        source: Where damaged images are looked for; where the newest run found its files, if it is not given.
        options: How the source is reached.
        needed: UsageError if the source cannot be listed, even if it is not given.
    """
    requests = _requests(archive)
    found = source or next((request["source"] for request in reversed(requests.values())), "")
    links = next((request["links"] for request in reversed(requests.values()) if "links" in request), KEEP)
    must = needed or source is not None
    files = _listed(found, options, links, needed=must) if any(damaged.values()) else iter(())
    versions = (version for version in referred(archive) if not damaged.keys().isdisjoint(places(version)))
    for version, file in merge_join(versions, files, _path, lambda file: file.name):
        if version is None:
            continue
        where = (content_place(version), place(version), archive.content(version))
        if _path(version) not in damaged.get(where[0], ()):
            yield Mended(moved_file(version), *where, sound=True)
        elif file is not None:
            settings = _settings(requests, version[0].run)
            yield Mended(PlannedFile.of(file), *where, settings=settings, source=found)
        else:
            yield Mended(moved_file(version), *where)


def _path(version: Version) -> str:
    return str(version[1]["path"])


def _listed(source: str, options: Mapping[str, Any], links: str, *, needed: bool) -> Iterator[ListedFile]:
    """The files of the source; none where it is not `needed` and cannot be listed."""
    try:
        yield from Collection.open(source, links=links, storage_options=options).entries()
    except UsageError:
        if needed:
            raise


def _requests(archive: Archive) -> dict[int, dict[str, Any]]:
    """What each `compress` was asked for, by the number of its run, oldest first."""
    found = {}
    for view in archive.runs:
        with suppress(IntegrityError, MissingError):
            settings = plan_from_bytes(archive.storage.read(view.run.plan), view.run.plan).settings
            if "press" in settings:
                found[view.run.number] = settings
    return found


def _settings(requests: Mapping[int, dict[str, Any]], run: Run) -> EncodeSettings:
    """The settings that the run of a damaged image was made with; of a run that moved it, the last ones before."""
    number = max((each for each in requests if each <= run.number), default=None)
    if number is None:
        raise UsageError("no plan says how images were compressed: all of them are damaged or lost")
    return EncodeSettings.from_json(requests[number]["press"])
