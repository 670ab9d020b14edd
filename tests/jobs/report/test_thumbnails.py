"""Thumbnails of `tilepress report` look as image viewers show the files: upright, and palettes in their colours."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

import tilepress
from tests.support.make_archives import smooth, write_files
from tilepress.jobs.report.thumbnails import make_thumbnails


def turned(kind: str) -> bytes:
    exif, out = Image.Exif(), io.BytesIO()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(smooth(150, 180, 3)).save(out, kind, exif=exif)
    return out.getvalue()


def palette() -> bytes:
    out = io.BytesIO()
    Image.fromarray(smooth(140, 160, 3)).quantize(32).save(out, "PNG")
    return out.getvalue()


def test_thumbnails_are_upright_and_in_colour(tmp_path: Path) -> None:
    files = {"a.jpg": turned("JPEG"), "b.png": turned("PNG"), "c.png": palette()}
    tilepress.compress(write_files(tmp_path / "source", files), tmp_path / "a.tp", codec="jpegxl", tile=64)
    archive = tilepress.open(tmp_path / "a.tp")
    *_, made = make_thumbnails([archive[name] for name in files])
    assert not made.failed
    for thumb, content in zip(made.thumbs, files.values(), strict=True):
        expected = ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB")
        found = Image.open(io.BytesIO(thumb.picture.data)).convert("RGB")
        assert abs(found.width / found.height - expected.width / expected.height) < 0.05
        assert np.abs(np.asarray(expected.resize(found.size)).astype(int) - np.asarray(found)).mean() < 12
        assert f"{expected.width} × {expected.height}" in thumb.note
