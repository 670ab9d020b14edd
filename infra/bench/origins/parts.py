"""What pictures take of which a part was a JPEG, with the origin `inset` and without it.

    python infra/bench/origins/parts.py FOLDER [--pictures 6] [--quality 75 --quality 90] [--kind page]

FOLDER holds photographs, which Pillow saves as JPEG, 4:2:0, and decodes, and which become parts of pictures: of a page
with letters, at an odd place; of one with a caption below, in a border, with a logo painted over a corner; padded to a
square, as for a data set; beside a photograph that was no JPEG; beside another JPEG. A row for each kind: bits a pixel
of the pictures as tiles of 512 by JPEG XL e7; with the origin that `compress` finds, everything counted; the ratio, in
brackets that of the worst picture; how many were found; seconds a megapixel of the search. Every picture is made again
and compared.

With `--plain`, FOLDER's pictures themselves are searched: those that have no origin should cost a look.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jpeg import saved
from PIL import Image, ImageDraw

from tilepress.codecs.classical.jpeg_transcode import unpack_jpeg
from tilepress.codecs.classical.jpegxl import JpegXl
from tilepress.codecs.codec import Settings, TileSpec
from tilepress.codecs.origins.chain import Chain, reproduce, unpack_steps
from tilepress.pipeline.coding.origins import find_origin

TILE = 512
TEXT = "What pixels were made from, exactly, and to the last bit; no coder gets it back from the pixels alone. "


def decoded(file: bytes) -> np.ndarray:
    """The pixels of a JPEG file, (h, w, 3), as Pillow decodes it."""
    with Image.open(io.BytesIO(file)) as image:
        return np.asarray(image.convert("RGB"))


def lettered(width: int, height: int, ink: tuple[int, int, int]) -> np.ndarray:
    """Lines of text on white, smoothed as screens show them, (height, width, 3)."""
    page = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(page)
    for line, y in enumerate(range(6, height - 12, 18)):
        at = 7 * line % len(TEXT)
        draw.text((8, y), (TEXT[at:] + TEXT * (width // 300 + 1))[: width // 6], fill=ink, font_size=13)
    return np.asarray(page)


def page(photo: np.ndarray, part: np.ndarray) -> np.ndarray:
    """A screenshot: letters and links around a photograph."""
    height, width = part.shape[:2]
    picture = lettered(width + 331, height + 277, (32, 33, 36)).copy()
    picture[60:110] = lettered(picture.shape[1], 50, (26, 13, 171))
    picture[133 : 133 + height, 101 : 101 + width] = part
    return picture


def caption(photo: np.ndarray, part: np.ndarray) -> np.ndarray:
    return np.concatenate([part, lettered(part.shape[1], 61, (180, 20, 60))])


def border(photo: np.ndarray, part: np.ndarray) -> np.ndarray:
    edges = ((11, 11), (13, 13))
    return np.stack([np.pad(part[:, :, c], edges, constant_values=ink) for c, ink in enumerate((120, 81, 37))], axis=2)


def logo(photo: np.ndarray, part: np.ndarray) -> np.ndarray:
    picture = part.copy()
    picture[-45:-5, -150:-6] = lettered(144, 40, (200, 30, 30))
    return picture


def padded(photo: np.ndarray, part: np.ndarray) -> np.ndarray:
    side = max(part.shape) + 9
    edges = [((side - n) // 2, side - n - (side - n) // 2) for n in part.shape[:2]]
    return np.pad(part, (*edges, (0, 0)))


def beside(photo: np.ndarray, part: np.ndarray) -> np.ndarray:
    return np.concatenate([photo, part], axis=1)


def montage(photo: np.ndarray, part: np.ndarray) -> np.ndarray:
    return np.concatenate([part, decoded(saved(Image.fromarray(photo[:, ::-1]), 60, "4:4:4"))], axis=1)


KINDS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "page": page,
    "caption": caption,
    "border": border,
    "logo": logo,
    "padded": padded,
    "beside": beside,
    "montage": montage,
}


def coded(samples: np.ndarray, spec: TileSpec) -> int:
    """Bytes of a picture, (h, w, c), as tiles."""
    size = 0
    for y in range(0, spec.height, TILE):
        for x in range(0, spec.width, TILE):
            tile = np.ascontiguousarray(samples[y : y + TILE, x : x + TILE])
            one = replace(spec, height=tile.shape[0], width=tile.shape[1])
            size += len(JpegXl().encode_tile(tile, one, Settings()))
    return size


def measured(picture: np.ndarray) -> tuple[int, int, str, float]:
    """Bytes without and with an origin, what that is, and seconds of the search."""
    spec = TileSpec(*picture.shape, "uint8", 8, "rgb")
    began = time.process_time()
    found = find_origin(picture, spec)
    seconds = time.process_time() - began
    without = coded(picture, spec)
    if found is None:
        return without, without, "", seconds
    file = unpack_jpeg(found.file) if found.file else b""
    assert np.array_equal(reproduce(Chain(unpack_steps(found.steps), found.planes, file), spec), picture)
    planes = sum(coded(*plane) for plane in zip(found.planes, found.specs, strict=True))
    return without, planes + found.nbytes, found.text, seconds


def row(pictures: Sequence[np.ndarray]) -> str:
    """The columns of a table."""
    rows = [measured(picture) for picture in pictures]
    pixels = sum(picture.shape[0] * picture.shape[1] for picture in pictures)
    before, after = (sum(one[n] for one in rows) for n in (0, 1))
    worst = max(one[1] / one[0] for one in rows)
    told = ", ".join(f"{text.partition(',')[0]}" for text in sorted({one[2].partition(",")[0] for one in rows}))
    return (
        f"{8 * before / pixels:7.3f} {8 * after / pixels:7.3f} {after / before:6.3f} ({worst:.3f}) "
        f"{sum(bool(one[2]) for one in rows)}/{len(rows)} {1e6 * sum(one[3] for one in rows) / pixels:6.2f}  {told}"
    )


def made(kind: str, photos: Sequence[np.ndarray], quality: int) -> Iterator[np.ndarray]:
    """Pictures of a kind."""
    for photo in photos:
        part = decoded(saved(Image.fromarray(photo), quality, "4:2:0"))
        yield np.ascontiguousarray(KINDS[kind](photo, part))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=6)
    parser.add_argument("--quality", type=int, action="append")
    parser.add_argument("--kind", choices=KINDS, action="append")
    parser.add_argument("--plain", action="store_true", help="the pictures as they are")
    given = parser.parse_args()
    paths = sorted(path for path in given.folder.rglob("*") if path.suffix.lower() in {".png", ".tif", ".bmp"})
    paths = paths[:: -(-len(paths) // given.pictures)]
    photos = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    if given.plain:
        for path, photo in zip(paths, photos, strict=True):
            print(f"{path.name:32} {row([photo])}", flush=True)
        return
    measured(next(made("padded", photos, 90)))  # kernels are loaded
    print("kind     quality without    with  ratio          found   s/MP")
    for kind in given.kind or KINDS:
        for quality in given.quality or [75, 90]:
            print(f"{kind:8} {quality:7} {row(list(made(kind, photos, quality)))}", flush=True)


if __name__ == "__main__":
    main()
