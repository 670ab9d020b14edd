"""The images that `lossless.py` measures: PNG and TIFF files of folders, as they are and as gray versions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import numpy as np

from tilepress.codecs.codec import Colour, TileSpec

SUFFIXES = {".png", ".tif", ".tiff"}
COLOURS: dict[int, Colour] = {1: "gray", 2: "gray", 3: "rgb", 4: "rgb"}


@dataclass(frozen=True)
class Image:
    """Samples (h, w, c), uint8 or uint16, and what they are; `group` names the table that the image belongs to."""

    group: str
    name: str
    samples: np.ndarray
    spec: TileSpec

    @property
    def pixels(self) -> int:
        """Height times width."""
        return self.spec.height * self.spec.width


def find(folder: Path, limit: int | None) -> list[Path]:
    """At most `limit` image files below a folder, evenly spread over the order of their names."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    return paths[:: max(1, -(-len(paths) // limit))] if limit else paths


def read_images(folder: Path, path: Path, colours: Sequence[str]) -> Iterator[Image]:
    """The versions of a file that are asked for: a gray source has one, a colour source may have two."""
    samples = _samples(path)
    if COLOURS[samples.shape[2]] == "gray":
        if "gray" in colours:
            yield _image(folder, path, samples)
        return
    if "gray" in colours:
        yield _image(folder, path, luma(samples))
    if "rgb" in colours:
        yield _image(folder, path, samples)


def luma(samples: np.ndarray) -> np.ndarray:
    """Gray version (h, w, 1) of RGB samples (h, w, 3 or 4): ITU-R BT.601 weights, rounded; alpha is left out."""
    weighted = samples[:, :, :3].astype(np.int64) @ np.array([299, 587, 114])
    gray: np.ndarray = ((weighted + 500) // 1000).astype(samples.dtype)
    return gray[:, :, None]


def describe(samples: np.ndarray) -> TileSpec:
    """The spec of samples (h, w, c). Of 16 bits, those that the largest sample uses count, as in an archive."""
    bits = 8 if samples.dtype == np.uint8 else max(9, int(samples.max()).bit_length())
    height, width, channels = samples.shape
    return TileSpec(height, width, channels, samples.dtype.name, bits, COLOURS[channels])  # type: ignore[arg-type]


def _samples(path: Path) -> np.ndarray:
    data = path.read_bytes()
    samples = imagecodecs.png_decode(data) if path.suffix.lower() == ".png" else imagecodecs.imread(data)
    samples = samples if samples.ndim == 3 else samples[:, :, None]
    if samples.dtype not in (np.uint8, np.uint16) or samples.shape[2] not in COLOURS:
        raise SystemExit(f"{path}: {samples.dtype}{samples.shape} is neither gray nor RGB of 8 or 16 bits")
    return np.ascontiguousarray(samples)


def _image(folder: Path, path: Path, samples: np.ndarray) -> Image:
    spec = describe(samples)
    kind = spec.colour + (" with alpha" if spec.alpha else "") + (", 16 bit" if spec.dtype == "uint16" else "")
    return Image(f"{'/'.join(folder.parts[-2:])}, {kind}", str(path.relative_to(folder)), samples, spec)
