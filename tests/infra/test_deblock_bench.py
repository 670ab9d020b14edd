"""The bench of restored JPEG: nothing is gained by JPEG itself, and what is gained, lost and kept is seen."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.photo_like import picture
from tilepress.codecs.classical.jpeg import Jpeg
from tilepress.codecs.codec import TileSpec

sys.path.append(str(Path(__file__).parents[2] / "infra/bench/learned"))

import deblock
from drawings import drawing

SAMPLES = Path(__file__).parents[2] / "infra/samples/images/gray"
PHOTO = picture(TileSpec(64, 80, 3, "uint8", 8, "rgb"), seed=1)[0]


class Better(Jpeg):
    """JPEG, whose decoder happens to know the picture; `off` levels are added to it."""

    def __init__(self, original: np.ndarray, off: int = 0) -> None:
        self.restored = original + np.uint8(off)

    def decode_tile(self, data: bytes, spec: TileSpec) -> np.ndarray:
        return self.restored


def cells(text: str) -> list[str]:
    return [cell.strip() for cell in text.strip("|").split("|")]


@pytest.mark.parametrize("options", [["--gray"], ["--double", "40", "--gray"]])
def test_jpeg_gains_nothing_over_itself(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    deblock.main(["--codec", "jpeg", "--drawings", "2", "--quality", "20", "--quality", "80", *options])
    *_, low, high = map(cells, capsys.readouterr().out.splitlines())
    assert (low[0], high[0]) == ("20", "80") and float(low[1]) < float(high[1])
    assert {low[3], high[3]} == {"+0.00, +0.0000, +0.00"} and {low[4], high[4]} == {"+0.00 (0)"}


def test_pictures_of_a_folder_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    deblock.main([str(SAMPLES), "--codec", "jpeg", "--quality", "10", "--limit", "1"])
    assert cells(capsys.readouterr().out.splitlines()[-1])[0] == "10"


def test_gains_and_losses_are_seen() -> None:
    better, worse = Better(PHOTO), Better(PHOTO, off=90)
    ours, theirs = (deblock.restored(codec, PHOTO, 30) for codec in (better, worse))
    assert ours.gain == pytest.approx(deblock.EXACT - ours.plain[0]) and ours.same == ours.blocks
    assert theirs.gain < 0 and theirs.same < theirs.blocks
    assert (ours.plain == theirs.plain).all()
    assert cells(deblock.line(30, [ours, theirs]))[4] == f"{theirs.gain:+.2f} (1)"


def test_what_was_a_jpeg_is_cut_off_its_blocks() -> None:
    before = deblock.compressed_before(PHOTO, 50)
    whole = deblock.pixels_of(deblock.jpeg_of(PHOTO, 50))
    assert before.shape == (61, 75, 3) and np.array_equal(before[0, 0], whole[3, 5])


def test_drawings_are_the_same_for_the_same_seed_and_have_few_colours() -> None:
    assert np.array_equal(drawing(1), drawing(1)) and not np.array_equal(drawing(1), drawing(2))
    colours, counts = np.unique(drawing(1).reshape(-1, 3), axis=0, return_counts=True)
    assert np.sort(counts)[-6:].sum() > 0.95 * counts.sum() and len(colours) > 6


def test_without_pictures_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="name a folder"):
        deblock.main(["--codec", "jpeg"])
    with pytest.raises(SystemExit, match="holds no picture"):
        deblock.main([str(tmp_path), "--codec", "jpeg"])
