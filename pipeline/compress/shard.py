"""One shard of files to rows: each is routed, and kept in whatever way is smallest and right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from tilepress.pipeline.archive.checksums import samples_crc
from tilepress.pipeline.archive.fidelity import WHOLE_FILE
from tilepress.pipeline.archive.part import PartBuilder, StagedRows
from tilepress.pipeline.archive.places import Place
from tilepress.pipeline.archive.plan import PlannedFile
from tilepress.pipeline.archive.schema import (
    DAMAGED,
    FAILURES,
    INCOMPRESSIBLE,
    JPEG,
    NOT_STORED,
    ORIGIN,
    TILES,
    UNSUPPORTED,
    UNTRUSTED,
    ImageFacts,
)
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.coding.fallbacks import code_tiles
from tilepress.pipeline.coding.settings import EncodeSettings
from tilepress.pipeline.coding.tiles import Tile
from tilepress.pipeline.compress.apart.reading import read_picture
from tilepress.pipeline.compress.byte_exact import comes_back
from tilepress.pipeline.compress.file_state import FileState, image_facts
from tilepress.pipeline.compress.image import ImageEncoder
from tilepress.pipeline.compress.opening import CHANGED_MEANWHILE, Opener
from tilepress.pipeline.compress.same import Repeats, StoredContent
from tilepress.pipeline.compress.stack import Stacker, read_samples, stack_state, stage_stack
from tilepress.pipeline.compress.transcoding import Transcoding
from tilepress.pipeline.compress.verbatim import stage_rest, store_verbatim, why_verbatim
from tilepress.pipeline.errors import ChangedError, PictureError
from tilepress.pipeline.formats.picture import Picture
from tilepress.pipeline.sources.collection import Collection

_BAND_ROWS = 512
_INCOMPRESSIBLE = "no codec made it smaller than the file"


class ShardEncoder:
    """Turns the files of one shard into rows of one part."""

    def __init__(
        self,
        source: Collection,
        settings: EncodeSettings,
        pool: CodecPool,
        builder: PartBuilder,
        quarantined: Mapping[int, str],
        stored: StoredContent,
        place: Place,
    ) -> None:
        """Prepare for files of one source.

        Args:
            source: Where the files are.
            settings: How they are stored.
            pool: Codecs, threads and progress.
            builder: Of the part.
            quarantined: Images (with the reason) that are kept as files, because their coded bytes failed a check.
            stored: What the archive has of them already.
            place: The run and the number of the part.
        """
        transcodes = not settings.lossy
        self._opener = Opener(source, pool, settings.limits, stored, transcodes=transcodes, untrusted=quarantined)
        self._place = place
        self._repeats = Repeats()
        self._settings = settings
        self._pool = pool
        self._images = ImageEncoder(settings, pool, builder)
        self._stacker = Stacker(settings.tile)
        self._builder = builder
        self._quarantined = quarantined
        self.cells: dict[int, int] = {}  # CRC-32 of the samples of each image in a stack, by number

    @property
    def warnings(self) -> Counter[str]:
        """Tiles that need a word, by the text: what a codec did that failed on them, say."""
        return self._images.warnings

    def encode(self, files: tuple[PlannedFile, ...]) -> None:
        """Add the rows of all files to the builder, in constant memory for any number of tiles."""
        while files:
            self._encode(files)
            rows, files = self._repeats.settled(self._builder.images(), *self._place)
            for facts in rows:
                self._refer(facts)

    def _encode(self, files: tuple[PlannedFile, ...]) -> None:
        under_way: dict[int, FileState] = {}
        for coded in code_tiles(self._tiles(files, under_way), self._images.coding, self._pool):
            turn = coded.facts.image
            for earlier in [each for each in under_way if each < turn]:
                self._finish(under_way.pop(earlier))
            self._images.take(under_way[turn], coded)
        for state in under_way.values():
            self._finish(state)

    def _tiles(self, files: tuple[PlannedFile, ...], under_way: dict[int, FileState]) -> Iterator[Tile]:
        for turn, state in enumerate(self._pictures(files)):
            assert state.picture is not None
            state.turn = turn
            under_way[turn] = state
            self._pool.progress.begin_coding(state.source_bytes, state.picture.pixels)
            yield from self._images.tiles(state, state.picture)

    def _pictures(self, files: tuple[PlannedFile, ...]) -> Iterator[FileState]:
        """The images that are to be cut into tiles: large ones by themselves, small ones in stacks."""
        for state, failure in self._opener.opened(files):
            if failure is not None:
                self._not_stored(state, *failure)
            elif state.file.kind:
                self._store_other(state)
            elif not self._is_stored(state) and self._begin(state) and state.picture:
                yield from self._ready(state, state.picture)
        yield from map(self._together, self._stacker.rest())

    def _store_other(self, state: FileState) -> None:
        """Store a link, by its target, or a folder."""
        target = bytes(state.data)
        text = target.decode(errors="backslashreplace")  # for people
        self._add_image(state, state.file.kind, [], payload=target, reason=text)

    def _is_stored(self, state: FileState) -> bool:
        """Deal with a file whose content the archive or an earlier file of the shard has; whether it is one."""
        if state.same is None and not self._repeats.take(state.file, state.sha256):
            return False
        if not self._closed(state):
            self._repeats.drop(state.file)
        elif state.same is not None:
            self._refer(state.same)
        return True

    def _refer(self, facts: ImageFacts) -> None:
        self._builder.add([self._builder.stage(facts, (b"", b"", b""))])
        self._pool.progress.file_coded(facts.source_bytes, 0)
        self._pool.progress.image_done()

    def _ready(self, state: FileState, picture: Picture) -> Iterator[FileState]:
        """What can be cut now that one more image was read: it, or a stack that it completes."""
        if not self._stacker.takes(picture, len(state.data)):
            state.cut = True
            yield state
        elif self._holds_still(state, picture):
            state.cut = True
            yield from map(self._together, self._stacker.add(state, picture))

    def _together(self, states: list[FileState]) -> FileState:
        return stack_state(states, self._settings.tile) if len(states) > 1 else states[0]

    def _holds_still(self, state: FileState, picture: Picture) -> bool:
        """Read a small image whole and close its file; whether it is there, undamaged and unchanged."""
        state.data = bytes(state.data)
        read_samples(state, picture)
        if state.failure:
            self._store_verbatim(state, state.failure.code, str(state.failure))
            return False
        return self._closed(state)

    def _begin(self, state: FileState) -> FileState | None:
        """Decide how a file is stored; None if it is already dealt with, else it is to be cut into tiles."""
        if state.file.image in self._quarantined:
            self._store_verbatim(state, UNTRUSTED, self._quarantined[state.file.image])
            return None
        try:
            state.picture = state.picture or read_picture(state.data, self._settings.limits)
        except PictureError as exc:
            if not self._transcoded(state):
                self._store_verbatim(state, exc.code, str(exc))
            return None
        return state if self._becomes_tiles(state, state.picture) else None

    def _becomes_tiles(self, state: FileState, picture: Picture) -> bool:
        if picture.format == "jpeg" and not self._settings.lossy:
            self._store_jpeg(state, picture)
            return False
        whole = self._settings.fidelity == WHOLE_FILE
        if not (whole or picture.describes_bytes) or comes_back(state, picture, self._settings):
            return True
        if picture.describes_bytes:
            reason = f"{picture.describes_bytes} describes compressed bytes that cannot be made again"
            self._store_verbatim(state, UNSUPPORTED, reason)
        else:
            self._store_verbatim(state, "", "")
        return False

    def _transcoded(self, state: FileState) -> bool:
        """Store a JPEG file by its transcoding, whatever else it holds, if there is one; whether it did."""
        if not isinstance(state.jpeg, Transcoding):
            return False
        pieces = stage_rest(state.file.image, state.data, state.jpeg.end, self._builder)
        self._add_image(state, JPEG, pieces, payload=state.jpeg.payload)
        return True

    def _store_jpeg(self, state: FileState, picture: Picture) -> None:
        """Store a JPEG file by its transcoding; else verbatim, as small as it gets, with the reason."""
        if self._transcoded(state):
            return
        try:
            for _ in picture.read_bands(_BAND_ROWS):  # to tell a damaged file from an unusual one
                pass
        except PictureError as exc:
            self._store_verbatim(state, exc.code, str(exc))
            return
        method, payload, pieces = store_verbatim(state.file.image, state.data, self._builder, thorough=True)
        self._add_image(state, method, pieces, payload=payload, **why_verbatim(state.jpeg, method))

    def _finish(self, state: FileState) -> None:
        """All tiles are coded: keep them, or whatever is smaller."""
        if state.failure:
            self._store_verbatim(state, state.failure.code, str(state.failure))
        elif state.members:
            self._finish_stack(state)
        elif self._images.settle(state):
            container = state.picture.container if state.picture else b""
            if (origin := state.origin) is not None:
                beside = {"side_information": origin.steps, "payload": origin.file, "origin": origin.text}
                self._add_image(state, ORIGIN, state.staged, container=container, **beside)
                return
            self._add_image(
                state, TILES, state.staged, container=container, side_information=state.side_information or b""
            )
        else:
            self._store_verbatim(state, INCOMPRESSIBLE, _INCOMPRESSIBLE)

    def _finish_stack(self, state: FileState) -> None:
        """The tile of a stack is coded: keep it if it is smaller than the files, else code each image by itself."""
        if not self._images.settle(state):
            for member in state.members:
                self._images.code_alone(member)
                self._finish(member)
            return
        self._builder.add(stage_stack(state, self._settings, self._builder))
        for member in state.members:
            if member.samples is not None and not (state.near or self._settings.lossy):
                self.cells[member.file.image] = samples_crc(member.samples)
            self._pool.progress.image_done()

    def _not_stored(self, state: FileState, code: str, reason: str) -> None:
        state.sha256, state.picture = b"", None
        self._add_row(state, NOT_STORED, reason_code=code, reason=reason)

    def _store_verbatim(self, state: FileState, code: str, reason: str) -> None:
        """Store the file's own bytes."""
        if code in (DAMAGED, UNTRUSTED) or state.failure:
            state.picture = None
        method, payload, pieces = store_verbatim(state.file.image, state.data, self._builder)
        self._add_image(state, method, pieces, payload=payload, reason_code=code, reason=reason)

    def _add_image(self, state: FileState, method: str, others: list[StagedRows], **row: Any) -> None:
        """Add the image's row and its other rows, unless the file turns out to have changed while it was read."""
        if self._closed(state):
            self._builder.add(others)
            self._add_row(state, method, **row)

    def _closed(self, state: FileState) -> bool:
        """Close the file; whether it is as it was when it was opened."""
        try:
            if state.open is not None:
                state.open.close()
        except ChangedError:
            self._not_stored(state, *CHANGED_MEANWHILE)
            return False
        return True

    def _add_row(
        self,
        state: FileState,
        method: str,
        *,
        container: bytes = b"",
        side_information: bytes = b"",
        payload: bytes = b"",
        **reason: Any,
    ) -> None:
        facts = image_facts(
            state.file,
            state.picture,
            self._settings,
            near=method == TILES and state.near,
            method=method,
            file_sha256=state.sha256,
            pixels_sha256=state.pixels if method in (TILES, ORIGIN) else b"",
            **reason,
        )
        self._builder.add([self._builder.stage(facts, (container, side_information, payload))])
        state.data = b""
        if not state.cut:
            self._pool.progress.file_coded(facts.source_bytes, len(payload))
        self._pool.progress.image_done(failures=int(facts.reason_code in FAILURES))
