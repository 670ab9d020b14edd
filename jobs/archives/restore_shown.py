"""As what a file comes back: as it is, as a region, a preview or a view of it, or as the JPEG file that it was."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from tilepress.codecs.errors import MissingPackage
from tilepress.jobs.archives.restore_deblocked import DEBLOCKED, deblocked_name, write_deblocked
from tilepress.jobs.archives.restore_origin import AS_JPEG, SUFFIX, write_jpeg
from tilepress.pipeline.archive.fidelity import Fidelity
from tilepress.pipeline.archive.schema import PIXEL_METHODS
from tilepress.pipeline.coding.decode import Shown
from tilepress.pipeline.errors import IntegrityError, UsageError
from tilepress.pipeline.reading.image import Entry, Region
from tilepress.pipeline.reading.rebuild import Outcome
from tilepress.pipeline.reading.region import eighth_name, region_name, write_region
from tilepress.pipeline.storage.base import Location

BYTES, PIXELS, LOSSY, PREVIEW, REGION, THERE = (
    "byte-identical",
    "pixel-identical",
    "lossy",
    "preview",
    "region",
    "already there",
)


_LIKE_SHOWN = re.compile(rf"-({DEBLOCKED}|preview)\.\w+$|{re.escape(SUFFIX)}$")


@dataclass(frozen=True)
class RestoreOptions:
    """What every worker needs to know."""

    destination: Location
    region: Region | None = None
    preview: bool = False
    view: str = ""  # another decoder of the latents, where their model has it
    as_origin: bool = False
    overwrite: bool = False
    deblock: bool = False
    pixels: bool = False  # equal pixels and metadata are enough
    taken: frozenset[str] = frozenset()  # names of files that end as those of other views do, which none may take


@dataclass(frozen=True)
class Written:
    """As what a file comes back: `name` in the destination, `how` for the summary, with details behind a colon.

    `not_deblocked`: why it comes back as it is where it was to be restored from its JPEG coefficients.
    """

    name: str
    how: str
    not_deblocked: str = ""
    asked: bool = False  # equal pixels were all that was asked for

    @property
    def is_file(self) -> bool:
        """Whether this is the file itself, or something that stands for it, and not a view of it."""
        return self.how not in (LOSSY, PREVIEW, REGION, DEBLOCKED)

    @property
    def needs_a_word(self) -> bool:
        """Whether it comes back otherwise than it was, and that was not asked for."""
        return not self.asked and self.how not in (BYTES, PREVIEW, REGION, AS_JPEG, DEBLOCKED)


def require_alone(way: str, others: Mapping[str, bool]) -> None:
    """Raise UsageError if files are asked for in another way, too.

    `others`: parameters by name, and whether they were given.
    """
    for name, given in others.items():
        if given:
            raise UsageError(f"`{way}` and `{name}` are two ways in which files come back: leave one of them out")


def require_view(entries: Iterable[Entry], view: str) -> None:
    """Raise UsageError if none of these files has a view, a slip then. One whose codec does not load may have it."""
    known: set[str] = set()
    for entry in entries:
        try:
            known |= entry.views
        except (IntegrityError, MissingPackage):
            return
        if view in known:
            return
    raise UsageError(f"no such file has a `view` {view!r}; there are: {', '.join(sorted(known)) or 'none'}")


def names_like_shown(entries: Iterable[Entry]) -> frozenset[str]:
    """Return the names of files that end as those do that other files come back under."""
    return frozenset(entry.path for entry in entries if _LIKE_SHOWN.search(entry.path))


def write_shown(entry: Entry, options: RestoreOptions, file: BinaryIO) -> Written:
    """Write to `file` as what an image comes back. UsageError where that has the name of another file."""
    written = _write(entry, options, file)
    if written.name != entry.path and written.name in options.taken:
        raise UsageError(f"{written.name} is a file of the archive, too: restore one of them elsewhere, by `include`")
    return written


def _write(entry: Entry, options: RestoreOptions, file: BinaryIO) -> Written:
    facts, view = entry.index_row.facts, view_of(entry, options)
    if options.deblock:
        return _write_deblocked(entry, file)
    if options.region is not None:
        write_region(entry.array(options.region, options.preview, view), facts, file)
        return Written(region_name(entry.path, options.region, facts), REGION)
    if options.preview and not view and entry.has_eighth:
        write_region(entry.array(preview=True), facts, file)
        return Written(eighth_name(entry.path, facts), PREVIEW)
    shown = Shown(options.preview, view)
    if not shown.residuals and facts.method in PIXEL_METHODS and (shown.view or _has_preview(entry)):
        entry.write_preview(shown, file)
        return Written(entry.path, PREVIEW)
    if options.as_origin and (written := write_jpeg(entry, file)):
        return Written(*written)
    how = _how(entry.write(file, pixels_only=options.pixels), facts.promised)
    return Written(entry.path, how, asked=options.pixels and how == PIXELS)


def _write_deblocked(entry: Entry, file: BinaryIO) -> Written:
    """As its JPEG coefficients are restored, or as it is, with the reason why."""
    outcome, reason = write_deblocked(entry, file)
    facts = entry.index_row.facts
    if outcome is None:
        return Written(deblocked_name(entry.path, facts), DEBLOCKED)
    return Written(entry.path, _how(outcome, facts.promised), reason)


def view_of(entry: Entry, options: RestoreOptions) -> str:
    """Return the view by which a file comes back: the one that is asked for if it has that, or else ""."""
    return options.view if options.view and options.view in entry.views else ""


def _has_preview(entry: Entry) -> bool:
    """Whether less than all that is stored of an image decodes to something; False where a preview is the image."""
    codecs = [entry.pool.codec(reference) for reference in {tile.facts.codec for tile in entry.index_row.tiles}]
    return not codecs or any(not codec.lossless or codec.progressive for codec in codecs)


def _how(outcome: Outcome, promised: Fidelity) -> str:
    """Return what the summary counts a file as; "within N levels" where its pixels may not be the source's."""
    if outcome.byte_identical:
        return BYTES
    return PIXELS if promised.is_exact else promised.text
