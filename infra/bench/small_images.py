"""What an archive of many small images takes, all of it counted, beside their PNG files and tar.xz; and how fast.

    python infra/bench/small_images.py ARRAYS [--count 2000] [--codec auto] [--codec lossless]

ARRAYS is an .npz with `images` (n, h, w) or (n, h, w, c), or an MNIST idx file, gzipped or not. The images become
optimised PNG files in a scratch folder. Run it on a machine that does nothing else; one core is used.
"""

from __future__ import annotations

import argparse
import gzip
import io
import lzma
import os
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

import tilepress
from tilepress.pipeline.archive.schema import PAYLOADS
from tilepress.pipeline.storage.base import open_storage


def main() -> None:
    """Print a row a codec."""
    parser = argparse.ArgumentParser()
    parser.add_argument("arrays", type=Path)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--codec", action="append", default=[])
    given = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch, "images")
        size = write_files(images_of(given.arrays)[: given.count], source)
        count = len(list(source.iterdir()))
        packed = tar_xz(source)
        print(f"{count:,} images, PNG {size:,} bytes ({size / count:.1f} each); tar.xz {packed / size:.3f} of that")
        print(f"{'codec':20} {'archive':>10} {'of PNG':>7} {'bytes an image beside payload':>30} {'images/s':>9}")
        for codec in given.codec or ["auto", "lossless"]:
            print(measured(codec, source, Path(scratch, codec), size, count))


def measured(codec: str, source: Path, archive: Path, size: int, count: int) -> str:
    """Return the row of a codec; the speed is that of a second run, when everything is loaded."""
    tilepress.compress(str(source), f"{archive}-first", codec=codec, engine="local", workers=1)
    began = time.process_time()
    tilepress.compress(str(source), str(archive), codec=codec, engine="local", workers=1)
    seconds = time.process_time() - began
    whole = sum(entry.size for entry in open_storage(str(archive)).list())
    beside = (whole - payload(archive)) / count
    return f"{codec:20} {whole:10,} {whole / size:7.3f} {beside:30.1f} {count / seconds:9,.0f}"


def payload(archive: Path) -> int:
    """Return the bytes of all payload values of all parts, containers left out."""
    import pyarrow.parquet as pq

    names = [f"{name}_bytes" for name in PAYLOADS if name != "container"]
    tables = (pq.read_table(part, columns=names) for part in archive.glob("runs/*/parts/*.parquet"))
    return sum(value for table in tables for column in table.columns for value in column.to_pylist() if value)


def images_of(path: Path) -> np.ndarray:
    """Return the images of a file, (n, h, w) or (n, h, w, c) uint8."""
    if path.suffix == ".npz":
        return np.asarray(np.load(path)["images"])
    data = path.read_bytes()
    data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    shape = np.frombuffer(data, ">u4", 3, 4).tolist()
    return np.frombuffer(data, np.uint8, offset=16).reshape(shape)


def write_files(images: np.ndarray, folder: Path) -> int:
    """Write each image as an optimised PNG; return the bytes of all."""
    folder.mkdir()
    size = 0
    for number, image in enumerate(images):
        out = io.BytesIO()
        Image.fromarray(image).save(out, "PNG", optimize=True)
        (folder / f"{number:06}.png").write_bytes(out.getvalue())
        size += out.tell()
    return size


def tar_xz(folder: Path) -> int:
    """Return the bytes of a tar.xz of a folder."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.add(folder, "images")
    return len(lzma.compress(out.getvalue()))


if __name__ == "__main__":
    main()
