"""What is promised of small PNG files that are read many at a time: the same as of each that is read alone."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tests.support.make_images import PNG_KINDS, make_png, picture_of, pixels_of, png_chunk, rebuilt
from tilepress.pipeline.errors import PictureError
from tilepress.pipeline.formats.picture import Limits
from tilepress.pipeline.formats.registry import read_picture, read_small_pictures

FACTS = ("format", "mode", "width", "height", "dtype", "bit_depth", "has_reserved_value", "palette_size")
TEXT = png_chunk(b"tEXt", b"Comment\0no IDAT here")
KEY = png_chunk(b"tRNS", b"\0\7")


def of_pillow(seed: int, width: int, height: int, channels: int, **options: object) -> bytes:
    out = io.BytesIO()
    pixels = picture_of(seed, height, width, channels, 8)
    Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels).save(out, "PNG", **options)
    return out.getvalue()


def whole(seed: int, kind: tuple[int, int], **options: object) -> bytes:
    """A file with one IDAT chunk."""
    samples = picture_of(seed, 20, 30, PNG_KINDS[kind][1], kind[1])
    return make_png(samples, *kind, seed=seed, idat=1 << 20, **options)


def test_small_files_are_what_they_are_alone() -> None:
    kinds = [whole(seed, kind, level=seed * 3 % 10) for kind in PNG_KINDS for seed in range(3)]
    written = [of_pillow(seed, 28, 21, channels, optimize=seed % 2 > 0) for channels in (1, 3, 4) for seed in range(4)]
    odd = [
        whole(0, (0, 8), before=TEXT),
        whole(1, (0, 8), after=KEY + TEXT, trailer=b"behind"),
        whole(2, (2, 16), before=KEY),
    ]
    files = [*written, *kinds, *odd, *reversed(written)]
    pictures = read_small_pictures(files)
    assert pictures.count(None) == 1  # the one that names IDAT in a text
    for data, picture in zip(files, pictures, strict=True):
        alone = read_picture(data)
        if picture is not None:
            assert [getattr(picture, fact) for fact in FACTS] == [getattr(alone, fact) for fact in FACTS]
            assert picture.describes_bytes == alone.describes_bytes
            assert np.array_equal(pixels_of(picture, 7), pixels_of(alone))
            assert rebuilt(picture, pixels_of(alone)) == rebuilt(alone, pixels_of(alone))


def test_what_is_not_plain_is_left_to_be_read_alone() -> None:
    plain = whole(0, (0, 8))
    cut = [plain[:size] for size in range(0, len(plain), 5)]
    flipped = [plain[:at] + bytes([plain[at] ^ 1]) + plain[at + 1 :] for at in range(len(plain))]
    others = [
        whole(0, (0, 8), interlaced=True),
        make_png(picture_of(0, 20, 30, 1, 8), 0, 8, idat=50),
        b"GIF89a",
        b"IDAT",
    ]
    pictures = read_small_pictures([plain, *others, *cut, *flipped])
    assert pictures[0] is not None and pictures[1 : 1 + len(others)] == [None] * len(others)
    for data, picture in zip([*cut, *flipped], pictures[1 + len(others) :], strict=True):
        try:
            alone = read_picture(data)
        except PictureError:
            assert picture is None
        else:
            assert picture is None or np.array_equal(pixels_of(picture), pixels_of(alone))


@pytest.mark.parametrize("limits", [Limits(max_pixels=599), Limits(max_file_bytes=10)])
def test_limits_hold(limits: Limits) -> None:
    assert read_small_pictures([whole(0, (0, 8))], limits) == [None]
    assert read_small_pictures([whole(0, (0, 8))]) != [None]


def test_files_of_one_writer_have_one_container() -> None:
    """Filters that are the usual ones are not kept, and settings are those of the files before, if they will do."""

    def drawn(seed: int, **options: object) -> bytes:
        pixels = np.zeros((28, 28), np.uint8)
        pixels[6:22, 8:20] = np.random.default_rng(seed).integers(200, 256, (16, 12))
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "PNG", **options)
        return out.getvalue()

    files = [drawn(seed, optimize=seed % 2 > 0) for seed in range(24)]
    containers = [picture.container for picture in read_small_pictures(files) if picture is not None]
    assert len(containers) == 24 and len(set(containers)) == 2
