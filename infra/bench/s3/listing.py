"""How long `tilepress estimate` takes for a large collection on S3, of which every page of a listing takes a while.

    python infra/bench/s3/listing.py photos/eval                         # 2 TB of pictures of 4 MB, in 250 folders
    python infra/bench/s3/listing.py photos/eval --megabytes 2 --flat    # of 2 MB, in one folder

A small server in a process of its own pretends to be the store: it makes up keys and sizes, answers ListObjectsV2 a
thousand keys at a time after `--page-seconds` (0.15: what Amazon's takes from a machine near by), and gives the same
few pictures, mosaics of those in the folder, as the content of all keys after `--read-seconds`. Nothing is ever stored.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import resource
import time
from pathlib import Path

import numpy as np
from fake_store import PREFIX, Store, serve
from PIL import Image

import tilepress


def mosaics(folder: Path, nbytes: float) -> list[bytes]:
    """Return PNG files of about so many bytes, of pictures of a folder side by side."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg"))
    tiles = [np.asarray(Image.open(path).convert("RGB").resize((512, 512))) for path in files[:16]]
    one = len(_png(tiles[0]))
    side = max(1, round((nbytes / one) ** 0.5))
    made = []
    for first in range(min(4, len(tiles))):
        rows = [[tiles[(first + x * 5 + y * 3) % len(tiles)] for x in range(side)] for y in range(side)]
        made.append(_png(np.concatenate([np.concatenate(row, axis=1) for row in rows])))
    return made


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def main() -> None:
    """Start the server, estimate what it pretends to hold, and print how long that took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--megabytes", type=float, default=4.0, help="of a picture, about")
    parser.add_argument("--terabytes", type=float, default=2.0)
    parser.add_argument("--flat", action="store_true", help="all in one folder")
    parser.add_argument("--unordered", action="store_true", help="a store that does not promise the order of keys")
    parser.add_argument("--page-seconds", type=float, default=0.15)
    parser.add_argument("--read-seconds", type=float, default=0.05)
    parser.add_argument("--codec", default="auto")
    given = parser.parse_args()
    pictures = mosaics(given.folder, 1e6 * given.megabytes)
    objects = round(1e12 * given.terabytes * len(pictures) / sum(map(len, pictures)))
    per_folder = objects if given.flat else 2000
    store = Store(pictures, objects, per_folder, given.page_seconds, given.read_seconds, not given.unordered)
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("fork").Process(target=serve, args=(store, theirs), daemon=True)
    server.start()
    os.environ.update(
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{ours.recv()}",
        AWS_ACCESS_KEY_ID="bench",
        AWS_SECRET_ACCESS_KEY="bench",
        AWS_DEFAULT_REGION="us-east-1",
        AWS_EC2_METADATA_DISABLED="true",
    )
    _estimate(given)


def _estimate(given: argparse.Namespace) -> None:
    began, at_work = time.monotonic(), time.process_time()
    report = tilepress.estimate(f"s3://bench/{PREFIX.rstrip('/')}", codecs=[given.codec], engine="local")
    seconds, busy = time.monotonic() - began, time.process_time() - at_work
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    size = report.codecs[0].archive_bytes
    listed = "all" if report.listed_all else "NOT ALL"
    print(
        f"{report.files:,} objects, {report.bytes / 1e12:.2f} TB, {listed} listed in {report.listing_seconds:.0f} s; "
        f"{report.sampled_files} measured; {seconds:.0f} s in all, {busy:.0f} CPU seconds and {memory:.0f} MB in this "
        f"process; archive {size.value / 1e12:.2f} TB ({size.low / 1e12:.2f} to {size.high / 1e12:.2f})"
    )


if __name__ == "__main__":
    main()
