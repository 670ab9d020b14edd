"""What becomes of each image of damaged parts: copied where it is sound, else read from the source, else lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from tilepress.jobs.archives.moving import moved_file
from tilepress.pipeline.archive.layout import Run
from tilepress.pipeline.archive.places import Place
from tilepress.pipeline.archive.plan import PlannedFile, plan_from_bytes
from tilepress.pipeline.coding.settings import EncodeSettings
from tilepress.pipeline.errors import IntegrityError, MissingError, StorageError, UsageError
from tilepress.pipeline.reading.archive import Archive
from tilepress.pipeline.reading.history import Version, content_place, place, places
from tilepress.pipeline.reading.references import referred
from tilepress.pipeline.sources.collection import Collection, require_source_of_data
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
    changed: bool = False  # the source has other content under that name

    @property
    def path(self) -> str:
        """Its name."""
        return self.file.path

    @property
    def lost(self) -> bool:
        """Whether neither the archive nor the source has it."""
        return not self.sound and self.settings is None


@dataclass(frozen=True)
class _Source:
    """Where damaged images are looked for."""

    source: str
    named_in: str  # the data that name it; "" of a place that was given
    links: str
    options: Mapping[str, Any]
    needed: bool  # UsageError if it cannot be listed

    def files(self) -> Iterator[ListedFile]:
        if not self.source:  # no run says where files came from
            return
        self._require_allowed()
        try:
            yield from self.open().entries()
        except UsageError:
            if self.needed:
                raise

    def _require_allowed(self) -> None:
        if self.named_in:
            require_source_of_data(self.source, self.named_in)

    def open(self) -> Collection:
        self._require_allowed()
        return Collection.open(self.source, links=self.links, storage_options=self.options)


def mended_images(
    archive: Archive, damaged: Mapping[Place, set[str]], source: str | None, options: Mapping[str, Any], *, needed: bool
) -> list[Mended]:
    """Return the images of damaged parts that are referred to, in the order of their paths.

    A damaged image is looked for in the source under its name, and then, if its SHA-256 is known, under any other.

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
    named_in = "" if source else f"a plan of {archive.storage.url}"
    place_of_files = _Source(found, named_in, links, options, needed or source is not None)
    images = list(_images(archive, damaged, place_of_files, requests))
    return list(_found_elsewhere(images, place_of_files, requests))


def _images(
    archive: Archive, damaged: Mapping[Place, set[str]], source: _Source, requests: Mapping[int, dict[str, Any]]
) -> Iterator[Mended]:
    """The images, with those files of the source that have their names."""
    files = source.files() if any(damaged.values()) else iter(())
    versions = (version for version in referred(archive) if not damaged.keys().isdisjoint(places(version)))
    for version, file in merge_join(versions, files, _path, lambda file: file.name):
        if version is None:
            continue
        where = (content_place(version), place(version), archive.content(version))
        # Damage is named by the part of the content; a reference to content that is not to be found, by its own.
        if not any(_path(version) in damaged.get(each, ()) for each in where[:2]):
            yield Mended(moved_file(version), *where, sound=True)
        elif file is not None:
            settings = _settings(requests, version[0].run)
            changed = not _unchanged(file, version[1])
            yield Mended(PlannedFile.of(file), *where, settings=settings, source=source.source, changed=changed)
        else:
            yield Mended(moved_file(version), *where)


def _path(version: Version) -> str:
    return str(version[1]["path"])


def _unchanged(file: ListedFile, row: Mapping[str, Any]) -> bool:
    """Whether a file of the same name seems to be the one that was stored."""
    same_version = file.etag == row["etag"] if file.etag else file.modified_ns == row["modified_ns"]
    return bool(same_version and file.size == row["source_bytes"])


def _found_elsewhere(
    images: Iterable[Mended], source: _Source, requests: Mapping[int, dict[str, Any]]
) -> Iterator[Mended]:
    """The images; those that are lost or changed, if the source has their content, from wherever it lies."""
    images = list(images)
    there = _by_content(source, [image for image in images if image.lost or image.changed])
    for image in images:
        file = there.get(_content(image)) if image.lost or image.changed else None
        if file is None:
            yield image
            continue
        locator = file.locator or file.name.encode()
        planned = replace(PlannedFile.of(file), path=image.path, locator=locator, name=image.file.name)
        settings = image.settings or _settings(requests, Run(image.own[0]))
        yield replace(image, file=planned, settings=settings, source=source.source, changed=False)


def _content(image: Mended) -> tuple[int, bytes]:
    """Size and SHA-256 of a file, as far as its row knows them."""
    row = image.content[1]
    return row["source_bytes"] or 0, row["file_sha256"] or row.get("named", {}).get("file_sha256") or b""


def _by_content(source: _Source, wanted: list[Mended]) -> dict[tuple[int, bytes], ListedFile]:
    """The first file of the source with each wanted content; only files of a wanted size are read."""
    contents = {content for content in map(_content, wanted) if all(content)}
    sizes, found = {size for size, _ in contents}, dict[tuple[int, bytes], ListedFile]()
    collection = None
    for file in source.files() if contents else ():
        collection = collection or source.open()  # behind the listing, which may find no source where none is needed
        if file.size in sizes and not file.kind:
            with suppress(StorageError), collection.open_source(file) as data:
                found.setdefault((file.size, sha256(data).digest()), file)
    return {content: file for content, file in found.items() if content in contents}


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
