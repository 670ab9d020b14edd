"""`restore --deblock`: JPEG files as their coefficients are restored, whatever program wrote them, and nothing else."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tilepress
from tests.support.interrupted import ONE
from tests.support.make_archives import encoded, noise
from tests.support.make_collection import encoded as image_file
from tests.support.make_collection import tree, write_tree
from tilepress.codecs import extras, registry
from tilepress.codecs.jpeg.file.coefficients import Coefficients
from tilepress.codecs.jpeg.file.foreign import read_foreign
from tilepress.codecs.jpeg.forward import quantised_plane
from tilepress.errors import MissingPackage
from tilepress.jobs.archives.restore import RestoreReport
from tilepress.jobs.cli import app
from tilepress.pipeline.coding.origins import MAX_BYTES
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.reading import deblocked

SAMPLES = Path(__file__).parents[3] / "infra/samples"
PHOTO = np.asarray(Image.open(SAMPLES / "images/coffee.png").convert("RGB"))[40:136, 60:188]
SIDEWAYS = (SAMPLES / "images/coffee-sideways.jpg").read_bytes()
WAS_JPEG = (SAMPLES / "origins/jpeg.png").read_bytes()


def jpeg(samples: np.ndarray = PHOTO, quality: int = 40, **options: Any) -> bytes:
    return encoded(samples, "JPEG", quality=quality, **options)


def decoded(data: bytes) -> np.ndarray:
    """A file's pixels as Pillow gives them, (h, w, c)."""
    samples = np.asarray(Image.open(io.BytesIO(data)))
    return samples if samples.ndim == 3 else samples[:, :, None]


def coefficients(data: bytes) -> Coefficients:
    return read_foreign(data).coefficients()


JPEGS = {
    "gray.jpg": jpeg(PHOTO[:, :, :1]),
    "444.jpg": jpeg(subsampling=0),
    "422.jpg": jpeg(PHOTO[:90, :101], subsampling=1),
    "a/420.jpg": jpeg(PHOTO[:93, :99], subsampling=2),
    "a/progressive.JPG": jpeg(progressive=True),
    "a/other.jpeg": jpeg(quality=70),
    "components.jpg": jpeg(keep_rgb=True),
    "sideways.jpg": SIDEWAYS,
}
NAMES = {name: f"{name}-deblocked.png" for name in JPEGS}
OTHERS = {
    "arithmetic.jpg": jpeg().replace(b"\xff\xc0", b"\xff\xc9", 1),
    "cmyk.jpg": image_file(Image.fromarray(noise(40, 40, 4), "CMYK"), "JPEG"),
    "cut.jpg": jpeg()[:-600],
    "drawn.png": encoded(noise(70, 60, 3)),
    "notes.txt": b"no picture\n" * 20,
}

