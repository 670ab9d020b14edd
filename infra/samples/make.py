"""Make the sample images: `python infra/samples/make.py FOLDER`, where FOLDER holds the originals in README.md."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

IMAGES = Path(__file__).parent / "images"
CLIFF16 = "64px/cvo9xd_keong_macan_2020_g1.png"


def copies(source: Path) -> None:
    for original, name in [
        ("coffee.png", "coffee.png"),
        ("cvo9xd_keong_macan_srgb8.png", "nature/cliff.png"),
        ("camera.png", "gray/camera.png"),
        (CLIFF16, "nature/cliff-16bit.png"),
    ]:
        shutil.copyfile(source / original, IMAGES / name)


def jpeg(source: Path) -> None:
    """A photograph held sideways, as cameras write it, with what they write about it."""
    with Image.open(source / "coffee.png") as image:
        sideways = image.convert("RGB").transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x010E], exif[0x0112], exif[0x0132] = "A cup of coffee", 6, "2012:09:01 10:00:00"
    sideways.save(IMAGES / "coffee-sideways.jpg", quality=85, exif=exif, dpi=(300, 300), comment="CC0")


def palette_bilevel_alpha(source: Path) -> None:
    with Image.open(source / "coffee.png") as image:
        few = image.convert("RGB").resize((300, 200), Image.Resampling.LANCZOS).quantize(64)
        few.save(IMAGES / "coffee-palette.png", optimize=True)
    with Image.open(source / "horse.png") as image:
        Image.fromarray(np.asarray(image.convert("L")) > 127).save(IMAGES / "gray/horse-1bit.png")
    with Image.open(source / "tmshre_riaphotographs_alpha.png") as image:
        image.info.clear()
        image.convert("RGBA").resize((200, 200), Image.Resampling.LANCZOS).save(IMAGES / "nature/tulips-alpha.png")


def tiffs(source: Path) -> None:
    with Image.open(source / "camera.png") as image:
        gray = np.asarray(image.convert("L"))[128:384, 128:384]
    with Image.open(source / "coffee.png") as image:
        colour = np.asarray(image.convert("RGB"))[100:300, 200:400]
    deep = imagecodecs.png_decode((source / CLIFF16).read_bytes())
    options = {"metadata": None, "software": False, "resolution": (300, 300)}
    tifffile.imwrite(IMAGES / "gray/camera.tif", gray, photometric="minisblack", **options)
    tifffile.imwrite(
        IMAGES / "coffee-lzw.tif",
        colour,
        photometric="rgb",
        compression="lzw",
        predictor=True,
        rowsperstrip=32,
        **options,
    )
    tifffile.imwrite(
        IMAGES / "nature/cliff-16bit.tif",
        deep,
        photometric="rgb",
        compression="zlib",
        predictor=True,
        tile=(32, 32),
        byteorder=">",
        **options,
    )


def not_images(source: Path) -> None:
    with Image.open(source / "camera.png") as image:
        out = io.BytesIO()
        image.resize((256, 256)).save(out, "PNG")
    (IMAGES / "damaged.png").write_bytes(out.getvalue()[:20_000])
    (IMAGES / "notes.txt").write_text("Not an image: tilepress keeps it as it is.\n", encoding="utf-8")


def main(source: Path) -> None:
    for folder in ("nature", "gray"):
        (IMAGES / folder).mkdir(parents=True, exist_ok=True)
    for step in (copies, jpeg, palette_bilevel_alpha, tiffs, not_images):
        step(source)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
