"""The marker segments of a JPEG file (ITU-T T.81): which are structure, which are metadata, and where it ends."""

from __future__ import annotations

import mmap
import re
from dataclasses import dataclass

from tilepress.pipeline.errors import DamagedPicture, LimitExceeded, UnsupportedPicture
from tilepress.pipeline.formats.container import MAX_BYTES

SOI, EOI, SOS, DHT, DNL, DAC, COM = 0xD8, 0xD9, 0xDA, 0xC4, 0xDC, 0xCC, 0xFE
_FRAMES = frozenset(range(0xC0, 0xD0)) - {DHT, 0xC8, DAC}
_BASELINE, _EXTENDED, _PROGRESSIVE = 0xC0, 0xC1, 0xC2
_LOSSLESS = frozenset({0xC3, 0xC7, 0xCB, 0xCF})
_ARITHMETIC = frozenset(range(0xC9, 0xD0))
_MAX_SCANS = 200  # honest progressive files have about ten; each costs a pass over the whole image
_MAX_SEGMENTS = 1 << 16
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
MAX_SIDE = 65500  # libjpeg's own limit
_JFIF_BYTES = 18  # with marker and length; libjpeg takes a shorter segment for one of no meaning
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


def is_metadata(marker: int) -> bool:
    """Tell whether a marker is one of APP0 to APP15, or a comment."""
    return 0xE0 <= marker <= 0xEF or marker == COM


def decides_colour(segment: bytes) -> bool:
    """Tell whether decoders look at this metadata segment to tell how components become colours (JFIF, Adobe)."""
    return is_adobe(segment) or _is_jfif(segment)


def is_adobe(segment: bytes) -> bool:
    """Tell whether this is the segment with Adobe's colour transform flag."""
    return segment[:2] == b"\xff\xee" and segment[4:9] == b"Adobe" and len(segment) >= 16


def _is_jfif(segment: bytes) -> bool:
    return segment[:2] == b"\xff\xe0" and segment[4:9] == b"JFIF\0" and len(segment) >= _JFIF_BYTES


def end_of_image(source: bytes | mmap.mmap) -> int:
    """Return the position behind the EOI marker of a JPEG file's first image. DamagedPicture, LimitExceeded."""
    at = 2
    for _ in range(_MAX_SEGMENTS):
        at, marker = _find_marker(source, at)
        if marker == EOI:
            return at + 2
        at = _end_of_segment(source, at)
        if marker == SOS:
            at = _end_of_scan(source, at)
    raise LimitExceeded(f"JPEG of more than {_MAX_SEGMENTS} segments")


def _find_marker(source: bytes | mmap.mmap, at: int) -> tuple[int, int]:
    """(position of its FF, marker), fill bytes skipped."""
    start = at
    while source[at : at + 2] == b"\xff\xff":
        at += 1
        if at - start > _MAX_SEGMENTS:
            raise DamagedPicture("JPEG: endless fill bytes")
    found = bytes(source[at : at + 2])
    if len(found) < 2:
        raise DamagedPicture(f"JPEG: truncated at {len(source)} bytes, before the end of the image")
    if found[0] != 0xFF or found[1] in (0, SOI, 1) or 0xD0 <= found[1] <= 0xD7:
        raise DamagedPicture(f"JPEG: no marker at byte {at}")
    return at, found[1]


def _end_of_segment(source: bytes | mmap.mmap, at: int) -> int:
    size = int.from_bytes(source[at + 2 : at + 4])
    if size < 2 or at + 2 + size > len(source):
        raise DamagedPicture(f"JPEG: truncated in the segment at byte {at}")
    return at + 2 + size


def _end_of_scan(source: bytes | mmap.mmap, at: int) -> int:
    found = _AFTER_SCAN.search(source, at)
    if not found:
        raise DamagedPicture(f"JPEG: truncated at {len(source)} bytes, before the end of the image")
    return found.start()


class Scanner:
    """One pass over the segments. Raises DamagedPicture, UnsupportedPicture and LimitExceeded."""

    def __init__(self, source: bytes | mmap.mmap) -> None:
        self._source = source
        self._frame: tuple[int, int, int, bool] | None = None
        self._metadata: list[bytes] = []
        self._structure = [(0, 2)]
        self._scans = 0
        self._several = False

    def scan(self) -> JpegFile:
        """Return everything up to EOI, and what follows it."""
        at = 2
        for _ in range(_MAX_SEGMENTS):
            at, marker = _find_marker(self._source, at)
            if marker == EOI:
                return self._finish(at)
            at = self._segment(at, marker)
        raise LimitExceeded(f"JPEG of more than {_MAX_SEGMENTS} segments")

    def _segment(self, at: int, marker: int) -> int:
        end = _end_of_segment(self._source, at)
        content = bytes(self._source[at:end])
        if is_metadata(marker):
            self._several |= content[:2] == b"\xff\xe2" and content[4:8] == b"MPF\0"
            self._metadata.append(content)
        if not is_metadata(marker) or decides_colour(content):
            self._structure.append((at, end))
        if marker in _FRAMES:
            self._set_frame(marker, content)
        if marker in (DNL, DAC):
            raise UnsupportedPicture("JPEG of a kind that libjpeg does not read")
        return self._skip_scan(end) if marker == SOS else end

    def _set_frame(self, marker: int, content: bytes) -> None:
        if self._frame:
            raise UnsupportedPicture("JPEG of several frames (hierarchical) is not supported")
        if len(content) < 10:
            raise DamagedPicture("JPEG: its frame header is too short")
        bits, components = content[4], content[9]
        height, width = int.from_bytes(content[5:7]), int.from_bytes(content[7:9])
        if marker in _ARITHMETIC or marker in _LOSSLESS:
            raise UnsupportedPicture("JPEG with arithmetic or lossless coding is not supported yet")
        if marker not in (_BASELINE, _EXTENDED, _PROGRESSIVE) or bits != 8:
            raise UnsupportedPicture(f"JPEG with {bits}-bit samples, process {marker - 0xC0}, is not supported yet")
        if components not in MODES:
            raise UnsupportedPicture(f"JPEG with {components} components is not supported yet")
        if not 0 < width <= MAX_SIDE or not 0 < height <= MAX_SIDE:
            raise UnsupportedPicture(
                f"JPEG whose header gives {width} x {height} pixels: libjpeg reads 1 to {MAX_SIDE}"
            )
        self._frame = (width, height, components, marker == _PROGRESSIVE)

    def _skip_scan(self, at: int) -> int:
        self._scans += 1
        if self._scans > _MAX_SCANS:
            raise LimitExceeded(f"JPEG of more than {_MAX_SCANS} scans")
        end = _end_of_scan(self._source, at)
        self._structure.append((at, end))
        return end

    def _finish(self, at: int) -> JpegFile:
        if not self._frame or not self._scans:
            raise DamagedPicture("JPEG: it ends before its image begins")
        kept = sum(len(s) for s in self._metadata) + len(self._source) - at
        if kept > MAX_BYTES:
            raise LimitExceeded(f"JPEG with {kept >> 20} MB besides its pixels")
        self._structure.append((at, at + 2))
        trailer = bytes(self._source[at + 2 :])
        metadata, structure = tuple(self._metadata), tuple(self._structure)
        return JpegFile(*self._frame, metadata, structure, trailer, self._scans, self._several)
