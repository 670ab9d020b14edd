"""Writes the golden streams of level quick of lossless, of its residual coder, and of lossless-quick.

A stream must be read for ever.

Do not run it because a test fails: a test that fails says that archives out there can no longer be read. It is run
again only before a release that adds something to the streams, and then into a new file.

    python tests/golden/make_quick_streams.py NEW_FILE
    python tests/golden/make_quick_streams.py --many-blocks NEW_FILE
    python tests/golden/make_quick_streams.py --codec NEW_FILE
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from make_lossless_streams import BOUNDS, coarse, described, drawn_tiles, packed, scene
from stream_files import coded, refuse_existing, write

from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.lossless.codec import Lossless
from tilepress.codecs.lossless.quick.codec import LosslessQuick
from tilepress.codecs.lossless.quick.residual import QuickResidual
from tilepress.codecs.model import SHIPPED, Model


def main(arguments: list[str]) -> None:
    target = Path(arguments[-1])
    refuse_existing(target)
    if arguments[0] == "--many-blocks":
        write(target, streams(tiles_of_many_blocks(), BOUNDS[:2]))
    elif arguments[0] == "--codec":
        write(target, codec_streams([*drawn_tiles(), *tiles_of_many_blocks()], BOUNDS[:2]))
    else:
        write(target, streams(drawn_tiles(), BOUNDS))
    print(f"SHA-256 of the streams: {hashlib.sha256(target.read_bytes()).hexdigest()}")


def tiles_of_many_blocks() -> list[tuple[TileSpec, np.ndarray]]:
    """So many blocks that there are several classes, and beside them a plane of one value."""
    spec = TileSpec(130, 146, 2, "uint8", 8, "gray")
    tile = scene(spec)
    tile[..., 1] = 77
    return [(spec, tile)]


def streams(tiles: Sequence[tuple[TileSpec, np.ndarray]], bounds: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Of each tile, alone and over a coarse base, exact and near."""
    codec, residual = Lossless(Model.load(SHIPPED / "lossless")), QuickResidual()
    for spec, tile in tiles:
        base = coarse(tile)
        yield described(spec, tile) | {"base": packed(base)}
        for bound in bounds:
            stream = codec.encode_tile(tile, spec, Settings(effort=1, max_error=bound))
            yield {"based": False, "max_error": bound} | coded(stream, codec.decode_tile(stream, spec))
            stream = residual.encode(tile, base, spec, bound)
            yield {"based": True, "max_error": bound} | coded(stream, residual.decode(stream, base, spec))


def codec_streams(tiles: Sequence[tuple[TileSpec, np.ndarray]], bounds: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Of each tile by lossless-quick, exact and near."""
    codec = LosslessQuick()
    for spec, tile in tiles:
        yield described(spec, tile)
        for bound in bounds:
            stream = codec.encode_tile(tile, spec, Settings(max_error=bound))
            yield {"codec": codec.codec_id, "max_error": bound} | coded(stream, codec.decode_tile(stream, spec))


if __name__ == "__main__":
    main(sys.argv[1:])
