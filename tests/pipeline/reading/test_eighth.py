"""Previews of JPEG files and of pictures that were some: an eighth of the sides, and what the pictures look like."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tilepress
from tests.support.interrupted import ONE
from tests.support.make_archives import encoded
from tests.support.make_collection import tree, write_tree
from tilepress.codecs.origins.jpeg.eighth import mean_eighth
from tilepress.pipeline.archive.schema import FILE, FILE_ZSTD, JPEG, ORIGIN
from tilepress.pipeline.coding import decode
from tilepress.pipeline.coding.tiles import Box
from tilepress.pipeline.errors import IntegrityError
from tilepress.pipeline.formats.jpeg.file import read_shrunk
from tilepress.pipeline.reading.archive import Archive
from tilepress.pipeline.reading.eighth import eighth_box

SAMPLES = Path(__file__).parents[3] / "infra/samples/images"
PHOTO = np.asarray(Image.open(SAMPLES / "coffee.png").convert("RGB"))[100:276, 150:326]


def jpeg(pixels: np.ndarray = PHOTO, subsampling: int = 2) -> bytes:
    return encoded(pixels, "JPEG", quality=80, **({"subsampling": subsampling} if pixels.shape[2] == 3 else {}))


def decoded(data: bytes) -> np.ndarray:
    samples = np.asarray(Image.open(io.BytesIO(data)))
    return samples if samples.ndim == 3 else samples[:, :, None]


def sources() -> dict[str, bytes]:
    """Pictures that were JPEG files, and were cut, turned, repeated, deepened, enlarged, drawn on; and JPEG files."""
    colour, gray = decoded(jpeg()), decoded(jpeg(PHOTO[:, :, 1:2]))
    marked = decoded(jpeg(subsampling=0)).copy()
    marked[20:60, 30:90] = (255, 0, 0)  # as large as some blocks
    made = {
        "plain.png": colour,
        "cut.png": colour[5:-6, 11:-3],
        "turned.png": colour[::-1].swapaxes(0, 1),
        "gray.png": gray,
        "gray in RGB.png": gray.repeat(3, axis=2),
        "alpha.png": np.dstack([colour, np.full_like(colour[:, :, 0], 255)]),
        "deep.png": gray.astype(np.uint16) * 257,
        "enlarged.png": colour.repeat(2, axis=0).repeat(2, axis=1),
        "marked.png": marked,
    }
    files = {"file.jpg": jpeg(), "file of gray.jpg": jpeg(PHOTO[:101, :93, 1:2]), "small.jpg": jpeg(PHOTO[:140, :5])}
    return {path: encoded(np.ascontiguousarray(pixels)) for path, pixels in made.items()} | files


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    folder = tmp_path_factory.mktemp("eighth")
    write_tree(folder / "source", sources() | {"photo.png": encoded(PHOTO)})
    tilepress.compress(folder / "source", folder / "archive", **ONE)
    return tilepress.open(folder / "archive")


@pytest.mark.parametrize("path", sources())
def test_a_preview_is_the_picture_at_an_eighth_of_its_sides(archive: Archive, path: str) -> None:
    entry = archive[path]
    assert entry.index_row.facts.method in ({JPEG, FILE, FILE_ZSTD} if path.endswith(".jpg") else {ORIGIN})
    whole, small = entry.array().astype(np.int64), entry.array(preview=True)
    expected = mean_eighth(whole)
    assert small.shape == expected.shape and small.dtype == entry.dtype
    unit = 257 if small.dtype == np.uint16 else 1
    off = np.abs(small.astype(np.int64) - expected)
    assert off.mean() < 1.5 * unit and np.percentile(off, 98) <= 8 * unit


def test_it_is_no_whole_decoding(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **named: object) -> None:
        raise AssertionError("decoded whole")

    monkeypatch.setattr("tilepress.pipeline.coding.origins.reproduce", refuse)
    monkeypatch.setattr(decode, "decode_tiles", refuse)
    for path in ("plain.png", "cut.png", "turned.png", "gray in RGB.png", "deep.png", "file.jpg"):
        assert archive[path].array(preview=True).shape[0] == -(-archive[path].height // 8)
    with pytest.raises(IntegrityError, match="decoded whole"):
        archive["marked.png"].array(preview=True)  # what was drawn on it is in no JPEG


def test_a_region_of_a_preview_covers_the_region(archive: Archive) -> None:
    for path in ("plain.png", "file.jpg"):
        small = archive[path].array(preview=True)
        part = archive[path].array((9, 16, 40, 8), preview=True)
        np.testing.assert_array_equal(part, small[2:3, 1:7])
    assert eighth_box(Box(0, 0, 1, 1)) == Box(0, 0, 1, 1)


def test_others_come_back_whole(archive: Archive) -> None:
    np.testing.assert_array_equal(archive["photo.png"].array(preview=True), PHOTO)


def test_files_of_previews_have_names_of_their_own(archive: Archive, tmp_path: Path) -> None:
    source = archive.storage.url
    wanted = ("plain.png", "file.jpg", "deep.png", "photo.png")
    report = tilepress.restore(source, tmp_path / "out", include=wanted, preview=True, **ONE)
    assert report.exit_code == 0 and report.restored["preview"] == 3
    restored = tree(tmp_path / "out")
    names = {"plain.png-preview.png", "file.jpg-preview.png", "deep.png-preview.png"}
    assert set(restored) == names | {"photo.png"}
    for path in ("plain.png", "file.jpg", "deep.png"):
        small = archive[path].array(preview=True)
        np.testing.assert_array_equal(decoded(restored[f"{path}-preview.png"]).reshape(small.shape), small)
    again = tilepress.restore(source, tmp_path / "out", include=wanted, preview=True, **ONE)
    assert again.restored == {"already there": 4}


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 30), (8, 8), (9, 30), (64, 65)])
def test_a_file_of_any_size_is_shrunk(height: int, width: int) -> None:
    pixels = PHOTO[:height, :width]
    small = read_shrunk(jpeg(pixels), 8)
    assert small.shape == (-(-height // 8), -(-width // 8), 3)
    whole = read_shrunk(jpeg(pixels), 1)
    np.testing.assert_array_equal(whole, decoded(jpeg(pixels)))
    assert np.abs(small.astype(int) - mean_eighth(whole)).mean() < 3
