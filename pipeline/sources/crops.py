"""Random crops of a data set for training: what a window of them holds is a function of the seed and its number.

Crops are drawn a window at a time: some images of a shuffled pass over the data set, several crops of each, shuffled.
Any process can make any window: the trainer itself, or tasks of Ray Data. In one process a training that is resumed
sees what an uninterrupted one would have seen; on Ray, windows come in any order.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tilepress.pipeline.errors import PictureError, UsageError
from tilepress.pipeline.formats.picture import Picture
from tilepress.pipeline.sources.dataset import UNUSABLE, DataSet, Item, Source, whole

logger = logging.getLogger(__name__)

_LUMA = np.array([19595, 38470, 7471], np.uint32)  # in units of 2^-16, as Pillow's "L"
_MAX_VALIDATION = 64
WINDOW_IMAGES = 16


@dataclass(frozen=True)
class CropSettings:
    """Crops are uint8 (n, side, side, channels), channels 1 or 3; `flips`: also mirrored and turned by 90 degrees.

    `images`: of a window.
    """

    side: int
    channels: int
    flips: bool
    seed: int
    images: int = WINDOW_IMAGES


@dataclass(frozen=True)
class Split:
    """The images of a data set that can be trained on, and those held out to validate."""

    train: tuple[Item, ...]
    validation: tuple[Item, ...]
    unusable: tuple[tuple[str, str], ...]  # name, why
    pixels: int  # of the images to train on: an epoch

    @property
    def fingerprint(self) -> str:
        """SHA-256 over names and fingerprints of all images."""
        digest = hashlib.sha256()
        for item in sorted((*self.train, *self.validation), key=lambda item: item.name):
            digest.update(f"{item.name}\0{item.fingerprint}\n".encode())
        return digest.hexdigest()


def split(data: DataSet, validation: float, most: int = 1 << 62) -> Split:
    """Divide a data set: `validation` of its images (0..1), at least one, chosen by name. UsageError if none is usable.

    With a single image, it is in both parts. Of more than `most` images, so many are chosen by name; only their
    headers are read.
    """
    usable: list[Item] = []
    unusable: list[tuple[str, str]] = []
    pixels: dict[str, int] = {}
    for item in heapq.nsmallest(most, data.items(), key=_rank):
        try:
            with data.open(item) as picture:
                _require_trainable(picture)
            usable.append(item)
            pixels[item.name] = picture.pixels
        except UNUSABLE as exc:
            unusable.append((item.name, str(exc)))
    if not usable:
        first = f", {unusable[0][0]}: {unusable[0][1]}" if unusable else ""
        raise UsageError(f"{data.source.url} holds no image that can be trained on (of {len(unusable)}{first})")
    held = held_out(len(usable), validation)
    train = tuple(usable[held:]) or tuple(usable)
    return Split(train, tuple(usable[:held]), tuple(unusable), sum(pixels[item.name] for item in train))


def held_out(images: int, validation: float) -> int:
    """Return how many of so many images, the first in the order of the SHA-256 of their names, are held out."""
    return min(_MAX_VALIDATION, max(1, round(validation * images)))


def _rank(item: Item) -> bytes:
    return hashlib.sha256(item.name.encode()).digest()


def _require_trainable(picture: Picture) -> None:
    if picture.colour not in ("gray", "rgb"):
        raise PictureError(f"{picture.mode} images are not trained on: neither gray nor RGB")


def as_samples(pixels: np.ndarray, picture: Picture, channels: int) -> np.ndarray:
    """Pixels of a gray or RGB image, alpha dropped, as uint8 (h, w, channels): deeper samples by their upper bits."""
    _require_trainable(picture)
    colour = pixels[..., :3] if picture.colour == "rgb" else pixels[..., :1]
    if picture.dtype == "uint16":
        low, high = int(colour.min()), int(colour.max())  # 12 bits anywhere within 16 fill the range
        colour = colour - low >> max(0, (high - low).bit_length() - 8)
    elif picture.bit_depth < 8:
        colour = colour.astype(np.uint16) * 255 // ((1 << picture.bit_depth) - 1)
    if channels == 1 and colour.shape[2] == 3:
        colour = luma(colour)
    if channels == 3 and colour.shape[2] == 1:
        colour = np.repeat(colour, 3, axis=2)
    return np.ascontiguousarray(colour, np.uint8)


def luma(rgb: np.ndarray) -> np.ndarray:
    """Return the gray version (h, w, 1) of RGB samples (h, w, 3), uint8 or uint16, in their type: luma of ITU-R 601."""
    gray = rgb.astype(np.uint32) @ _LUMA + 0x8000 >> 16  # below 2^32 until shifted: weights add up to 2^16
    return gray[..., None].astype(rgb.dtype)


class WindowPlan:
    """Which crops a window holds: a function of the settings, of its number, and of the sizes of its images.

    `images`: numbers of the images to take crops of, in the order in which `places` is to be asked.
    """

    def __init__(self, settings: CropSettings, items: int, number: int, crops: int) -> None:
        """Plan window `number` of so many crops, over so many images."""
        passed, place = divmod(number, windows_per_pass(settings, items))
        order = _rng(settings.seed, passed).permutation(items)
        self.images = [int(at) for at in order[place * settings.images : (place + 1) * settings.images]]
        self._settings = settings
        self._rng = _rng(settings.seed, number, 1)
        slots = self._rng.permutation(crops)
        ends = np.linspace(0, crops, len(self.images) + 1).astype(int)
        self._slots = iter([slots[a:b] for a, b in itertools.pairwise(ends)])

    def places(self, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Return of the next image's crops their slots in the window, int64 (n,), and their places, int64 (n, 3).

        A place is the row and the column of the upper left corner, and the number of a symmetry (`cut`).
        """
        slots = next(self._slots)
        limits = [max(1, size - self._settings.side + 1) for size in (height, width)]
        limits.append(8 if self._settings.flips else 1)
        return slots, self._rng.integers(0, np.broadcast_to(limits, (len(slots), 3)))


