"""The evaluation that tests look at, and how they read the folder of any."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tilepress.pipeline.storage.base import open_storage

OUTPUTS = {
    "evaluation.json",
    "rate-distortion-ms-ssim.png",
    "rate-distortion-ms-ssim.svg",
    "rate-distortion-psnr.png",
    "rate-distortion-psnr.svg",
    "report.html",
    "results.parquet",
    "summary.md",
}
SECONDS = ("encode_s", "decode_s", "encode_cpu_s", "decode_cpu_s")
CODECS = ["jpeg", "jpegxl", "block-dnn-16"]
QUALITIES = (20, 60, 90)


def rows(out: Path | str) -> list[dict[str, Any]]:
    return pq.read_table(io.BytesIO(open_storage(str(out)).read("results.parquet"))).to_pylist()


def timeless(out: Path | str) -> list[dict[str, Any]]:
    """Rows without what a clock said."""
    return [{name: value for name, value in row.items() if name not in SECONDS} for row in rows(out)]


def snapshot(out: Path | str) -> dict[str, tuple[bytes, int]]:
    """Every object of a folder, and when it was written."""
    storage = open_storage(str(out))
    return {entry.name: (storage.read(entry.name), entry.modified_ns) for entry in storage.list()}


def of(found: list[dict[str, Any]], image: str, codec: str, quality: int | None = None) -> dict[str, Any]:
    (row,) = (r for r in found if (r["image"], r["codec"], r["quality"]) == (image, codec, quality))
    return row
