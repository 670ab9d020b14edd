"""Works that compile every kernel of the codecs, by coding small tiles of every kind, and by recovering origins."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

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
from tilepress.codecs.registry import CodecChoice

_SIDE = 40  # of the tiles: more than one block of every codec
_SIDE_TO_FIT = 65  # the same where something is fitted to tiles: samples enough for that
_EFFORTS = (None, 1, 9)
_MAX_ERRORS = (None, 1)
Samples: TypeAlias = Literal["uint8", "uint16"]
_DTYPES: dict[Samples, int] = {"uint8": 8, "uint16": 16}
_LONGEST, _SHARES = ("origins", "lossless", "predictive-mlp"), "uint16"


@dataclass(frozen=True)
class Work:
    """Something that uses kernels and, done once, has compiled them; works may be done at the same time."""

    name: str
    do: Callable[[], object]


@dataclass
class Warmed:
    """What warming found and did: signatures of kernels."""

    compiled: int = 0
    loaded: int = 0
    not_kept: int = 0  # compiled, but there was no folder to keep them in
    seconds: float = 0.0
    folder: Path | None = None


def all_works() -> list[Work]:
    """Return works that use every kernel of the codecs, those first that compile for longest."""
    works = [
        *(Work("origins of JPEG", partial(recover_example, sampling)) for sampling in SAMPLINGS.values()),
        Work("origins", _warm_origins),
        *_residual_works(),
        *(work for codec_id in registry.CODECS for work in codec_works(codec_id)),
    ]
    return _in_order(works)


def works_of(codecs: Sequence[CodecChoice]) -> list[Work]:
    """Return works that use the kernels of codecs, of those tried beside them, and of residuals on top of lossy ones.

    Codecs of other packages compile theirs when they are first used, or are named.
    """
    classes = [registry.codec_class(choice.codec_id) for choice in codecs]
    works = [work for choice in codecs for work in codec_works(choice.codec_id, choice.model_folder)]
    there = {choice.codec_id for choice in codecs}
    for codec_id in dict.fromkeys(name for one in classes for name in one.alternatives if name not in there):
        works += codec_works(codec_id)
    return _in_order(works if all(one.lossless for one in classes) else [*_residual_works(), *works])


def codec_works(codec_id: str, model_folder: str | Path | None = None) -> list[Work]:
    """Return the works of a codec, with its default model if it needs one and none is given: one a type of samples."""
    if model_folder is None and registry.needs_model(codec_id):
        model_folder = registry.resolve(registry.DEFAULT_MODELS[codec_id]).model_folder
    return [Work(f"{codec_id}, {dtype}", partial(_warm_codec, codec_id, model_folder, dtype)) for dtype in _DTYPES]


def _in_order(works: Sequence[Work]) -> list[Work]:
    """Those first that compile for longest. The two types of samples share kernels: side by side one would wait."""
    return sorted(works, key=lambda work: (work.name.endswith(_SHARES), not work.name.startswith(_LONGEST)))


@contextmanager
def counting_kernels() -> Iterator[Warmed]:
    """What happens to kernels of this process while the context lasts; filled in at its end."""
    found, began = Warmed(folder=cache_root()), time.monotonic()
    compiled, loaded, lost = KernelCache.compiled, KernelCache.loaded, KernelCache.not_kept
    yield found
    found.compiled, found.loaded = KernelCache.compiled - compiled, KernelCache.loaded - loaded
    found.not_kept, found.seconds = KernelCache.not_kept - lost, time.monotonic() - began


def _residual_works() -> list[Work]:
    return [
        Work(f"{name}, {dtype}", partial(_warm_residual, name, dtype))
        for name in registry.RESIDUALS
        for dtype in _DTYPES
    ]


def _warm_codec(codec_id: str, model_folder: str | Path | None, dtype: Samples) -> None:
    codec = registry.load_codec(codec_id, model_folder)
    if codec.has_side_information:
        _warm_shared()
    for spec in _specs(dtype, _SIDE_TO_FIT if codec.has_side_information else _SIDE):
        if codec.supports(spec):
            for settings in _settings(codec):
                codec.decode(codec.encode(_tile(spec)[None], spec, settings), spec)


def _warm_shared() -> None:
    """Integers under tables that are known in advance, as what the tiles of an image share may be coded."""
    tables = rans.Tables.from_cdf(rans.frequencies(np.ones((2, 8), np.int64)))
    values = np.array([0, 1, 0])
    rans.decode(rans.encode(values, values, tables), values, tables)


def _warm_residual(residual_id: str, dtype: Samples) -> None:
    coder = registry.load_residual(residual_id)
    for spec in _specs(dtype, _SIDE):
        tile = _tile(spec)
        base = np.full_like(tile, (spec.maximum + 1) // 2)
        coder.decode(coder.encode(tile, base, spec), base, spec)


def _warm_origins() -> None:
    spec = next(spec for spec in _specs("uint8", _SIDE) if spec.colour == "rgb")
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
    # Its inverse DCT makes chroma as large as the picture: all other decoders share kernels.
    recover_example((2, 2), DECODERS[5])


def _specs(dtype: Samples, side: int) -> Iterator[TileSpec]:
    """Every colour, with and without alpha."""
    for colour, planes in COLOUR_PLANES.items():
        for alpha in (0, 1):
            yield TileSpec(side, side + 1, planes + alpha, dtype, _DTYPES[dtype], colour)


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
