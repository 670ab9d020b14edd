"""Pictures that were once JPEG files come back as those files, from pictures and from archives."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tilepress
from tests.support.interrupted import ONE
from tests.support.make_archives import encoded, smooth
from tests.support.make_collection import tree, write_tree
from tests.support.origins.rule_samples import page_with
from tilepress.codecs.jpeg.decode import decode
from tilepress.codecs.jpeg.decoders import DECODERS
from tilepress.codecs.jpeg.file.reader import read_blocks_of, read_header
from tilepress.jobs.cli import app
from tilepress.pipeline.coding.tiles import Box
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.reading.likeness import compare_jpeg

SAMPLES = Path(__file__).parents[3] / "infra/samples/images"
PHOTO = np.asarray(Image.open(SAMPLES / "coffee.png").convert("RGB"))[:176, :176]


def jpeg(quality: int = 85, subsampling: int = 0) -> bytes:
    return encoded(PHOTO, "JPEG", quality=quality, subsampling=subsampling)


def decoded(data: bytes) -> np.ndarray:
    samples = np.asarray(Image.open(io.BytesIO(data)))
    return samples if samples.ndim == 3 else samples[:, :, None]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures that were JPEG files, one with a scratch on it, one in a part, and others that were none."""
    scratched = decoded(jpeg()).copy()
    scratched[20:24, 30:50] = (255, 0, 0)
    folder = tmp_path_factory.mktemp("recover") / "pictures"
    write_tree(
        folder,
        {
            "a.png": encoded(decoded(jpeg())),
            "b/half.tif": encoded(decoded(jpeg(75, 2)), "TIFF"),
            "page.png": encoded(page_with(decoded(jpeg(85, 2)), 21, 30)),
            "enlarged.png": encoded(np.repeat(np.repeat(smooth(90, 90, 3), 2, axis=0), 2, axis=1)),
            "photo.png": encoded(PHOTO),
            "scratched.png": encoded(scratched),
            "was.jpg": jpeg(),
            "cut.png": encoded(PHOTO)[:5000],
        },
    )
    return folder


def test_files_are_written_that_decode_to_the_very_same_pixels(pictures: Path, tmp_path: Path) -> None:
    report = tilepress.recover([pictures], out=tmp_path / "out")
    found = {each.path: each for each in report.recovered}
    assert set(found) == {"a.png", "b/half.tif", "scratched.png", "page.png"} and report.exit_code == 3
    assert {path for path, each in found.items() if each.exact} == {"a.png", "b/half.tif"}
    for path in ("a.png", "b/half.tif"):
        written = (tmp_path / "out" / f"{path}.jpg").read_bytes()
        np.testing.assert_array_equal(decoded(written), decoded((pictures / path).read_bytes()))
        assert found[path].bytes == len(written) < 0.5 * found[path].source_bytes
    assert len((tmp_path / "out/a.png.jpg").read_bytes()) <= 1.02 * len(jpeg())
    assert found["a.png"].origin == "JPEG, quality 85, 4:4:4, libjpeg-turbo"
    assert "other values of" in found["scratched.png"].likeness
    assert found["page.png"].origin == "JPEG in part, quality 85, 4:2:0, libjpeg-turbo, 176 x 176 at 30, 21"
    assert found["page.png"].likeness == (
        f"decodes to exactly the pixels there; {220 * 212 - 176**2:,} pixels lie outside of 176 x 176 at 30,21"
    )
    np.testing.assert_array_equal(decoded((tmp_path / "out/page.png.jpg").read_bytes()), decoded(jpeg(85, 2)))
    others = dict(report.others)
    assert others["was.jpg"] == "a JPEG file as it is" and others["enlarged.png"] == "enlarged 2 x 2"
    assert "photo.png" in others and [path for path, _ in report.failed] == ["cut.png"]


def test_it_is_said_by_which_other_decoder_a_file_gives_the_pixels(pictures: Path, tmp_path: Path) -> None:
    tilepress.recover([pictures / "b/half.tif"], out=tmp_path / "first")
    image = read_blocks_of(read_header((tmp_path / "first/half.tif.jpg").read_bytes()))
    pixels = decode(image, DECODERS[4])
    (tmp_path / "game.png").write_bytes(encoded(pixels))
    report = tilepress.recover([tmp_path / "game.png"], out=tmp_path / "out")
    (found,) = report.recovered
    assert found.origin == "JPEG, quality 75, 4:2:0, stb_image" and report.exit_code == 0
    assert found.likeness == "decodes by stb_image to exactly these pixels"
    file = (tmp_path / "out/game.png.jpg").read_bytes()
    pixels[3, 4] ^= 1
    likeness = compare_jpeg(file, pixels, decoder=DECODERS[4])
    assert likeness.text == "decodes by stb_image to other values of 1 pixel, within 1 x 1 at 4,3"
    assert " by " not in compare_jpeg(file, pixels, decoder=DECODERS[0]).text
    tilepress.compress(tmp_path / "game.png", tmp_path / "a.tp")
    tilepress.restore(tmp_path / "a.tp", tmp_path / "back", as_origin=True)
    assert (tmp_path / "back/game.png.jpg").read_bytes() == file


