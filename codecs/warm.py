"""Compile every kernel of the codecs once, by coding small tiles of every kind: every codec, residual coder, origin."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import numpy as np

from tilepress.codecs import registry
from tilepress.codecs.codec import COLOUR_PLANES, Codec, Settings, TileSpec
from tilepress.codecs.entropy import rans
from tilepress.codecs.jpeg.decoders import DECODERS
from tilepress.codecs.jpeg.file.coefficients import SAMPLINGS
from tilepress.codecs.kernels.cache import KernelCache, cache_root
from tilepress.codecs.origins.base import Guess
from tilepress.codecs.origins.exceptions import pack_exceptions, with_exceptions
from tilepress.codecs.origins.inset.region import find_region
from tilepress.codecs.origins.jpeg.example import recover_example
from tilepress.codecs.origins.ycc.colours import EXACT_SWSCALE, JFIF
from tilepress.codecs.origins.ycc.origin import Ycc
from tilepress.codecs.origins.ycc.sampling import FINE, Axis, Sampling

_SIDE = 40  # of the tiles: more than one block of every codec
_SIDE_TO_FIT = 65  # the same where something is fitted to tiles: samples enough for that
_EFFORTS = (None, 1, 9)
_MAX_ERRORS = (None, 1)
_DTYPES: dict[Literal["uint8", "uint16"], int] = {"uint8": 8, "uint16": 16}


@dataclass(frozen=True)
class Warmed:
    """What warming found and did: signatures of kernels."""

    compiled: int
    loaded: int
    not_kept: int  # compiled, but there was no folder to keep them in
    seconds: float
    folder: Path | None


def warm_kernels(
    report: Callable[[str], None], *more: Callable[[], object], only: Sequence[Codec] | None = None
) -> Warmed:
    """Compile or load every kernel; `report` is told the name of each codec in turn, `more` runs those of other layers.

    `only` these codecs, if given, with their alternatives, and the residual coders if one of the codecs is lossy.
    Codecs of other packages compile theirs when they are first used, or are named.
    """
    began, compiled, loaded, lost = time.monotonic(), KernelCache.compiled, KernelCache.loaded, KernelCache.not_kept
    for codec in map(_codec, registry.CODECS) if only is None else _with_alternatives(only):
        report(codec.codec_id)
        _warm_codec(codec)
    if only is None or not all(codec.lossless for codec in only):
        for residual_id in registry.RESIDUALS:
            report(residual_id)
            _warm_residual(residual_id)
    if only is None:
        report("origins")
        _warm_origins()
    for work in more:
        work()
    return Warmed(
        KernelCache.compiled - compiled,
        KernelCache.loaded - loaded,
        KernelCache.not_kept - lost,
        time.monotonic() - began,
        cache_root(),
    )


def _with_alternatives(codecs: Sequence[Codec]) -> Iterator[Codec]:
    """Codecs, and those that are tried beside them; a codec with two models is two, of the same kernels or others."""
    there = {codec.codec_id for codec in codecs}
    yield from codecs
    for codec_id in dict.fromkeys(name for codec in codecs for name in codec.alternatives if name not in there):
        yield _codec(codec_id)


def _codec(codec_id: str) -> Codec:
    if not registry.needs_model(codec_id):
        return registry.load_codec(codec_id)
    choice = registry.resolve(registry.DEFAULT_MODELS[codec_id])
    return registry.load_codec(codec_id, choice.model_folder)


def _warm_codec(codec: Codec) -> None:
    if codec.has_side_information:
        _warm_shared()
    for spec in _specs(_SIDE_TO_FIT if codec.has_side_information else _SIDE):
        if codec.supports(spec):
            for settings in _settings(codec):
                codec.decode(codec.encode(_tile(spec)[None], spec, settings), spec)


def _warm_shared() -> None:
    """Integers under tables that are known in advance, as what the tiles of an image share may be coded."""
    tables = rans.Tables.from_cdf(rans.frequencies(np.ones((2, 8), np.int64)))
    values = np.array([0, 1, 0])
    rans.decode(rans.encode(values, values, tables), values, tables)


def _warm_residual(residual_id: str) -> None:
    coder = registry.load_residual(residual_id)
    for spec in _specs(_SIDE):
        tile = _tile(spec)
        base = np.full_like(tile, (spec.maximum + 1) // 2)
        coder.decode(coder.encode(tile, base, spec), base, spec)


def _warm_origins() -> None:
    spec = next(spec for spec in _specs(_SIDE) if spec.colour == "rgb")
    tile = _tile(spec)
    interpolated = Sampling(FINE.start, Axis(half=True), Axis(half=True))
    for rule, guess in (
        (Ycc(), Guess(Ycc.id, 1.0, (JFIF, None))),
        (Ycc(), Guess(Ycc.id, 1.0, (EXACT_SWSCALE.start, interpolated))),
    ):
        if recovered := rule.invert(tile, spec, guess):
            rule.apply(recovered, spec)
    made = tile.copy()
    made[::20, ::20] ^= 1
    with_exceptions(made, pack_exceptions(tile, made, spec), spec)
    find_region(tile)
    for sampling in SAMPLINGS.values():
        recover_example(sampling)
    recover_example(
        (2, 2), DECODERS[5]
    )  # whose inverse DCT makes chroma as large as the picture: all others share kernels


def _specs(side: int) -> Iterator[TileSpec]:
    """Every colour, with and without alpha, of both types of samples."""
    for dtype, bits in _DTYPES.items():
        for colour, planes in COLOUR_PLANES.items():
            for alpha in (0, 1):
                yield TileSpec(side, side + 1, planes + alpha, dtype, bits, colour)


def _settings(codec: Codec) -> Iterator[Settings]:
    """Every level of a codec that has levels, exact and near-lossless if it knows both."""
    offered = codec.options & {field.name for field in fields(Settings)}
    for effort in _EFFORTS if "effort" in offered else (None,):
        for bound in _MAX_ERRORS if "max_error" in offered else (None,):
            chosen = {"effort": effort} | ({"max_error": bound} if bound else {})
            yield Settings(**chosen)


def _tile(spec: TileSpec) -> np.ndarray:
    """A ramp under noise, (h, w, c): flat enough for every mode that codecs have, rough enough for escapes."""
    noise = np.random.default_rng(1).integers(0, spec.maximum // 8, spec.shape)
    ramp = np.arange(spec.width)[None, :, None] * spec.maximum // (2 * spec.width)
    tile: np.ndarray = (noise + ramp).astype(spec.dtype)
    tile[spec.height // 2, spec.width // 2] = spec.maximum
    return tile
