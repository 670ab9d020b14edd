"""One image through one codec, from pixels to real bytes and back, timed and measured.

Tiles are cut as `compress` cuts them. What is measured is the codec itself: where `compress` would fall back to
JPEG XL, because a tile did not shrink, the codec's own bytes count here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from types import MappingProxyType
from typing import Any

import numpy as np

from tilepress.codecs.codec import Codec, Settings, Tiles, TileSpec
from tilepress.codecs.errors import CodecError, UnsupportedError
from tilepress.codecs.registry import DEFAULT_RESIDUAL
from tilepress.jobs.evaluation.points import OperatingPoint
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.coding.side_information import side_information
from tilepress.pipeline.coding.tile_coding import largest_error
from tilepress.pipeline.coding.tiles import Tile, batches, windows
from tilepress.pipeline.formats.picture import Picture
from tilepress.pipeline.quality.metrics import distortion
from tilepress.pipeline.quality.perception import PERCEPTION, not_perceived
from tilepress.pipeline.quality.ssimulacra2 import ssimulacra2
from tilepress.pipeline.reading.near_lossless import stays_exact
from tilepress.pipeline.sources.dataset import picture_tiles

METRICS: Mapping[str, Compare] = MappingProxyType({"ssimulacra2": ssimulacra2})  # those measured if asked for
NOTHING: Mapping[str, Compare] = MappingProxyType({})
_WARM_SIDE = 64  # pixels of the tile that is coded before clocks run
_warm: set[tuple[str, int | None, str, int]] = set()  # what this process has already loaded and compiled
Compare = Callable[[np.ndarray, np.ndarray, int], float | None]  # original, decoded, largest sample


def measure(
    point: OperatingPoint,
    picture: Picture,
    pixels: np.ndarray,
    pool: CodecPool,
    *,
    exact: bool,
    besides: Mapping[str, Compare] = NOTHING,
) -> dict[str, Any]:
    """Return the figures of one row: what an image costs by a codec, and how it comes back.

    Besides the columns of a row, `side_bytes`: those of `bytes` that the tiles share. `reason`, if there is one, says
    why measures of perception are left out.

    UnsupportedError if the codec cannot represent the picture, CodecError if it fails, or misses the error that the
    point, or losslessness, allows.

    Args:
        point: The codec and its settings.
        picture: The image as its file describes it.
        pixels: All of it, (h, w, c) uint8 or uint16.
        pool: Where codecs come from.
        exact: With the residual that leads back to the original pixels.
        besides: Gives further figures, by name, of original and decoded pixels.
    """
    trip = Trip(point, pool.codec(point.reference), exact, pool)
    rows = [pixels[y : y + point.tile] for y in range(0, picture.height, point.tile)]
    tiles = partial(picture_tiles, 0, picture, rows, point.tile)
    if not trip.codec.supports(next(tiles()).spec):
        raise UnsupportedError(f"{point.codec} cannot represent {picture.mode} images of {picture.bit_depth} bits")
    trip.prepare(picture, tiles())
    decoded = np.empty_like(pixels)
    cost = _Cost(nbytes=len(trip.side_information))
    for window in windows(tiles()):
        for batch, returned, part in pool.map(trip.code, trip.batches(window)):
            cost += part
            for tile, samples in zip(batch, returned, strict=True):
                decoded[tile.box.y : tile.box.y + tile.box.h, tile.box.x : tile.box.x + tile.box.w] = samples
    peak = (1 << picture.bit_depth) - 1
    found = distortion(pixels, decoded, peak)
    _check_error(found.max_error, point, trip.codec, exact=exact)
    figures = cost.figures(picture.pixels, in_actor=pool.has_actors and trip.codec.networks)
    figures |= {"side_bytes": len(trip.side_information)}
    if why_not := not_perceived(picture.colour) if found.max_error else "":
        return vars(found) | dict.fromkeys(PERCEPTION[:2]) | figures | {"reason": why_not}
    more = {name: compare(pixels, decoded, peak) for name, compare in besides.items()}
    return vars(found) | more | figures


def _check_error(found: int, point: OperatingPoint, codec: Codec, *, exact: bool) -> None:
    if point.max_error and found > point.max_error:
        raise CodecError(f"a sample came back {found} levels off, not within {point.max_error}")
    if found and not point.max_error and (exact or codec.lossless):
        raise CodecError(f"what should be lossless came back with errors of up to {found} levels")


@dataclass(frozen=True)
class _Cost:
    """What coding some tiles took: seconds, and bytes."""

    nbytes: int = 0
    encode_s: float = 0.0
    decode_s: float = 0.0
    encode_cpu_s: float = 0.0
    decode_cpu_s: float = 0.0

    def __add__(self, other: _Cost) -> _Cost:
        return _Cost(*(mine + theirs for mine, theirs in zip(vars(self).values(), vars(other).values(), strict=True)))

    def figures(self, pixels: int, *, in_actor: bool) -> dict[str, Any]:
        """Return columns of a row."""
        seconds = {name: value for name, value in vars(self).items() if name != "nbytes"}
        if in_actor:
            seconds |= {"encode_cpu_s": None, "decode_cpu_s": None}
        return {"bytes": self.nbytes, "bpp": 8 * self.nbytes / pixels, **seconds}


class Trip:
    """One image on its way through one codec."""

    def __init__(self, point: OperatingPoint, codec: Codec, exact: bool, pool: CodecPool) -> None:
        """`exact`: with the residual that leads back to the original pixels."""
        self.codec = codec
        self.side_information = b""
        self._point = point
        self._pool = pool
        on_top = (exact or point.max_error) and not codec.lossless
        self._residual = pool.residual(DEFAULT_RESIDUAL) if on_top else None

    def prepare(self, picture: Picture, tiles: Iterator[Tile]) -> None:
        """What the image's tiles share; and nothing that happens only once in a process is timed later."""
        first = next(tiles)
        if self.codec.has_side_information:
            place = (picture.width, picture.height, self._point.tile)
            every = chain([first], tiles)
            self.side_information = side_information(
                self._point.reference, every, place, self._point.settings, self._pool
            )
        kind = (self._point.reference, self._point.effort, first.spec.dtype, first.spec.channels)
        if kind not in _warm:
            corner = np.ascontiguousarray(first.samples[:_WARM_SIDE, :_WARM_SIDE])
            spec = replace(first.spec, height=corner.shape[0], width=corner.shape[1])
            self._decode(self._encode(corner[None], spec, self._point.settings), spec)
            _warm.add(kind)

    def batches(self, window: Iterable[Tile]) -> Iterator[list[Tile]]:
        """Yield tiles for one call: equal ones together where there are networks to gain from it, as in `compress`."""
        for batch in batches(window):
            if self.codec.networks:
                yield batch
            else:
                yield from ([tile] for tile in batch)

    def code(self, batch: list[Tile]) -> tuple[list[Tile], Tiles, _Cost]:
        """Encode and decode; both timed."""
        samples, spec, settings = np.stack([tile.samples for tile in batch]), batch[0].spec, self._settings(batch[0])
        clocks = [_clocks()]
        streams = self._encode(samples, spec, settings)
        clocks.append(_clocks())
        returned = self._decode(streams, spec)
        clocks.append(_clocks())
        (encode_s, encode_cpu_s), (decode_s, decode_cpu_s) = np.diff(clocks, axis=0).tolist()
        nbytes = sum(len(latents) + len(residual) for latents, residual in streams)
        return batch, returned, _Cost(nbytes, encode_s, decode_s, encode_cpu_s, decode_cpu_s)

    def _settings(self, tile: Tile) -> Settings:
        """The point's, without its bound for what `compress` keeps exact whatever the bound."""
        exact = tile.exact or stays_exact(tile.spec, self._point.max_error or 0)
        return replace(self._point.settings, max_error=None) if exact else self._point.settings

    def _encode(self, samples: Tiles, spec: TileSpec, settings: Settings) -> list[tuple[bytes, bytes]]:
        """(latents, residual) of each tile."""
        symbols = self._pool.analyse(self._point.reference, samples, spec, settings, self.side_information)
        latents = self.codec.pack(symbols)
        if self._residual is None:
            return [(stream, b"") for stream in latents]
        bases = self._synthesise(latents, spec)
        gaps = [self._gap(*pair, spec, settings.max_error or 0) for pair in zip(samples, bases, strict=True)]
        return list(zip(latents, gaps, strict=True))

    def _gap(self, tile: np.ndarray, base: np.ndarray, spec: TileSpec, max_error: int) -> bytes:
        """The residual; none where the base is near enough, as `compress` leaves it out."""
        assert self._residual is not None
        if max_error and largest_error(tile, base) <= max_error:
            return b""
        return self._residual.encode(tile, base, spec, max_error)

    def _decode(self, streams: Sequence[tuple[bytes, bytes]], spec: TileSpec) -> Tiles:
        bases = self._synthesise([latents for latents, _ in streams], spec)
        if self._residual is None:
            return bases
        pairs = zip(streams, bases, strict=True)
        return np.stack([self._residual.decode(gap, base, spec) if gap else base for (_, gap), base in pairs])

    def _synthesise(self, latents: list[bytes], spec: TileSpec) -> Tiles:
        return self._pool.synthesise(self._point.reference, self.codec.unpack(latents, spec), self.side_information)


def _clocks() -> tuple[float, float]:
    """Wall time and CPU time of this thread, in seconds."""
    return time.perf_counter(), time.thread_time()
