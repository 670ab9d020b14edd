"""`tilepress warm` compiles everything that any codec uses, and says so if it cannot keep it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tilepress.codecs.warm import Warmed
from tilepress.jobs.maintenance import warm
from tilepress.pipeline.errors import EngineError

ROOT = Path(__file__).parent.parent.parent.parent
EVERYTHING = """
import sys, tempfile
sys.path.append({tests!r})
from tile_samples import KINDS, spec_of, tiles_of
import tilepress
from tilepress.codecs import registry
from tilepress.codecs.kernels.cache import KernelCache

def each(use):
    for kind in KINDS:
        for size in ((17, 31), (66, 65)):
            for content in ("noise", "gradient", "black"):
                spec = spec_of(kind, *size)
                use(tiles_of(spec, content, count=2), spec)

for name in dict.fromkeys([*registry.CODECS, *registry.shipped_models()]):
    choice = registry.resolve(name)
    codec = registry.load_codec(choice.codec_id, choice.model_folder)
    each(lambda tiles, spec: codec.supports(spec) and codec.decode(codec.encode(tiles, spec), spec))
for name in registry.RESIDUALS:
    coder = registry.load_residual(name)
    each(lambda tiles, spec: coder.decode(coder.encode(tiles[0], tiles[1] // 2, spec), tiles[1] // 2, spec))
with tempfile.TemporaryDirectory() as folder:
    for name in ["predictive-mlp", *registry.DEFAULT_MODELS]:
        effort = 1 if "effort" in registry.codec_class(registry.resolve(name).codec_id).options else None
        archive, back = f"{{folder}}/{{name}}", f"{{folder}}/{{name}}-back"
        tilepress.compress({samples!r}, archive, codec=name, effort=effort, include=["coffee-*", "gray/camera.tif"])
        tilepress.restore(archive, back)
print(KernelCache.compiled, KernelCache.loaded, file=sys.stderr)
raise SystemExit(KernelCache.compiled)
"""


@pytest.mark.slow
def test_after_warming_nothing_that_codecs_do_compiles_anything(tmp_path) -> None:
    environment = os.environ | {"TILEPRESS_KERNEL_CACHE": str(tmp_path)}
    found = []
    for _ in range(2):
        command = [sys.executable, "-m", "tilepress", "warm", "--json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        found.append(json.loads(done.stdout))
    assert found[0]["compiled"] > 40
    assert found[1]["compiled"] == found[0]["not_kept"] == 0
    program = EVERYTHING.format(tests=str(ROOT / "tests/support"), samples=str(ROOT / "infra/samples/images"))
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_code_that_could_not_be_kept_is_an_error(monkeypatch) -> None:
    monkeypatch.setattr(warm, "warm_kernels", lambda *_: Warmed(3, 0, 1, 0.1, Path("/somewhere")))
    with pytest.raises(EngineError, match=r"1 compiled kernels .* /somewhere: is it full\? Set TILEPRESS_KERNEL_CACHE"):
        warm.warm(quiet=True)


@pytest.mark.parametrize("place", [None, Path(__file__), Path("/proc/none")])
def test_without_a_place_for_code_nothing_is_compiled(place, monkeypatch) -> None:
    monkeypatch.setattr(warm, "cache_root", lambda: place)
    monkeypatch.setattr(warm, "warm_kernels", lambda *_: pytest.fail("it was compiled for nothing"))
    with pytest.raises(EngineError, match="Set TILEPRESS_KERNEL_CACHE"):
        warm.warm(quiet=True)


def test_warming_says_what_it_did(monkeypatch, capsys) -> None:
    monkeypatch.setattr(warm, "warm_kernels", lambda *_: Warmed(3, 2, 0, 1.25, Path("/somewhere")))
    assert warm.show_warm(as_json=False) == 0
    assert capsys.readouterr().out == "compiled 3 kernels, found 2, in 1.2 s; kept in /somewhere\n"


def test_importing_kernels_compiles_none() -> None:
    modules = "tilepress.codecs.lossless.residual, tilepress.codecs.kernels.cache as k"
    program = f"import {modules}; print(k.KernelCache.compiled)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
