"""The files that travel to a GPU machine and back: training set, packages, state."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

sys.path.append(str(Path(__file__).parents[2]))

from infra.gpu import packages, state
from infra.gpu.collect import collect
from infra.gpu.pack import pack, unpack
from tilepress.pipeline.sources.crops import split
from tilepress.pipeline.sources.dataset import Source

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for number in range(5):
        samples = np.random.default_rng(number).integers(0, 256, (150, 130 + number, 3)).astype(np.uint8)
        Image.fromarray(samples).save(folder / f"{number}.png")
    Image.fromarray(np.full((70, 40), 9, np.uint8)).save(folder / "gray.png")
    (folder / "notes.txt").write_text("no image")
    return folder


def test_a_pack_keeps_its_limit_and_is_always_the_same(images, tmp_path, capsys):
    about = pack(str(images), tmp_path / "a.zip", 100_000, "CC BY-SA 4.0")
    again = pack(str(images), tmp_path / "b.zip", 100_000, "CC BY-SA 4.0")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes() and about == again
    assert 60_000 < (tmp_path / "a.zip").stat().st_size <= 100_000
    assert (about["count"], about["licence"], len(about["fingerprint"])) == (6, "CC BY-SA 4.0", 64)
    assert "left out: notes.txt" in capsys.readouterr().out


def test_what_is_unpacked_are_crops_of_the_images_pixel_for_pixel(images, tmp_path):
    about = pack(str(images), tmp_path / "a.zip", 10**6, "CC0", 64)
    unpack(tmp_path / "a.zip", tmp_path / "out")
    for number, fact in enumerate(about["crops"]):
        crop = tifffile.imread(tmp_path / "out" / f"{number:05d}.tif")
        whole = np.asarray(Image.open(images / fact["name"]).convert("RGB"))
        corners = [
            (y, x)
            for y in range(whole.shape[0] - crop.shape[0] + 1)
            for x in range(whole.shape[1] - crop.shape[1] + 1)
            if np.array_equal(whole[y : y + crop.shape[0], x : x + crop.shape[1]], crop)
        ]
        assert corners and crop.shape == (min(64, whole.shape[0]), min(64, whole.shape[1]), 3)


def test_a_training_takes_two_unpackings_for_the_same_data(images, tmp_path):
    pack(str(images), tmp_path / "a.zip", 10**6, "CC0", 64)
    prints = []
    for name in ("here", "there"):
        unpack(tmp_path / "a.zip", tmp_path / name)
        prints.append(split(Source(str(tmp_path / name)).open(), 0.2).fingerprint)
    assert prints[0] == prints[1]


def test_a_damaged_pack_is_refused(images, tmp_path):
    pack(str(images), tmp_path / "a.zip", 10**6, "CC0", 64)
    with zipfile.ZipFile(tmp_path / "a.zip") as source, zipfile.ZipFile(tmp_path / "b.zip", "w") as target:
        for name in source.namelist():
            data = source.read(name)
            target.writestr(name, source.read("00001.webp") if name == "00000.webp" else data)
    with pytest.raises(ValueError, match=r"crop 0 \(0\.png\) is damaged"):
        unpack(tmp_path / "b.zip", tmp_path / "out")


def test_a_limit_that_nothing_fits_is_refused(images, tmp_path):
    with pytest.raises(ValueError, match="choose fewer images"):
        pack(str(images), tmp_path / "a.zip", 5000, "CC0")


def test_the_command_refuses_a_pack_that_could_not_travel(images, tmp_path):
    call = [sys.executable, "-m", "infra.gpu.pack", str(images), str(tmp_path / "a.zip"), "--licence", "CC0"]
    done = subprocess.run([*call, "--limit", "61MB"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "does not travel" in done.stderr


def test_wheels_become_one_file_of_what_is_loaded_and_can_be_imported_from_it(tmp_path):
    wheel = tmp_path / "wheels/thing-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as container:
        container.writestr("gpu_test_thing/__init__.py", "VALUE = 7")
        program = zipfile.ZipInfo("ray/core/raylet")
        program.external_attr = 0o755 << 16
        container.writestr(program, "#!/bin/sh")
        container.writestr("ray/jars/ray_dist.jar", "x" * 1000)
        container.writestr("thing-1.0.data/purelib/gpu_test_other.py", "VALUE = 8")
    assert packages.repack([wheel], tmp_path / "packages.tar.xz") == 3
    before = list(sys.path)
    try:
        packages.install(tmp_path / "packages.tar.xz", tmp_path / "site")
        import gpu_test_other
        import gpu_test_thing

        assert (gpu_test_thing.VALUE, gpu_test_other.VALUE) == (7, 8)
    finally:
        sys.path[:] = before
    assert (tmp_path / "site/ray/core/raylet").stat().st_mode & stat.S_IXUSR
    assert not (tmp_path / "site/ray/jars").exists()


def work_of(folder: Path) -> Path:
    checkpoints = folder / "work/models/m.training/checkpoints"
    checkpoints.mkdir(parents=True)
    for step, size in ((100, 1_000_000), (200, 16_000_000)):
        (checkpoints / f"{step:08d}.safetensors").write_bytes(os.urandom(size))
        (checkpoints / f"{step:08d}.json").write_text("{}")
    (checkpoints / "00000300.safetensors").write_bytes(b"half")
    (folder / "work/report.json").write_text("{}")
    return folder / "work"


def test_of_a_training_under_way_only_the_newest_whole_checkpoint_travels_in_files_that_come_back(tmp_path):
    work = work_of(tmp_path)
    parts = state.save(work, tmp_path / "out")
    assert len(parts) == 2 and all(path.stat().st_size <= 16 << 20 for path in parts)
    assert state.load(tmp_path / "out", tmp_path / "back")
    found = {path.name for path in (tmp_path / "back").rglob("*") if path.is_file()}
    assert found == {"00000200.safetensors", "00000200.json", "report.json"}
    name = "models/m.training/checkpoints/00000200.safetensors"
    assert (tmp_path / "back" / name).read_bytes() == (work / name).read_bytes()


def test_state_that_is_damaged_or_too_large_is_an_error_that_says_what_to_do(tmp_path, monkeypatch):
    work = work_of(tmp_path)
    state.save(work, tmp_path / "out")
    (tmp_path / "out/state.1").write_bytes(b"other")
    with pytest.raises(state.StateError, match=r"damaged.*collect it again"):
        state.load(tmp_path / "out", tmp_path / "back")
    with pytest.raises(state.StateError, match="damaged"):
        collect(tmp_path / "out", tmp_path / "home")
    monkeypatch.setattr(state, "MAX_PARTS", 1)
    with pytest.raises(state.StateError, match="choose smaller networks"):
        state.save(work, tmp_path / "again")


def test_collecting_replaces_the_last_state_and_keeps_the_report(tmp_path):
    assert not state.load(tmp_path / "nothing", tmp_path / "none")
    with pytest.raises(state.StateError, match=r"there is no state\.json"):
        collect(tmp_path / "nothing", tmp_path / "home")
    work = work_of(tmp_path)
    state.save(work, tmp_path / "out")
    (tmp_path / "out/report.md").write_text("# fine")
    (tmp_path / "home/state").mkdir(parents=True)
    (tmp_path / "home/state/state.7").write_text("of a call before")
    results = collect(tmp_path / "out", tmp_path / "home")
    assert (results / "report.md").read_text() == "# fine"
    assert sorted(path.name for path in (tmp_path / "home/state").iterdir()) == ["state.0", "state.1", "state.json"]
    assert json.loads((tmp_path / "home/state/state.json").read_text())["parts"] == 2
