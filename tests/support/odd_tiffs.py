"""TIFF files as odd writers leave them, made byte by byte: what is missing, misplaced, repeated or out of reach."""

from __future__ import annotations

import struct
import zlib

import imagecodecs
import numpy as np

HEIGHT, WIDTH = 20, 16
GRAY = np.add.outer(np.arange(HEIGHT) * 7, np.arange(WIDTH) * 3).astype(np.uint8)
RGB = np.stack([GRAY, GRAY + 5, GRAY ^ 77], axis=-1)

Values = list[int | str] | bytes  # "@1": the place of the second blob; bytes: the last 8 bytes of the entry as they are
Entry = tuple[int, int, Values]  # code, type, values

_ASCII, _SHORT, _LONG, _UNDEFINED, _SSHORT, _SLONG, _FLOAT = 2, 3, 4, 7, 8, 9, 11
_FORMATS = {_ASCII: "B", _SHORT: "H", _LONG: "I", _UNDEFINED: "B", _SSHORT: "h", _SLONG: "i", _FLOAT: "f"}
_RAW, _HALF = GRAY.tobytes(), HEIGHT // 2 * WIDTH
_TILE = np.pad(GRAY, ((0, 12), (0, 0)))
_ZLIB = zlib.compress(_RAW)
_BEYOND = struct.pack("<II", 50, 99999)  # 50 values, of which the file has none


def _tiff(entries: list[Entry], blobs: list[bytes], end: bytes = bytes(4)) -> bytes:
    """A little-endian file: blobs, the directory, `end` (a pointer to the next), values that have no room in it."""
    places = [8 + sum(map(len, blobs[:n])) for n in range(len(blobs))]
    pixels = b"".join(blobs)
    pixels += bytes(len(pixels) % 2)
    extra_at = 8 + len(pixels) + 2 + 12 * len(entries) + len(end)
    directory, extra = struct.pack("<H", len(entries)), b""
    for code, kind, values in sorted(entries, key=lambda entry: entry[0]):
        if isinstance(values, bytes):
            directory += struct.pack("<HH", code, kind) + values
            continue
        numbers = [places[int(v[1:])] if isinstance(v, str) else v for v in values]
        packed = struct.pack(f"<{len(numbers)}{_FORMATS[kind]}", *numbers)
        directory += struct.pack("<HHI", code, kind, len(numbers))
        if len(packed) > 4:
            directory += struct.pack("<I", extra_at + len(extra))
            extra += packed
        else:
            directory += packed.ljust(4, b"\0")
    return b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels + directory + end + extra


def _gray(*blobs: bytes, without: tuple[int, ...] = (), end: bytes = bytes(4), **tags: tuple[int, Values]) -> bytes:
    """GRAY as one strip, or as `blobs`, with other tags (t278=(type, values)), or without some."""
    blobs = blobs or (_RAW,)
    return _tiff(_entries(blobs, without, tags), list(blobs), end)


def _rgb(*blobs: bytes, without: tuple[int, ...] = (), **tags: tuple[int, Values]) -> bytes:
    blobs = blobs or (RGB.tobytes(),)
    colour = {"t258": (_SHORT, [8, 8, 8]), "t262": (_SHORT, [2]), "t277": (_SHORT, [3])}
    return _tiff(_entries(blobs, without, colour | tags), list(blobs))


