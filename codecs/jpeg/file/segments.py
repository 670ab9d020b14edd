"""The segments of a JPEG file (ITU-T T.81, Annex B): where each lies, and which of them tell how colours are coded."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tilepress.codecs.errors import StreamError, TooLarge

SOF0, SOF1, SOF2, DHT, DAC = 0xC0, 0xC1, 0xC2, 0xC4, 0xCC
RST0, RST7, SOI, EOI, SOS, DQT, DNL, DRI, DHP, EXP = 0xD0, 0xD7, 0xD8, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF
APP0, APP14, APP15, COM = 0xE0, 0xEE, 0xEF, 0xFE
FRAMES = frozenset(range(SOF0, RST0)) - {DHT, 0xC8, DAC}
MAX_SEGMENTS = 1 << 16
MAX_SCANS = 200  # honest progressive files have about ten; each costs a pass over the whole image
HEAD = 4  # bytes of marker and length
_NO_SEGMENT = frozenset({0, 1, SOI, *range(RST0, RST7 + 1)})
_FILL = re.compile(rb"\xff+")
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_JFIF_BYTES, _ADOBE_BYTES = 18, 16  # with marker and length; libjpeg takes shorter segments for ones of no meaning


@dataclass(frozen=True)
class Segment:
    """A segment from its marker at `start` to `end`; behind that of a scan, entropy-coded bytes up to `scan_end`."""

    marker: int
    start: int
    end: int
    scan_end: int

    def content(self, source: bytes | mmap.mmap) -> bytes:
        """Return the bytes behind marker and length."""
        return bytes(source[self.start + HEAD : self.end])


def segments(source: bytes | mmap.mmap) -> Iterator[Segment]:
    """Yield the segments behind SOI, the last of them EOI.

    Raises StreamError where a marker is missing or the file ends before EOI, TooLarge beyond MAX_SEGMENTS.
    """
    if source[:2] != bytes((0xFF, SOI)):
        raise StreamError("JPEG file: it does not begin as one")
    at = 2
    for _ in range(MAX_SEGMENTS):
        start, marker = _find_marker(source, at)
        if marker == EOI:
            yield Segment(EOI, start, start + 2, start + 2)
            return
        end = _end_of_segment(source, start)
        at = _end_of_scan(source, end) if marker == SOS else end
        yield Segment(marker, start, end, at)
    raise TooLarge(f"JPEG of more than {MAX_SEGMENTS} segments")


def skip_fill_bytes(source: bytes | mmap.mmap, at: int) -> int:
    """Return the position of the FF that a marker begins with: of those at `at` the last one, `at` where there is none.

    Any number of fill bytes, which are FF too, may precede a marker (B.1.1.2).
    """
    run = _FILL.match(source, at)
    return run.end() - 1 if run else at


def check_scans(scans: int) -> None:
    """Raise TooLarge for more scans than MAX_SCANS."""
    if scans > MAX_SCANS:
        raise TooLarge(f"JPEG of more than {MAX_SCANS} scans")


def _find_marker(source: bytes | mmap.mmap, at: int) -> tuple[int, int]:
    """(position of its FF, marker), fill bytes skipped."""
    at = skip_fill_bytes(source, at)
    found = bytes(source[at : at + 2])
    if len(found) < 2:
        raise StreamError(f"JPEG file: truncated at {len(source)} bytes, before the end of the image")
    if found[0] != 0xFF or found[1] in _NO_SEGMENT:
        raise StreamError(f"JPEG file: no marker at byte {at}")
    return at, found[1]


def _end_of_segment(source: bytes | mmap.mmap, at: int) -> int:
    size = int.from_bytes(source[at + 2 : at + HEAD])
    if size < 2 or at + 2 + size > len(source):
        raise StreamError(f"JPEG file: truncated in the segment at byte {at}")
    return at + 2 + size


def _end_of_scan(source: bytes | mmap.mmap, at: int) -> int:
    found = _AFTER_SCAN.search(source, at)
    if not found:
        raise StreamError(f"JPEG file: truncated at {len(source)} bytes, before the end of the image")
    return found.start()


def is_metadata(marker: int) -> bool:
    """Tell whether a marker is one of APP0 to APP15, or a comment."""
    return APP0 <= marker <= APP15 or marker == COM


def is_adobe(segment: bytes) -> bool:
    """Tell whether this whole segment is the one with Adobe's colour transform flag."""
    return segment[:2] == b"\xff\xee" and segment[4:9] == b"Adobe" and len(segment) >= _ADOBE_BYTES


def is_jfif(segment: bytes) -> bool:
    """Tell whether this whole segment says that the file is a JFIF file, whose three components are YCbCr."""
    return segment[:2] == b"\xff\xe0" and segment[4:9] == b"JFIF\0" and len(segment) >= _JFIF_BYTES
