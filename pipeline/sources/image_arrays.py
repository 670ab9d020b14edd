"""Arrays of images and their labels, found in the files of a collection by the names that data sets give them.

| file | images | labels |
|---|---|---|
| `train-images-idx3-ubyte[.gz]` | the file | `train-labels-idx1-ubyte[.gz]` beside it |
| `any.npz` | its arrays uint8 (n, h, w), (n, h, w, c) or (n, c, h, w) | `images`/`labels`, `x_train`/`y_train`, ... |
| `data_batch_1.bin` | CIFAR's records | in the records |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.sources.array_files import StoredArray, cifar_arrays, cifar_pixels, stored_arrays
from tilepress.pipeline.sources.collection import Collection
from tilepress.pipeline.storage.base import ListedFile

_NAMES = re.compile(r"(?i).*(?P<kind>\.npz|\.bin|\.gz|[.-]idx\d?([.-]ubyte)?)")
_IDX_IMAGES = re.compile(r"(?i)[-_.]?images?([-_.]idx\d)?([-_.]ubyte)?(\.idx)?(\.gz)?$")
_IDX_LABELS = re.compile(r"(?i)labels?[-_.]")
_PARTNERS = {"images": "labels", "image": "label", "x": "y", "data": "labels"}  # words of the names of arrays
_CHANNELS = (1, 3, 4)
_MAX_SIDE = 1 << 16

Turn = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class ImageArray:
    """Images of one size. `name`: the folder they belong in; `shape` (n, h, w, c); `labels` int64 (n,) or None."""

    name: str
    entry: ListedFile
    key: str  # of the array in an .npz
    shape: tuple[int, int, int, int]
    labels: np.ndarray | None = field(repr=False, default=None)

    @property
    def image_bytes(self) -> int:
        """Bytes of one image."""
        return int(np.prod(self.shape[1:]))


def find_arrays(collection: Collection, on_skip: Callable[[str, str], None]) -> list[ImageArray]:
    """Return every array of images, headers and lengths checked. UsageError for damaged files, and if there is none.

    `on_skip(name, reason)` hears of files and arrays that hold no images.
    """
    found: list[ImageArray] = []
    entries = {entry.name: entry for entry in collection.entries()}
    for entry in entries.values():
        if not _NAMES.fullmatch(entry.name):
            on_skip(entry.name, "not an idx, .npz or .bin file")
            continue
        found += _arrays_of(collection, entry, entries, on_skip)
    if not found:
        raise UsageError(f"{collection.source}: no arrays of images there (MNIST idx, .npz, CIFAR .bin)")
    names = [array.name for array in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"{collection.source}: several arrays would be written to {twice[0]}/; import one at a time")
    return found


def read_images(collection: Collection, array: ImageArray, at_most: int | None) -> Iterator[np.ndarray]:
    """Yield the first images, some at a time, uint8 (n, h, w, c). UsageError if the file is damaged."""
    with collection.open_source(array.entry) as data:
        where = _where(collection, array.entry)
        if _is_cifar(array.entry.name):
            records, _ = cifar_arrays(where, data)
            yield from map(cifar_pixels, records.pieces(at_most))
            return
        for stored in stored_arrays(where, data):
            turn = _image_shape(stored)
            if stored.key == array.key and turn:
                yield from map(turn[1], stored.pieces(at_most))


def _arrays_of(
    collection: Collection, entry: ListedFile, entries: dict[str, ListedFile], on_skip: Callable[[str, str], None]
) -> list[ImageArray]:
    folder = entry.name.rpartition("/")[0]
    base = entry.name.rpartition("/")[2]
    with collection.open_source(entry) as data:
        where = _where(collection, entry)
        if _is_cifar(entry.name):
            records, labels = cifar_arrays(where, data)
            return [ImageArray(_joined(folder, base[:-4]), entry, "", (records.shape[0], 32, 32, 3), labels)]
        arrays = stored_arrays(where, data)
        if len(arrays) == 1 and not arrays[0].key:
            return _idx_images(collection, entry, arrays[0], entries, on_skip)
        return list(_npz_images(entry, arrays, _joined(folder, base.removesuffix(".npz")), on_skip))


def _idx_images(
    collection: Collection,
    entry: ListedFile,
    array: StoredArray,
    entries: dict[str, ListedFile],
    on_skip: Callable[[str, str], None],
) -> list[ImageArray]:
    shape = _image_shape(array)
    folder, _, base = entry.name.rpartition("/")
    if shape is None:
        if not (len(array.shape) == 1 and _IDX_LABELS.search(base)):
            on_skip(entry.name, f"an array {array.dtype} {array.shape}, not of images")
        return []
    name = _joined(folder, _IDX_IMAGES.sub("", base) or "images")
    return [ImageArray(name, entry, "", shape[0], _idx_labels(collection, entry, entries, shape[0][0]))]


def _idx_labels(
    collection: Collection, entry: ListedFile, entries: dict[str, ListedFile], count: int
) -> np.ndarray | None:
    folder, slash, base = entry.name.rpartition("/")
    wanted = re.sub(r"(?i)idx\d", "idx1", base.replace("images", "labels").replace("image", "label"))
    plain = folder + slash + wanted.removesuffix(".gz")
    partner = entries.get(plain) or entries.get(f"{plain}.gz")
    if partner is None or partner.name == entry.name:
        return None
    with collection.open_source(partner) as data:
        (array,) = stored_arrays(_where(collection, partner), data)
        return _labels(array, count, required=True)


def _npz_images(
    entry: ListedFile, arrays: Sequence[StoredArray], stem: str, on_skip: Callable[[str, str], None]
) -> Iterator[ImageArray]:
    by_key = {array.key: array for array in arrays}
    images = {key: turn[0] for key, array in by_key.items() if (turn := _image_shape(array))}
    for key, shape in images.items():
        words = re.split(r"[-_.]", key)
        rest = [word for word in words if word.lower() not in _PARTNERS]
        name = _joined(stem, "-".join(rest)) if len(images) > 1 else stem
        yield ImageArray(name, entry, key, shape, _npz_labels(key, by_key, shape[0]))
    if not images:
        facts = ", ".join(f"{array.key}: {array.dtype} {array.shape}" for array in arrays[:8])
        on_skip(entry.name, f"no uint8 array of images ({facts or 'no array of numbers'})")


def _npz_labels(key: str, arrays: dict[str, StoredArray], count: int) -> np.ndarray | None:
    partner = re.sub(r"[A-Za-z]+", lambda word: _PARTNERS.get(word[0].lower(), word[0]), key)
    if partner != key and partner in arrays:
        return _labels(arrays[partner], count, required=True)
    fitting = [found for array in arrays.values() if (found := _labels(array, count, required=False)) is not None]
    return fitting[0] if len(fitting) == 1 else None


def _labels(array: StoredArray, count: int, *, required: bool) -> np.ndarray | None:
    """int64 (n,) of an array (n,) or (n, 1) of integers."""
    if array.dtype.kind in "iu" and array.shape in ((count,), (count, 1)):
        return array.whole().reshape(-1).astype(np.int64)
    if required:
        raise UsageError(
            f"{array.where}: the labels {array.key} are {array.dtype} {array.shape}, not one integer for each of "
            f"{count} images"
        )
    return None


def _image_shape(array: StoredArray) -> tuple[tuple[int, int, int, int], Turn] | None:
    """(n, h, w, c) and how to bring pieces of the array into it; None if it is not of images."""
    shape = array.shape
    if array.dtype != np.uint8 or not all(0 < size < _MAX_SIDE for size in shape[1:]):
        return None
    if len(shape) == 3:
        return (*shape, 1), lambda piece: piece[..., None]
    if len(shape) == 4 and shape[3] in _CHANNELS:
        return shape, lambda piece: piece
    if len(shape) == 4 and shape[1] in _CHANNELS:
        turned = (shape[0], shape[2], shape[3], shape[1])
        return turned, lambda piece: np.ascontiguousarray(piece.transpose(0, 2, 3, 1))
    return None


def _joined(*parts: str) -> str:
    return "/".join(filter(None, parts))


def _is_cifar(name: str) -> bool:
    return name.lower().endswith(".bin")


def _where(collection: Collection, entry: ListedFile) -> str:
    return entry.name if collection.source.endswith(entry.name) else f"{collection.source}: {entry.name}"
