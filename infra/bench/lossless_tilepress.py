"""tilepress's own codecs in the table of `lossless.py`: alone, or as a base of a residual coder; whole or in tiles."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from lossless_coders import Coder, Streams

from tilepress.codecs import registry
from tilepress.codecs.codec import Codec, ResidualCoder, Settings, TileSpec
from tilepress.codecs.errors import CodecError

LEVELS = {"quick": 1, "fast": 2, "default": None, "max": 9}  # names of efforts; None is the codec's own default
MIDDLE = "middle"  # the name of a base that says nothing: the residual coder alone


@dataclass(frozen=True)
class Tiled(Coder):
    """A codec over tiles of `side` (0: the whole image); without a codec the base is mid-gray and costs nothing."""

    title: str
    codec: Codec | None
    settings: Settings
    residual: ResidualCoder | None
    side: int
    max_error: int = 0

    @property
    def name(self) -> str:  # type: ignore[override]
        """Title and tiling."""
        return f"{self.title}, tiles {self.side}" if self.side else self.title

    def work(self, spec: TileSpec) -> Hashable:
        """An image within one tile is the same work whole."""
        longest = max(spec.height, spec.width)
        return self.title, self.max_error, 0 if not self.side or longest <= self.side else self.side

    def supports(self, spec: TileSpec) -> bool:
        """What the codec supports."""
        return self.codec is None or self.codec.supports(spec)

    def encode(self, samples: np.ndarray, spec: TileSpec) -> Streams:
        """What the tiles of an image share, then its tiles in rows."""
        tiles = [np.ascontiguousarray(samples[window]) for window in self._windows(spec)]
        shared = self.codec.prepare(tiles, spec, self.settings) if self.codec else b""
        return [(shared, b""), *(self._encode_tile(tile, _of(tile, spec), shared) for tile in tiles)]

    def decode(self, streams: Streams, spec: TileSpec) -> np.ndarray:
        """The image, tile by tile."""
        image = np.empty(spec.shape, spec.dtype)
        shared = streams[0][0]
        for window, (latents, residual) in zip(self._windows(spec), streams[1:], strict=True):
            tile = _of(image[window], spec)
            base = self._base(latents, tile, shared)
            image[window] = self.residual.decode(residual, base, tile) if self.residual else base
        return image

    def _encode_tile(self, tile: np.ndarray, spec: TileSpec, shared: bytes) -> tuple[bytes, bytes]:
        latents = b""
        if self.codec:
            (latents,) = self.codec.pack(self.codec.analyse(tile[None], spec, self.settings, shared))
        if self.residual is None:
            return latents, b""
        return latents, self.residual.encode(tile, self._base(latents, spec, shared), spec)

    def _base(self, latents: bytes, spec: TileSpec, shared: bytes) -> np.ndarray:
        if self.codec is None:
            return np.full(spec.shape, (spec.maximum + 1) // 2, spec.dtype)
        decoded: np.ndarray = self.codec.synthesise(self.codec.unpack([latents], spec), shared)[0]
        return decoded

    def _windows(self, spec: TileSpec) -> Iterator[tuple[slice, slice]]:
        alignment = self.codec.alignment if self.codec else 1
        side = max(self.side // alignment, 1) * alignment if self.side else max(spec.height, spec.width)
        for y in range(0, spec.height, side):
            yield from ((slice(y, y + side), slice(x, x + side)) for x in range(0, spec.width, side))


def lossless_coders(name: str, sides: Sequence[int]) -> list[Coder]:
    """Rows of NAME or NAME:LEVEL, a lossless codec; a level is a number or one of LEVELS."""
    codec, title, settings = _resolve(name)
    if not codec.lossless:
        raise SystemExit(f"{name} is not lossless: give it as --base")
    return [Tiled(title, codec, settings, None, side) for side in sides]


def near_lossless_coders(name: str, max_error: int, sides: Sequence[int]) -> list[Coder]:
    """The same with an error bound; none if the codec does not offer that."""
    codec, title, settings = _resolve(name)
    if "max_error" not in codec.options:
        return []
    settings = replace(settings, max_error=max_error)
    return [Tiled(f"{title}, error {max_error}", codec, settings, None, side, max_error) for side in sides]


def residual_coders(base: str, residual_id: str, sides: Sequence[int]) -> list[Coder]:
    """Rows of a base with a residual coder on top of it; a base may be named with its quality, NAME:QUALITY."""
    residual = registry.load_residual(residual_id)
    if base == MIDDLE:
        return [Tiled(f"{MIDDLE} + {residual_id}", None, Settings(), residual, side) for side in sides]
    codec, title, settings = _resolve(base)
    if codec.lossless or not codec.exact:
        raise SystemExit(f"{base} cannot be a base: a base decodes the same everywhere, and not to the image itself")
    return [Tiled(f"{title} + {residual_id}", codec, settings, residual, side) for side in sides]


def default_names() -> list[str]:
    """The lossless codec at its four levels."""
    return [f"lossless:{level}" for level in LEVELS]


def _resolve(name: str) -> tuple[Codec, str, Settings]:
    title, _, level = name.partition(":")
    try:
        choice = registry.resolve(title)
        codec = registry.load_codec(choice.codec_id, choice.model_folder)
    except CodecError as exc:
        raise SystemExit(f"{name}: {exc}") from exc
    if not level:
        return codec, title, Settings()
    option = "effort" if "effort" in codec.options else "quality"
    if level not in LEVELS and not level.isdecimal():
        raise SystemExit(f"{name}: {level} is neither a number nor one of {', '.join(LEVELS)}")
    number = LEVELS[level] if level in LEVELS else int(level)
    return codec, f"{title} {level if level in LEVELS else f'{option} {level}'}", Settings(**{option: number})


def _of(tile: np.ndarray, spec: TileSpec) -> TileSpec:
    return replace(spec, height=tile.shape[0], width=tile.shape[1])
