"""The contract that every codec keeps: what a tile is, and the steps from tiles to bytes and back.

Compression:   tiles --analyse (device)--> symbols --pack (CPU)--> latents, one byte string a tile
Restoration:   latents --unpack (CPU)--> symbols --synthesise (device)--> tiles

The split lets an actor that holds a GPU run the networks while CPU tasks do the entropy coding.

Side information is an input of decoding besides the latents. What all tiles of an image share, `prepare` makes of
them, and the image's row holds it. What all images of a run share is a model: a run names its own, weights that were
tuned to it or not, and the archive holds every model once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from tilepress.codecs.errors import UnsupportedError

Colour = Literal["gray", "rgb", "cmyk", "indexed"]
Tiles = np.ndarray  # (n, height, width, channels), uint8 or uint16

COLOUR_PLANES: dict[Colour, int] = {"gray": 1, "rgb": 3, "cmyk": 4, "indexed": 1}
_MOST_PLANES = max(COLOUR_PLANES.values()) + 1


@dataclass(frozen=True)
class TileSpec:
    """Shape and meaning of the tiles of one batch; all tiles of a batch share it.

    `bit_depth` is the number of low bits that samples use (1..8 in uint8, 9..16 in uint16).
    `channels` is the number of colour planes, plus one for alpha.
    `indexed` tiles hold palette entries: neighbouring values mean nothing, no lossy codec may touch them.
    """

    height: int
    width: int
    channels: int
    dtype: Literal["uint8", "uint16"]
    bit_depth: int
    colour: Colour

    @property
    def alpha(self) -> bool:
        """Whether the last plane is an alpha plane."""
        return self.channels > COLOUR_PLANES[self.colour]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.height, self.width, self.channels

    @property
    def nbytes(self) -> int:
        """Bytes of one raw tile."""
        return self.height * self.width * self.channels * np.dtype(self.dtype).itemsize

    @property
    def maximum(self) -> int:
        """Largest sample value, 2^bit_depth - 1."""
        return (1 << self.bit_depth) - 1

    @property
    def coding_order(self) -> list[int]:
        """Planes in the order that predicts best: green first, for red and blue; alpha last."""
        planes = list(range(self.channels))
        return [1, 0, *planes[2:]] if self.colour == "rgb" else planes

    def exceeded_by(self, samples: np.ndarray) -> bool:
        """Tell whether a sample is beyond `maximum`."""
        return self.maximum < np.iinfo(samples.dtype).max and bool((samples > self.maximum).any())

    def require(self, tile: np.ndarray, name: str = "tile") -> None:
        """UnsupportedError, which calls it `name`, unless an array is one (h, w, c) tile of this kind."""
        fits = tile.shape == self.shape and tile.dtype == self.dtype
        if not fits or tile.size == 0 or self.channels > _MOST_PLANES:
            raise UnsupportedError(f"{name} of shape {tile.shape} and type {tile.dtype} is not {self}")
        if self.exceeded_by(tile):
            raise UnsupportedError(
                f"{name} holds the sample {tile.max()}, above {self.maximum}, the largest of {self.bit_depth} bits"
            )


@dataclass(frozen=True)
class Settings:
    """What a person may ask of an encoder; None means the codec's own default. Decoders need none of it."""

    quality: int | None = None  # 1 (smallest) .. 100 (best)
    effort: int | None = None  # 1 (fastest) .. 9 (smallest)
    max_error: int | None = None  # levels that a decoded sample may differ by; None and 0: exact

    def require(self) -> None:
        """UnsupportedError unless every value is within RANGES."""
        for name, (least, most) in RANGES.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise UnsupportedError(f"{name} {value} is not within {least}..{most}")


RANGES = {"quality": (1, 100), "effort": (1, 9), "max_error": (0, 65535)}  # of the fields of Settings


@dataclass
class Symbols:
    """Integers between the device and the entropy coder, for a batch; the first axis of every array is the tile."""

    spec: TileSpec
    arrays: dict[str, np.ndarray]
    settings: Settings = field(default_factory=Settings)


