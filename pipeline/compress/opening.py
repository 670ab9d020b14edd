"""A shard's files on their way in: opened, hashed, transcoded if they are JPEG files, and read if they are small."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from contextlib import ExitStack

from tilepress.pipeline.archive.checksums import sha256
from tilepress.pipeline.archive.plan import PlannedFile
from tilepress.pipeline.archive.schema import CHANGED, UNREADABLE, VANISHED
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.compress.apart.reading import read_small_pictures, transcoding_of
from tilepress.pipeline.compress.file_state import FileState
from tilepress.pipeline.compress.same import StoredContent
from tilepress.pipeline.errors import ChangedError, MissingError, StorageError, TransientStorageError
from tilepress.pipeline.formats.picture import Limits
from tilepress.pipeline.sources.collection import Collection
from tilepress.pipeline.storage.base import is_url

_OPEN, _OPEN_BYTES = 256, 32 << 20  # files that are open at a time
_TOGETHER, _TOGETHER_BYTES = 64, 1 << 20  # of these, those that a thread takes at a time
CHANGED_MEANWHILE = (CHANGED, "the file changed after the run was planned")
Failure = tuple[str, str]  # reason code and reason why a file is not stored


class Opener:
    """Opens the files of a collection."""

    def __init__(
        self,
        source: Collection,
        pool: CodecPool,
        limits: Limits,
        stored: StoredContent,
        *,
        transcodes: bool,
        untrusted: Container[int],
    ) -> None:
        """Prepare for files of one source.

        Args:
            source: Where the files are.
            pool: Threads.
            limits: Of pictures.
            stored: Content that the archive has: such files are read and hashed, and no more.
            transcodes: JPEG files are transcoded.
            untrusted: Images (by number) whose files are not looked into.
        """
        self._source = source
        self._pool = pool
        self._limits = limits
        self._stored = stored
        self._transcodes = transcodes
        self._untrusted = untrusted

    def opened(self, files: Sequence[PlannedFile]) -> Iterator[tuple[FileState, Failure | None]]:
        """Yield each file, in order, open to be read; or why it is not to be had."""
        most = 1 if is_url(self._source.source) else _TOGETHER  # a file that is far away takes a while
        for group in _together(files, _OPEN, _OPEN_BYTES):
            parts = self._pool.map(self._open_some, _together(group, most, _TOGETHER_BYTES))
            opened = [each for part in parts for each in part]
            self._look_into([state for state, failure in opened if failure is None])
            yield from opened

    def _open_some(self, files: Sequence[PlannedFile]) -> list[tuple[FileState, Failure | None]]:
        return [self._open(file) for file in files]

    def _open(self, file: PlannedFile) -> tuple[FileState, Failure | None]:
        state = FileState(file)
        failure = self._read(state)
        if failure is None and not file.kind:
            state.same = self._stored.find(file, state.sha256)
        return state, failure

    def _look_into(self, states: Sequence[FileState]) -> None:
        """Read small pictures, together, and transcode JPEG files, one by one."""
        new = [state for state in states if not (state.file.kind or state.same)]
        trusted = [state for state in new if state.file.image not in self._untrusted]
        starts = range(0, len(trusted), _TOGETHER)
        for _ in self._pool.map(self._read_pictures, [trusted[at : at + _TOGETHER] for at in starts]):
            pass
        if self._transcodes:
            for _ in self._pool.map(self._transcode, [state for state in trusted if state.picture is None]):
                pass

    def _read_pictures(self, states: Sequence[FileState]) -> None:
        pictures = read_small_pictures([state.data for state in states], self._limits)
        for state, picture in zip(states, pictures, strict=True):
            state.picture = picture

    def _transcode(self, state: FileState) -> None:
        state.jpeg = transcoding_of(state.data)

    def _read(self, state: FileState) -> Failure | None:
        """Open the file; why it cannot be had. Errors of a remote store end the shard."""
        try:
            with ExitStack() as stack:
                state.data = stack.enter_context(self._source.open_source(state.file.entry))
                state.sha256 = sha256(state.data)
                if not isinstance(state.data, bytes):  # mapped: it is read on, and may change meanwhile
                    state.open = stack.pop_all()
        except MissingError:
            return VANISHED, "the file was gone when its turn came"
        except ChangedError:
            return CHANGED_MEANWHILE
        except TransientStorageError:
            raise
        except StorageError as exc:
            if is_url(self._source.source):
                raise
            return UNREADABLE, str(exc)
        return None


def _together(files: Sequence[PlannedFile], most: int, most_bytes: int) -> Iterator[list[PlannedFile]]:
    """Consecutive files, no more than so many of so many bytes; one may be larger."""
    group: list[PlannedFile] = []
    size = 0
    for file in files:
        if group and (len(group) == most or size + file.bytes > most_bytes):
            yield group
            group, size = [], 0
        group.append(file)
        size += file.bytes
    if group:
        yield group
