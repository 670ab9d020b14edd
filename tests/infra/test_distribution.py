"""What is published works: an sdist, a wheel made of that sdist, and a round trip in an environment with it alone."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("codecs", "pipeline", "jobs")


def run(*command: object, cwd: Path) -> str:
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
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
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    (wheel,) = built.glob("*.whl")
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
