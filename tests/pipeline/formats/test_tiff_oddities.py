"""TIFF files that other programs read are never called damaged: held by their pixels, or verbatim with the reason."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.support.make_archives import encode_files, method_and_reason
from tests.support.make_images import assert_comes_back, pixels_of
from tests.support.odd_tiffs import DAMAGED, GRAY, READ, READ_BUT_PADDED, RGB, UNUSUAL
from tilepress.pipeline.archive.schema import TILES
from tilepress.pipeline.errors import DamagedPicture, LimitExceeded, UnsupportedPicture
from tilepress.pipeline.formats.registry import read_picture

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow says what is odd
READERS: list[Callable[[bytes], object]] = [
    lambda data: tifffile.imread(io.BytesIO(data)),
    lambda data: Image.open(io.BytesIO(data)),
    imagecodecs.tiff_decode,  # libtiff
]


def readers_of(data: bytes) -> int:
    """Return how many common readers give the very pixels."""
    return sum(_reads(reader, data) for reader in READERS)


def _reads(reader: Callable[[bytes], object], data: bytes) -> bool:
    try:
        pixels = np.asarray(reader(data)).squeeze()
    except (ArithmeticError, LookupError, OSError, RuntimeError, SyntaxError, TypeError, ValueError):
        return False
    return any(np.array_equal(pixels, right) for right in (GRAY, RGB, 255 - GRAY))  # Pillow turns white to black


@pytest.mark.parametrize("name", READ)
def test_odd_files_that_readers_read_come_back_byte_for_byte(name: str) -> None:
    data = READ[name]
    assert readers_of(data), "no reader takes it: not a case"
    expected = RGB if pixels_of(read_picture(data)).shape[2] == 3 else GRAY[:, :, None]
    assert assert_comes_back(data, expected)[1] == data


@pytest.mark.parametrize("name", READ_BUT_PADDED)
def test_tiles_without_padding_come_back_with_it(name: str) -> None:
    data = READ_BUT_PADDED[name]
    assert readers_of(data)
    back = assert_comes_back(data, GRAY[:, :, None])[1]
    assert readers_of(back) == len(READERS)


@pytest.mark.parametrize("name", UNUSUAL)
def test_odd_files_that_readers_read_are_never_called_damaged(name: str) -> None:
    data, reason = UNUSUAL[name]
    assert readers_of(data) or name == "planar configuration of no values"
    with pytest.raises((UnsupportedPicture, LimitExceeded), match=reason):
        read_picture(data)


@pytest.mark.parametrize("name", DAMAGED)
def test_what_most_readers_refuse_is_damaged(name: str) -> None:
    assert readers_of(DAMAGED[name]) <= 1  # tifffile reads what of a file is there
    with pytest.raises(DamagedPicture):
        pixels_of(read_picture(DAMAGED[name]))


def test_archives_hold_odd_files_by_pixels_or_verbatim_with_the_true_reason(tmp_path: Path) -> None:
    odd = {"text beyond the end, deflated", "more strips than the image has, deflated", "no pointer, deflated"}
    files = {f"{name}.tif": READ[name] for name in odd} | {f"{name}.tif": data for name, (data, _) in UNUSUAL.items()}
    shard = encode_files(tmp_path, files)
    for path, data in files.items():
        method, code = method_and_reason(shard, path)
        assert code in ("unsupported", "limit") if path[:-4] in UNUSUAL else code in ("", "incompressible"), path
        if method != TILES:
            assert shard.file(path) == data


BOUND = ["text beyond the end, deflated", "no pointer, deflated", "another width behind the first"]


@pytest.mark.parametrize("name", BOUND)
def test_a_directory_that_only_its_own_bytes_fit_comes_back_with_them_or_verbatim(name: str, tmp_path: Path) -> None:
    assert "a directory" in read_picture(READ[name]).describes_bytes
    shard = encode_files(tmp_path, {"a.tif": READ[name]}, codec="jpegls", max_error=2)
    assert method_and_reason(shard, "a.tif")[1] == "unsupported" and shard.file("a.tif") == READ[name]