RESTORED_ANYWAY = "held by jpeg-dncnn, which restores it anyway"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`source`, its `archive`, and `out`: what comes back of that."""
    folder = tmp_path_factory.mktemp("deblock")
    write_tree(folder / "source", {**JPEGS, **OTHERS, "was.png": WAS_JPEG})
    assert tilepress.compress(folder / "source", folder / "archive", codec="jpegxl", **ONE).run == 1
    return folder


@pytest.fixture(scope="module")
def report(place: Path) -> RestoreReport:
    return tilepress.restore(place / "archive", place / "out", deblock=True, **ONE)


def test_every_jpeg_has_its_restored_picture_and_nothing_else_changes(place: Path, report: RestoreReport) -> None:
    restored = tree(place / "out")
    assert set(restored) == {*NAMES.values(), *OTHERS, "was.png-deblocked.png"}
    assert {name: restored[name] for name in OTHERS} == OTHERS
    assert report.exit_code == 0 and report.restored == {"deblocked": len(JPEGS) + 1, "byte-identical": len(OTHERS)}
    assert dict(report.not_deblocked) == {
        "arithmetic.jpg": "JPEG with arithmetic coding is not supported",
        "cmyk.jpg": "JPEG with 4 components: only one and three are supported",
        "cut.jpg": dict(report.not_deblocked)["cut.jpg"],
        "drawn.png": "no JPEG file",
        "notes.txt": "no JPEG file",
    }
    assert dict(report.not_deblocked)["cut.jpg"].startswith("JPEG file: truncated at ")


@pytest.mark.parametrize("name", NAMES)
def test_it_is_the_same_picture_but_for_what_quantisation_leaves_open(
    place: Path, report: RestoreReport, name: str
) -> None:
    found, plain = decoded((place / "out" / NAMES[name]).read_bytes()), decoded(JPEGS[name])
    assert found.shape == plain.shape
    difference = np.abs(found.astype(int) - plain)
    assert 0 < difference.mean() < 4 and difference.max() < 80


def test_a_restored_gray_picture_is_compressed_to_its_own_coefficients(place: Path, report: RestoreReport) -> None:
    image = coefficients(JPEGS["gray.jpg"])
    plane = decoded((place / "out" / NAMES["gray.jpg"]).read_bytes())[:, :, 0]
    assert (plane != decoded(JPEGS["gray.jpg"])[:, :, 0]).any()
    np.testing.assert_array_equal(quantised_plane(plane, image.tables[0]), image.blocks[0])


def test_components_that_are_red_green_and_blue_are_restored_as_such(place: Path, report: RestoreReport) -> None:
    image = coefficients(JPEGS["components.jpg"])
    picture = decoded((place / "out" / NAMES["components.jpg"]).read_bytes())
    for component, (blocks, table) in enumerate(zip(image.blocks, image.tables, strict=True)):
        np.testing.assert_array_equal(quantised_plane(picture[:, :, component], table), blocks)


def test_orientation_and_resolution_go_with_it(place: Path, report: RestoreReport) -> None:
    found, source = Image.open(place / "out/sideways.jpg-deblocked.png"), Image.open(io.BytesIO(SIDEWAYS))
    assert found.size == source.size and found.format == "PNG"
    assert dict(found.getexif()) == dict(source.getexif()) != {}
    np.testing.assert_allclose(found.info["dpi"], source.info["dpi"], rtol=1e-3)


def test_a_picture_that_was_a_jpeg_is_restored_by_that(place: Path, report: RestoreReport) -> None:
    entry = tilepress.open(place / "archive")["was.png"]
    write_tree(place / "again", {"it.jpg": entry.jpeg()})
    tilepress.compress(place / "again", place / "again.tp", codec="jpegxl", **ONE)
    tilepress.restore(place / "again.tp", place / "again", deblock=True, **ONE)
    found = decoded((place / "out/was.png-deblocked.png").read_bytes())
    np.testing.assert_array_equal(found, decoded((place / "again/it.jpg-deblocked.png").read_bytes()))
    assert (found != decoded(WAS_JPEG)).any()


def test_what_the_jpeg_does_not_explain_stays_as_it_is(tmp_path: Path) -> None:
    was = decoded(WAS_JPEG)
    scratched = was.copy()
    scratched[20:24, 30:50] = (255, 0, 0)
    write_tree(tmp_path / "source", {"scratched.png": encoded(scratched), "scan.tif": encoded(was, "TIFF")})
    tilepress.compress(tmp_path / "source", tmp_path / "a.tp", codec="jpegxl", **ONE)
    report = tilepress.restore(tmp_path / "a.tp", tmp_path / "out", deblock=True, **ONE)
    assert report.restored == {"deblocked": 2}
    found, scan = (tmp_path / "out" / name for name in ("scratched.png-deblocked.png", "scan.tif-deblocked.tif"))
    pixels, whole = decoded(found.read_bytes()), decoded(scan.read_bytes())
    assert Image.open(scan).format == "TIFF" and (whole != was).any()
    there = np.zeros(was.shape[:2], bool)
    there[20:24, 30:50] = True
    np.testing.assert_array_equal(pixels[there], scratched[there])
    assert (pixels[~there] != was[~there]).any()
    assert np.abs(pixels[~there].astype(int) - whole[~there]).mean() < 0.1, "the scratch hides coefficients below it"


def test_run_twice_nothing_changes_and_nothing_is_replaced_unasked(place: Path, tmp_path: Path) -> None:
    again: dict[str, Any] = {"deblock": True, "include": ["444.jpg", "notes.txt"], **ONE}
    tilepress.restore(place / "archive", tmp_path, **again)
    there = tree(tmp_path)
    assert tilepress.restore(place / "archive", tmp_path, **again).restored == {"already there": 2}
    (tmp_path / NAMES["444.jpg"]).write_bytes(b"mine")
    refused = tilepress.restore(place / "archive", tmp_path, **again)
    assert refused.exit_code == 2 and [path for path, _ in refused.refused] == ["444.jpg"]
    assert (tmp_path / NAMES["444.jpg"]).read_bytes() == b"mine"
    assert tilepress.restore(place / "archive", tmp_path, overwrite=True, **again).exit_code == 0
    assert tree(tmp_path) == there


def test_restored_pictures_of_like_names_never_take_each_others_place(tmp_path: Path) -> None:
    files = {"b": jpeg(quality=30), "b.jpg": jpeg(), "b.JPG": jpeg(quality=20), "b.jpeg": jpeg(quality=60)}
    write_tree(tmp_path / "source", files)
    tilepress.compress(tmp_path / "source", tmp_path / "a.tp", codec="jpegxl", **ONE)
    for _ in range(2):
        report = tilepress.restore(tmp_path / "a.tp", tmp_path / "out", deblock=True, overwrite=True, **ONE)
        assert report.exit_code == 0
    assert report.restored == {"already there": len(files)}
    restored = tree(tmp_path / "out")
    assert set(restored) == {f"{name}-deblocked.png" for name in files} and len(set(restored.values())) == len(files)


@pytest.mark.parametrize(
    "other", [{"region": (0, 0, 8, 8)}, {"preview": True}, {"view": "smooth"}, {"as_origin": True}], ids=str
)
def test_another_way_to_come_back_beside_it_is_refused(place: Path, tmp_path: Path, other: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"`deblock` and `{next(iter(other))}` are two ways"):
        tilepress.restore(place / "archive", tmp_path / "out", deblock=True, **other, **ONE)
    assert not (tmp_path / "out").exists()


def test_without_torch_or_the_model_it_is_said_at_once(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(extras, "is_installed", lambda module: module != "torch")
        with pytest.raises(MissingPackage, match=r"`deblock` needs torch.*pip install 'tilepress\[learned\]'"):
            tilepress.restore(place / "archive", tmp_path / "out", deblock=True, **ONE)
    monkeypatch.setattr(registry, "shipped_models", dict)
    with pytest.raises(UsageError, match="`deblock` needs the model jpeg-dncnn, which this tilepress lacks"):
        tilepress.restore(place / "archive", tmp_path / "out", deblock=True, **ONE)
    assert not (tmp_path / "out").exists()


def test_a_picture_beyond_the_limit_comes_back_as_it_is(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert deblocked.MAX_BYTES == MAX_BYTES
    monkeypatch.setattr(deblocked, "MAX_BYTES", 1000)
    report = tilepress.restore(place / "archive", tmp_path, deblock=True, include=["gray.jpg"], **ONE)
    assert report.not_deblocked == [("gray.jpg", "JPEG of 128 x 96: 12288 samples; the limit is 1000")]
    assert tree(tmp_path) == {"gray.jpg": JPEGS["gray.jpg"]}


def test_of_a_film_that_begins_as_a_jpeg_no_more_is_read_than_a_jpeg_can_have(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deblocked, "MAX_FILE_BYTES", 1000)
    report = tilepress.restore(place / "archive", tmp_path, deblock=True, include=["gray.jpg"], **ONE)
    assert report.not_deblocked == [("gray.jpg", "JPEG file of more than 1000 bytes")]
    assert tree(tmp_path) == {"gray.jpg": JPEGS["gray.jpg"]}


@pytest.mark.parametrize(
    ("codec", "reasons"),
    [
        ("jpeg-dncnn", {"a.png": RESTORED_ANYWAY, "b.jpg": RESTORED_ANYWAY}),
        ("jpeg", {"a.png": "no JPEG file", "b.jpg": "held as pixels, without the coefficients of its JPEG file"}),
    ],
)
def test_images_held_as_pixels_come_back_as_those(tmp_path: Path, codec: str, reasons: dict[str, str]) -> None:
    write_tree(tmp_path / "source", {"a.png": encoded(PHOTO), "b.jpg": jpeg()})
    tilepress.compress(tmp_path / "source", tmp_path / "lossy.tp", codec=codec, fidelity="lossy", **ONE)
    report = tilepress.restore(tmp_path / "lossy.tp", tmp_path / "out", deblock=True, **ONE)
    assert report.restored == {"lossy": 2} and dict(report.not_deblocked) == reasons


def test_an_image_that_a_residual_makes_exact_is_not_said_to_be_restored(tmp_path: Path) -> None:
    write_tree(tmp_path / "source", {"a.png": encoded(PHOTO)})
    tilepress.compress(tmp_path / "source", tmp_path / "a.tp", codec="jpeg-dncnn", **ONE)
    held = tilepress.open(tmp_path / "a.tp")["a.png"].index_row.tiles
    assert {tile.facts.codec.partition("@")[0] for tile in held} == {"jpeg-dncnn"}
    report = tilepress.restore(tmp_path / "a.tp", tmp_path / "out", deblock=True, **ONE)
    assert report.restored == {"byte-identical": 1} and report.not_deblocked == [("a.png", "no JPEG file")]


def test_the_command_says_it(place: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    asked = ["restore", str(place / "archive"), str(tmp_path), "--deblock"]
    assert app._run([*asked, "--include", "a/*", "--include", "*.txt"]) == 0
    said = capfd.readouterr().out
    assert "3 deblocked, 1 byte-identical" in said and "notes.txt came back without deblocking: no JPEG file" in said
    assert app._run([*asked, "--include", "*.txt", "--include", "*.png"]) == 0
    said = capfd.readouterr().out
    assert "2 files, drawn.png among them, came back without deblocking: no JPEG file" in said
    assert app._run([*asked, "--include", "*.txt", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["not_deblocked"] == [["notes.txt", "no JPEG file"]]
    assert app._run([*asked, "--preview"]) == 2
    assert "--deblock and --preview are two ways" in capfd.readouterr().err


@pytest.mark.slow
def test_on_ray_the_networks_run_in_actors_and_make_the_same_files(
    place: Path, report: RestoreReport, tmp_path: Path, ray_cluster: object
) -> None:
    on_ray: dict[str, Any] = {"engine": "ray", "workers": 2, "gpus_per_actor": 1}
    assert tilepress.restore(place / "archive", tmp_path, deblock=True, **on_ray).restored == report.restored
    assert tree(tmp_path) == tree(place / "out")
