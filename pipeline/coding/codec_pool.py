"""What a worker needs to turn tiles into bytes and back: codecs with their models, a device, threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from typing import Protocol, TypeVar

import numpy as np

from tilepress.codecs.codec import Codec, ResidualCoder, Settings, Symbols, Tiles, TileSpec
from tilepress.codecs.errors import CodecError, MissingPackage, UnknownCodecError
from tilepress.codecs.registry import codec_class, load_codec, load_residual, resolve, yardstick_class
from tilepress.pipeline.archive.models import load_model
from tilepress.pipeline.archive.packages import recorded_packages
from tilepress.pipeline.coding.progress import Progress, ProgressTally
from tilepress.pipeline.coding.stacks import StackCache
from tilepress.pipeline.coding.work_sharing import WorkSharing
from tilepress.pipeline.errors import IntegrityError
from tilepress.pipeline.storage.base import Storage

_AHEAD_BYTES = 96 << 20  # of samples that one shard takes ahead of what it has done: two windows of colour tiles
_AWAY = 12  # batches of a worker that may be with actors at a time, or wait for their turn: a thread each
_VIEW = "#"  # between the reference that an archive holds and a view of that codec
_SHIPPED = "shipped:"  # before the name of a model that comes with tilepress
_YARDSTICK = "yardstick:"  # before the name of a codec that only evaluations use
Item = TypeVar("Item")
Result = TypeVar("Result")


class Networks(Protocol):
    """Runs the device steps of codecs with networks, here or in actors."""

    def prepare(self, reference: str, tiles: Sequence[np.ndarray], spec: TileSpec, settings: Settings) -> bytes:
        """As Codec.prepare of the codec that `reference` names."""

    def analyse(
        self, reference: str, tiles: Tiles, spec: TileSpec, settings: Settings, side_information: bytes
    ) -> Symbols:
        """As Codec.analyse of the codec that `reference` names."""

    def synthesise(self, reference: str, symbols: Symbols, side_information: bytes) -> Tiles:
        """As Codec.synthesise of the codec that `reference` names."""


class CodecPool:
    """Codecs by reference ("id", "id@model hash", a view, a shipped one, a yardstick), loaded once; thread-safe."""

    def __init__(
        self, archive: Storage, device: str = "cpu", networks: Networks | None = None, threads: int = 1
    ) -> None:
        """`threads` tiles or batches are coded at a time; `networks` stands in for the networks of this process."""
        self._archive = archive
        self._device = device
        self._networks = networks
        self._threads = threads
        self._sharing = WorkSharing(threads, one_torch_thread, away=_AWAY if networks else 0)
        self.progress = ProgressTally()
        self._codecs: dict[str, Codec] = {}
        self._missing: dict[str, MissingPackage] = {}  # looking for packages takes long
        self._lock = threading.Lock()
        self.stacks = StackCache()  # of this archive

    def told_to(self, listener: Callable[[Progress], None]) -> CodecPool:
        """Return this pool, codecs and threads shared, with a tally of its own that tells `listener` of progress."""
        same = copy(self)
        same.progress = ProgressTally(listener)
        return same

    def alone(self) -> CodecPool:
        """Return this pool, codecs shared, whose work the calling thread does alone: its clock counts all of it."""
        same = copy(self)
        same._threads = 1
        same._sharing = WorkSharing(1, one_torch_thread)
        return same

    @property
    def has_actors(self) -> bool:
        """Whether networks run elsewhere, where no clock of this process sees them."""
        return self._networks is not None

    @property
    def threads(self) -> int:
        """Tiles or batches that are coded at a time."""
        return self._threads

    def codec(self, reference: str) -> Codec:
        """Return the codec of a reference.

        IntegrityError if the archive lacks its model, or has another one; MissingPackage if the codec is not installed.
        """
        with self._lock:
            if missing := self._missing.get(reference):
                raise type(missing)(str(missing))
            try:
                if reference not in self._codecs:
                    self._codecs[reference] = self._load(reference)
            except MissingPackage as exc:
                self._missing[reference] = exc
                raise
            return self._codecs[reference]

    def residual(self, residual_id: str) -> ResidualCoder:
        """Return a residual coder; MissingPackage if this tilepress has none of that name."""
        try:
            return load_residual(residual_id)
        except UnknownCodecError as exc:
            raise MissingPackage(f"residual coder {residual_id!r} is of a later tilepress than this one") from exc

    def prepare(self, reference: str, tiles: Sequence[np.ndarray], spec: TileSpec, settings: Settings) -> bytes:
        """Return the side information of an image, made on the device; empty for codecs that have none."""
        codec = self.codec(reference)
        if not codec.has_side_information:
            return b""
        if (networks := self._elsewhere(codec)) is None:
            return codec.prepare(tiles, spec, settings)
        with self._sharing.elsewhere():
            return networks.prepare(reference, tiles, spec, settings)

    def analyse(
        self, reference: str, tiles: Tiles, spec: TileSpec, settings: Settings, side_information: bytes = b""
    ) -> Symbols:
        """Return the symbols of tiles, computed on the device."""
        if (networks := self._elsewhere(codec := self.codec(reference))) is None:
            return codec.analyse(tiles, spec, settings, side_information)
        with self._sharing.elsewhere():
            return networks.analyse(reference, tiles, spec, settings, side_information)

    def synthesise(self, reference: str, symbols: Symbols, side_information: bytes = b"") -> Tiles:
        """Return the tiles of symbols, computed on the device."""
        if (networks := self._elsewhere(codec := self.codec(reference))) is None:
            return codec.synthesise(symbols, side_information)
        with self._sharing.elsewhere():
            return networks.synthesise(reference, symbols, side_information)

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """`map` over this pool's threads, of which the caller's is one; results in order. Calls may be nested."""
        return self._sharing.map(function, items)

    def map_ahead(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        nbytes: Callable[[Item], int],
        most: int = _AHEAD_BYTES,
    ) -> Iterator[Result]:
        """`map`, but items are taken one by one, and only so far ahead that they hold `most` bytes, or there is one.

        `nbytes` says how many of an item count. While threads wait for actors, others work on further items.
        """
        return self._sharing.map_ahead(function, items, nbytes, most)

    def room_for(self, largest: int) -> int:
        """Return bytes that items may hold ahead of what is done where each thread shall have one, however large."""
        return max(_AHEAD_BYTES, self._threads * largest)

    def _elsewhere(self, codec: Codec) -> Networks | None:
        """What runs the device steps of a codec in another process; None: they run here."""
        return self._networks if codec.networks else None

    def _load(self, reference: str) -> Codec:
        if reference.startswith(_SHIPPED):
            return self._load_shipped(reference.removeprefix(_SHIPPED))
        if reference.startswith(_YARDSTICK):
            return yardstick_class(reference.removeprefix(_YARDSTICK))()
        stored, _, view = reference.partition(_VIEW)
        if view:
            return self._load(stored).view(view)
        codec_id, _, model_hash = reference.partition("@")
        try:
            codec_class(codec_id)
        except CodecError as exc:
            known = not isinstance(exc, UnknownCodecError)
            raise self._not_installed(codec_id, f"cannot be used ({exc})" if known else "is not installed") from exc
        try:
            model = load_model(self._archive, model_hash) if model_hash else None
            return load_codec(codec_id, model, self._device)
        except UnknownCodecError as exc:
            raise self._not_installed(codec_id, "is built on a codec that is not installed") from exc
        except CodecError as exc:
            raise IntegrityError(f"codec {reference!r} cannot be loaded: {exc}") from exc

    def _load_shipped(self, name: str) -> Codec:
        try:
            choice = resolve(name)
            return load_codec(choice.codec_id, choice.model_folder, self._device)
        except CodecError as exc:
            raise MissingPackage(f"model {name} of this tilepress cannot be used: {exc}") from exc

    def _not_installed(self, codec_id: str, reason: str) -> MissingPackage:
        """The error of a codec whose class cannot be imported, which names the packages if a run recorded them."""
        packages = recorded_packages(self._archive).get(codec_id, ())
        advice = f"install {' and '.join(packages)}" if packages else "install its package, or a later tilepress"
        return MissingPackage(f"codec {codec_id} {reason}: {advice}")


def view_reference(reference: str, view: str) -> str:
    """Return the reference of a view of a codec, for CodecPool; archives hold none."""
    return f"{reference}{_VIEW}{view}"


def shipped_reference(name: str) -> str:
    """Return the reference of a model that comes with tilepress, whatever the archive has; archives hold none."""
    return f"{_SHIPPED}{name}"


def yardstick_reference(name: str) -> str:
    """Return the reference of a yardstick; archives hold none."""
    return f"{_YARDSTICK}{name}"


def one_torch_thread() -> None:
    """Give this worker thread one torch thread: workers are the parallelism, and float analysis stays repeatable."""
    import sys

    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
