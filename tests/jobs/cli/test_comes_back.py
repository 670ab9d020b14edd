"""Every listing says which files come back byte for byte."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

import tilepress
from tests.support.in_process import run
from tests.support.make_collection import encoded, image_of, write_tree

PICTURE = image_of("RGB", 200, 150, seed=1)


def flushed(png: bytes) -> bytes:
    """The same file with its pixels compressed by zlib in two halves."""
    at = png.index(b"IDAT")
    (size,) = struct.unpack(">I", png[at - 4 : at])
    rows, packer = zlib.decompress(png[at + 4 : at + 4 + size]), zlib.compressobj(9)
    halves = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    data = b"IDAT" + b"".join(packer.compress(half) + packer.flush(zlib.Z_FULL_FLUSH) for half in halves)
    data += packer.flush()
    return png[: at - 4] + struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data)) + png[-12:]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Of a PNG as most are, one whose compressed bytes nobody makes again, and a text."""
    write_tree(
        tmp_path / "source",
        {"other.png": flushed(encoded(PICTURE, "PNG")), "text.txt": b"text", "zlib.png": encoded(PICTURE, "PNG")},
    )
    tilepress.compress(tmp_path / "source", tmp_path / "archive", engine="local")
    return tmp_path / "archive"


def told(capfd: pytest.CaptureFixture[str], *arguments: object) -> Any:
    return json.loads(run(capfd, *arguments, "--json")[1])


def test_info_counts_them(archive: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert told(capfd, "info", archive)["comes_back"] == {"pixels": 2, "bytes": 1}
    text = "sure to come back: 2 files pixel for pixel, with all metadata, 1 file byte for byte"
    assert text in run(capfd, "info", archive)[1]


def test_errors_and_ls_say_it_of_each(archive: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert [(row["path"], row["comes_back"]) for row in told(capfd, "errors", archive)] == [("text.txt", "bytes")]
    lines = run(capfd, "ls", archive, "--json")[1].splitlines()
    assert [json.loads(line)["comes_back"] for line in lines] == ["pixels", "bytes", "pixels"]
    assert told(capfd, "info", archive, "zlib.png")["comes_back"] == "pixels"


def test_restore_names_those_that_did_not(archive: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for restored in ({"pixel-identical": 1, "byte-identical": 2}, {"already there": 3}):
        report = told(capfd, "restore", archive, tmp_path / "back", "--engine", "local")
        assert report["restored"] == restored
        assert report["not_identical"] == [["other.png", "pixel-identical"]]
