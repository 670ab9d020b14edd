"""The frame header of a JPEG file (ITU-T T.81, B.2.2), and how libjpeg tells what its components are."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from tilepress.codecs.errors import StreamError, UnsupportedError
from tilepress.codecs.jpeg.file.coefficients import MAX_SIDE, SAMPLINGS, Sampling
from tilepress.codecs.jpeg.file.segments import SOF0, SOF1, SOF2, is_adobe, is_jfif

HEADER = struct.Struct(">BHHB")  # bits of a sample, height, width, components
BITS_A_SAMPLE = 8
_LOSSLESS = frozenset({0xC3, 0xC7, 0xCB, 0xCF})
_ARITHMETIC = frozenset(range(0xC9, 0xD0))
_MAX_FACTOR = 4
_SLOTS = 4  # of quantisation tables
_TRANSFORM = 15  # position of the transform flag in an Adobe segment


class Colours(Enum):
    """What the components of a file are."""

    GRAY = "gray"
    YCBCR = "YCbCr"
    RGB = "RGB"


@dataclass(frozen=True)
class Component:
    """`name`: 0..255, by which scans call it. `factors`: across and down, 1..4. `table`: 0..3, of steps."""

    name: int
    factors: Sampling
    table: int


@dataclass(frozen=True)
class Frame:
    """A frame that is Huffman-coded, of 8-bit samples: baseline, extended sequential or progressive."""

    width: int
    height: int
    progressive: bool
    components: tuple[Component, ...]


def read_frame(marker: int, content: bytes) -> Frame:
    """Return the frame that an SOFn segment describes; `content` is without marker and length.

    Raises StreamError for a header that contradicts T.81, UnsupportedError for other codings, precisions and sizes.
    """
    if len(content) < HEADER.size:
        raise StreamError("JPEG file: its frame header is too short")
    bits, height, width, count = HEADER.unpack_from(content)
    _check_process(marker, bits)
    if len(content) != HEADER.size + 3 * count or not count:
        raise StreamError("JPEG file: its frame header has another length")
    if not 0 < width <= MAX_SIDE or not 0 < height <= MAX_SIDE:
        raise UnsupportedError(f"JPEG whose header gives {width} x {height} pixels: libjpeg reads 1 to {MAX_SIDE}")
    fields = content[HEADER.size :]
    triples = zip(fields[::3], fields[1::3], fields[2::3], strict=True)
    components = tuple(Component(name, (factors >> 4, factors & 15), table) for name, factors, table in triples)
    sound = all(
        min(each.factors) >= 1 and max(each.factors) <= _MAX_FACTOR and each.table < _SLOTS for each in components
    )
    if not sound:
        raise StreamError("JPEG file: its frame header describes components that cannot be")
    if count == 1:  # its factors mean nothing: there is no other component to compare it with
        components = (replace(components[0], factors=(1, 1)),)
    return Frame(width, height, marker == SOF2, components)


def _check_process(marker: int, bits: int) -> None:
    if marker in _LOSSLESS:
        raise UnsupportedError("JPEG with lossless coding is not supported")
    if marker in _ARITHMETIC:
        raise UnsupportedError("JPEG with arithmetic coding is not supported")
    if marker not in (SOF0, SOF1, SOF2):
        raise UnsupportedError("JPEG of several frames (hierarchical) is not supported")
    if bits != BITS_A_SAMPLE:
        raise UnsupportedError(f"JPEG with {bits}-bit samples is not supported")


def sampling_of(frame: Frame) -> Sampling:
    """Return how many samples luma has for one of chroma, across and down: a value of SAMPLINGS.

    UnsupportedError for other samplings, and for other numbers of components than one and three.
    """
    if len(frame.components) not in (1, 3):
        raise UnsupportedError(f"JPEG with {len(frame.components)} components: only one and three are supported")
    luma, *chroma = (each.factors for each in frame.components)
    if not chroma:
        return luma
    (across, down), *_ = chroma
    found = luma[0] // across, luma[1] // down
    if len(set(chroma)) > 1 or luma[0] % across or luma[1] % down or found not in SAMPLINGS.values():
        stated = ", ".join(f"{factors[0]}x{factors[1]}" for factors in (luma, *chroma))
        raise UnsupportedError(f"JPEG whose components are sampled {stated}: only {', '.join(SAMPLINGS)} are supported")
    return found


def colours_of(frame: Frame, metadata: Sequence[bytes]) -> Colours:
    """Return what libjpeg takes one or three components for (jdapimin.c, `default_decompress_parms`).

    A JFIF segment means YCbCr. Else the flag of an Adobe segment decides: 0 means RGB. Else components called R, G and
    B are that. All others are YCbCr.

    Args:
        frame: Of one or three components.
        metadata: The APPn segments before the first scan, whole, in order.
    """
    if len(frame.components) == 1:
        return Colours.GRAY
    if any(map(is_jfif, metadata)):
        return Colours.YCBCR
    adobe = [segment for segment in metadata if is_adobe(segment)]
    if adobe:
        return Colours.YCBCR if adobe[-1][_TRANSFORM] else Colours.RGB
    names = bytes(each.name for each in frame.components)
    return Colours.RGB if names == b"RGB" else Colours.YCBCR
