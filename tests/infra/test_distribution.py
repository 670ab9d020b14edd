"""What is published works: an sdist, a wheel made of that sdist, and a round trip in an environment with it alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.make_collection import encoded, image_of, write_tree

ROOT = Path(__file__).parents[2]
FOLDERS = ("codecs", "pipeline", "jobs")
SHIP = (
    "import sys, pathlib; from tilepress.codecs.kernels.pack import write_pack; write_pack(pathlib.Path(sys.argv[1]))"
)
LEFT_OUT = (".*", "__pycache__", "tests", "samples", "bench", "tables", "build", "dist", "packs")  # of a tree to build


def run(*command: object, cwd: Path, **settings: str) -> str:
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | settings
    done = subprocess.run([str(word) for word in command], cwd=cwd, env=clean, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from it as `python -m build` does."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    return out


@pytest.fixture(scope="module")
def python(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel, and with the dependencies of the one that runs the tests."""
    (wheel,) = built.glob("*.whl")
    return installed(wheel, tmp_path_factory.mktemp("environment"))


def installed(wheel: Path, folder: Path) -> Path:
    """The interpreter of a new environment in a folder."""
    venv.create(folder, with_pip=True)
    interpreter = folder / "bin" / "python"
    run(
        interpreter, "-m", "pip", "install", "--no-index", "--no-deps", "--disable-pip-version-check", wheel, cwd=folder
    )
    (packages,) = folder.glob("lib/python*/site-packages")
    # The folder alone, not its own .pth files: one of those names this checkout, as an editable install has it.
    (packages / "dependencies.pth").write_text(f"import sys; sys.path.append({sysconfig.get_path('purelib')!r})\n")
    return interpreter


def sources() -> set[str]:
    """Every file of the package that git knows, as the package names it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", *FOLDERS], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return {f"tilepress/{name}" for name in listed.split("\0") if name}


@pytest.mark.slow
def test_sdist_and_wheel_hold_every_file_of_the_package(built: Path) -> None:
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    assert sources() <= set(zipfile.ZipFile(wheel).namelist())
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    assert not [member.name for member in members if member.issym() or member.islnk()]
    assert {f"infra/src/{name}" for name in sources()} <= {member.name.partition("/")[2] for member in members}


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["auto", "block-dnn-4"])
def test_the_wheel_makes_a_round_trip_by_itself(python: Path, codec: str, tmp_path: Path) -> None:
    where = run(python, "-c", "import tilepress; print(tilepress.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(python.parents[1])
    source = tmp_path / "source"
    source.mkdir()
    for name in ("gray/camera.png", "nature/cliff.png"):
        (source / Path(name).name).write_bytes((ROOT / "infra/samples/images" / name).read_bytes())
    program = python.parent / "tilepress"
    run(program, "compress", source, "a.tp", "--codec", codec, cwd=tmp_path)
    run(program, "verify", "a.tp", "--against", source, cwd=tmp_path)
    run(program, "restore", "a.tp", "back", cwd=tmp_path)
    assert {path.name: path.read_bytes() for path in (tmp_path / "back").iterdir()} == {
        path.name: path.read_bytes() for path in source.iterdir()
    }
    run(program, "recipes", cwd=tmp_path)


@pytest.mark.slow
def test_a_wheel_with_kernels_is_one_of_a_platform_and_compiles_nothing(tmp_path: Path) -> None:
    """As `make wheel` builds it, with the kernels that a round trip takes in the place of all kernels."""
    tree, kernels, source = tmp_path / "tree", str(tmp_path / "kernels"), tmp_path / "source"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True)
    write_tree(source, {"a.png": encoded(image_of("L", 60, 60, seed=1), "PNG")})

    def round_trip(interpreter: object, archive: str, **settings: str) -> float:
        compress = ("compress", source, archive, "--codec", "lossless", "--json")
        report = json.loads(run(interpreter, "-m", "tilepress", *compress, cwd=tmp_path, **settings))
        run(interpreter, "-m", "tilepress", "restore", archive, f"{archive}-back", cwd=tmp_path, **settings)
        seconds: float = report["compiling_seconds"]
        return seconds

    from_tree = {"PYTHONPATH": str(tree / "infra/src"), "TILEPRESS_KERNEL_CACHE": kernels}
    assert round_trip(sys.executable, "one", **from_tree) > 0
    run(sys.executable, "-c", SHIP, kernels, cwd=tmp_path, **from_tree)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path / "dist", tree, cwd=tmp_path)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert f"-cp3{sys.version_info[1]}-cp3{sys.version_info[1]}-" in wheel.name and "-any" not in wheel.name
    python = installed(wheel, tmp_path / "environment")
    assert round_trip(python, "two", TILEPRESS_KERNEL_CACHE=str(tmp_path / "empty")) == 0
    assert not (tmp_path / "empty").exists()
    (tree / "codecs/entropy/rans.py").open("a").write("\n# an edit\n")
    stale = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path / "dist", tree]
    done = subprocess.run(stale, capture_output=True, text=True)
    assert done.returncode != 0 and "is not of these sources" in done.stdout + done.stderr