def test_run_twice_nothing_changes_and_nothing_is_replaced_unasked(pictures: Path, tmp_path: Path) -> None:
    first = tilepress.recover([pictures / "a.png"], out=tmp_path / "out")
    there = tree(tmp_path / "out")
    assert first.exit_code == 0 and tilepress.recover([pictures / "a.png"], out=tmp_path / "out") == first
    assert tree(tmp_path / "out") == there
    (tmp_path / "out/a.png.jpg").write_bytes(b"mine")
    refused = tilepress.recover([pictures / "a.png"], out=tmp_path / "out")
    assert [path for path, _ in refused.failed] == ["a.png"]
    assert (tmp_path / "out/a.png.jpg").read_bytes() == b"mine"
    tilepress.recover([pictures / "a.png"], out=tmp_path / "out", overwrite=True)
    assert tree(tmp_path / "out") == there


def test_nothing_to_recover_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError):
        tilepress.recover([tmp_path / "empty"], out=tmp_path / "out")


def test_the_command_says_it(pictures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    asked = ["recover", str(pictures / "a.png"), str(pictures / "enlarged.png"), "--out", str(tmp_path / "out")]
    assert app._run(asked) == 3
    said = capfd.readouterr().out
    assert "a.png.jpg: JPEG, quality 85, 4:4:4, libjpeg-turbo" in said and "exactly these pixels" in said
    assert app._run([*asked, "--json"]) == 3
    assert json.loads(capfd.readouterr().out)["recovered"][0]["exact"] is True


def test_archives_give_them_back_as_what_they_were(pictures: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    tilepress.compress(pictures, archive, **ONE)
    entries = tilepress.open(archive)
    for path in ("a.png", "b/half.tif", "scratched.png", "page.png"):
        assert entries[path].index_row.facts.origin.startswith(("JPEG, quality", "JPEG in part, quality"))
        assert entries[path].bytes() == (pictures / path).read_bytes()
    small, large = (sum(entry.index_row.nbytes for entry in (entries[path],)) for path in ("a.png", "photo.png"))
    assert small < 0.6 * large and small < len(jpeg())
    assert (
        entries["photo.png"].jpeg() == entries["page.png"].jpeg() == b""
        and decoded(entries["a.png"].jpeg()).shape == PHOTO.shape
    )
    report = tilepress.restore(archive, tmp_path / "out", as_origin=True, **ONE)
    assert report.restored["JPEG of the same pixels"] == 2 and report.restored["JPEG of nearly the same pixels"] == 1
    ((path, how),) = [each for each in report.not_identical if "nearly" in each[1]]
    assert path == "scratched.png" and "decodes to other values" in how
    restored = tree(tmp_path / "out")
    np.testing.assert_array_equal(decoded(restored["a.png.jpg"]), decoded((pictures / "a.png").read_bytes()))
    assert restored["photo.png"] == (pictures / "photo.png").read_bytes() and "a.png" not in restored
    assert restored["page.png"] == (pictures / "page.png").read_bytes(), "a part is not all of it"
    assert tilepress.verify(archive, against=pictures, **ONE).exit_code == 0


def test_how_a_file_differs_is_told_with_the_place() -> None:
    gray = decoded(encoded(PHOTO[:, :, :1], "JPEG"))
    assert compare_jpeg(encoded(PHOTO[:, :, :1], "JPEG"), np.repeat(gray, 3, axis=2)).exact
    pixels = decoded(jpeg()).copy()
    pixels[10, 5] ^= 1
    pixels[12, 9] ^= 1
    likeness = compare_jpeg(jpeg(), pixels)
    assert (likeness.differing, likeness.within) == (2, Box(5, 10, 5, 3))
    assert likeness.text == "decodes to other values of 2 pixels, within 5 x 3 at 5,10"
    assert "176 x 176" in compare_jpeg(jpeg(), pixels[:100]).text
    around = np.pad(pixels, ((3, 0), (0, 7), (0, 0)))
    likeness = compare_jpeg(jpeg(), around, Box(0, 3, 176, 176))
    assert (likeness.differing, likeness.within, likeness.outside) == (2, Box(5, 13, 5, 3), 3 * 183 + 7 * 176)
    assert likeness.text == (
        "decodes to other values of 2 pixels, within 5 x 3 at 5,13; 1,781 pixels lie outside of 176 x 176 at 0,3"
    )
    assert not compare_jpeg(jpeg(), np.pad(decoded(jpeg()), ((1, 0), (0, 0), (0, 0))), Box(0, 1, 176, 176)).exact
