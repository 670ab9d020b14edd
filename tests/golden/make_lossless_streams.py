"""Writes the golden streams of lossless and of its residual coder. A stream that exists must be read for ever.

Do not run it because a test fails: a test that fails says that archives out there can no longer be read. It is run
again only before a release that adds something to the streams, and then into a new folder.

    python tests/golden/make_lossless_streams.py NEW_FOLDER

`models`: small models, drawn. `expected.json`: tiles, and streams of the codec with them. `residual.json`: streams of
lossless-1 with the model that belongs to it, alone rewritten (until the first release) when that model is trained anew:

    python tests/golden/make_lossless_streams.py --residual NEW_FILE
"""

from __future__ import annotations

import base64
import hashlib
import sys
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from stream_files import coded, digest, little, refuse_existing, write

from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.lossless.codec import Lossless
from tilepress.codecs.lossless.residual import LosslessResidual
from tilepress.codecs.model import Model

sys.path.append(str(Path(__file__).parent.parent / "support"))
from lossless_cases import checkerboard, coarse, drawn_model, scene

SPECS = (
    TileSpec(33, 45, 1, "uint8", 8, "gray"),
    TileSpec(24, 29, 3, "uint8", 8, "rgb"),
    TileSpec(19, 26, 4, "uint16", 16, "rgb"),
    TileSpec(21, 20, 2, "uint16", 12, "gray"),
    TileSpec(16, 18, 5, "uint8", 8, "cmyk"),
    TileSpec(20, 40, 1, "uint8", 1, "gray"),
    TileSpec(1, 40, 1, "uint8", 3, "gray"),
    TileSpec(40, 1, 1, "uint16", 9, "gray"),
)
EFFORTS = (2, 5, 9)
BOUNDS = (0, 3, 300)
RESIDUAL = "residual.json"


def main(arguments: list[str]) -> None:
    target = Path(arguments[-1])
    refuse_existing(target)
    if arguments[0] == "--residual":
        write(target, residual_streams(drawn_tiles()))
    else:
        for name, model in models().items():
            model.save(target / "models" / name)
        write(target / "expected.json", streams(drawn_tiles()))
        print(f"SHA-256 of the golden streams: {digest(target, leave_out={RESIDUAL})}")
        target = target / RESIDUAL
        write(target, residual_streams(drawn_tiles()))
    if target.suffix:
        print(f"SHA-256 of the residual streams: {hashlib.sha256(target.read_bytes()).hexdigest()}")


def models() -> dict[str, Model]:
    """With a network for every level, and without any."""
    return {"networks": drawn_model(True), "plain": drawn_model(False)}


def drawn_tiles() -> list[tuple[TileSpec, np.ndarray]]:
    """Pictures of every kind; one value, noise, extremes."""
    tiles = [(spec, scene(spec)) for spec in SPECS]
    gray, deep = SPECS[0], SPECS[2]
    noise = np.random.default_rng(1).integers(0, 256, gray.shape).astype(np.uint8)
    flat = np.full(deep.shape, 40_000, np.uint16)
    flat[..., 2] = scene(deep)[..., 2]
    return [*tiles, (gray, noise), (deep, flat), (gray, checkerboard(gray)), (gray, few(gray))]


def few(spec: TileSpec) -> np.ndarray:
    """A picture that uses every ninth value."""
    return (scene(spec) // 9 * 9).astype(spec.dtype)


def streams(tiles: list[tuple[TileSpec, np.ndarray]]) -> Iterator[dict[str, Any]]:
    """Of each tile with each model, level and bound; a network for the smallest bounds, none for the others."""
    for spec, tile in tiles:
        yield described(spec, tile)
        for effort in EFFORTS:
            for name, bound in (("networks", 0), ("networks", 3), ("plain", 0), ("plain", 300)):
                codec = Lossless(models()[name])
                stream = codec.encode_tile(tile, spec, Settings(effort=effort, max_error=bound))
                facts = {"model": name, "effort": effort, "max_error": bound}
                yield facts | coded(stream, codec.decode_tile(stream, spec))


def residual_streams(tiles: list[tuple[TileSpec, np.ndarray]]) -> Iterator[dict[str, Any]]:
    """Of each tile over a coarse base, exact and near."""
    coder = LosslessResidual()
    for spec, tile in tiles:
        base = coarse(tile)
        yield described(spec, tile) | {"base": packed(base)}
        for bound in BOUNDS:
            stream = coder.encode(tile, base, spec, bound)
            yield {"max_error": bound} | coded(stream, coder.decode(stream, base, spec))


def described(spec: TileSpec, tile: np.ndarray) -> dict[str, Any]:
    """A tile; the entries after it are streams of it."""
    return {"tile": asdict(spec), "original": packed(tile)}


def packed(samples: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(little(samples), 9)).decode()


if __name__ == "__main__":
    main(sys.argv[1:])
