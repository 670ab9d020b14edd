"""Archives that were once written are read for ever: the golden archive of format 1.

If a test here fails, archives out there can no longer be read. tests/golden/make_golden.py is not the remedy.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tilepress import restore, verify
from tilepress.pipeline.reading.archive import Archive, Entry, open_archive

GOLDEN = Path(__file__).parent.parent.parent / "golden" / "format-1"
ARCHIVE = GOLDEN / "archive"
SHA256 = "b0ac0c34c9759ae84cdadb7d9a59b4ba385bf2e717301c9cc8dd6cbb15a7f02f"  # as make_golden.py gave it, once
EXPECTED: dict[str, dict[str, Any]] = json.loads((GOLDEN / "expected.json").read_text())
STORED = [name for name, facts in EXPECTED.items() if "file" in facts]
every_image = pytest.mark.parametrize("name", STORED)
# Compressed files come back byte for byte where zlib is the one that wrote them, pixel for pixel elsewhere.
SAME_ZLIB = "ng" not in zlib.ZLIB_RUNTIME_VERSION


@cache
def golden() -> Archive:
    return open_archive(str(ARCHIVE), include_deleted=True)


@cache
def entries() -> dict[str, Entry]:
    versions = (version for history in golden().histories() for version in history)
    return {
        f"{view.run.number}:{row['path']}": golden().entry(view, row)
        for view, row in versions
        if row["format"] is not None
    }


def sha256(samples: np.ndarray) -> str:
    return hashlib.sha256(samples.astype(samples.dtype.newbyteorder("<")).tobytes()).hexdigest()


def test_the_golden_archive_is_the_one_that_was_written() -> None:
    out = hashlib.sha256()
    for path in sorted(path for path in ARCHIVE.rglob("*") if path.is_file()):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        out.update(f"{path.relative_to(ARCHIVE).as_posix()}\n{digest}\n".encode())
    assert out.hexdigest() == SHA256


def test_the_golden_archive_is_small() -> None:
    assert sum(path.stat().st_size for path in GOLDEN.rglob("*") if path.is_file()) < 250_000


def test_the_golden_archive_verifies() -> None:
    report = verify(str(ARCHIVE))
    assert (report.exit_code, report.problems, report.notes) == (0, [], [])
    assert report.images == len(STORED)


def test_the_golden_archive_covers_the_format() -> None:
    facts = [entry.index_row.facts for entry in entries().values()]
    tiles = [tile.facts for entry in entries().values() for tile in entry.index_row.tiles]
    references = {tile.codec for tile in tiles}
    methods = {each["method"] for each in EXPECTED.values()}
    assert methods == {
        "tiles",
        "stack",
        "origin",
        "same",
        "link",
        "folder",
        "jpeg",
        "file",
        "file-zstd",
        "none",
        "gone",
    }
    assert {"unsupported", "limit", "damaged", "changed", "vanished"} <= {
        each["reason_code"] for each in EXPECTED.values()
    }
    assert {reference.partition("@")[0] for reference in references} == {
        *("raw", "png", "bzip2", "jpegxl", "jpeg", "block-dnn")
    }
    assert sum("@" in reference for reference in references) == 3
    assert {tile.residual_codec for tile in tiles} == {"", "lossless-1"}
    assert {each.fidelity for each in facts} == {"pixels", "lossy"}
    assert {each.format for each in facts} == {"", "png", "tiff", "jpeg"}
    eight = {(mode, "uint8") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK")}
    sixteen = {(mode, "uint16") for mode in ("L", "LA", "RGB", "RGBA", "CMYK")}
    assert {(each.mode, each.dtype) for each in facts if each.method == "tiles"} == eight | sixteen
    in_pieces = {entry.index_row.facts.method for entry in entries().values() if entry.index_row.pieces}
    assert in_pieces == {
        "file",
        "file-zstd",
    }


@every_image
def test_a_file_comes_back_as_it_did(name: str) -> None:
    entry, expected = entries()[name], EXPECTED[name]
    assert entry.index_row.file.method == expected["method"]
    data = entry.bytes()  # proves pixels and hashes by itself
    same = hashlib.sha256(data).hexdigest() == expected["file"]
    lossy_jpeg = "samples" in expected or (entry.index_row.facts.fidelity == "lossy" and name.endswith(".jpg"))
    assert same or (expected["method"] in ("tiles", "stack", "origin") and (lossy_jpeg or not SAME_ZLIB))


@pytest.mark.parametrize("name", [name for name in STORED if "pixels" in EXPECTED[name]])
def test_pixels_and_previews_come_back_as_they_did(name: str) -> None:
    entry, expected = entries()[name], EXPECTED[name]
    whole = entry.array()
    assert list(whole.shape) == expected["shape"]
    assert sha256(whole) == expected["pixels"]
    assert sha256(entry.array(preview=True)) == expected.get("base", expected["pixels"])


@pytest.mark.parametrize("name", [name for name in STORED if "samples" in EXPECTED[name]])
def test_lossy_jpeg_tiles_come_back_within_what_decoders_differ(name: str) -> None:
    whole = entries()[name].array()
    samples = zlib.decompress(base64.b64decode(EXPECTED[name]["samples"]))
    expected = np.frombuffer(samples, whole.dtype).reshape(EXPECTED[name]["shape"])
    assert whole.shape == expected.shape
    assert np.abs(whole.astype(int) - expected).max() <= 4


def test_restore_gives_the_newest_version_of_every_path(tmp_path: Path) -> None:
    restore(str(ARCHIVE), str(tmp_path / "out"), include_deleted=True)
    newest = {name.partition(":")[2]: EXPECTED[name] for name in STORED}  # the second run's come later
    restored = {
        path.relative_to(tmp_path / "out").as_posix()
        for path in (tmp_path / "out").rglob("*")
        if not path.is_dir() or not any(path.iterdir())
    }
    assert restored == set(newest)
    for path, facts in newest.items():
        there = tmp_path / "out" / path
        if facts["method"] not in ("tiles", "stack", "origin", "folder"):
            content = os.fsencode(there.readlink()) if there.is_symlink() else there.read_bytes()
            assert hashlib.sha256(content).hexdigest() == facts["file"]
