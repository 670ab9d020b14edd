"""A training set in one small file: crops of real photographs, lossless, for a machine that can fetch nothing.

    python -m infra.gpu.pack SOURCE .gpu/photos.zip --limit 20MB --licence "CID22 (CC BY-SA 4.0)"

One crop of every image (so that no image is on both sides of a validation split), all of the largest side that the
limit allows; where in the image is a function of its name. The file is a ZIP of lossless WebP, which Pillow reads
everywhere, and `pack.json`: count, licence, fingerprint, and the SHA-256 of every crop's pixels.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import math
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from tilepress.jobs.cli.options import size
from tilepress.pipeline.errors import PictureError
from tilepress.pipeline.sources.crops import as_samples
from tilepress.pipeline.sources.dataset import Source, whole

FACTS = "pack.json"
_STEP = 16  # sides are multiples of it
_LEAST = 64
_SAME_TIME = (1980, 1, 1, 0, 0, 0)
_MODIFIED_NS = 946_684_800 * 10**9  # of unpacked files: a training knows its data by size and time
_MAX_PIXELS = 1 << 26  # of a crop


def crops(source: str, side: int) -> Iterator[tuple[str, np.ndarray]]:
    """(name, RGB uint8 (h, w, 3)) of every image that can be trained on, at most `side` x `side` of it."""
    data = Source(source).open()
    for item in data.items():
        try:
            with data.open(item) as picture:
                pixels = as_samples(whole(picture), picture, 3)
        except PictureError as exc:
            print(f"left out: {item.name}: {exc}")
            continue
        rng = np.random.default_rng(list(hashlib.sha256(item.name.encode()).digest()[:8]))
        y, x = (int(rng.integers(0, max(1, length - side + 1))) for length in pixels.shape[:2])
        yield item.name, np.ascontiguousarray(pixels[y : y + side, x : x + side])


def encode(source: str, side: int) -> tuple[list[bytes], list[dict[str, Any]]]:
    """Every crop as WebP, and what pack.json says of it."""
    files, facts = [], []
    for name, pixels in crops(source, side):
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "WEBP", lossless=True, quality=80, method=4)
        files.append(out.getvalue())
        facts.append(
            {"name": name, "shape": list(pixels.shape), "sha256": hashlib.sha256(pixels.tobytes()).hexdigest()}
        )
    return files, facts


def pack(source: str, target: Path, limit: int, licence: str, largest: int = 1024) -> dict[str, Any]:
    """Write the pack, the largest side that fits `limit` bytes; gives pack.json. ValueError if none does."""
    side = largest
    while side >= _LEAST:
        files, facts = encode(source, side)
        total = sum(map(len, files)) + len(json.dumps(facts, indent=1)) + 400 * len(files) + 4096
        if total <= limit and files:
            break
        longest = max((max(fact["shape"][:2]) for fact in facts), default=0)
        guess = min(side, longest) * math.sqrt(0.99 * limit / total)
        side = min(side - _STEP, int(guess) // _STEP * _STEP)
    else:
        raise ValueError(f"{source} does not fit {limit} bytes with crops of {_LEAST} pixels: choose fewer images")
    fingerprint = hashlib.sha256("".join(fact["name"] + fact["sha256"] for fact in facts).encode()).hexdigest()
    about = {"count": len(files), "side": side, "licence": licence, "fingerprint": fingerprint, "crops": facts}
    _write(target, files, about)
    return about


def _write(target: Path, files: list[bytes], about: dict[str, Any]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as container:
        container.writestr(zipfile.ZipInfo(FACTS, _SAME_TIME), json.dumps(about, indent=1))
        for number, data in enumerate(files):
            container.writestr(zipfile.ZipInfo(f"{number:05d}.webp", _SAME_TIME), data)


def unpack(source: Path, folder: Path, at_most: int | None = None) -> dict[str, Any]:
    """Uncompressed TIFF files in `folder`, the same bytes and times everywhere; gives pack.json.

    ValueError if a crop is not the one that was packed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(source) as container:
        about: dict[str, Any] = json.loads(container.read(FACTS))
        for number, fact in enumerate(about["crops"][:at_most]):
            with Image.open(io.BytesIO(container.read(f"{number:05d}.webp"))) as image:
                if image.width * image.height > _MAX_PIXELS:
                    raise ValueError(f"{source}: crop {number} is larger than any that is packed")
                pixels = np.asarray(image.convert("RGB"))
            if hashlib.sha256(pixels.tobytes()).hexdigest() != fact["sha256"]:
                raise ValueError(f"{source}: crop {number} ({fact['name']}) is damaged: pack anew")
            path = folder / f"{number:05d}.tif"
            tifffile.imwrite(path, pixels, photometric="rgb", metadata=None)
            os.utime(path, ns=(_MODIFIED_NS, _MODIFIED_NS))
    return about


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="collection or archive")
    parser.add_argument("target", type=Path)
    parser.add_argument("--limit", type=size, default=size("20MB"), help="bytes of the pack, at most 60MB")
    parser.add_argument("--side", type=int, default=1024, help="largest side of a crop")
    parser.add_argument("--licence", required=True, help="terms of the images; models trained on them carry it")
    options = parser.parse_args()
    if options.limit > size("60MB"):
        parser.error("a pack of more than 60MB does not travel to the machine")
    about = pack(options.source, options.target, options.limit, options.licence, options.side)
    print(
        f"{options.target}: {about['count']} crops of {about['side']} x {about['side']} at most, "
        f"{options.target.stat().st_size / 1e6:.1f} MB, fingerprint {about['fingerprint'][:16]}, {about['licence']}"
    )


if __name__ == "__main__":
    main()