class Codec(ABC):
    """One family of codecs. Instances are immutable and may be used from several threads.

    Class attributes are literal: archives refer to `codec_id` for ever.
    `exact`: decoding gives the same bits on every device, batch size and thread count.
    `lossless`: synthesise(unpack(pack(analyse(tiles)))) == tiles, unless a max_error was asked for. A codec with
    "max_error" in `options` keeps every sample, alpha included, within that many levels of the original (tiles that
    are indexed or of 1 bit exactly); `lossless` says what it does at None and 0.
    `networks`: analyse and synthesise run networks and may be given to an actor with a GPU.
    `has_side_information`: an image's tiles share bytes, which `prepare` makes of them before the first is coded.
    `restores`: the codec improves what another one decodes, which its model names; the registry loads that one, and the
    constructor gets it as `base` (learned/restoration.py).
    `progressive`: a stream has parts, and the first few of them decode to a coarser tile (`unpack_prefix`).
    `views`: names of other decoders of the same latents, see `view`.
    `alternatives`: ids of lossless codecs that each tile is compared with: an archive keeps whichever is
    smallest. Without, another codec is only tried where this one does not shrink a tile. A codec that
    `has_side_information` has no `alternatives`: tile by tile, nothing would tell whether sharing bytes is worth it.
    """

    codec_id: ClassVar[str]
    summary: ClassVar[str]
    exact: ClassVar[bool]
    lossless: ClassVar[bool]
    networks: ClassVar[bool] = False
    alignment: ClassVar[int] = 1
    dtypes: ClassVar[frozenset[str]] = frozenset({"uint8", "uint16"})
    channels: ClassVar[frozenset[int]] = frozenset({1, 2, 3, 4, 5})
    colours: ClassVar[frozenset[str]] = frozenset(COLOUR_PLANES)
    options: ClassVar[frozenset[str]] = frozenset()  # the fields of Settings that change something
    has_side_information: ClassVar[bool] = False
    restores: ClassVar[bool] = False
    alternatives: ClassVar[tuple[str, ...]] = ()
    progressive: bool = False
    views: tuple[str, ...] = ()

    def supports(self, spec: TileSpec) -> bool:
        """Tell whether tiles of this kind can be coded at all (any height and width)."""
        fits = spec.dtype in self.dtypes and spec.channels in self.channels and spec.colour in self.colours
        return fits and (self.lossless or spec.bit_depth > 1)

    def require(self, spec: TileSpec) -> None:
        """Raise UnsupportedError unless `supports(spec)`."""
        if not self.supports(spec):
            raise UnsupportedError(f"codec {self.codec_id} cannot represent {spec}")

    def prepare(self, tiles: Sequence[np.ndarray], spec: TileSpec, settings: Settings) -> bytes:
        """Return the side information of one image: fitted or fine-tuned weights for all its tiles, stored once.

        Called for codecs that say `has_side_information`; analyse and synthesise are given what it returns, which may
        be empty.
        `tiles` are (h, w, c), a sample of at most 16 million pixels of a large image; `spec` is that of the first,
        tiles at the image's edge are smaller. Decoding must refuse any other bytes with StreamError.
        """
        return b""

    @abstractmethod
    def analyse(self, tiles: Tiles, spec: TileSpec, settings: Settings, side_information: bytes = b"") -> Symbols:
        """Return integer symbols of tiles (n, h, w, c) of `spec.dtype`. May use floats and need not be repeatable."""

    @abstractmethod
    def pack(self, symbols: Symbols) -> list[bytes]:
        """Return one byte string a tile, a function of the symbols alone."""

    @abstractmethod
    def unpack(self, latents: Sequence[bytes], spec: TileSpec) -> Symbols:
        """Return the symbols that `pack` wrote. StreamError for any bytes that it did not write."""

    def unpack_prefix(self, latents: Sequence[bytes], spec: TileSpec, parts: int) -> Symbols:
        """Return what the first `parts` (from 1) of each stream hold, which `synthesise` takes as well.

        Streams of codecs that are not `progressive` have one part. StreamError as from `unpack`.
        """
        return self.unpack(latents, spec)

    def view(self, name: str) -> Codec:
        """Return a codec for the same latents that decodes them by another of the model's decoders.

        `name`: one of `views`, else UnsupportedError. What it decodes to is not the base of any residual.
        """
        raise UnsupportedError(f"codec {self.codec_id} has no view {name!r}")

    @abstractmethod
    def synthesise(self, symbols: Symbols, side_information: bytes = b"") -> Tiles:
        """Return tiles (n, h, w, c) of `spec.dtype`, values 0..spec.maximum; the same everywhere if `exact`."""

    def encode(
        self, tiles: Tiles, spec: TileSpec, settings: Settings | None = None, side_information: bytes = b""
    ) -> list[bytes]:
        """Return the streams of tiles: both compression steps at once."""
        return self.pack(self.analyse(tiles, spec, settings or Settings(), side_information))

    def decode(self, latents: Sequence[bytes], spec: TileSpec, side_information: bytes = b"") -> Tiles:
        """Return the tiles of streams: both restoration steps at once."""
        return self.synthesise(self.unpack(latents, spec), side_information)


