"""The base of codecs that improve what another codec decodes, by an exact integer network over its exact tiles.

The model holds the other codec: `config.base` has its `codec_id` and, if it has a model of its own, `config`, and that
model's tensors are named `base.NAME`. A stream is the other codec's, sealed once more under the magic of the family.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from tilepress.codecs.codec import Codec, Settings, Symbols, Tiles, TileSpec
from tilepress.codecs.errors import ModelError
from tilepress.codecs.model import Model
from tilepress.codecs.stream import read_frame, write_frame

_VERSION = 1


class RestorationCodec(Codec):
    """See the module. A family sets `magic`, loads its network, and fills in `restored`."""

    exact: ClassVar[bool] = True
    lossless: ClassVar[bool] = False
    networks: ClassVar[bool] = True
    restores: ClassVar[bool] = True
    magic: ClassVar[bytes]

    def __init__(self, model: Model, device: str, base: Codec) -> None:
        """`base`: the codec that the model names. ModelError unless it is exact and restores nothing itself."""
        if model.codec_id != self.codec_id:
            raise ModelError(f"model {model.name[:16]} is for codec {model.codec_id}, not {self.codec_id}")
        if not base.exact or base.restores or base.has_side_information:
            raise ModelError(f"codec {base.codec_id} is not exact by itself: nothing can be built on what it decodes")
        self.model, self.device, self.base = model, device, base
        self.progressive = base.progressive

    @abstractmethod
    def restored(self, tiles: Tiles, spec: TileSpec) -> Tiles:
        """Return better tiles (n, h, w, c) than the base decoded: exact integers, in batches of any size the same."""

    def base_settings(self, settings: Settings) -> Settings:
        """Return what the base is asked for where a person asks this codec for `settings`."""
        return settings

    def supports(self, spec: TileSpec) -> bool:
        """Return whether the base can code such tiles and the family restore them."""
        return super().supports(spec) and self.base.supports(spec)

    def analyse(self, tiles: Tiles, spec: TileSpec, settings: Settings, side_information: bytes = b"") -> Symbols:
        """Return the base's symbols."""
        self.require(spec)
        return self.base.analyse(tiles, spec, self.base_settings(settings))

    def pack(self, symbols: Symbols) -> list[bytes]:
        """Return the base's streams, sealed."""
        return [write_frame(self.magic, _VERSION, data) for data in self.base.pack(symbols)]

    def unpack(self, latents: Sequence[bytes], spec: TileSpec) -> Symbols:
        """Return the base's symbols. StreamError."""
        return self.base.unpack(self._opened(latents, spec), spec)

    def unpack_prefix(self, latents: Sequence[bytes], spec: TileSpec, parts: int) -> Symbols:
        """Return what the first `parts` of the base's streams hold. StreamError."""
        return self.base.unpack_prefix(self._opened(latents, spec), spec, parts)

    def synthesise(self, symbols: Symbols, side_information: bytes = b"") -> Tiles:
        """Return the base's tiles, restored."""
        return self.restored(self.base.synthesise(symbols), symbols.spec)

    def _opened(self, latents: Sequence[bytes], spec: TileSpec) -> list[bytes]:
        self.require(spec)
        return [read_frame(self.magic, {_VERSION}, data)[1] for data in latents]
