"""The pictures that a section shows to codecs: read from a data set, made gray or large, or put side by side."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from tilepress.jobs.reproduction.table import Arrays, Pictures
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.formats.bands import regroup
from tilepress.pipeline.formats.picture import Picture
from tilepress.pipeline.quality.luma import video_luma
from tilepress.pipeline.sources.collection import Collection
from tilepress.pipeline.sources.crops import as_samples
from tilepress.pipeline.sources.dataset import UNUSABLE, Source, whole
from tilepress.pipeline.sources.image_arrays import find_arrays, read_images

_LARGE = 512  # pixels a side


@dataclass(frozen=True)
class Sample:
    """A picture as codecs see it: `pixels` uint8 (h, w, 1 or 3), in which lie `cells` small images of one size."""

    name: str
    pixels: np.ndarray
    cells: int = 1

    @property
    def picture(self) -> Picture:
        """The same as evaluations take it."""
        height, width, channels = self.pixels.shape
        mode = "L" if channels == 1 else "RGB"
        return Picture("png", mode, width, height, "uint8", 8, b"", lambda rows: regroup(iter([self.pixels]), rows))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of shape and samples."""
        return hashlib.sha256(repr(self.pixels.shape).encode() + self.pixels.tobytes()).hexdigest()


def samples(wanted: Pictures, source: Source) -> list[Sample]:
    """Return the pictures of a data set. UsageError if one that is named is missing, or an image does not decode."""
    if wanted.shown == "stacks":
        return list(_stacks(wanted, source))
    found = {sample.name: sample for sample in _images(wanted, source)}
    missing = [name for name in wanted.names if name not in found]
    if missing or not found:
        raise UsageError(f"{source.url} lacks {', '.join(missing) or 'any image'}")
    return [found[name] for name in wanted.names or found]


def _images(wanted: Pictures, source: Source) -> Iterator[Sample]:
    data = source.open()
    for item in data.items():
        name = PurePosixPath(item.name).stem.lower()
        if wanted.names and name not in wanted.names:
            continue
        try:
            with data.open(item) as picture:
                pixels = as_samples(whole(picture), picture, 3 if wanted.shown in _COLOURFUL else 1)
        except UNUSABLE as exc:
            raise UsageError(f"{source.url}/{item.name} cannot be measured: {exc}") from exc
        change = _CHANGES.get(wanted.shown)
        yield Sample(name, change(pixels) if change else pixels)


def enlarged(pixels: np.ndarray) -> np.ndarray:
    """Return a gray picture (h, w, 1) at 512 x 512, by Pillow's bicubic filter if it is of another size."""
    if pixels.shape[:2] == (_LARGE, _LARGE):
        return pixels
    from PIL import Image

    return np.asarray(Image.fromarray(pixels[..., 0]).resize((_LARGE, _LARGE), Image.Resampling.BICUBIC))[..., None]


_COLOURFUL = ("rgb", "video luma")
_CHANGES = {"gray 512": enlarged, "video luma": video_luma}  # by what is shown


def _stacks(wanted: Pictures, source: Source) -> Iterator[Sample]:
    assert wanted.arrays is not None
    images = array_images(source, wanted.arrays)
    each = wanted.columns * wanted.rows
    if len(images) % each:
        raise UsageError(f"{source.url}/{wanted.arrays.file} has {len(images)} images, no multiple of {each}")
    for number in range(len(images) // each):
        yield Sample(f"stack{number}", _grid(images[number * each :][:each], wanted.columns), each)


def _grid(images: np.ndarray, columns: int) -> np.ndarray:
    """Images (n, h, w, c) side by side, in raster order."""
    count, height, width, channels = images.shape
    cut = images.reshape(count // columns, columns, height, width, channels).swapaxes(1, 2)
    return np.ascontiguousarray(cut.reshape(count // columns * height, columns * width, channels))


def array_images(source: Source, arrays: Arrays) -> np.ndarray:
    """Return the first images of an array file, uint8 (n, h, w, c). UsageError if there are fewer."""
    collection = Collection.open(source.url, [arrays.file], storage_options=source.storage_options)
    array, *_ = find_arrays(collection, lambda name, reason: None)
    images = np.concatenate(list(read_images(collection, array, arrays.count)))
    if len(images) < arrays.count:
        raise UsageError(f"{source.url}/{arrays.file} has {len(images)} images, not {arrays.count}")
    return images
