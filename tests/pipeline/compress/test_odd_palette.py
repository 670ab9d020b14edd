"""PNG files whose pixels name entries that their palette lacks: said when they are stored, and back as they were."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilepress
from tests.support.make_archives import encode_files, encoded, palette_png
from tilepress.jobs.cli.tables import print_summary
from tilepress.pipeline.archive.summary import BEYOND_PALETTE

LOCAL: dict[str, Any] = {"engine": "local", "workers": 1}
INDICES = np.arange(90 * 70, dtype=np.uint16).reshape(90, 70) // 35 % 180  # 179 in two of four tiles


def with_palette(entries: int) -> bytes:
    """A PNG of the indices 0 to 179, whose palette is cut off after so many entries."""
    png = palette_png(INDICES.astype(np.uint8))
    at = png.index(b"PLTE")
    (size,) = struct.unpack(">I", png[at - 4 : at])
    content = b"PLTE" + png[at + 4 : at + 4 + 3 * entries]
    chunk = struct.pack(">I", 3 * entries) + content + struct.pack(">I", zlib.crc32(content))
    return png[: at - 4] + chunk + png[at + 8 + size :]


@pytest.mark.parametrize(("entries", "tiles"), [(180, 0), (179, 2), (10, 4), (0, 4)])
def test_indices_beyond_the_palette_are_counted_by_tiles(entries: int, tiles: int, tmp_path: Path) -> None:
    files = {"odd.png": with_palette(entries), "rgb.png": encoded(np.full((70, 90, 3), 255, np.uint8))}
    shard = encode_files(tmp_path, files, tile=64)
    assert shard.part.warnings == ({BEYOND_PALETTE: tiles} if tiles else {})
    assert (shard.pixels("odd.png")[:, :, 0] == INDICES).all()


def test_such_a_file_comes_back_as_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/odd.png").write_bytes(with_palette(10))
    report = tilepress.compress(tmp_path / "source", tmp_path / "archive", **LOCAL)
    assert report.exit_code == 0 and report.summary.images.keys() == {"jpegxl"}
    print_summary(report.summary)
    assert f"warning: {BEYOND_PALETTE} on 1 tile\n" in capsys.readouterr().out
    assert (tilepress.open(tmp_path / "archive")["odd.png"].array()[:, :, 0] == INDICES).all()
    assert tilepress.verify(tmp_path / "archive", against=tmp_path / "source", **LOCAL).exit_code == 0
    assert tilepress.restore(tmp_path / "archive", tmp_path / "back", **LOCAL).restored == {"byte-identical": 1}
    assert (tmp_path / "back/odd.png").read_bytes() == with_palette(10)