def _entries(blobs: tuple[bytes, ...], without: tuple[int, ...], tags: dict[str, tuple[int, Values]]) -> list[Entry]:
    usual: dict[str, tuple[int, Values]] = {
        "t256": (_SHORT, [WIDTH]),
        "t257": (_SHORT, [HEIGHT]),
        "t258": (_SHORT, [8]),
        "t259": (_SHORT, [1]),
        "t262": (_SHORT, [1]),
        "t273": (_LONG, [f"@{n}" for n in range(len(blobs))]),
        "t277": (_SHORT, [1]),
        "t278": (_SHORT, [-(-HEIGHT // len(blobs))]),
        "t279": (_LONG, [len(blob) for blob in blobs]),
    }
    return [(int(name[1:]), *value) for name, value in (usual | tags).items() if int(name[1:]) not in without]


def _tiled(blob: bytes, offsets: int = 324, counts: int = 325, side: tuple[int, int] = (16, 32), **tags) -> bytes:
    """GRAY as one tile, with its place and size under the tags `offsets` and `counts`."""
    more = {"t322": (_SHORT, [side[0]]), "t323": (_SHORT, [side[1]])}
    tables = {f"t{offsets}": (_LONG, ["@0"]), f"t{counts}": (_LONG, [len(blob)])}
    return _gray(blob, without=tuple({273, 278, 279} - {offsets, counts}), **(more | tables | tags))


def _twice(code: int, values: list[int | str]) -> bytes:
    return _tiff([*_entries((_RAW,), (), {}), (305, _ASCII, [65, 66, 0]), (code, _SHORT, values)], [_RAW])


_DEFLATE = {"t259": (_SHORT, [8])}
_TWO = (_RAW[:_HALF], _RAW[_HALF:])
_HUGE = zlib.compress(np.pad(GRAY, ((0, 2400 - HEIGHT), (0, 2400 - WIDTH))).tobytes())

# Stored by their pixels: they come back byte for byte.
READ = {
    "no sizes": _gray(without=(279,)),
    "no sizes of two strips": _gray(*_TWO, without=(279,)),
    "tiles under the tags of strips": _tiled(_TILE.tobytes(), 273, 279),
    "deflated tiles under the tags of strips": _tiled(zlib.compress(_TILE.tobytes()), 273, 279, **_DEFLATE),
    "offsets of tiles, sizes of strips": _tiled(_TILE.tobytes(), 324, 279),
    "strips under the tags of tiles": _gray(without=(273, 279), t324=(_LONG, ["@0"]), t325=(_LONG, [len(_RAW)])),
    "tiles without sizes": _tiled(_TILE.tobytes(), counts=65000),
    "no photometric interpretation": _gray(without=(262,)),
    "no photometric interpretation, deflated": _gray(_ZLIB, without=(262,), **_DEFLATE),
    "no photometric interpretation, RGB": _rgb(without=(262,)),
    "signed sides": _gray(t256=(_SLONG, [WIDTH]), t257=(_SSHORT, [HEIGHT])),
    "signed offsets": _gray(t273=(_SLONG, ["@0"])),
    "compression twice in its tag": _gray(t259=(_SHORT, [1, 1])),
    "predictor for every sample": _rgb(zlib.compress(RGB.tobytes()), t317=(_SHORT, [1, 1, 1]), **_DEFLATE),
    "planar configuration for every sample": _rgb(t284=(_SHORT, [1, 1, 1])),
    "planar configuration 0 of one sample": _gray(t284=(_SHORT, [0])),
    "no pointer behind the directory": _gray(end=b""),
    "half a pointer behind the directory": _gray(end=b"\0\0"),
    "no pointer, deflated": _gray(_ZLIB, end=b"", **_DEFLATE),
    "a tag twice": _twice(305, [65]),
    "the width twice": _twice(256, [WIDTH]),
    "another width behind the first": _twice(256, [99]),
    "a profile beyond the end": _gray(t34675=(_UNDEFINED, _BEYOND)),
    "text beyond the end, deflated": _gray(_ZLIB, t305=(_ASCII, _BEYOND), **_DEFLATE),
    "0 rows a strip": _gray(t278=(_SHORT, [0])),
    "one strip of fewer rows": _gray(t278=(_SHORT, [1])),
    "more strips than the image has": _gray(_RAW, b"x" * 50, t278=(_SHORT, [HEIGHT])),
    "more strips than the image has, deflated": _gray(_ZLIB, b"x" * 50, t278=(_SHORT, [HEIGHT]), **_DEFLATE),
    "more sizes than strips": _gray(t279=(_LONG, [len(_RAW), 0])),
    "size 0 of the only strip": _gray(t279=(_LONG, [0])),
    "size too small of the only strip": _gray(t279=(_LONG, [100])),
    "size beyond the end of the file": _gray(t279=(_LONG, [99999])),
}
# Stored by their pixels, which come back; the padding that their tiles lack is there then.
READ_BUT_PADDED = {
    "a deflated tile without padding": _tiled(zlib.compress(_RAW), **_DEFLATE),
    "a tile without padding": _tiled(_RAW),
}
# Stored verbatim, with the reason.
UNUSUAL = {
    "no sizes, deflated": (_gray(_ZLIB, without=(279,), **_DEFLATE), "does not say how many bytes"),
    "no sizes, LZW": (
        _gray(bytes(imagecodecs.lzw_encode(_RAW)), without=(279,), t259=(_SHORT, [5])),
        "does not say how many bytes",
    ),
    "size 0, deflated": (_gray(_ZLIB, t279=(_LONG, [0]), **_DEFLATE), "of 0 bytes"),
    "sizes of a type without meaning": (_gray(t279=(_UNDEFINED, [200])), "tag 279 has 1 values of type 7"),
    "sizes beyond the end": (_gray(*_TWO, t279=(_LONG, _BEYOND)), "tag 279 has its values beyond the end"),
    "one size of two strips": (_gray(*_TWO, t279=(_LONG, [_HALF])), "sizes of 1 strips"),
    "strips that are too short": (_gray(*_TWO, t279=(_LONG, [9, 9])), "fewer bytes than their pixels"),
    "compression of a type without meaning": (
        _gray(t259=(99, struct.pack("<II", 1, 1))),
        "tag 259 has 1 values of type 99",
    ),
    "a predictor of no values": (_gray(t317=(_SHORT, struct.pack("<II", 0, 1))), "tag 317 has 0 values of type 3"),
    "tiles without height": (_gray(t322=(_SHORT, [16])), "tag 323 is missing"),
    "two compressions": (_gray(t259=(_SHORT, [1, 8])), "tag 259 has 2 values"),
    "planar configuration 0": (_rgb(t284=(_SHORT, [0])), "planar configuration 0"),
    "tiles of no pixels": (_gray(t322=(_SHORT, [0]), t323=(_SHORT, [0])), "tiles of 0 x 0"),
    "a strip over the directory": (_gray(_ZLIB, t279=(_LONG, [len(_ZLIB) + 60]), **_DEFLATE), "share bytes"),
    "a tile of padding": (_tiled(_HUGE, side=(2400, 2400), **_DEFLATE), "nearly all is padding"),
}
DAMAGED = {
    "no width": _gray(without=(256,)),
    "no height": _gray(without=(257,)),
    "no offsets": _gray(without=(273,)),
    "width 0": _gray(t256=(_SHORT, [0])),
    "width of no integer": _gray(t256=(_FLOAT, [WIDTH])),
    "bits beyond the end": _rgb(t258=(_SHORT, _BEYOND)),
    "fewer deflated strips than the image has": _gray(_ZLIB, t278=(_SHORT, [10]), **_DEFLATE),
    "one size of two deflated strips": _gray(
        *map(zlib.compress, _TWO), t279=(_LONG, [len(zlib.compress(_TWO[0]))]), **_DEFLATE
    ),
    "rows beyond the end": _gray(t257=(_SHORT, [HEIGHT + 30]), t278=(_SHORT, [HEIGHT + 30])),
    "rows that a deflated strip lacks": _gray(_ZLIB, t257=(_SHORT, [HEIGHT + 5]), t278=(_SHORT, [40]), **_DEFLATE),
    "a deflated strip beyond the end": _gray(_ZLIB, t279=(_LONG, [99999]), **_DEFLATE),
}
