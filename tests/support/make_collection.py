"""A small collection with an image of every kind, junk and nasty names, and a decoder that is not tilepress's."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

MODES = {"1": 1, "L": 1, "P": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}
MODIFIED_NS = 1_234_567_890_123_456_700  # of the first file; each further one is a day younger
DAY_NS = 86_400 * 10**9
DAMAGED = ("junk/broken.tif", "junk/cut.jpg", "junk/cut.png")
NASTY = (
    "-dash.png",
    ".hidden.png",
    "a\\b.png",
    "new\nline.png",
    "odd/[x]*?.png",
    "odd/quote'\".png",
    "odd/tilepress.seal" + "0" * 64 + ".png",
    "odd/two  spaces .png",
    "odd/日本/ümlaut.png",
)
NOT_UNICODE = b"odd/bad\xff.png"
NOT_UNICODE_SHOWN = "odd/bad\\xff.png"


def picture(height: int, width: int, channels: int, *, bits: int = 8, seed: int = 0) -> np.ndarray:
    """Smooth slopes with a little noise, (height, width, channels): what codecs shrink."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / (9 + 2 * c)) + np.cos(y / (7 + c)) + 0.02 * (x + y) for c in range(channels)]
    smooth = np.stack(waves, axis=2)
    smooth = (smooth - smooth.min()) / max(1e-9, float(np.ptp(smooth)))
    noise = rng.normal(0, 0.01, smooth.shape)
    top = (1 << bits) - 1
    return np.clip((smooth * 0.9 + 0.05 + noise) * top, 0, top).astype(np.uint16 if bits > 8 else np.uint8)


def noise(height: int, width: int, channels: int, seed: int = 0) -> np.ndarray:
    """What no codec shrinks."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


def image_of(mode: str, height: int, width: int, seed: int = 0) -> Image.Image:
    """A Pillow image of a mode."""
    samples = picture(height, width, MODES[mode], seed=seed)
    if mode == "1":
        return Image.fromarray(samples[:, :, 0]).convert("1")
    if mode == "P":
        image = Image.fromarray(samples[:, :, 0] // 8, "L")
        image = Image.frombytes("P", image.size, image.tobytes())
        image.putpalette([(7 * i) % 256 for i in range(768)])
        return image
    return Image.fromarray(samples[:, :, 0] if samples.shape[2] == 1 else samples, mode)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """An image as a file, by Pillow."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def png16(channels: int) -> bytes:
    samples = picture(40, 61, channels, bits=16)
    return bytes(imagecodecs.png_encode(samples[:, :, 0] if channels == 1 else samples))


def tiff16(channels: int) -> bytes:
    out = io.BytesIO()
    samples = picture(50, 41, channels, bits=16)
    photometric = "rgb" if channels == 3 else "minisblack"
    tifffile.imwrite(out, samples[:, :, 0] if channels == 1 else samples, photometric=photometric)
    return out.getvalue()


def images() -> dict[str, bytes]:
    """Files that tilepress holds by their pixels (or as transcoded JPEGs), by name."""
    files = {f"png/{mode}.png": encoded(image_of(mode, 45, 70), "PNG") for mode in MODES if mode != "CMYK"}
    files |= {f"tiff/{mode}.tif": encoded(image_of(mode, 45, 70), "TIFF") for mode in MODES}
    files |= {f"jpeg/{mode}.jpg": encoded(image_of(mode, 90, 77), "JPEG", quality=90) for mode in ("L", "RGB")}
    files |= {"jpeg/progressive.jpg": encoded(image_of("RGB", 99, 64), "JPEG", progressive=True)}
    files |= {"png/gray16.png": png16(1), "png/rgb16.png": png16(3), "tiff/gray16.tif": tiff16(1)}
    files |= {
        "tiff/rgb16.tif": tiff16(3),
        "tiff/lzw.tif": encoded(image_of("RGB", 60, 60), "TIFF", compression="tiff_lzw"),
    }
    files |= {"many/tiles.png": encoded(image_of("RGB", 150, 210), "PNG", dpi=(300, 300))}
    return files | {name: encoded(image_of("L", 33, 20, seed=at), "PNG") for at, name in enumerate(NASTY)}


def junk() -> dict[str, bytes]:
    """Files that are stored verbatim, by name."""
    png, jpeg = encoded(image_of("RGB", 64, 64), "PNG"), encoded(image_of("RGB", 64, 64), "JPEG")
    frames = [image_of("L", 16, 16, seed=seed) for seed in range(3)]
    return {
        "junk/cut.png": png[: len(png) // 2],
        "junk/cut.jpg": jpeg[: len(jpeg) // 2],
        "junk/broken.tif": b"II*\0" + b"\xff" * 60,
        "junk/empty": b"",
        "junk/empty.png": b"",
        "junk/notes.txt": b"not an image\n" * 40,
        "junk/noise.png": encoded(Image.fromarray(noise(40, 40, 3)), "PNG"),
        "junk/one.png": encoded(Image.new("L", (1, 1), 7), "PNG"),
        "junk/moving.gif": encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "junk/pages.tif": encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:]),
    }


def write_tree(folder: Path, files: dict[str, bytes]) -> None:
    """Write files, with modification times that differ."""
    for at, (name, data) in enumerate(sorted(files.items())):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, ns=(MODIFIED_NS, MODIFIED_NS + at * DAY_NS))


def make_collection(folder: Path) -> None:
    """Images, junk, and a file whose name is not Unicode."""
    write_tree(folder, images() | junk())
    Path(os.fsdecode(os.fsencode(folder) + b"/" + NOT_UNICODE)).write_bytes(encoded(image_of("L", 20, 20), "PNG"))


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the run report of an archive, which tells of one command: by names as tilepress
    shows them.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "run-report.json":
            raw = os.fsencode(path.relative_to(folder))
            found[raw.decode("utf-8", "backslashreplace")] = path.read_bytes()
    return found


def decode(data: bytes) -> np.ndarray:
    """Samples of a PNG, TIFF or JPEG file, palette indices as such, by other code than tilepress's readers."""
    if data[:4] in (b"II*\0", b"MM\0*"):
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            if file.pages[0].dtype == np.uint16:
                return file.asarray()
    elif data[:4] == b"\x89PNG" and data[24] == 16:
        return imagecodecs.png_decode(data)
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def facts(data: bytes) -> tuple[object, ...]:
    """What Pillow says of a file besides its pixels."""
    with Image.open(io.BytesIO(data)) as image:
        return image.format, image.mode, image.size, image.info.get("dpi"), image.getpalette()


def held(root: Path) -> dict[bytes, tuple[object, ...]]:
    """All but pipes below a folder: links with target and time, folders with mode, files with their bytes."""
    found: dict[bytes, tuple[object, ...]] = {}
    base = os.fsencode(root)
    for folder, folders, files in os.walk(base):
        for path in (os.path.join(folder, name) for name in folders + files):  # noqa: PTH118
            status = os.lstat(path)
            name = path[len(base) + 1 :]
            if stat.S_ISLNK(status.st_mode):
                found[name] = "link", os.readlink(path), status.st_mtime_ns  # noqa: PTH115
            elif stat.S_ISDIR(status.st_mode):
                found[name] = "folder", stat.S_IMODE(status.st_mode)
            elif stat.S_ISREG(status.st_mode):
                found[name] = "file", Path(os.fsdecode(path)).read_bytes(), status.st_mtime_ns
    return found
