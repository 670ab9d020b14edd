"""The images that the lossless codec is fitted to, those that it is measured on, and the window taken of each."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.pipeline.errors import PictureError, UsageError
from tilepress.pipeline.formats.picture import Picture, tile_spec
from tilepress.pipeline.sources.crops import luma
from tilepress.pipeline.sources.dataset import UNUSABLE, DataSet, Item, Source

SIDE = 512  # of a window: the tile size that compress takes unless asked
LEAST_HELD_OUT = 2
LEAST_IMAGES = 2 * LEAST_HELD_OUT
_ROWS = 256  # of a band
_TRIES = 1000  # files beyond those wanted that are opened to find enough images


@dataclass(frozen=True)
class Window:
    """Up to SIDE x SIDE pixels of an image: `samples` (h, w, c), as `spec` says. `source`: number of its data set."""

    source: int
    gray: bool  # the gray version of an RGB image
    name: str
    samples: np.ndarray
    spec: TileSpec


@dataclass(frozen=True)
class Chosen:
    """Windows of the images fitted to and of those held out, and what could not be used: (name, why)."""

    fitted: list[Window]
    held_out: list[Window]
    skipped: list[tuple[str, str]]
    fingerprint: str  # SHA-256 over names and fingerprints of the images


def choose(sources: Sequence[Source], images: int, held_out: int, seed: int, *, gray_too: bool) -> Chosen:
    """Return images of each data set to fit to, and others to measure with, drawn at random.

    An image that is there twice counts once, so that no held-out image was fitted to under another name. UsageError if
    there are too few.

    Args:
        sources: The data sets.
        images: How many of each to fit to.
        held_out: How many of each to measure with. Of a data set with fewer images, the same share is held out, at
            least LEAST_HELD_OUT.
        seed: Of the drawing.
        gray_too: The gray versions (ITU-R 601 luma) of RGB images follow them.
    """
    search = _Search(seed)
    fitted: list[Window] = []
    measured: list[Window] = []
    for number, source in enumerate(sources):
        windows = search.windows(source, number, images + held_out)
        held = min(held_out, max(LEAST_HELD_OUT, round(len(windows) * held_out / (images + held_out))))
        measured += _with_gray(windows[:held], gray_too)
        fitted += _with_gray(windows[held:], gray_too)
    return Chosen(fitted, measured, search.skipped, search.digest.hexdigest())


def spread(windows: Sequence[Window], samples: int) -> list[Window]:
    """Return the first windows of every data set in turn, at least two, until they have so many samples."""
    groups: dict[tuple[int, bool], list[Window]] = {}
    for window in windows:
        groups.setdefault((window.source, window.gray), []).append(window)
    turns = max(map(len, groups.values()), default=0)
    chosen: list[Window] = []
    for window in (group[turn] for turn in range(turns) for group in groups.values() if turn < len(group)):
        if len(chosen) >= 2 and sum(other.samples.size for other in chosen) + window.samples.size > samples:
            break
        chosen.append(window)
    return chosen


def shrink(window: Window, samples: int) -> Window:
    """Return the middle of a window, of about so many samples at most."""
    height, width, channels = window.samples.shape
    side = max(32, int((samples / channels) ** 0.5))
    rows, columns = min(side, height), min(side, width)
    top, left = (height - rows) // 2, (width - columns) // 2
    part = np.ascontiguousarray(window.samples[top : top + rows, left : left + columns])
    return replace(window, samples=part, spec=replace(window.spec, height=rows, width=columns))


class _Search:
    """Looks for images through all data sets, and takes none twice."""

    def __init__(self, seed: int) -> None:
        self.skipped: list[tuple[str, str]] = []  # name, why
        self.digest = hashlib.sha256()  # over names and fingerprints of the images taken
        self._seed = seed
        self._seen: set[bytes] = set()

    def windows(self, source: Source, number: int, count: int) -> list[Window]:
        """Return windows of at most `count` images of data set `number`, at random. UsageError if there are too few."""
        data = source.open()
        found: list[Window] = []
        skipped_before = len(self.skipped)
        for item in heapq.nsmallest(2 * count + _TRIES, data.items(), key=lambda item: _rank(item, self._seed)):
            if len(found) == count:
                break
            try:
                found.append(self._take(data, item, number))
            except UNUSABLE as exc:
                self.skipped.append((item.name, str(exc)))
        if len(found) < LEAST_IMAGES:
            raise _too_few(source, len(found), self.skipped[skipped_before:])
        return found

    def _take(self, data: DataSet, item: Item, number: int) -> Window:
        window = _window(data, item, number, self._seed)
        content = hashlib.sha256(window.samples.tobytes()).digest()
        if content in self._seen:
            raise PictureError("the same picture as another image")
        self._seen.add(content)
        self.digest.update(f"{item.name}\0{item.fingerprint}\n".encode())
        return window


def _too_few(source: Source, count: int, skipped: Sequence[tuple[str, str]]) -> UsageError:
    first = f" ({len(skipped)} others; {skipped[0][0]}: {skipped[0][1]})" if skipped else ""
    return UsageError(
        f"{source.url} holds {count} images that the lossless codec can be fitted to{first}; "
        f"it takes at least {LEAST_IMAGES}, gray or RGB, of 8 or more bits, and no JPEGs"
    )


def _rank(item: Item, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\0{item.name}".encode()).digest()


def _window(data: DataSet, item: Item, number: int, seed: int) -> Window:
    with data.open(item) as picture:
        _require_fit(picture)
        samples = _pixels(picture, seed)
        height, width = samples.shape[:2]
        spec = tile_spec(picture.mode, picture.dtype, picture.bit_depth, height, width)
    return Window(number, False, item.name, samples, spec)


def _require_fit(picture: Picture) -> None:
    if picture.format == "jpeg":
        raise PictureError("a JPEG: compress transcodes it, the lossless codec never sees it")
    if picture.colour not in ("gray", "rgb"):
        raise PictureError(f"{picture.mode} images are not fitted to: neither gray nor RGB")
    if picture.bit_depth < 8:
        raise PictureError(f"images of {picture.bit_depth} bits are not fitted to")


def _pixels(picture: Picture, seed: int) -> np.ndarray:
    """A window at a random place, which follows from the top of the picture alone: copies give the same window."""
    top = left = rows = 0
    parts: list[np.ndarray] = []
    for band in picture.read_bands(_ROWS):
        if not rows:
            rng = np.random.default_rng([seed, *hashlib.sha256(band.tobytes()).digest()])
            top = int(rng.integers(0, max(1, picture.height - SIDE + 1)))
            left = int(rng.integers(0, max(1, picture.width - SIDE + 1)))
        parts.append(band[max(0, top - rows) : max(0, top + SIDE - rows), left : left + SIDE].copy())
        rows += len(band)
        if rows >= top + SIDE:
            break
    return np.concatenate(parts)


def _with_gray(windows: Sequence[Window], gray_too: bool) -> list[Window]:
    return [*windows, *(_gray(window) for window in windows if gray_too and window.spec.colour == "rgb")]


def _gray(window: Window) -> Window:
    spec = replace(window.spec, channels=1, colour="gray")
    return replace(window, gray=True, samples=luma(window.samples[..., :3]), spec=spec)
