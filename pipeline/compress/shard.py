"""One shard of files to rows: read them, route each, and keep whatever is smallest and right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from tilepress.codecs.classical.jpeg_transcode import pack_jpeg
from tilepress.pipeline.archive.checksums import sha256
from tilepress.pipeline.archive.part import PartBuilder, StagedRows
from tilepress.pipeline.archive.plan import PlannedFile
from tilepress.pipeline.archive.schema import (
    CHANGED,
    DAMAGED,
    IMAGE_ROW,
    INCOMPRESSIBLE,
    JPEG,
    NOT_STORED,
    TILES,
    UNREADABLE,
    UNTRUSTED,
    VANISHED,
)
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.coding.fallbacks import code_tiles
from tilepress.pipeline.coding.settings import EncodeSettings
from tilepress.pipeline.coding.tiles import Tile
from tilepress.pipeline.compress.file_state import FileState, image_facts
from tilepress.pipeline.compress.image import ImageEncoder
from tilepress.pipeline.compress.verbatim import keep_bytes
from tilepress.pipeline.errors import ChangedError, MissingError, PictureError, StorageError, TransientStorageError
from tilepress.pipeline.formats.picture import Picture
from tilepress.pipeline.formats.registry import read_picture
from tilepress.pipeline.sources.collection import Collection
from tilepress.pipeline.storage.base import is_url

_BAND_ROWS = 512
_CHANGED = "the file changed after the run was planned"


class ShardEncoder:
    """Turns the files of one shard into rows of one part."""

    def __init__(
        self,
        source: Collection,
        settings: EncodeSettings,
        pool: CodecPool,
        builder: PartBuilder,
        quarantined: Mapping[int, str],
    ) -> None:
        """`quarantined`: images (with the reason) that are kept as files, because their coded bytes failed a check."""
        self._source = source
        self._settings = settings
        self._pool = pool
        self._images = ImageEncoder(settings, pool, builder)
        self._builder = builder
        self._quarantined = quarantined

    @property
    def warnings(self) -> Counter[str]:
        """Tiles on which codecs failed, by what they did: others keep them."""
        return self._images.warnings

    def encode(self, files: tuple[PlannedFile, ...]) -> None:
        """Add the rows of all files to the builder, in constant memory for any number of tiles."""
        under_way: dict[int, FileState] = {}
        for coded in code_tiles(self._stream(files, under_way), self._images.coding, self._pool):
            image = coded.facts.image
            for earlier in [number for number in under_way if number < image]:
                self._finish(under_way.pop(earlier))
            self._images.take(under_way[image], coded)
        for work in under_way.values():
            self._finish(work)

    def _stream(self, files: tuple[PlannedFile, ...], under_way: dict[int, FileState]) -> Iterator[Tile]:
        for file in files:
            work = self._begin(file)
            if work and work.picture:
                under_way[file.image] = work
                yield from self._images.tiles(work, work.picture)

    def _begin(self, file: PlannedFile) -> FileState | None:
        """Read a file and decide; None if it is already dealt with, else it is to be cut into tiles."""
        work = FileState(file)
        failure = self._read(work)
        if failure is not None:
            self._not_stored(work, *failure)
            return None
        if file.image in self._quarantined:
            self._keep(work, UNTRUSTED, self._quarantined[file.image])
            return None
        try:
            work.picture = read_picture(work.data, self._settings.limits)
        except PictureError as exc:
            self._keep(work, exc.code, str(exc))
            return None
        return work if self._becomes_tiles(work, work.picture) else None

    def _read(self, work: FileState) -> tuple[str, str] | None:
        """Open the file; reason code and reason if it cannot be had. Errors of a remote store end the shard."""
        try:
            work.data = work.open.enter_context(self._source.open_source(work.file.entry))
            work.sha256 = sha256(work.data)
        except MissingError:
            return VANISHED, "the file was gone when its turn came"
        except ChangedError:
            return CHANGED, _CHANGED
        except TransientStorageError:
            raise
        except StorageError as exc:
            if is_url(self._source.source):
                raise
            return UNREADABLE, str(exc)
        return None

    def _becomes_tiles(self, work: FileState, picture: Picture) -> bool:
        if picture.format == "jpeg" and not self._settings.lossy:
            self._keep_jpeg(work, picture)
            return False
        if self._settings.fidelity == "file":
            self._keep(work, "", "")
            return False
        return True

    def _keep_jpeg(self, work: FileState, picture: Picture) -> None:
        packed = pack_jpeg(bytes(work.data))
        if packed is not None:
            self._add_image(work, JPEG, [], payload=packed)
            return
        try:
            for _ in picture.read_bands(_BAND_ROWS):  # to tell a damaged file from an unusual one
                pass
        except PictureError as exc:
            self._keep(work, exc.code, str(exc))
            return
        self._keep(work, INCOMPRESSIBLE, "JPEG XL's reversible transcoding does not reproduce this JPEG")

    def _finish(self, work: FileState) -> None:
        """All tiles are coded: keep them, or whatever is smaller."""
        if work.failure:
            self._keep(work, work.failure.code, str(work.failure))
        elif self._images.settle(work):
            container = work.picture.container if work.picture else b""
            self._add_image(work, TILES, work.held, container=container, side_information=work.side_information or b"")
        else:
            self._keep(work, INCOMPRESSIBLE, "no codec made it smaller than the file")

    def _not_stored(self, work: FileState, code: str, reason: str) -> None:
        work.sha256, work.picture = b"", None
        self._add_row(work, NOT_STORED, reason_code=code, reason=reason)

    def _keep(self, work: FileState, code: str, reason: str) -> None:
        """Store the file's own bytes."""
        if code in (DAMAGED, UNTRUSTED) or work.failure:
            work.picture = None
        method, payload, pieces = keep_bytes(work.file.image, work.data, self._builder)
        self._add_image(work, method, pieces, payload=payload, reason_code=code, reason=reason)

    def _add_image(self, work: FileState, method: str, others: list[StagedRows], **row: Any) -> None:
        """Add the image's row and its other rows, unless the file turns out to have changed while it was read."""
        try:
            work.open.close()
        except ChangedError:
            self._not_stored(work, CHANGED, _CHANGED)
            return
        self._builder.add(others)
        self._add_row(work, method, **row)

    def _add_row(
        self,
        work: FileState,
        method: str,
        *,
        container: bytes = b"",
        side_information: bytes = b"",
        payload: bytes = b"",
        **reason: Any,
    ) -> None:
        facts = replace(
            image_facts(work.file, work.picture, self._settings, near=method == TILES and work.near),
            method=method,
            file_sha256=work.sha256,
            pixels_sha256=work.pixels if method == TILES else b"",
            **reason,
        )
        self._builder.add([self._builder.stage(IMAGE_ROW, facts, (container, side_information, payload))])
        work.data = b""
