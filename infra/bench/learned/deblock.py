"""What a codec that restores JPEG gains over JPEG itself, by quality.

    python infra/bench/learned/deblock.py live1 [--gray] [--double 30] [--codec jpeg-dncnn]
    python infra/bench/learned/deblock.py --drawings 12

A line for each quality, means of pictures. Streams are those of the codec, each with a JPEG file in it. JPEG is what
Pillow decodes that file to; the gain is what the codec decodes it to, less that. PSNR, SSIM and PSNR-B are those of
luma at 16 to 235 (gray pictures as they are) against the picture that was compressed. "Worst" is the least gain of PSNR
of a picture, and how many pictures lose. MP/s are of decoding by the codec, by CPU seconds of one thread. "Same blocks"
are those of the file, of all components, that Pillow makes again when it compresses the restored picture so.

--gray: luma at 16 to 235 is compressed, not the colours. --double Q: the picture that is compressed was a JPEG before:
what one of quality Q decodes to, without its first 3 rows and 5 columns. --drawings N: pictures that drawings.py draws.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from drawings import drawing
from PIL import Image

from tilepress.codecs import registry
from tilepress.codecs.codec import Codec, Settings, TileSpec
from tilepress.codecs.jpeg.file.foreign import read_foreign
from tilepress.pipeline.quality.blocking import psnr_b
from tilepress.pipeline.quality.luma import video_luma
from tilepress.pipeline.quality.metrics import distortion

QUALITIES = (5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95)
CUT = (3, 5)  # rows and columns between the blocks of a first JPEG and those of the second
EXACT = 99.0  # dB, in the place of no error
SUFFIXES = {".png", ".tif", ".tiff", ".bmp"}
BEGIN = b"\xff\xd8\xff"  # of a JPEG file
HEAD = (
    "| quality | bits a pixel | JPEG: PSNR, SSIM, PSNR-B | gain | worst | MP/s | same blocks |\n"
    "|--:|--:|---|---|---|--:|--:|"
)


@dataclass(frozen=True)
class Restored:
    """One picture at one quality. `plain`, `ours`: PSNR, SSIM and PSNR-B of JPEG and of the codec."""

    size: int
    pixels: int
    seconds: float
    plain: np.ndarray
    ours: np.ndarray
    same: int
    blocks: int

    @property
    def gain(self) -> float:
        """Of PSNR, in dB."""
        return float(self.ours[0] - self.plain[0])


def spec_of(picture: np.ndarray) -> TileSpec:
    """Return what a picture uint8 (h, w, 1 or 3) is to codecs."""
    return TileSpec(*picture.shape, "uint8", 8, "gray" if picture.shape[2] == 1 else "rgb")


def restored(codec: Codec, picture: np.ndarray, quality: int) -> Restored:
    """Return what a codec makes of a picture uint8 (h, w, 1 or 3)."""
    spec = spec_of(picture)
    (stream,) = codec.encode(picture[None], spec, Settings(quality=quality))
    began = time.process_time()
    (decoded,) = codec.decode([stream], spec)
    seconds = time.process_time() - began
    file = stream[stream.index(BEGIN) :]
    same = same_blocks(file, jpeg_of(decoded, quality))
    plain, ours = (closeness(picture, each) for each in (pixels_of(file), decoded))
    return Restored(len(stream), picture[..., 0].size, seconds, plain, ours, int(same.sum()), same.size)


def jpeg_of(picture: np.ndarray, quality: int) -> bytes:
    """Return the JPEG file (colours 4:2:0) that Pillow makes of a picture."""
    out = io.BytesIO()
    image = Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)
    image.save(out, "JPEG", quality=quality, subsampling="4:2:0")
    return out.getvalue()


def pixels_of(file: bytes) -> np.ndarray:
    """Return what Pillow decodes a file to, uint8 (h, w, 1 or 3)."""
    with Image.open(io.BytesIO(file)) as image:
        return np.atleast_3d(np.asarray(image))


def same_blocks(file: bytes, other: bytes) -> np.ndarray:
    """Return of all blocks of two files whether their coefficients are equal, bool (blocks,)."""
    pairs = zip(*(read_foreign(each).coefficients().blocks for each in (file, other)), strict=True)
    return np.concatenate([(a == b).all(axis=-1).ravel() for a, b in pairs])


def closeness(picture: np.ndarray, decoded: np.ndarray) -> np.ndarray:
    """Return PSNR, SSIM and PSNR-B of the luma of pictures; SSIM is not a number below 11 x 11."""
    x, y = ((each if each.shape[2] == 1 else video_luma(each)) for each in (picture, decoded))
    plain, blocking = distortion(x, y, 255), psnr_b(x, y, 255)
    decibels = [EXACT if each is None else each for each in (plain.psnr, blocking)]
    return np.array([decibels[0], np.nan if plain.ssim is None else plain.ssim, decibels[1]])


def line(quality: int, found: Sequence[Restored]) -> str:
    """Return a row of the table."""
    pixels, blocks = (sum(getattr(each, name) for each in found) for name in ("pixels", "blocks"))
    rate, same = 8 * sum(each.size for each in found) / pixels, sum(each.same for each in found) / blocks
    speed = pixels / 1e6 / max(sum(each.seconds for each in found), 1e-9)
    plain, ours = (np.mean([getattr(each, name) for each in found], axis=0) for name in ("plain", "ours"))
    gain, gains = ours - plain, [each.gain for each in found]
    losers = sum(each < 0 for each in gains)
    return (
        f"| {quality} | {rate:.3f} | {plain[0]:.2f}, {plain[1]:.4f}, {plain[2]:.2f} "
        f"| {gain[0]:+.2f}, {gain[1]:+.4f}, {gain[2]:+.2f} | {min(gains):+.2f} ({losers}) "
        f"| {speed:.2f} | {100 * same:.2f} % |"
    )


def pictures_of(folder: Path, gray: bool, limit: int) -> Iterator[np.ndarray]:
    """Yield the pictures of a folder, uint8 (h, w, 1 or 3)."""
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)[:limit]:
        with Image.open(path) as image:
            picture = np.atleast_3d(np.asarray(image if image.mode == "L" else image.convert("RGB")))
        yield video_luma(picture) if gray and picture.shape[2] == 3 else picture


def compressed_before(picture: np.ndarray, quality: int) -> np.ndarray:
    """Return what a JPEG file of a picture decodes to, without its first rows and columns."""
    return np.ascontiguousarray(pixels_of(jpeg_of(picture, quality))[CUT[0] :, CUT[1] :])


def table(codec: Codec, pictures: Sequence[np.ndarray], qualities: Sequence[int]) -> Iterator[str]:
    """Yield the lines of a table."""
    restored(codec, pictures[0], qualities[0])  # what is compiled and loaded then is not measured
    yield HEAD
    for quality in qualities:
        yield line(quality, [restored(codec, picture, quality) for picture in pictures])


def chosen(options: argparse.Namespace) -> list[np.ndarray]:
    """Return the pictures that the arguments name, as codecs see them."""
    if options.drawings:
        found = [drawing(seed) for seed in range(options.drawings)]
        pictures = [video_luma(each) for each in found] if options.gray else found
    elif options.folder:
        pictures = list(pictures_of(options.folder, options.gray, options.limit))
    else:
        raise SystemExit("name a folder, or say --drawings N")
    if not pictures:
        raise SystemExit(f"{options.folder} holds no picture")
    return [compressed_before(each, options.double) for each in pictures] if options.double else pictures


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--codec", default="jpeg-dncnn", help="a codec, a shipped model or a model folder")
    parser.add_argument("--gray", action="store_true", help="compress luma alone")
    parser.add_argument("--double", type=int, metavar="Q", help="quality of the JPEG that pictures were before")
    parser.add_argument("--drawings", type=int, default=0, metavar="N", help="draw so many pictures")
    parser.add_argument("--quality", type=int, action="append", help="1..100 (default: eleven of them)")
    parser.add_argument("--limit", type=int, default=1000, help="pictures")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    choice = registry.resolve(options.codec)
    codec = registry.load_codec(choice.codec_id, choice.model_folder)
    for text in table(codec, chosen(options), options.quality or QUALITIES):
        print(text, flush=True)


if __name__ == "__main__":
    main()
