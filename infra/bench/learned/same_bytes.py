"""Learned codecs at each of their qualities, and JPEG in as many bytes, picture by picture.

    python infra/bench/learned/same_bytes.py photos/eval --codec cnn-rnn-ae --codec cae

A line for each level of a model: bits per pixel of its streams, seals included, mean PSNR and SSIM; then those of the
best baseline JPEG (4:2:0) of each picture that has no more bytes, and how many pictures have none. A last line takes of
each picture the finest level that is not larger than a sixteenth of its samples, as the literature compares codecs.
What a codec shares among the tiles of a picture counts; pictures are one tile.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from tilepress.codecs import registry
from tilepress.codecs.codec import Codec, Settings, TileSpec
from tilepress.codecs.learned.leveled import LeveledCodec
from tilepress.pipeline.quality.metrics import distortion

RATIO = 16


@dataclass(frozen=True)
class Coded:
    """A picture as a codec decoded it."""

    size: int
    psnr: float
    ssim: float


def coded(codec: Codec, image: np.ndarray, settings: Settings) -> Coded:
    """Return size and quality of an image (h, w, 3)."""
    spec = TileSpec(*image.shape[:2], 3, "uint8", 8, "rgb")
    shared = codec.prepare([image], spec, settings) if codec.has_side_information else b""
    (stream,) = codec.encode(image[None], spec, settings, shared)
    found = distortion(image, codec.decode([stream], spec, shared)[0], 255)
    assert found.psnr is not None and found.ssim is not None
    return Coded(len(stream) + len(shared), found.psnr, found.ssim)


def no_larger(jpeg: Codec, image: np.ndarray, size: int) -> Coded | None:
    """Return the best JPEG of at most `size` bytes, by bisection; None if even the worst is larger."""
    low, best = 0, None
    high = 101
    while high - low > 1:
        middle = (low + high) // 2
        tried = coded(jpeg, image, Settings(quality=middle))
        if tried.size <= size:
            low, best = middle, tried
        else:
            high = middle
    return best


def line(name: str, ours: list[Coded], theirs: list[Coded | None], pixels: int) -> str:
    """Return a row of the table."""
    rate = 8 * sum(each.size for each in ours) / pixels
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if b is not None]
    means = [np.mean([getattr(each, figure) for each in ours]) for figure in ("psnr", "ssim")]
    text = f"| {name} | {rate:.3f} | {means[0]:.2f}, {means[1]:.3f} |"
    if not pairs:
        return f"{text} none so small |"
    other = [np.mean([getattr(b, figure) for _, b in pairs]) for figure in ("psnr", "ssim")]
    lack = f", {len(ours) - len(pairs)} of {len(ours)} not so small" if len(pairs) < len(ours) else ""
    return f"{text} {other[0]:.2f}, {other[1]:.3f}{lack} |"


def rows(name: str, images: list[np.ndarray], effort: int | None) -> Iterator[str]:
    """Yield the rows of a codec, coarse to fine, and the one of the ratio."""
    choice = registry.resolve(name)
    codec, jpeg = registry.load_codec(choice.codec_id, choice.model_folder), registry.load_codec("jpeg")
    pixels = sum(image[..., 0].size for image in images)
    if not isinstance(codec, LeveledCodec):
        raise SystemExit(f"{name} has no levels: it is not built on codecs/learned/leveled.py")
    levels = len(codec.levels)
    qualities = [-(-100 * level // levels) + 1 for level in range(levels)]
    found = [
        [coded(codec, image, Settings(quality=quality, effort=effort)) for image in images] for quality in qualities
    ]
    for quality, ours in zip(qualities, found, strict=True):
        theirs = [no_larger(jpeg, image, each.size) for image, each in zip(images, ours, strict=True)]
        yield line(f"`{name}` {quality}", ours, theirs, pixels)
    limits = [image.size // RATIO for image in images]
    finest = [next((each[i] for each in found[::-1] if each[i].size <= limits[i]), None) for i in range(len(images))]
    ours = [each for each in finest if each is not None]
    if len(ours) == len(images):
        theirs = [no_larger(jpeg, image, limit) for image, limit in zip(images, limits, strict=True)]
        yield line(f"`{name}` within {RATIO}:1", ours, theirs, pixels)


def main() -> None:
    """Read the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--codec", action="append", required=True, help="a codec, a shipped model or a model folder")
    parser.add_argument("--effort", type=int, help="of codecs that know one")
    parser.add_argument("--limit", type=int, default=1000, help="pictures")
    options = parser.parse_args()
    torch.set_num_threads(1)
    paths = sorted(options.folder.rglob("*.png"))[: options.limit]
    images = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    print("| codec, quality | bpp | PSNR, SSIM | JPEG in as many bytes |\n|---|---|---|---|")
    for name in options.codec:
        for row in rows(name, images, options.effort):
            print(row, flush=True)


if __name__ == "__main__":
    main()
