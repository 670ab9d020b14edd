"""Files whose content is stored already, in the archive or earlier in the shard: their rows refer to it.

Such a file is read and hashed, and no more. Where the stored file's SHA-256 is not known in full, as of small images in
stacks, the stored one is made again and its bytes are compared.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tilepress.pipeline.archive.fidelity import WHOLE_FILE
from tilepress.pipeline.archive.index_row import IndexRow
from tilepress.pipeline.archive.layout import Run
from tilepress.pipeline.archive.plan import PlannedFile
from tilepress.pipeline.archive.schema import NAMING_FACTS, NOT_STORED, PIXEL_METHODS, SAME, ImageFacts
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.errors import TilepressError, TransientStorageError
from tilepress.pipeline.reading.image import Entry
from tilepress.pipeline.storage.base import Storage

Candidates = Mapping[int, Sequence[tuple[Run, IndexRow]]]  # by the number of the planned file
_Content = tuple[int, bytes]  # size and SHA-256


@dataclass(frozen=True)
class Reference:
    """The row that has the content: its run, its part and its number."""

    run: int
    part: int
    image: int


def same_facts(file: PlannedFile, content: ImageFacts, sha256: bytes, reference: Reference) -> ImageFacts:
    """Return the facts of a file whose content another row has."""
    pixels = content.method in PIXEL_METHODS
    return replace(
        content,
        image=file.image,
        **{name: getattr(file, name) for name in NAMING_FACTS},
        fidelity=content.fidelity if pixels else WHOLE_FILE,
        method=SAME,
        file_sha256=sha256,
        pixels_sha256=b"",
        stack=None,
        cell=None,
        of_run=reference.run,
        of_part=reference.part,
        of_image=reference.image,
    )


@dataclass
class Repeats:
    """Files of one shard that have the content of an earlier one, by their numbers, until that one is stored."""

    firsts: dict[_Content, int] = field(default_factory=dict)
    waiting: list[tuple[PlannedFile, bytes, int]] = field(default_factory=list)  # with its SHA-256, and the first

    def take(self, file: PlannedFile, sha256: bytes) -> bool:
        """Note a file; whether it has the content of an earlier one, and waits."""
        first = self.firsts.setdefault((file.bytes, sha256), file.image)
        if first == file.image or not file.bytes:
            return False
        self.waiting.append((file, sha256, first))
        return True

    def drop(self, file: PlannedFile) -> None:
        """Forget a file that waits: it turned out to have changed while it was read."""
        self.waiting = [each for each in self.waiting if each[0] != file]

    def settled(
        self, held: Mapping[int, ImageFacts], run: int, part: int
    ) -> tuple[list[ImageFacts], tuple[PlannedFile, ...]]:
        """Return the facts of those that wait, and the files whose first one could not be stored after all."""
        rows, again = [], []
        for file, sha256, first in self.waiting:
            content = held[first]
            if content.method == NOT_STORED:
                again.append(file)
                self.firsts.pop((file.bytes, sha256), None)
            elif content.method == SAME:
                assert content.of_run is not None and content.of_part is not None and content.of_image is not None
                there = Reference(content.of_run, content.of_part, content.of_image)
                rows.append(replace(same_facts(file, content, sha256, there), fidelity=content.fidelity))
            else:
                rows.append(same_facts(file, content, sha256, Reference(run, part, first)))
        self.waiting = []
        return rows, tuple(again)


@dataclass(frozen=True)
class StoredContent:
    """What the archive has of the sizes of a shard's files."""

    archive: Storage
    pool: CodecPool
    candidates: Candidates = field(default_factory=dict)

    def find(self, file: PlannedFile, sha256: bytes) -> ImageFacts | None:
        """Return the facts of a file whose content the archive has; None if it has not."""
        for run, image in self.candidates.get(file.image, ()):
            if self._is_held(run, image, file.bytes, sha256):
                return same_facts(file, image.facts, sha256, Reference(run.number, image.part, image.facts.image))
        return None

    def _is_held(self, run: Run, image: IndexRow, size: int, sha256: bytes) -> bool:
        if image.facts.source_bytes != size:
            return False
        if image.file.file_sha256:
            return image.file.file_sha256 == sha256
        entry = Entry(self.archive, self.pool, run, image)
        try:
            return entry.reader.is_of(image, sha256) and entry.write(io.BytesIO()).sha256 == sha256
        except TransientStorageError:
            raise
        except TilepressError:  # damaged where it lies: `verify` says so, and here the file is stored again
            return False
