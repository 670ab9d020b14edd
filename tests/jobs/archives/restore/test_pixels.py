"""`restore --pixels`: every pixel and all metadata come back, in other bytes, and the report says so."""

from __future__ import annotations

import struct
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import tilepress
from tests.support.make_collection import decode, encoded, facts, image_of, picture, tree, write_tree
from tests.support.make_images import PNG_KINDS, make_png, make_tiff, picture_of, png_chunk
from tilepress.errors import UsageError
from tilepress.pipeline.formats.png import file as png_file

LOCAL = {"engine": "local", "workers": 2}
TEXT = png_chunk(b"tEXt", b"Comment\0after the pixels")
DENSITY = png_chunk(b"pHYs", struct.pack(">IIB", 300, 300, 1))
SIZE = 24, 150  # too wide for a stack


@cache
def pngs() -> dict[str, bytes]:
    """PNG files of all depths, compressed as hard as zlib can."""
    kinds = {"gray": (0, 8), "gray16": (0, 16), "rgb": (2, 8), "rgb16": (2, 16), "palette": (3, 8), "rgba": (6, 8)}
    smooth = {
        name: picture(*SIZE, PNG_KINDS[kind][1], bits=kind[1], seed=at) // (2 if name == "palette" else 1)
        for at, (name, kind) in enumerate(kinds.items())
    }
    files = {name: make_png(smooth[name], *kinds[name], level=9, before=DENSITY, after=TEXT) for name in kinds}
    files["bits"] = make_png(picture_of(3, *SIZE, 1, 4), 3, 4, level=9, after=TEXT)
    files["interlaced"] = make_png(smooth["rgb"][:, ::-1], 2, 8, level=9, interlaced=True, after=TEXT)
    files["large"] = encoded(image_of("RGB", 150, 210), "PNG", compress_level=9)  # whose settings restoring looks for
    return {f"{name}.png": data for name, data in files.items()}


@cache
def tiffs() -> dict[str, bytes]:
    """TIFF files of several compressions."""
    rgb, gray = picture(*SIZE, 3, seed=7), picture(*SIZE, 1, bits=16, seed=8)
    options = {"compression": "zlib", "compressionargs": {"level": 9}}
    return {
        "deflate.tif": make_tiff(rgb, "rgb", predictor=True, rowsperstrip=10, **options),
        "tiles.tif": make_tiff(gray, "minisblack", tile=(64, 64), **options),
        "zstd.tif": make_tiff(rgb[::-1], "rgb", compression="zstd", compressionargs={"level": 19}),
    }


