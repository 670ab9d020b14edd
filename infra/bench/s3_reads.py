"""What one image of an S3 archive costs to read once the archive is open: requests and bytes, counted on the wire.

    python infra/bench/s3_reads.py FOLDER [--images 1000]

Images of FOLDER are cut into 1,000 crops of many sizes, compressed by `auto` and by block-dnn-16 with residual into
archives on a real S3 server (SeaweedFS on 127.0.0.1), and every tenth of them is read. Targets: at most 3 requests and
1.2 times the image's stored bytes.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from aiobotocore.httpsession import AIOHTTPSession
from s3_server import S3Server

from tilepress import compress
from tilepress.pipeline.reading.archive import open_archive


class Wire:
    """Counts what goes over the HTTP sessions of S3 clients."""

    def __init__(self) -> None:
        self.requests = self.bytes = 0
        send = AIOHTTPSession.send

        async def counting(session: Any, request: Any) -> Any:
            response = await send(session, request)
            self.requests += 1
            self.bytes += int(response.headers.get("Content-Length") or 0)
            return response

        AIOHTTPSession.send = counting


def make_crops(folder: Path, target: Path, count: int) -> None:
    """Crops of 64 to 255 pixels a side, as PNG."""
    pictures = [imagecodecs.png_decode(path.read_bytes()) for path in sorted(folder.glob("*.png"))]
    random = np.random.default_rng(1)
    for number in range(count):
        picture = pictures[number % len(pictures)]
        height, width = (int(side) for side in random.integers(64, 256, 2))
        y, x = int(random.integers(0, 512 - height)), int(random.integers(0, 512 - width))
        crop = np.ascontiguousarray(picture[y : y + height, x : x + width])
        (target / f"crop-{number:05d}.png").write_bytes(imagecodecs.png_encode(crop))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=1000)
    options = parser.parse_args()
    wire = Wire()
    print("| codec | images | most requests an image | mean requests | most bytes read / stored | target |")
    print("|---|---|---|---|---|---|")
    with S3Server() as server, tempfile.TemporaryDirectory() as crops:
        os.environ.update(server.environment)
        make_crops(options.folder, Path(crops), options.images)
        for codec, effort in (("auto", 1), ("block-dnn-16", None)):
            url = server.new_prefix()
            compress(crops, url, codec=codec, effort=effort, engine="local", workers=2)
            measure(wire, url, codec)


def measure(wire: Wire, url: str, codec: str) -> None:
    """Read every tenth image, counting."""
    archive = open_archive(url)
    requests: list[int] = []
    ratios: list[float] = []
    paths = list(archive)
    archive[paths[0]].bytes()  # loads the codec and its model, once
    for path in paths[::10]:
        entry = archive[path]
        wire.requests = wire.bytes = 0
        entry.bytes()
        requests.append(wire.requests)
        ratios.append(wire.bytes / entry.index_row.nbytes)
    mean = sum(requests) / len(requests)
    print(f"| {codec} | {len(paths)} | {max(requests)} | {mean:.2f} | {max(ratios):.3f} | 3 and 1.2 |", flush=True)


if __name__ == "__main__":
    main()
