"""What each simple rule of origins saves, and how fast it is: `python infra/bench/origins/rules.py FOLDER`.

FOLDER holds photographs in RGB. From each, pictures are made as programs make them. Printed are bits per pixel of JPEG
XL e7 of such a picture; those of facts, exceptions and planes, by JPEG XL e7 too; their ratio in all, and the worst;
and megapixels a CPU second of look, invert and apply. Every picture is made again and compared. Last, megapixels a
second of a look at the photographs themselves, and the guesses that it gives, of which there should be none.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from tilepress.codecs.classical.jpegxl import JpegXl
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.origins.detect import look, origin
from tilepress.codecs.origins.exceptions import pack_exceptions

EFFORT = Settings(effort=7)
Made = tuple[np.ndarray, TileSpec]


@dataclass(frozen=True)
class Case:
    """A rule, and how pictures that it explains are made of a photograph (h, w, 3) of 8 bits."""

    rule: str
    name: str
    make: Callable[[np.ndarray], np.ndarray]


@dataclass
class Row:
    """Of one picture: bytes without and with the rule, pixels, seconds of look, invert and apply."""

    without: int
    size: int
    pixels: int
    seconds: tuple[float, float, float]


def deep(photo: np.ndarray, bits: int) -> np.ndarray:
    """A photograph with noise in so many bits, as uint16."""
    noise = np.random.default_rng(0).integers(0, 256, photo.shape)
    return ((photo.astype(np.uint32) * 256 + noise) >> (16 - bits)).astype(np.uint16)


def gamma(bits: int) -> np.ndarray:
    """A table of 16 bits, as scanners and raw converters apply it."""
    largest = (1 << bits) - 1
    return np.rint(65535 * (np.arange(largest + 1) / largest) ** (1 / 2.2)).astype(np.uint16)


def enlarged(photo: np.ndarray, factor: int) -> np.ndarray:
    """Of the upper left part, so that the picture has the photograph's size."""
    part = photo[: photo.shape[0] // factor, : photo.shape[1] // factor]
    return cv2.resize(part, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)


def bayer(photo: np.ndarray, code: int = cv2.COLOR_BayerBG2RGB) -> np.ndarray:
    """As a sensor sees it, interpolated."""
    mosaic = photo[..., 1].copy()
    mosaic[0::2, 0::2], mosaic[1::2, 1::2] = photo[0::2, 0::2, 0], photo[1::2, 1::2, 2]
    return cv2.cvtColor(mosaic, code)


CASES = (
    Case("planes", "gray in RGB", lambda photo: np.repeat(photo[..., 1:2], 3, axis=2)),
    Case("planes", "alpha 255 everywhere", lambda photo: np.dstack([photo, np.full_like(photo[..., 0], 255)])),
    Case("depth", "8 bits x 257", lambda photo: photo.astype(np.uint16) * 257),
    Case("depth", "8 bits x 256", lambda photo: photo.astype(np.uint16) << 8),
    Case("depth", "12 bits shifted", lambda photo: deep(photo, 12) << 4),
    Case("depth", "14 bits shifted", lambda photo: deep(photo, 14) << 2),
    Case("depth", "15 bits shifted", lambda photo: deep(photo, 15) << 1),
    Case("depth", "14 bits, gamma table", lambda photo: gamma(14)[deep(photo, 14)]),
    Case("depth", "14 bits shifted, 256 x 256", lambda photo: (deep(photo, 14) << 2)[:256, :256]),
    Case("scale", "2 x 2", lambda photo: enlarged(photo, 2)),
    Case("scale", "3 x 3, cropped", lambda photo: enlarged(photo, 3)[1:, 2:]),
    Case("scale", "4 x 4", lambda photo: enlarged(photo, 4)),
    Case("demosaic", "bilinear Bayer", bayer),
    Case("demosaic", "bilinear Bayer, cropped", lambda photo: bayer(photo)[3:-4, 5:-2]),
    Case("demosaic", "edge-aware Bayer", lambda photo: bayer(photo, cv2.COLOR_BayerBG2RGB_EA)),
    Case("demosaic", "bilinear Bayer, 12 bits in 16", lambda photo: bayer(deep(photo, 12))),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=5, help="photographs, evenly spread over the folder")
    parser.add_argument("--rule", action="append", help="only this rule")
    chosen = parser.parse_args()
    files = sorted(path for path in chosen.folder.iterdir() if path.suffix in (".png", ".tif", ".bmp"))
    photos = [np.asarray(Image.open(path).convert("RGB")) for path in files[:: max(1, len(files) // chosen.images)]]
    photos = photos[: chosen.images]
    print("| rule | picture | e7 | planes | ratio (worst) | look, invert, apply |\n|---|---|---|---|---|---|")
    for case in CASES:
        if not chosen.rule or case.rule in chosen.rule:
            print(summary(case, [measured(case, photo) for photo in photos]), flush=True)
    print(f"\nlook at {len(photos)} photographs: {look_at(photos)}")


def measured(case: Case, photo: np.ndarray) -> Row:
    """Recover a picture by the case's rule, and make it again."""
    picture = np.ascontiguousarray(case.make(photo))
    spec, rule = spec_of(picture), origin(case.rule)
    looked, guess = timed(lambda: rule.detect(picture, spec))
    assert guess is not None, f"{case.name} was not found"
    inverted, recovered = timed(lambda: rule.invert(picture, spec, guess))
    applied, made = timed(lambda: rule.apply(recovered, spec))
    exceptions = pack_exceptions(picture, made, spec)
    planes = zip(recovered.planes, rule.plane_specs(recovered.facts, spec), strict=True)
    size = sum(coded(*plane) for plane in planes) + len(recovered.facts) + len(exceptions)
    return Row(coded(picture, spec), size, spec.height * spec.width, (looked, inverted, applied))


def spec_of(picture: np.ndarray) -> TileSpec:
    """Of a picture with or without alpha, of as many bits as its samples take if those are 16 or fewer."""
    height, width, channels = picture.shape
    bits = max(9, int(picture.max()).bit_length()) if picture.itemsize == 2 else 8
    return TileSpec(height, width, channels, picture.dtype.name, bits, "gray" if channels < 3 else "rgb")


def timed(work: Callable) -> tuple[float, object]:
    """The least CPU seconds of three runs, and what the last returned."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        found = work()
        best = min(best, time.process_time() - began)
    return best, found


def coded(picture: np.ndarray, spec: TileSpec) -> int:
    """Bytes by JPEG XL e7."""
    return len(JpegXl().encode_tile(picture, spec, EFFORT))


def summary(case: Case, rows: Iterable[Row]) -> str:
    rows = list(rows)
    pixels, without, size = (sum(getattr(row, name) for row in rows) for name in ("pixels", "without", "size"))
    speeds = [pixels / 1e6 / max(sum(row.seconds[step] for row in rows), 1e-9) for step in range(3)]
    worst = max(row.size / row.without for row in rows)
    bits = f"{8 * without / pixels:.2f} | {8 * size / pixels:.2f} | {size / without:.3f} ({worst:.3f})"
    return f"| `{case.rule}` | {case.name} | {bits} | {', '.join(f'{speed:.0f}' for speed in speeds)} |"


def look_at(photos: list[np.ndarray]) -> str:
    seconds, guesses = 0.0, []
    for photo in photos:
        took, found = timed(lambda photo=photo: look(photo, spec_of(photo)))
        seconds += took
        guesses += found
    pixels = sum(photo.shape[0] * photo.shape[1] for photo in photos)
    return f"{pixels / 1e6 / seconds:.0f} MP/s, guesses: {[guess.origin for guess in guesses]}"


if __name__ == "__main__":
    main()
