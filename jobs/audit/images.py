"""The stage of an audit: every image of a task decoded, proven, looked at and measured, as rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tilepress.codecs.errors import MissingPackage
from tilepress.jobs.audit.folder import AUDIT
from tilepress.jobs.audit.grouping import group_of
from tilepress.jobs.audit.items import AuditItem, AuditOptions, AuditTask, without_crashing
from tilepress.jobs.audit.measuring import against, as_stored, bits, has_same_pixels, is_of_one_kind
from tilepress.jobs.audit.readers import Reader, Seen
from tilepress.jobs.audit.rows import DAMAGED, NO_IMAGE, QUARANTINED, TOO_LARGE, UNCHECKED, Row, blank_row
from tilepress.pipeline.archive.summary import codec_name
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.engine.engine import RunsAlone
from tilepress.pipeline.errors import (
    ChangedError,
    DamagedPicture,
    IntegrityError,
    LimitExceeded,
    MissingError,
    PictureError,
    StorageError,
    TransientStorageError,
    UnsafeName,
    UsageError,
)
from tilepress.pipeline.findings.double_jpeg import inspect_jpeg
from tilepress.pipeline.findings.inks import light_of_inks
from tilepress.pipeline.findings.inspect import inspect
from tilepress.pipeline.findings.likeness import FLAT, perceptual_hash
from tilepress.pipeline.formats.exif import camera, exif_fields, taken
from tilepress.pipeline.reading.pixels import map_by_stack
from tilepress.pipeline.storage.base import Storage, check_name, is_url


@dataclass(frozen=True)
class AuditProgress:
    """What progress adds for a task."""

    images: int
    bytes_in: int
    pixels: int
    failures: int


@dataclass(frozen=True)
class AuditResult:
    """What a worker gives of a task: its part, and what progress adds."""

    number: int
    part: bytes
    progress: AuditProgress


def audit_images(task: AuditTask, storage: Storage, pool: CodecPool) -> AuditResult:
    """Look at the images of a task (a stage)."""
    rows = task_rows(without_crashing(task), storage, pool)
    pixels = sum((row.get("width") or 0) * (row.get("height") or 0) for row in rows)
    failures = sum(row["outcome"] == DAMAGED for row in rows)
    part = AUDIT.part(task.options.seal, task.number, task.fingerprint, rows)
    return AuditResult(task.number, part, AuditProgress(len(rows), task.source_bytes, pixels, failures))


def look_only(task: AuditTask, storage: Storage, pool: CodecPool) -> None:
    """Look at the images of a task (a stage), and return nothing."""
    task_rows(task, storage, pool)


def find_crashing_images(task: AuditTask, runs_alone: RunsAlone) -> AuditTask:
    """Return the task with every image marked that no worker survives, each tried alone."""

    alone = ((item.name, replace(task, items=(item,))) for item in task.items)
    return replace(task, crashing=frozenset(name for name, each in alone if not runs_alone(look_only, each)))


def task_rows(task: AuditTask, storage: Storage, pool: CodecPool) -> list[Row]:
    """Return one row for each image of a task, in its order, whatever happens."""
    look = _Looking(task.options, storage, pool)

    def numbered(pair: tuple[int, AuditItem]) -> tuple[int, Row]:
        row = look.row(pair[1])
        pool.progress.image_done(failures=row["outcome"] == DAMAGED)
        return pair[0], row

    rows: dict[int, Row] = {}
    stored = [pair for pair in enumerate(task.items) if pair[1].entry]
    rows.update(map_by_stack(pool, numbered, stored, lambda pair: pair[1].index_row))
    rows.update(pool.map(numbered, [pair for pair in enumerate(task.items) if not pair[1].entry]))
    return [rows[at] for at in range(len(task.items))]


class _Looking:
    """How one worker looks at images; used by several threads."""

    def __init__(self, options: AuditOptions, storage: Storage, pool: CodecPool) -> None:
        self._options, self._reader = options, Reader(options, storage, pool)

    def row(self, item: AuditItem) -> Row:
        """Return the row of an image."""
        if item.outcome:
            return blank_row(item.name, item.size, item.outcome, item.reason) | {"quarantine": item.quarantine}
        row = blank_row(item.name, item.size) | self._held(item)
        try:
            check_name(item.name)
            row |= self._looked(item, self._reader.see(item))
        except (PictureError, IntegrityError, UsageError, MissingPackage, StorageError, UnsafeName) as exc:
            if _is_of_the_store(exc, self._options.source.url):
                raise
            row |= {"outcome": _outcome(exc, item), "reason": _reason(exc, item)}
            if row["outcome"] == TOO_LARGE and item.other:
                row["compared"] = "the source could not be compared: it is too large"
            row["groups"] = [group_of(each, item.name, {}) for each in self._options.groupings]
        return row

    def _held(self, item: AuditItem) -> Row:
        """How the file is held, as is known without looking."""
        held: Row = {"quarantine": item.quarantine, "compared": item.compared}
        if item.entry is None:
            return held | {"method": "source", "stored_bytes": item.size}
        run, image = item.entry
        facts = image.facts
        held |= {"run": run.number, "method": facts.method, "codec": codec_name(image), "fidelity": facts.fidelity}
        return held | {"stored_bytes": image.nbytes, "file_sha256": image.file.file_sha256 or None}

    def _looked(self, item: AuditItem, seen: Seen) -> Row:
        fields = exif_fields(seen.container)
        stored = item.entry[1].nbytes if item.entry else item.size
        row = _facts(seen) | _appearance(seen)
        row |= {"camera": camera(fields), "taken": taken(fields)}
        row["groups"] = [group_of(each, item.name, fields) for each in self._options.groupings]
        if not item.entry:
            row["codec"] = seen.format
        return row | bits(stored, seen.pixels) | self._quality(item, seen)

    def _quality(self, item: AuditItem, seen: Seen) -> Row:
        known = as_stored(item.entry[1]) if item.entry else {}
        try:
            original = self._reader.see_original(item)
        except TransientStorageError:
            raise
        except (PictureError, IntegrityError, MissingPackage, StorageError) as exc:  # the image itself is proven
            return known | {"compared": f"the source could not be compared: {exc}"}
        if original is None:
            return known
        if not is_of_one_kind(original, seen):
            kind = f"{original.mode}, {original.bits} bits, {original.pixels.shape[1]} x {original.pixels.shape[0]}"
            return known | {"compared": f"the source is an image of another kind: {kind}"}
        measured = against(original, seen, self._options.metrics)
        changed = known.get("max_error") == 0 and not has_same_pixels(original, seen)
        return measured | ({"compared": "the source has other pixels than were stored"} if changed else {})


def _facts(seen: Seen) -> Row:
    """What an image is, as its header and its hashes say."""
    height, width, _ = seen.pixels.shape
    return {
        "format": seen.format,
        "mode": seen.mode,
        "width": width,
        "height": height,
        "bits": seen.bits,
        "pixels_sha256": seen.pixels_sha256,
        "palette_sha256": seen.palette_sha256,
        "file_sha256": seen.file_sha256 or None,
    }


def _appearance(seen: Seen) -> Row:
    """What is unusual about an image, and what it looks like; of indices, neither is known."""
    found, likeness = [], FLAT
    if seen.mode != "P":
        light = light_of_inks(seen.pixels, seen.bits) if seen.mode == "CMYK" else seen.pixels
        found, likeness = (
            inspect(light, seen.bits, lossy_format=seen.format == "jpeg"),
            perceptual_hash(light, seen.bits),
        )
    if seen.jpeg:
        found += inspect_jpeg(seen.jpeg)
    return {"phash": None if likeness == FLAT else likeness, "findings": [vars(finding) for finding in found]}


def _outcome(exc: Exception, item: AuditItem) -> str:
    if isinstance(exc, MissingPackage):
        return UNCHECKED
    if isinstance(exc, PictureError) and item.quarantine:
        return QUARANTINED
    if isinstance(exc, PictureError) and not isinstance(exc, DamagedPicture):
        return TOO_LARGE if isinstance(exc, LimitExceeded) else NO_IMAGE
    return DAMAGED


def _reason(exc: Exception, item: AuditItem) -> str:
    return str(exc).removeprefix(f"{item.name}: ")


def _is_of_the_store(exc: Exception, source: str) -> bool:
    """Whether an error is not this image's: worth another try, or of a remote store, for whatever is read from it."""
    if isinstance(exc, TransientStorageError):
        return True
    own = (MissingError, ChangedError, UnsafeName)
    return isinstance(exc, StorageError) and not isinstance(exc, own) and is_url(source)
