"""Learned codecs in archives: previews of progressive ones, views, restorations over models, side information."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilepress
from tests.support.make_archives import encoded, smooth, write_files
from tilepress.codecs.model import SHIPPED, Model
from tilepress.jobs.cli import app
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.reading.archive import open_archive
from tilepress.pipeline.reading.image import Entry

pytestmark = pytest.mark.usefixtures("plugin")
GOLDEN = Path(__file__).parents[2] / "golden"
LOCAL: dict[str, Any] = {"engine": "local", "workers": 1}
PICTURES = {"gray.tif": smooth(90, 150, 1, seed=2), "rgb.tif": smooth(70, 70, 3, seed=3)}


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory, plugin: Path) -> Path:
    """`source`, and an archive of it by each family."""
    import tilepress_test_learned as toys

    folder = tmp_path_factory.mktemp("learned")
    source = write_files(folder / "source", {name: encoded(samples, "TIFF") for name, samples in PICTURES.items()})
    base = Model.load(SHIPPED / "pca-16")
    models = {"hyper": toys.hyper_model(), "steps": toys.steps_model(), "restored": toys.restored_model(base)}
    for name, model in models.items():
        model.save(folder / "models" / name)
        chosen = str(folder / "models" / name)
        report = tilepress.compress(str(source), str(folder / name), codec=chosen, tile=64, **LOCAL)
        assert report.exit_code == 0
    return folder


def entries(archives: Path, family: str) -> dict[str, Entry]:
    return {entry.path: entry for entry in open_archive(str(archives / family)).entries()}


def codecs_of(entry: Entry) -> set[str]:
    return {tile.facts.codec.partition("@")[0] for tile in entry.index_row.tiles}


@pytest.mark.parametrize("family", ["hyper", "steps", "restored"])
def test_what_learned_families_store_comes_back_byte_for_byte(archives: Path, family: str, tmp_path: Path) -> None:
    assert any(f"test-{family}" in codecs_of(entry) for entry in entries(archives, family).values())
    assert tilepress.verify(str(archives / family), against=str(archives / "source"), **LOCAL).exit_code == 0
    assert tilepress.restore(str(archives / family), str(tmp_path), **LOCAL).restored == {"byte-identical": 2}
    assert all((tmp_path / name).read_bytes() == (archives / "source" / name).read_bytes() for name in PICTURES)


def test_an_archive_holds_the_model_of_a_run_once_and_the_base_of_a_restoration_with_it(archives: Path) -> None:
    for family in ("hyper", "steps", "restored"):
        held = {path.name for path in (archives / family / "models").iterdir()}
        assert Model.load(archives / "models" / family).name in held
    references = {t.facts.codec for entry in entries(archives, "restored").values() for t in entry.index_row.tiles}
    assert len({reference for reference in references if "@" in reference}) == 1


def test_a_preview_of_a_progressive_codec_is_its_first_part(archives: Path, tmp_path: Path) -> None:
    entry = entries(archives, "steps")["gray.tif"]
    assert codecs_of(entry) == {"test-steps"}
    preview, exact = entry.array(preview=True), entry.array()
    np.testing.assert_array_equal(exact, PICTURES["gray.tif"])
    blocks = preview[:64, :64, 0].reshape(8, 8, 8, 8)
    assert np.ptp(blocks, axis=(1, 3)).max() == 0
    assert np.abs(preview.astype(int) - exact).mean() < 12
    assert tilepress.restore(archives / "steps", tmp_path, preview=True, **LOCAL).exit_code == 0
    assert (tmp_path / "gray.tif").exists()


def test_a_preview_of_several_iterations_is_what_the_first_decodes_alone(archives: Path, tmp_path: Path) -> None:
    model, source = GOLDEN / "learned-2/models/cnn-rnn-ae-whole", str(archives / "source")
    tilepress.compress(source, tmp_path / "exact", codec=model, tile=96, **LOCAL)
    tilepress.compress(source, tmp_path / "first", codec=model, tile=96, fidelity="lossy", quality=1, **LOCAL)
    exact, first = (open_archive(str(tmp_path / name))["rgb.tif"] for name in ("exact", "first"))
    assert codecs_of(exact) == codecs_of(first) == {"cnn-rnn-ae"}
    np.testing.assert_array_equal(exact.array(), PICTURES["rgb.tif"])
    np.testing.assert_array_equal(exact.array(preview=True), first.array())
    assert not np.array_equal(first.array(), PICTURES["rgb.tif"])


def test_a_view_is_chosen_when_restoring(archives: Path, tmp_path: Path) -> None:
    entry = entries(archives, "steps")["gray.tif"]
    view, base = entry.array(view="smooth"), entry.array(preview=True)
    assert view.shape == base.shape
    assert (view != base).any() and (view != entry.array()).any()
    np.testing.assert_array_equal(entry.array((60, 10, 40, 30), view="smooth"), view[10:40, 60:100])
    report = tilepress.restore(archives / "steps", tmp_path, view="smooth", include=("gray.tif",), **LOCAL)
    assert report.restored == {"preview": 1}
    from PIL import Image

    with Image.open(tmp_path / "gray.tif") as image:
        np.testing.assert_array_equal(np.asarray(image), view[..., 0])


def test_a_view_that_no_codec_of_an_image_has_is_refused(archives: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'sharp'; it has: smooth"):
        entries(archives, "steps")["gray.tif"].array(view="sharp")
    with pytest.raises(UsageError, match="it has: none"):
        entries(archives, "hyper")["gray.tif"].array(view="smooth")
    with pytest.raises(UsageError, match="no such file has a `view` 'smooth'; there are: none"):
        tilepress.restore(archives / "hyper", tmp_path, view="smooth", **LOCAL)
    assert list(tmp_path.iterdir()) == []


def test_files_without_a_view_come_back_as_they_are_and_are_counted(archives: Path, tmp_path: Path, capfd: Any) -> None:
    jpeg, text = encoded(smooth(64, 64, 3), "JPEG"), b"text\n" * 100
    gray = encoded(PICTURES["gray.tif"], "TIFF")
    source = write_files(tmp_path / "source", {"gray.tif": gray, "photo.jpg": jpeg, "b.txt": text})
    tilepress.compress(source, tmp_path / "a", codec=archives / "models/steps", tile=64, **LOCAL)
    held = entries(tmp_path, "a")
    assert {name: set(entry.views) for name, entry in held.items()} == {
        "gray.tif": {"smooth"}, "photo.jpg": set(), "b.txt": set()
    }  # fmt: skip
    for name in ("photo.jpg", "b.txt"):
        with pytest.raises(UsageError, match=f"{name} has no view 'smooth'; it has: none"):
            held[name].array(view="smooth")
    report = tilepress.restore(tmp_path / "a", tmp_path / "back", view="smooth", **LOCAL)
    assert (report.exit_code, report.without_view) == (0, 2)
    assert report.restored == {"preview": 1, "byte-identical": 2}
    assert (tmp_path / "back/photo.jpg").read_bytes() == jpeg and (tmp_path / "back/b.txt").read_bytes() == text
    assert (tmp_path / "back/gray.tif").read_bytes() != gray
    assert app._run(["restore", str(tmp_path / "a"), str(tmp_path / "again"), "--view", "smooth"]) == 0
    assert "2 files have no view smooth, and came back without it" in capfd.readouterr().out
    part = {"region": (0, 0, 20, 10), "include": ("*.tif", "*.jpg"), **LOCAL}
    report = tilepress.restore(tmp_path / "a", tmp_path / "part", view="smooth", **part)
    assert (report.exit_code, report.without_view, report.restored) == (0, 1, {"region": 2})
    with pytest.raises(UsageError, match="no such file has a `view` 'smoth'; there are: smooth"):
        tilepress.restore(tmp_path / "a", tmp_path / "slip", view="smoth", **LOCAL)


def test_a_learned_codec_has_side_information_for_each_image(archives: Path) -> None:
    stored = entries(archives, "steps")
    assert all(entry.index_row.spans["shared"][1] == 9 for entry in stored.values() if "test-steps" in codecs_of(entry))


@pytest.mark.slow
def test_actors_on_ray_decode_previews_and_views(archives: Path, tmp_path: Path, ray_cluster: object) -> None:
    on_ray = {"engine": "ray", "workers": 2, "gpus_per_actor": 1}
    for number, options in enumerate(({}, {"preview": True}, {"view": "smooth", "include": ("gray.tif",)})):
        places = [tmp_path / f"{engine}{number}" for engine in ("local", "ray")]
        for place, engine in zip(places, (LOCAL, on_ray), strict=True):
            assert tilepress.restore(str(archives / "steps"), str(place), **engine, **options).exit_code == 0
        for path in places[0].iterdir():
            assert path.read_bytes() == (places[1] / path.name).read_bytes()