class TileCodec(Codec):
    """A codec without a device step: a tile to bytes and back, in one call each."""

    @abstractmethod
    def encode_tile(self, tile: np.ndarray, spec: TileSpec, settings: Settings) -> bytes:
        """Return the bytes of one tile (h, w, c)."""

    @abstractmethod
    def decode_tile(self, data: bytes, spec: TileSpec) -> np.ndarray:
        """Return the tile (h, w, c) of its bytes. StreamError."""

    def analyse(self, tiles: Tiles, spec: TileSpec, settings: Settings, side_information: bytes = b"") -> Symbols:
        """Return the tiles themselves as the symbols."""
        self.require(spec)
        return Symbols(spec, {"tiles": tiles}, settings)

    def pack(self, symbols: Symbols) -> list[bytes]:
        """Encode tile by tile."""
        return [self.encode_tile(t, symbols.spec, symbols.settings) for t in symbols.arrays["tiles"]]

    def unpack(self, latents: Sequence[bytes], spec: TileSpec) -> Symbols:
        """Decode tile by tile."""
        tiles = np.empty((len(latents), *spec.shape), spec.dtype)
        for out, data in zip(tiles, latents, strict=True):
            out[...] = self.decode_tile(data, spec)
        return Symbols(spec, {"tiles": tiles})

    def synthesise(self, symbols: Symbols, side_information: bytes = b"") -> Tiles:
        """Return the tiles that were decoded."""
        return symbols.arrays["tiles"]


class ResidualCoder(ABC):
    """Turns an exact base into the original: one tile and its base to bytes and back, the same everywhere.

    `near_lossless`: it can also come within a bound of the original, in fewer bytes. `model_folder`: the model that is
    part of its definition, if it has one; it never changes, and archives hold a copy to be readable without tilepress.
    """

    residual_id: ClassVar[str]
    near_lossless: ClassVar[bool] = False
    model_folder: ClassVar[Path | None] = None

    @abstractmethod
    def encode(self, tile: np.ndarray, base: np.ndarray, spec: TileSpec, max_error: int = 0) -> bytes:
        """`tile` and `base` are (h, w, c) of `spec.dtype`; the bytes identify coder and version.

        What they decode to differs from `tile` by at most `max_error` levels a sample, 0..65535. UnsupportedError for
        any but 0 where the coder is not `near_lossless`.
        """

    @abstractmethod
    def decode(self, data: bytes, base: np.ndarray, spec: TileSpec) -> np.ndarray:
        """Return the tile (h, w, c), exact or within what `encode` was asked for; values 0..spec.maximum.

        Raises StreamError for any bytes that `encode` did not write.
        """
