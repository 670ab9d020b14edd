"""The images that the lossless codec is fitted to, those that it is measured on, and the window taken of each."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.pipeline.crops import luma
from tilepress.pipeline.dataset import UNUSABLE, DataSet, Item, Source
from tilepress.pipeline.errors import PictureError, UsageError
from tilepress.pipeline.picture import Picture, tile_spec

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


@dataclass
class Chosen:
    """Windows of the images fitted to and of those held out, and what could not be used: (name, why)."""

    fitted: list[Window]
    held_out: list[Window]
    skipped: list[tuple[str, str]]
    fingerprint: str  # SHA-256 over names and fingerprints of the images


def choose(sources: Sequence[Source], images: int, held_out: int, seed: int, *, gray_too: bool) -> Chosen:
    """Of each data set at random `images` images to fit to and `held_out` others. UsageError if there are too few.

    Of a data set with fewer, the same share is held out, at least LEAST_HELD_OUT. An image that is there twice
    counts once, so that no held-out image was fitted to under another name. With `gray_too` the gray versions
    (ITU-R 601 luma) of RGB images follow them.
    """
    chosen = Chosen([], [], [], "")
    digest = hashlib.sha256()
    seen: set[bytes] = set()
    for number, source in enumerate(sources):
        windows = _windows(source, number, images + held_out, seed, seen, chosen.skipped, digest)
        held = min(held_out, max(LEAST_HELD_OUT, round(len(windows) * held_out / (images + held_out))))
        chosen.held_out += _with_gray(windows[:held], gray_too)
        chosen.fitted += _with_gray(windows[held:], gray_too)
    chosen.fingerprint = digest.hexdigest()
    return chosen


def spread(windows: Sequence[Window], samples: int) -> list[Window]:
    """The first windows of every data set in turn, at least two, until they have so many samples."""
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
    """The middle of a window, of about so many samples at most."""
    height, width, channels = window.samples.shape
    side = max(32, int((samples / channels) ** 0.5))
    rows, columns = min(side, height), min(side, width)
    top, left = (height - rows) // 2, (width - columns) // 2
    part = np.ascontiguousarray(window.samples[top : top + rows, left : left + columns])
    return replace(window, samples=part, spec=replace(window.spec, height=rows, width=columns))


def _windows(
    source: Source,
    number: int,
    count: int,
    seed: int,
    seen: set[bytes],
    skipped: list[tuple[str, str]],
    digest: hashlib._Hash,
) -> list[Window]:
    data = source.open()
    found: list[Window] = []
    failed: list[tuple[str, str]] = []
    for item in heapq.nsmallest(2 * count + _TRIES, data.items(), key=lambda item: _rank(item, seed)):
        if len(found) == count:
            break
        try:
            window = _window(data, item, number, seed)
        except UNUSABLE as exc:
            failed.append((item.name, str(exc)))
            continue
        content = hashlib.sha256(window.samples.tobytes()).digest()
        if content in seen:
            failed.append((item.name, "the same picture as another image"))
            continue
        seen.add(content)
        found.append(window)
        digest.update(f"{item.name}\0{item.fingerprint}\n".encode())
    skipped += failed
    if len(found) < LEAST_IMAGES:
        first = f" ({len(failed)} others; {failed[0][0]}: {failed[0][1]})" if failed else ""
        raise UsageError(
            f"{source.url} holds {len(found)} images that the lossless codec can be fitted to{first}; "
            f"it takes at least {LEAST_IMAGES}, gray or RGB, of 8 or more bits, and no JPEGs"
        )
    return found


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
