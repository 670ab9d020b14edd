"""A shard's files on their way in: opened, hashed and, if they are JPEG files, transcoded, by several threads."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

from tilepress.pipeline.archive.checksums import sha256
from tilepress.pipeline.archive.plan import PlannedFile
from tilepress.pipeline.archive.schema import CHANGED, UNREADABLE, VANISHED
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.compress.file_state import FileState
from tilepress.pipeline.compress.transcoding import try_transcoding
from tilepress.pipeline.errors import ChangedError, MissingError, StorageError, TransientStorageError
from tilepress.pipeline.sources.collection import Collection
from tilepress.pipeline.storage.base import is_url

_TOGETHER, _TOGETHER_BYTES = 32, 32 << 20  # files that are open at a time
CHANGED_MEANWHILE = (CHANGED, "the file changed after the run was planned")
Failure = tuple[str, str]  # reason code and reason why a file is not stored


class Opener:
    """Opens the files of a collection."""

    def __init__(self, source: Collection, pool: CodecPool, *, transcodes: bool, untrusted: Container[int]) -> None:
        """`transcodes`: JPEG files are, but for the images (by number) that are `untrusted`."""
        self._source = source
        self._pool = pool
        self._transcodes = transcodes
        self._untrusted = untrusted

    def opened(self, files: Sequence[PlannedFile]) -> Iterator[tuple[FileState, Failure | None]]:
        """Yield each file, in order, open to be read; or why it is not to be had."""
        for group in _together(files):
            yield from self._pool.map(self._open, group)

    def _open(self, file: PlannedFile) -> tuple[FileState, Failure | None]:
        state = FileState(file)
        failure = self._read(state)
        if failure is None and self._transcodes and not file.kind and file.image not in self._untrusted:
            state.jpeg = try_transcoding(state.data)
        return state, failure

    def _read(self, state: FileState) -> Failure | None:
        """Open the file; why it cannot be had. Errors of a remote store end the shard."""
        try:
            state.data = state.open.enter_context(self._source.open_source(state.file.entry))
            state.sha256 = sha256(state.data)
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


def _together(files: Sequence[PlannedFile]) -> Iterator[list[PlannedFile]]:
    """Consecutive files, so many that threads share the work on them and so few that they fit into memory."""
    group: list[PlannedFile] = []
    size = 0
    for file in files:
        if group and (len(group) == _TOGETHER or size + file.bytes > _TOGETHER_BYTES):
            yield group
            group, size = [], 0
        group.append(file)
        size += file.bytes
    if group:
        yield group
