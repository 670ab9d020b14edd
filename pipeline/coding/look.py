"""What `auto` sees in a tile at a quick look: whether bzip2 or level quick of `lossless` need no JPEG XL beside them.

Tiles that repeat themselves (digits, masks, drawings) bzip2 shrinks about as much as JPEG XL, in a tenth of the time.
Of photographs, X-rays and CT level quick makes less than JPEG XL, in a quarter of its time.
"""

from __future__ import annotations

from dataclasses import dataclass

import zstandard

from tilepress.codecs.codec import Settings
from tilepress.codecs.errors import UnsupportedError
from tilepress.codecs.stream import samples_to_bytes
from tilepress.pipeline.coding.codec_faults import fault, is_codecs_own
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.coding.tile_coding import CodedTile, coded_exactly
from tilepress.pipeline.coding.tiles import Tile

SPARSE, QUICK = "bzip2", "lossless-quick"
_PICTURE_CODEC, _GLANCE = "jpegxl", Settings(effort=2)  # what other tiles are best coded by, in a twentieth of its time
# Of tiles of 150 pictures of all kinds, Zstandard's fastest level made less than this of the repetitive ones only.
_PROMISING = 1.1
_AS_GOOD = 0.93  # what JPEG XL's usual effort makes of the tile, too, give or take 3 %
# Of 346 tiles of nine sets (infra/bench/speed/auto.py), and of small photographs side by side, those of which JPEG XL
# makes less than level quick take less than this of its bytes at a glance. The others gain by JPEG XL 0.0 % (PhotoCD
# pictures, which are held as such, 0.6 %). Few tiles of photographs and X-rays are coded by both.
_AS_EXPECTED = 1.11
_SMALL = 1 << 14  # pixels: of so few level quick gains nothing, and no kernel is loaded for them


@dataclass(frozen=True)
class Look:
    """`coded`: what a quicker codec makes of the tile, if one is a match for JPEG XL; `enough`: that need not be tried.

    `warnings`: codecs that failed on the tile.
    """

    coded: CodedTile | None = None
    enough: bool = False
    warnings: tuple[str, ...] = ()


def look_at(pool: CodecPool, tile: Tile, *, quick: bool) -> Look:
    """Code a tile by a quicker codec than JPEG XL, if there is one for it; by level quick only if `quick`."""
    picture_codec = pool.codec(_PICTURE_CODEC)
    if not picture_codec.supports(tile.spec):
        return Look()
    (glance,) = picture_codec.encode(tile.samples[None], tile.spec, _GLANCE)
    if len(zstandard.ZstdCompressor(level=1).compress(samples_to_bytes(tile.samples))) <= _PROMISING * len(glance):
        coded = coded_exactly(pool, tile, SPARSE)
        return Look(coded, coded.nbytes < _AS_GOOD * len(glance))
    if not quick or tile.spec.width * tile.spec.height < _SMALL or not pool.codec(QUICK).supports(tile.spec):
        return Look()
    try:
        coded = coded_exactly(pool, tile, QUICK)
    except UnsupportedError:
        return Look()
    except Exception as exc:
        if not is_codecs_own(exc):
            raise
        return Look(warnings=(fault(QUICK, exc),))
    return Look(coded, len(glance) >= _AS_EXPECTED * coded.nbytes)
