"""Writes the golden streams of huffman and predictive-mlp. It was run once; a stream that exists must be read for ever.

Do not run it because a test fails: a test that fails says that archives out there can no longer be read. It is run
again only before a release that adds something to the streams, and then into a new folder.

    python tests/golden/make_predictive_streams.py NEW_FOLDER
"""

from __future__ import annotations

import base64
import hashlib
import sys
from collections.abc import Iterator
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from learned_models import picture
from stream_files import coded, refuse_existing, write

from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.errors import StreamError
from tilepress.codecs.predictive_mlp.codec import fit_predictor, plane_of
from tilepress.codecs.predictive_mlp.weights import (
    ARCHITECTURES,
    LINEAR,
    MED_PREDICTOR,
    MLP,
    Layer,
    Predictor,
    seal_predictors,
)
from tilepress.codecs.registry import load_codec

CODECS = ("predictive-mlp", "predictive-mlp-range")
TILES = (
    TileSpec(29, 43, 1, "uint8", 8, "gray"),
    TileSpec(17, 23, 3, "uint8", 8, "rgb"),
    TileSpec(1, 9, 1, "uint8", 3, "gray"),
    TileSpec(9, 1, 1, "uint8", 8, "gray"),
    TileSpec(18, 21, 4, "uint16", 16, "rgb"),
    TileSpec(21, 10, 2, "uint16", 12, "gray"),
    TileSpec(6, 13, 5, "uint8", 8, "cmyk"),
)
OWN = TileSpec(70, 64, 1, "uint8", 8, "gray")  # large enough for a linear predictor of its own


def main() -> None:
    folder = Path(sys.argv[1])
    refuse_existing(folder)
    path = folder / "expected.json"
    write(path, entries())
    print(f"SHA-256 of the golden streams: {hashlib.sha256(path.read_bytes()).hexdigest()}")


def entries() -> Iterator[dict[str, Any]]:
    """Every kind of tile, predictor and stream."""
    for seed, spec in enumerate(TILES):
        tile = picture(spec.height, spec.width, spec.channels, spec.bit_depth, 300 + seed)
        flat = np.full(spec.shape, spec.maximum // 3, spec.dtype)
        noise = np.random.default_rng(seed).integers(0, spec.maximum + 1, spec.shape).astype(spec.dtype)
        for samples in (tile, flat, noise):
            yield described("huffman", spec, samples, b"")
            yield from both(spec, samples, b"")
        if spec.height > 1:
            yield from both(spec, tile, fitted(tile, spec))
        if spec.channels < 3:
            yield from both(spec, noise // 16, drawn(spec, seed))
    yield from both(OWN, picture(*OWN.shape, OWN.bit_depth, 400), b"")


def both(spec: TileSpec, tile: np.ndarray, shared: bytes) -> Iterator[dict[str, Any]]:
    """With each entropy coder; the second entry does not repeat what both share."""
    for codec in CODECS:
        entry = described(codec, spec, tile, shared)
        yield entry if codec == CODECS[0] else {**entry, "shared": None}


def fitted(tile: np.ndarray, spec: TileSpec) -> bytes:
    """Networks fitted to all planes but the second, which is predicted linearly, and the fifth, by the median."""
    kinds = (MLP, LINEAR, MLP, MLP, MED_PREDICTOR)
    planes = [plane_of(tile, number, spec) for number in range(spec.channels)]
    return seal_predictors(
        [
            fit_predictor([plane], [plane.shape], kind, spec.maximum, 2) if kind else Predictor(kind)
            for plane, kind in zip(planes, kinds, strict=False)
        ]
    )


def drawn(spec: TileSpec, seed: int) -> bytes:
    """Networks that no picture has, with sums up to the 31st bit."""
    rng = np.random.default_rng(1000 + seed)
    out: list[Predictor] = []
    while len(out) < spec.channels:
        sizes, layers = ARCHITECTURES[MLP], []
        for inputs, outputs in pairwise(sizes):
            weights = rng.integers(-2047, 2048, (outputs, inputs)) >> rng.integers(0, 12, (outputs, 1))
            biases, shifts = rng.integers(-32767, 32768, outputs), rng.integers(-3, 16, outputs)
            layers.append(Layer(weights, biases, int(rng.integers(-12, 12)), shifts))
        predictor = Predictor(MLP, tuple(layers))
        try:
            predictor.prove(spec.maximum)
        except StreamError:
            continue
        out.append(predictor)
    return seal_predictors(out)


def described(codec_id: str, spec: TileSpec, tile: np.ndarray, shared: bytes) -> dict[str, Any]:
    """A stream, and what it decodes to: the tile."""
    codec = load_codec(codec_id)
    (stream,) = codec.pack(codec.analyse(tile[None], spec, Settings(), shared))
    (decoded,) = codec.synthesise(codec.unpack([stream], spec), shared)
    assert np.array_equal(decoded, tile)
    return {
        "codec": codec_id,
        "tile": asdict(spec),
        "shared": base64.b64encode(shared).decode(),
        **coded(stream, decoded),
    }


if __name__ == "__main__":
    main()