OTHERS = {
    "photo.jpg": encoded(image_of("RGB", *SIZE), "JPEG"),
    "notes.txt": b"not an image\n" * 9,
    "signed.png": make_png(picture(*SIZE, 3, seed=9), 2, 8, before=png_chunk(b"caBX", b"1234")),
    "small.png": encoded(image_of("L", 33, 20), "PNG"),
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of them, with its source beside it."""
    folder = tmp_path_factory.mktemp("pixels")
    write_tree(folder / "source", pngs() | tiffs() | OTHERS)
    asked = {"codec": "jpegxl", "effort": 3, "tile": 128}
    assert tilepress.compress(folder / "source", folder / "a", **asked, **LOCAL).exit_code == 0
    return folder / "a"


def test_every_pixel_and_all_metadata_come_back_in_other_bytes(archive: Path, tmp_path: Path) -> None:
    report = tilepress.restore(archive, tmp_path / "out", pixels=True, **LOCAL)
    came, was = tree(tmp_path / "out"), pngs() | tiffs()
    held = {entry.path for entry in tilepress.open(archive).entries() if "file" not in entry.codec} & was.keys()
    assert {"large.png", "deflate.tif", "interlaced.png"} < held and len(held) > len(was) // 2, held
    for name in held:
        assert np.array_equal(decode(came[name]), decode(was[name])), name
        assert decode(came[name]).dtype == decode(was[name]).dtype and facts(came[name]) == facts(was[name]), name
        assert (TEXT in came[name]) == (TEXT in was[name]), name
    others = sum(came[name] != was[name] for name in held)
    assert report.restored == {"pixel-identical": others, "byte-identical": len(came) - others}
    assert others > len(held) // 2, "nothing was written fast"
    assert (report.exit_code, report.failed, report.not_identical) == (0, [], [])
    source = archive.parent / "source"
    assert all((tmp_path / "out" / name).stat().st_mtime_ns == (source / name).stat().st_mtime_ns for name in came)


def test_also_where_the_file_itself_was_promised(tmp_path: Path, read_here: None) -> None:
    write_tree(tmp_path / "source", {"large.png": pngs()["large.png"]})
    tilepress.compress(tmp_path / "source", tmp_path / "a", fidelity="file", codec="jpegxl", effort=3, **LOCAL)
    for pixels, how in ((True, "pixel-identical"), (False, "byte-identical")):
        assert tilepress.restore(tmp_path / "a", tmp_path / how, pixels=pixels, **LOCAL).restored == {how: 1}


def test_what_describes_its_bytes_and_what_is_no_picture_comes_back_byte_for_byte(
    archive: Path, tmp_path: Path
) -> None:
    report = tilepress.restore(archive, tmp_path, include=list(OTHERS), pixels=True, **LOCAL)
    assert report.restored == {"byte-identical": len(OTHERS)} and tree(tmp_path) == OTHERS


def test_a_file_whose_pixels_were_written_wrong_is_not_given_out(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = png_file.filter_rows
    monkeypatch.setattr(png_file, "filter_rows", lambda rows, *others: right(np.roll(rows, 1, axis=1), *others))
    report = tilepress.restore(archive, tmp_path, include=["large.png"], pixels=True, **LOCAL)
    assert [path for path, reason in report.failed if "does not hold the pixels" in reason] == ["large.png"]
    assert report.exit_code == 4 and not tree(tmp_path)


def test_repeated_it_leaves_files_alone_and_takes_no_file_of_other_bytes_for_its_own(
    archive: Path, tmp_path: Path
) -> None:
    chosen = {"include": ["large.png", "deflate.tif", "notes.txt"], **LOCAL}
    for restored in ({"pixel-identical": 2, "byte-identical": 1}, {"already there": 3}):
        assert tilepress.restore(archive, tmp_path, pixels=True, **chosen).restored == restored
    assert [path for path, _ in tilepress.restore(archive, tmp_path, **chosen).refused] == ["deflate.tif", "large.png"]
    again = tilepress.restore(archive, tmp_path, overwrite=True, **chosen)
    assert again.restored["already there"] == 1
    assert (tmp_path / "large.png").read_bytes() == pngs()["large.png"]


@pytest.mark.parametrize("other", [{"preview": True}, {"region": (0, 0, 9, 9)}, {"as_origin": True}, {"deblock": True}])
def test_it_is_one_way_of_several(other: dict[str, object], archive: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two ways in which files come back"):
        tilepress.restore(archive, tmp_path / "out", pixels=True, **other, **LOCAL)


_KILLED = """
import os, sys
import tilepress
from tilepress.pipeline.storage.local import LocalStorage

def killed(*arguments, right=LocalStorage.write_file, written=[], **options):
    right(*arguments, **options)
    written.append(arguments)
    if len(written) == 3:
        os._exit(9)

LocalStorage.write_file = killed
tilepress.restore(sys.argv[1], sys.argv[2], pixels=True, engine="local", workers=4)
"""


def test_killed_it_goes_on_and_a_restore_by_one_thread_gives_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    died = subprocess.run([sys.executable, "-c", _KILLED, archive, tmp_path / "out"], capture_output=True, check=False)
    there = tree(tmp_path / "out")
    assert died.returncode == 9 and 3 <= len(there) < len(pngs())
    report = tilepress.restore(archive, tmp_path / "out", pixels=True, engine="local", workers=4)
    assert report.restored["already there"] == len(there) and report.exit_code == 0
    tilepress.restore(archive, tmp_path / "alone", pixels=True, engine="local", workers=1)
    assert tree(tmp_path / "out") == tree(tmp_path / "alone")
