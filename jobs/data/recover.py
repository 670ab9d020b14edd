"""`tilepress recover`: pictures that were once JPEG files, as those files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.origins.chain import Chain, plane_specs
from tilepress.codecs.origins.recover import recover
from tilepress.jobs.cli.meter import Meter
from tilepress.pipeline.coding.tiles import Box
from tilepress.pipeline.errors import AlreadyExists, InTheWay, UsageError
from tilepress.pipeline.formats.picture import Picture, tile_spec
from tilepress.pipeline.reading.likeness import compare_jpeg
from tilepress.pipeline.sources.dataset import UNUSABLE, DataSet, Item, Source, whole
from tilepress.pipeline.storage.base import Storage, open_storage
from tilepress.pipeline.storage.creating import holds
from tilepress.pipeline.storage.options import NO_OPTIONS, StorageOptions

_MOST_THREADS = 4  # each holds a picture, and several times its memory
SUFFIX = ".jpg"


@dataclass(frozen=True)
class RecoverConfig:
    """What `tilepress.recover` was asked for; its signature describes every field."""

    files: Sequence[str]
    out: str
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    overwrite: bool = False
    quiet: bool = True
    storage_options: Mapping[str, Any] = field(default=NO_OPTIONS, repr=False)  # of all places: see StorageOptions


@dataclass(frozen=True)
class RecoveredFile:
    """A picture as a JPEG file: what it was made from, how large both files are, and how they differ."""

    path: str
    name: str  # below `out`
    origin: str
    source_bytes: int
    bytes: int
    exact: bool
    likeness: str


@dataclass
class RecoverReport:
    """What became of each picture."""

    recovered: list[RecoveredFile] = field(default_factory=list)
    others: list[tuple[str, str]] = field(default_factory=list)  # (path, what it was made from) that is no JPEG file
    failed: list[tuple[str, str]] = field(default_factory=list)  # (path, reason)

    @property
    def exit_code(self) -> int:
        """0: every picture is a JPEG file now that decodes to it; 3: some are not."""
        inexact = any(not each.exact for each in self.recovered)
        return 3 if inexact or self.others or self.failed else 0


def run_recover(config: RecoverConfig) -> RecoverReport:
    """Recover what is there, a picture after the other; what is wrong with one never ends the command."""
    storage, report = open_storage(config.out, config.storage_options), RecoverReport()
    threads = min(_MOST_THREADS, os.cpu_count() or 1)
    found = list(_items(config))
    if not found:
        raise UsageError("`files` hold nothing that matches")
    size = sum(item.size for _, item in found)
    with ThreadPoolExecutor(threads) as pool, Meter("recover", size, quiet=config.quiet) as meter:
        for (_, item), done in zip(found, pool.map(partial(_one, storage, config), found), strict=True):
            _add(report, item, done)
            meter.advance(bytes_in=item.size, images=1, failures=isinstance(done, Exception))
    storage.flush()
    return report


def _items(config: RecoverConfig) -> Iterator[tuple[DataSet, Item]]:
    options = StorageOptions(config.storage_options)
    for url in config.files:
        data = Source(url, config.include, config.exclude, storage_options=options).open()
        yield from ((data, item) for item in data.items())


def _add(report: RecoverReport, item: Item, done: RecoveredFile | str | Exception) -> None:
    if isinstance(done, RecoveredFile):
        report.recovered.append(done)
    elif isinstance(done, str):
        report.others.append((item.name, done))
    else:
        report.failed.append((item.name, str(done)))


def _one(storage: Storage, config: RecoverConfig, found: tuple[DataSet, Item]) -> RecoveredFile | str | Exception:
    """One picture as a JPEG file that is written; or what else it was made from; or why it cannot be had."""
    data, item = found
    try:
        with data.open(item) as picture:
            if picture.format == "jpeg":
                return "a JPEG file as it is"
            pixels = whole(picture)
            spec = _spec(picture)
            chain = recover(pixels, spec)
        if chain is None:
            return "nothing smaller that tilepress knows"
        if not chain.file:
            return chain.describe()
        likeness = compare_jpeg(chain.file, pixels, _part(chain, spec), chain.decoder)
        name = _written(storage, item, chain, overwrite=config.overwrite)
    except (*UNUSABLE, AlreadyExists, InTheWay) as exc:
        return exc
    sizes = item.size, len(chain.file)
    return RecoveredFile(item.name, name, chain.describe(), *sizes, likeness.exact, likeness.text)


def _spec(picture: Picture) -> TileSpec:
    return tile_spec(picture.mode, picture.dtype, picture.bit_depth, picture.height, picture.width)


def _part(chain: Chain, spec: TileSpec) -> Box | None:
    """The part of a picture that the file holds; None where that is all, or where rules changed the picture's size."""
    part, before = chain.part, chain.steps[:-1]
    (made,) = plane_specs(before, spec) if before else (spec,)
    if part is None or (made.height, made.width) != (spec.height, spec.width):
        return None
    return Box(part.x, part.y, part.width, part.height)


def _written(storage: Storage, item: Item, chain: Chain, *, overwrite: bool) -> str:
    """Write the JPEG file, and return its name; AlreadyExists where another file has it."""
    name = f"{item.name}{SUFFIX}"
    try:
        storage.write(name, chain.file, overwrite=overwrite)
    except AlreadyExists:
        if not holds(storage, name, chain.file):
            raise
    return name
