"""Crops side by side: what each codec makes of the same pixels at nearly the same rate, as PNG files.

Two images have crops, the one with the lowest PSNR and the one in the middle: means over all lossy points, of the
images that every one of them represents. Each lossy curve takes part with one point of it: the one whose rate for that
image is nearest to that of the anchor's middle point. The crop is the window in which that point of the anchor errs
most. All of this follows from the rows, so a killed evaluation goes on to the same files.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image

from tilepress.codecs.errors import CodecError
from tilepress.jobs.evaluation.coding import Trip
from tilepress.jobs.evaluation.means import Rows
from tilepress.jobs.evaluation.points import OperatingPoint, label_of
from tilepress.jobs.pages.pictures import WINDOW, worst_window
from tilepress.pipeline.coding.codec_pool import CodecPool
from tilepress.pipeline.coding.tiles import Tile
from tilepress.pipeline.errors import PictureError, StorageError
from tilepress.pipeline.formats.picture import Picture
from tilepress.pipeline.sources.dataset import Source, picture_tiles, whole

ORIGINAL = "original"
_FOLDER = "crops/"
_SHOWN = {"L", "LA", "RGB", "RGBA"}  # modes whose samples are levels of what is seen
Window = tuple[slice, slice]  # rows and columns


@dataclass(frozen=True)
class Crop:
    """One PNG file. `point` is None for the original; `bpp` and `psnr` are those of the whole image."""

    file: str
    label: str
    point: OperatingPoint | None = None
    bpp: float = 0.0
    psnr: float | None = None


@dataclass(frozen=True)
class CropSet:
    """The crops of one image, the original first and the anchor second. `why`: worst or median."""

    why: str
    image: str
    crops: tuple[Crop, ...]


def crop_sets(rows: Rows, anchor: str) -> list[CropSet]:
    """Return what crops an evaluation has; none where no codec is lossy, or no image is shown as levels."""
    curves = {name: rows.measured("psnr", points) for name, points in rows.curves().items()}
    lossy = {name: points for name, points in curves.items() if points}
    if not lossy:
        return []
    ordered = {name: lossy[name] for name in sorted(lossy, key=lambda name: name != anchor)}  # the anchor first
    return [_crop_set(rows, ordered, why, image) for why, image in _images(rows, ordered).items()]


def _images(rows: Rows, curves: Mapping[str, Sequence[OperatingPoint]]) -> dict[str, int]:
    """The images that have crops, by the reason, as numbers of rows."""
    points = [point for points in curves.values() for point in points]
    modes = rows.tables[points[0]].column("mode").to_pylist()
    seen = np.array([mode in _SHOWN for mode in modes]) & rows.common("psnr", points)
    found = np.flatnonzero(seen)
    if not found.size:
        return {}
    quality = np.mean([rows.figures(point, "psnr")[found] for point in points], axis=0)
    ranked = found[np.argsort(quality, kind="stable")]
    worst, median = int(ranked[0]), int(ranked[len(ranked) // 2])
    return {"worst": worst} if worst == median else {"worst": worst, "median": median}


def _crop_set(rows: Rows, curves: Mapping[str, Sequence[OperatingPoint]], why: str, image: int) -> CropSet:
    first = next(iter(curves.values()))
    rate = float(rows.figures(first[len(first) // 2], "bpp")[image])
    crops = [Crop(f"{_FOLDER}{why}-0-{ORIGINAL}.png", ORIGINAL)]
    for number, points in enumerate(curves.values(), 1):
        rates = [float(rows.figures(point, "bpp")[image]) for point in points]
        at = int(np.argmin([abs(math.log(each / rate)) for each in rates]))
        psnr = float(rows.figures(points[at], "psnr")[image])
        label = label_of(points[at])
        file = f"{_FOLDER}{why}-{number}-{_slug(label)}.png"
        crops.append(Crop(file, label, points[at], rates[at], psnr))
    return CropSet(why, rows.tables[first[0]].column("image")[image].as_py(), tuple(crops))


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[-40:]


def make_crops(found: CropSet, source: Source, pool: CodecPool, *, exact: bool) -> dict[str, bytes]:
    """Return the PNG files of an image by name; none if it can no longer be read, or a codec fails on it now.

    Args:
        found: What to make.
        source: Where the image is.
        pool: Where codecs come from.
        exact: With the residual that leads back to the original pixels.
    """
    data = source.open()
    for item in data.items():
        if item.name == found.image:
            with suppress(PictureError, StorageError, CodecError), data.open(item) as picture:
                return dict(_files(found, picture, whole(picture), pool, exact=exact))
    return {}


def _files(
    found: CropSet, picture: Picture, pixels: np.ndarray, pool: CodecPool, *, exact: bool
) -> Iterator[tuple[str, bytes]]:
    original, anchor, *_ = found.crops
    assert anchor.point is not None
    whole_window = (slice(0, picture.height), slice(0, picture.width))
    window = worst_window(pixels, _decoded(anchor.point, picture, pixels, whole_window, pool, exact=exact), WINDOW)
    levels = _levels(pixels[window], picture.bit_depth)
    yield original.file, _png(pixels[window], levels)
    for crop in found.crops[1:]:
        assert crop.point is not None
        yield crop.file, _png(_decoded(crop.point, picture, pixels, window, pool, exact=exact), levels)


def _decoded(
    point: OperatingPoint, picture: Picture, pixels: np.ndarray, window: Window, pool: CodecPool, *, exact: bool
) -> np.ndarray:
    """What comes back of a window of an image (h, w, c): of the tiles that it touches."""
    trip = Trip(point, pool.codec(point.reference), exact, pool)
    rows = [pixels[y : y + point.tile] for y in range(0, picture.height, point.tile)]
    tiles = partial(picture_tiles, 0, picture, rows, point.tile)
    trip.prepare(picture, tiles())
    decoded = np.empty_like(pixels)
    for tile in filter(partial(_touches, window), tiles()):
        box = tile.box
        _, (samples, *_), _ = trip.code([tile])
        decoded[box.y : box.y + box.h, box.x : box.x + box.w] = samples
    return decoded[window]


def _touches(window: Window, tile: Tile) -> bool:
    (rows, columns), box = window, tile.box
    across = box.x < columns.stop and box.x + box.w > columns.start
    return bool(across and box.y < rows.stop and box.y + box.h > rows.start)


def _levels(original: np.ndarray, bits: int) -> tuple[int, int]:
    """The samples that are shown as black and as white: of more than 8 bits the least and the greatest there."""
    return (0, (1 << bits) - 1) if bits <= 8 else (int(original.min()), int(original.max()))


def _png(samples: np.ndarray, levels: tuple[int, int]) -> bytes:
    low, high = levels
    scaled = ((samples.astype(np.float32) - low) * (255 / max(1, high - low))).round().clip(0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(scaled[:, :, 0] if scaled.shape[2] == 1 else scaled).save(out, "PNG")
    return out.getvalue()
