"""The header of a scan (ITU-T T.81, B.2.3), and what scans have told so far of each coefficient (G.1.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tilepress.codecs.errors import StreamError
from tilepress.codecs.jpeg.file.frame import Frame
from tilepress.codecs.jpeg.file.scan import SEQUENTIAL, Band

_MAX_LOW = 13  # T.81, table B.3
_MAX_UNITS = 10  # blocks of an MCU
_SLOTS = 4  # of Huffman tables of each kind
_UNKNOWN = -1


@dataclass(frozen=True)
class ScanHeader:
    """`components`: numbers in the frame. `slots`: of the DC and the AC table of each."""

    components: tuple[int, ...]
    slots: tuple[tuple[int, int], ...]
    band: Band


def read_scan_header(content: bytes, frame: Frame) -> ScanHeader:
    """Return what an SOS segment says; `content` is without marker and length. StreamError if it contradicts T.81."""
    count = content[0] if content else 0
    if not count or len(content) != 2 * count + 4:
        raise StreamError("JPEG file: the header of a scan has another length")
    numbers = {each.name: number for number, each in enumerate(frame.components)}
    components = tuple(numbers.get(name, _UNKNOWN) for name in content[1 : 2 * count : 2])
    slots = tuple((byte >> 4, byte & 15) for byte in content[2 : 2 * count + 1 : 2])
    units = sum(across * down for across, down in (frame.components[each].factors for each in components))
    if len(numbers) < len(frame.components):
        raise StreamError("JPEG file: two components have one name")
    if _UNKNOWN in components or list(components) != sorted(set(components)) or max(map(max, slots)) >= _SLOTS:
        raise StreamError("JPEG file: a scan names components or tables that cannot be")
    if count > 1 and units > _MAX_UNITS:
        raise StreamError(f"JPEG file: a scan has {units} blocks an MCU; T.81 allows {_MAX_UNITS}")
    first, last, bits = content[-3:]
    # sequential files have no choice, and decoders ignore what some of them say here
    band = Band(first, last, bits >> 4, bits & 15, progressive=True) if frame.progressive else SEQUENTIAL
    return ScanHeader(components, slots, _checked(band, count))


def _checked(band: Band, components: int) -> Band:
    """A progressive scan codes either DC or, of one component, AC; all bits that are missing, or one more."""
    bands = 0 <= band.first <= band.last <= 63 and (band.last == 0 or (band.first > 0 and components == 1))
    if band.progressive and not (bands and band.low <= _MAX_LOW and band.high in (0, band.low + 1)):
        raise StreamError("JPEG file: a progressive scan codes what no such scan can")
    return band


class KnownBits:
    """From which bit on each coefficient is known, of each component."""

    def __init__(self, components: int) -> None:
        self._low = np.full((components, 64), _UNKNOWN, np.int64)

    def add(self, header: ScanHeader) -> None:
        """Take what a scan tells. StreamError if it is known already, or if bits above it are not."""
        band = header.band
        coded = self._low[list(header.components), band.first : band.last + 1]
        if (coded != (band.high or _UNKNOWN)).any():
            raise StreamError("JPEG file: a scan tells what is known, or bits below others that are not")
        self._low[list(header.components), band.first : band.last + 1] = band.low

    @property
    def complete(self) -> bool:
        """Whether all bits of all coefficients are known."""
        return not self._low.any()
