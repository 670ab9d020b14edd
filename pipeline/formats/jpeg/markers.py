"""The segments of a JPEG file that is a picture: which are structure, which are metadata, and where it ends."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tilepress.codecs.errors import StreamError, TooLarge, UnsupportedError
from tilepress.codecs.jpeg.file.frame import Frame, read_frame
from tilepress.codecs.jpeg.file.segments import (
    DAC,
    DNL,
    EOI,
    FRAMES,
    SOS,
    Segment,
    check_scans,
    is_adobe,
    is_jfif,
    is_metadata,
    segments,
)
from tilepress.pipeline.errors import DamagedPicture, LimitExceeded, UnsupportedPicture
from tilepress.pipeline.formats.container import MAX_BYTES

MODES = {1: "L", 3: "RGB", 4: "CMYK"}


@dataclass(frozen=True)
class JpegFile:
    """A scanned file. `metadata`: APPn and COM segments in order; `trailer`: what follows EOI."""

    width: int
    height: int
    components: int
    progressive: bool
    metadata: tuple[bytes, ...]
    structure: tuple[tuple[int, int], ...]  # ranges of the source that decoding needs
    trailer: bytes
    scans: int
    several: bool  # an index (MPF) says where further pictures lie in the file

    @property
    def mode(self) -> str:
        """The picture's mode."""
        return MODES[self.components]


@contextmanager
def reading_jpeg() -> Iterator[None]:
    """Translate what the codec layer says of a JPEG file: LimitExceeded, UnsupportedPicture, DamagedPicture."""
    try:
        yield
    except TooLarge as exc:
        raise LimitExceeded(str(exc)) from exc
    except UnsupportedError as exc:
        raise UnsupportedPicture(str(exc)) from exc
    except StreamError as exc:
        raise DamagedPicture(str(exc)) from exc


def decides_colour(segment: bytes) -> bool:
    """Tell whether decoders look at this metadata segment to tell how components become colours (JFIF, Adobe)."""
    return is_adobe(segment) or is_jfif(segment)


def end_of_image(source: bytes | mmap.mmap) -> int:
    """Return the position behind the EOI marker of a JPEG file's first image. DamagedPicture, LimitExceeded."""
    with reading_jpeg():
        return max(segment.end for segment in segments(source))


class Scanner:
    """One pass over the segments. Raises DamagedPicture, UnsupportedPicture and LimitExceeded."""

    def __init__(self, source: bytes | mmap.mmap) -> None:
        self._source = source
        self._frame: Frame | None = None
        self._metadata: list[bytes] = []
        self._structure = [(0, 2)]
        self._scans = 0
        self._several = False

    def scan(self) -> JpegFile:
        """Return everything up to EOI, and what follows it."""
        with reading_jpeg():
            for segment in segments(self._source):
                if segment.marker != EOI:
                    self._take(segment)
        return self._finish(segment.start)

    def _take(self, segment: Segment) -> None:
        marker = segment.marker
        content = bytes(self._source[segment.start : segment.end])
        if is_metadata(marker):
            self._several |= content[:2] == b"\xff\xe2" and content[4:8] == b"MPF\0"
            self._metadata.append(content)
        if not is_metadata(marker) or decides_colour(content):
            self._structure.append((segment.start, segment.scan_end))
        if marker in FRAMES:
            self._set_frame(read_frame(marker, segment.content(self._source)))
        if marker in (DNL, DAC):
            raise UnsupportedPicture("JPEG of a kind that libjpeg does not read")
        self._scans += marker == SOS
        check_scans(self._scans)

    def _set_frame(self, frame: Frame) -> None:
        if self._frame:
            raise UnsupportedPicture("JPEG of several frames (hierarchical) is not supported")
        if len(frame.components) not in MODES:
            raise UnsupportedPicture(f"JPEG with {len(frame.components)} components is not supported yet")
        self._frame = frame

    def _finish(self, at: int) -> JpegFile:
        frame = self._frame
        if not frame or not self._scans:
            raise DamagedPicture("JPEG: it ends before its image begins")
        kept = sum(len(s) for s in self._metadata) + len(self._source) - at
        if kept > MAX_BYTES:
            raise LimitExceeded(f"JPEG with {kept >> 20} MB besides its pixels")
        self._structure.append((at, at + 2))
        return JpegFile(
            frame.width,
            frame.height,
            len(frame.components),
            frame.progressive,
            tuple(self._metadata),
            tuple(self._structure),
            bytes(self._source[at + 2 :]),
            self._scans,
            self._several,
        )