def windows_per_pass(settings: CropSettings, items: int) -> int:
    """Return how many windows see every one of so many images once."""
    return -(-items // settings.images)


def cut(image: np.ndarray, side: int, place: Sequence[int]) -> np.ndarray:
    """Return the crop (side, side, c) of an image (h, w, c) at a place, as WindowPlan says them.

    Of its 8 symmetries: quarter turns by the last two bits, mirrored by the third. Beyond the lower and the right edge
    of an image smaller than the crop, its last row and column go on.
    """
    y, x, turn = place
    crop = image[y : y + side, x : x + side]
    if crop.shape[:2] != (side, side):
        crop = np.pad(crop, [(0, side - crop.shape[0]), (0, side - crop.shape[1]), (0, 0)], mode="edge")
    return np.rot90(crop[:, ::-1] if turn & 4 else crop, turn & 3)


class Cropper:
    """Makes windows of crops of some images of a data set. One thread at a time."""

    def __init__(self, source: Source, items: Sequence[Item], settings: CropSettings, cache_bytes: int = 0) -> None:
        """`cache_bytes`: decoded images that are kept from one window to the next."""
        self._data = source.open()
        self._items = items
        self._settings = settings
        self._cache: OrderedDict[int, np.ndarray] = OrderedDict()
        self._cache_bytes = cache_bytes
        self._cached_bytes = 0
        self._broken: set[int] = set()

    @property
    def windows_per_pass(self) -> int:
        """How many windows see every image once."""
        return windows_per_pass(self._settings, len(self._items))

    def window(self, number: int, crops: int) -> np.ndarray:
        """`crops` crops of the images of window `number`, shuffled. StorageError; UsageError if nothing decodes."""
        plan = WindowPlan(self._settings, len(self._items), number, crops)
        side, channels = self._settings.side, self._settings.channels
        out = np.empty((crops, side, side, channels), np.uint8)
        for at in plan.images:  # each is decoded once
            image = self.image(at)
            slots, places = plan.places(*image.shape[:2])
            for slot, place in zip(slots, places.tolist(), strict=True):
                out[slot] = cut(image, side, place)
        return out

    def images(self, count: int, side: int) -> list[np.ndarray]:
        """Return one tile of up to `side` pixels a side of each of the first `count` images, uint8 (h, w, channels)."""
        rng = _rng(self._settings.seed, 2)
        tiles = []
        for at in range(min(count, len(self._items))):
            image = self.image(at)
            y, x = (int(rng.integers(0, max(1, size - side + 1))) for size in image.shape[:2])
            tiles.append(image[y : y + side, x : x + side].copy())
        return tiles

    def image(self, at: int) -> np.ndarray:
        """Return an image, uint8 (h, w, channels); in the place of one that does not decode, the next that does.

        StorageError; UsageError if none decodes.
        """
        for place in range(at, at + len(self._items)):
            number = place % len(self._items)
            if number in self._cache:
                return self._cache[number]
            if number in self._broken:
                continue
            try:
                return self._decoded(number)
            except UNUSABLE as exc:
                self._broken.add(number)
                logger.warning("left out: %s (%s)", self._items[number].name, exc)
        raise UsageError(f"{self._data.source.url}: none of the {len(self._items)} images decodes")

    def _decoded(self, number: int) -> np.ndarray:
        with self._data.open(self._items[number]) as picture:
            image = as_samples(whole(picture), picture, self._settings.channels)
        if image.nbytes <= self._cache_bytes:
            self._cache[number] = image
            self._cached_bytes += image.nbytes
            while self._cached_bytes > self._cache_bytes:
                self._cached_bytes -= self._cache.popitem(last=False)[1].nbytes
        return image


def _rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)
