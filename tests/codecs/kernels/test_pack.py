"""Kernels that are shipped compiled are run as they are, and only if they are whole and of the sources beside them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import tilepress
from tilepress.codecs.entropy import rans
from tilepress.codecs.errors import CodecError
from tilepress.codecs.kernels import level
from tilepress.codecs.kernels.pack import Pack

DECODE = """
import json, sys
import numpy as np
from tilepress.codecs.entropy import rans
from tilepress.codecs.kernels.cache import KernelCache
tables = rans.Tables.from_cdf(rans.frequencies(np.ones((2, 8), np.int64)))
values = rans.decode(bytes.fromhex(sys.argv[1]), np.array([0, 1, 0, 1]), tables)
print(json.dumps([values.tolist(), KernelCache.compiled]))
"""
WRITE = (
    "import sys, pathlib; from tilepress.codecs.kernels.pack import write_pack; write_pack(pathlib.Path(sys.argv[1]))"
)
VALUES = [7, 0, 3, 5]


class Installed(NamedTuple):
    """A package as it would be installed, with the kernels shipped that decoding a stream takes."""

    package: Path
    stream: str

    def run(self, program: str, *words: str, cache: Path, **settings: str) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
        clean |= {"PYTHONPATH": str(self.package.parent), "PYTHONDONTWRITEBYTECODE": "1"}
        environment = clean | {"TILEPRESS_KERNEL_CACHE": str(cache)} | settings
        done = subprocess.run([sys.executable, "-c", program, *words], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done

    def decode(self, cache: Path, **settings: str) -> tuple[int, str]:
        """How many kernels were compiled to decode the stream, and what was said."""
        done = self.run(DECODE, self.stream, cache=cache, **settings)
        values, compiled = json.loads(done.stdout)
        assert values == VALUES
        return compiled, done.stderr

    @property
    def pack(self) -> Path:
        (found,) = (self.package / "codecs/kernels/packs").iterdir()
        return found


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("installed")
    package = folder / "tilepress"
    leave = shutil.ignore_patterns("__pycache__", "models", "residual_models", "packs")
    shutil.copytree(Path(tilepress.__file__).parent, package, ignore=leave, symlinks=False)
    tables = rans.Tables.from_cdf(rans.frequencies(np.ones((2, 8), np.int64)))
    stream = rans.encode(np.array(VALUES), np.array([0, 1, 0, 1]), tables)
    installed = Installed(package, bytes(stream).hex())
    assert installed.decode(folder / "kernels")[0] > 0
    installed.run(WRITE, str(folder / "kernels"), cache=folder / "kernels")
    return installed


@pytest.fixture
def installed(shipped: Installed, tmp_path: Path) -> Installed:
    """One that a test may change."""
    shutil.copytree(shipped.package, tmp_path / "tilepress")
    return shipped._replace(package=tmp_path / "tilepress")


def test_nothing_is_compiled_where_kernels_are_shipped_even_where_none_could_be_kept(shipped, tmp_path) -> None:
    assert shipped.decode(tmp_path / "empty") == (0, "")
    assert not (tmp_path / "empty").exists()
    assert not [path for path in shipped.pack.rglob("*") if "-part-" in path.name], "only compilers need parts"


def test_a_flipped_bit_is_told_and_never_run(installed, tmp_path) -> None:
    for path in installed.pack.rglob("*.nbc"):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    assert len(Pack(installed.pack).damaged()) == len(list(installed.pack.rglob("*.nbc")))
    compiled, said = installed.decode(tmp_path / "kernels")
    assert compiled > 0 and "damaged, and is compiled anew" in said
    assert installed.decode(tmp_path / "kernels")[0] == 0


def test_kernels_of_other_sources_are_not_run(installed, tmp_path) -> None:
    (installed.package / "codecs/entropy/rans.py").open("a").write("\n# an edit\n")
    compiled, said = installed.decode(tmp_path / "kernels")
    assert compiled > 0 and not said


@pytest.mark.slow
def test_kernels_of_another_level_are_not_run(shipped, tmp_path) -> None:
    assert shipped.decode(tmp_path / "kernels", TILEPRESS_KERNEL_LEVEL="native")[0] > 0


@pytest.mark.parametrize(
    "manifest", ["", "[]", "{}", "null", '{"format": 99}', '{"files": 1}', pytest.param(None, id="whole")]
)
def test_a_manifest_that_is_none_ships_nothing(shipped, tmp_path, manifest: str | None) -> None:
    text = (shipped.pack / "manifest.json").read_text()
    (tmp_path / "manifest.json").write_text(text if manifest is None else manifest)
    key = next(path.name for path in shipped.pack.iterdir() if path.is_dir())
    assert bool(Pack(tmp_path).count(key)) == (manifest is None)
    assert Pack(tmp_path).proven(key, "anything") is None
    assert not Pack(tmp_path / "missing").damaged()


def test_the_usual_level_is_one_that_many_machines_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(level.VARIABLE, raising=False)
    found = level.kernel_level.__wrapped__
    assert found().name not in ("x86-64-v4", level.NATIVE)
    monkeypatch.setattr(level.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(level, "get_host_cpu_features", lambda: dict.fromkeys((*level._V2, "avx"), True))
    assert found().name == "x86-64-v2"
    monkeypatch.setenv(level.VARIABLE, "x86-64")
    assert found().name == "x86-64"


def test_code_for_another_processor_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(level.VARIABLE, "z80")
    with pytest.raises(CodecError, match=r"compiled for z80, and this processor runs .*native: unset TILEPRESS_KERNEL"):
        level.kernel_level.__wrapped__()
