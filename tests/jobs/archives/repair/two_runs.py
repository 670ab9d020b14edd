"""An archive of two runs to be damaged and repaired, and what is expected of it then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tilepress
from tests.support.interrupted import ONE
from tests.support.make_collection import encoded, image_of
from tilepress.jobs.archives.compress import CompressReport
from tilepress.jobs.archives.repair import RepairReport

FILES = {
    **{f"{at}.png": encoded(image_of("RGB", 60, 50 + at, at), "PNG") for at in range(4)},
    "a.jpg": encoded(image_of("RGB", 64, 64), "JPEG"),
    "b.txt": b"text\n" * 100,
}
LATER = {"0.png": encoded(image_of("L", 50, 40, 9), "PNG"), "later.png": encoded(image_of("L", 50, 41, 8), "PNG")}
NOW = FILES | LATER


def compress(place: Path, **options: Any) -> CompressReport:
    return tilepress.compress(place / "source", place / "archive", shard_size=25_000, **ONE, **options)


def repair(place: Path, **options: Any) -> RepairReport:
    return tilepress.repair(place / "archive", **ONE, **options)


def is_right(place: Path, **options: Any) -> bool:
    """Whether verify is clean, with and without the source, and every file comes back."""
    report = tilepress.verify(place / "archive", against=place / "source", **ONE, **options)
    alone = tilepress.verify(place / "archive", **ONE)
    assert (report.problems, report.differing, alone.problems) == ([], [], [])
    assert {path: entry.bytes() for path, entry in tilepress.open(place / "archive").items()} == NOW
    return report.exit_code == alone.exit_code == 0


def unlink(path: Path) -> None:
    path.unlink()


def tear(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])
