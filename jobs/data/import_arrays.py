"""`tilepress import`: arrays of images, as data sets ship them, become a collection of PNG files."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from tilepress.codecs.classical.png import Png
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.jobs.cli.meter import Meter
from tilepress.pipeline.errors import AlreadyExists, InTheWay, MissingError, PictureError, UsageError
from tilepress.pipeline.formats.registry import read_picture
from tilepress.pipeline.sources.collection import Collection
from tilepress.pipeline.sources.dataset import whole
from tilepress.pipeline.sources.image_arrays import ImageArray, find_arrays, read_images
from tilepress.pipeline.storage.base import Storage, is_url, open_storage
from tilepress.pipeline.storage.options import NO_OPTIONS

_DIGITS = 5  # of numbers in names, at least
_THREADS, _THREADS_REMOTE = 2, 32  # objects of a store are written side by side: each takes a round trip


@dataclass(frozen=True)
class ImportConfig:
    """What `tilepress.import_arrays` was asked for; its signature describes every field."""

    source: str
    destination: str
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    limit: int | None = None
    quiet: bool = True
    storage_options: Mapping[str, Any] = field(default=NO_OPTIONS, repr=False)  # of all places: see StorageOptions


@dataclass
class ImportReport:
    """What came of it: images by folder, and how many of them were there already."""

    images: Counter[str] = field(default_factory=Counter)
    already_there: int = 0
    bytes_in: int = 0  # samples
    bytes_out: int = 0  # files
    seconds: float = 0.0
    skipped: list[tuple[str, str]] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0: every image is there."""
        return 0


def run_import(config: ImportConfig) -> ImportReport:
    """Import; run again, what is there already is compared and left alone. UsageError names a file that is wrong."""
    if config.limit is not None and config.limit < 1:
        raise UsageError(f"`limit` {config.limit} is no number of images: 1 or more")
    report = ImportReport()
    collection = Collection.open(
        config.source, config.include, config.exclude, _skipper(report), storage_options=config.storage_options
    )
    arrays = find_arrays(collection, _skipper(report))
    storage = open_storage(config.destination, config.storage_options)
    total = sum(_count(array, config) * array.image_bytes for array in arrays)
    threads = _THREADS_REMOTE if is_url(storage.url) else _THREADS
    started = time.monotonic()
    with ThreadPoolExecutor(threads) as pool, Meter("import", total, quiet=config.quiet) as meter:
        for array in arrays:
            for first, images in _numbered(read_images(collection, array, config.limit)):
                written = list(pool.map(partial(_write, storage, array), range(first, first + len(images)), images))
                _add(report, array, images, written)
                out = sum(count for count, _ in written)
                meter.advance(bytes_in=images.nbytes, images=len(images), bytes_out=out)
    storage.flush()
    report.seconds = round(time.monotonic() - started, 3)
    return report


def _skipper(report: ImportReport) -> Any:
    return lambda name, reason: report.skipped.append((name, reason))


def _count(array: ImageArray, config: ImportConfig) -> int:
    return array.shape[0] if config.limit is None else min(config.limit, array.shape[0])


def _numbered(pieces: Iterator[np.ndarray]) -> Iterator[tuple[int, np.ndarray]]:
    first = 0
    for images in pieces:
        yield first, images
        first += len(images)


def _add(report: ImportReport, array: ImageArray, images: np.ndarray, written: list[tuple[int, bool]]) -> None:
    report.images[array.name] += len(images)
    report.bytes_in += images.nbytes
    report.bytes_out += sum(count for count, _ in written)
    report.already_there += sum(not new for _, new in written)


def image_name(array: ImageArray, number: int) -> str:
    """`train/7/00012.png`: array, label, number in the array."""
    digits = max(_DIGITS, len(str(array.shape[0] - 1)))
    label = "" if array.labels is None else f"{array.labels[number]}/"
    return f"{array.name}/{label}{number:0{digits}d}.png"


def _write(storage: Storage, array: ImageArray, number: int, image: np.ndarray) -> tuple[int, bool]:
    """Bytes of the file, and whether it is new. UsageError if another file has its name."""
    name = image_name(array, number)
    height, width, channels = image.shape
    spec = TileSpec(height, width, channels, "uint8", 8, "gray" if channels == 1 else "rgb")
    data = Png().compress(image, spec, Settings())
    try:
        storage.write(name, data)
    except (AlreadyExists, InTheWay) as exc:
        if not _same(storage, name, data, image):
            raise UsageError(
                f"{storage.url}/{name} is there already and is another image: import to a new folder"
            ) from exc
        return len(data), False
    return len(data), True


def _same(storage: Storage, name: str, data: bytes, image: np.ndarray) -> bool:
    try:
        found = storage.read(name)
        return found == data or np.array_equal(whole(read_picture(found, byte_exact=False)), image)
    except (MissingError, PictureError):
        return False
