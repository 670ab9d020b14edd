"""A small install, without extras: classical codecs and `lossless` do everything, and what cannot work says why."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tilepress.codecs.extras import EXTRAS

ROOT = Path(__file__).parents[2]
BLOCKED = sorted({module for modules in EXTRAS.values() for module in modules})
PROGRAM = f"""
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""
COMMAND = PROGRAM + "from tilepress.jobs.cli.app import main\nmain()"


def tilepress(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three small images, of which one is deep."""
    folder = tmp_path_factory.mktemp("small") / "images"
    folder.mkdir()
    with Image.open(ROOT / "infra/samples/images/coffee.png") as image:
        image.crop((0, 0, 96, 64)).save(folder / "colour.png")
        image.convert("L").crop((9, 9, 73, 80)).save(folder / "photo.jpg")
    deep = np.arange(40 * 50, dtype=np.uint16).reshape(40, 50) * 31
    Image.fromarray(deep).save(folder / "deep.tif")
    return folder


@pytest.mark.parametrize("codec", ["auto", pytest.param("lossless", marks=pytest.mark.slow)])
def test_what_needs_no_network_works_without_any_extra(codec: str, source: Path, tmp_path: Path) -> None:
    archive, back = tmp_path / "a.tp", tmp_path / "back"
    for arguments in (
        ("compress", source, archive, "--codec", codec),
        ("verify", archive, "--against", source),
        ("ls", archive),
        ("restore", archive, back),
    ):
        done = tilepress(*arguments)
        assert done.returncode == 0, done.stderr
    assert {path.name: path.read_bytes() for path in back.iterdir()} == {
        path.name: path.read_bytes() for path in source.iterdir()
    }


@pytest.mark.parametrize(
    ("arguments", "missing", "extra"),
    [
        (("compress", "{source}", "{out}", "--codec", "block-dnn-16"), "torch", "learned"),
        (("compress", "{source}", "{out}", "--engine", "ray"), "ray", "ray"),
        (("train", "pca", "--data", "{source}", "--out", "{out}"), "torch", "train"),
        (("evaluate", "{source}", "--codec", "png", "--out", "{out}"), "matplotlib", "train"),
        (("fit-lossless", "{source}", "--out", "{out}"), "torch", "train"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else value,
)
def test_a_missing_extra_is_one_line_with_what_to_type(
    arguments: tuple[str, ...], missing: str, extra: str, source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = tilepress(*(text.format(source=source, out=out) for text in arguments))
    (line,) = done.stderr.strip().splitlines()
    assert done.returncode == 5 and missing in line and line.endswith(f"pip install 'tilepress[{extra}]'")
    assert not out.exists()


def test_an_archive_of_a_learned_codec_is_not_damaged_but_wants_an_extra(source: Path, tmp_path: Path) -> None:
    import tilepress as package

    archive = str(tmp_path / "a.tp")
    assert package.compress(str(source), archive, codec="block-dnn-4").exit_code == 0
    for arguments in (("verify", archive), ("restore", archive, tmp_path / "back")):
        done = tilepress(*arguments)
        assert done.returncode == 5 and "pip install 'tilepress[learned]'" in done.stdout
        assert "DAMAGE" not in done.stdout and "Traceback" not in done.stderr


def test_the_extras_are_those_that_the_package_names() -> None:
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(EXTRAS) == set(named) - {"all", "dev"}
    for extra, modules in EXTRAS.items():
        wanted = " ".join(named[extra]) + " torch ray" * ("tilepress[learned]" in named[extra])
        assert not [module for module in modules if module not in wanted]
