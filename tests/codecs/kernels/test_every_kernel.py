"""All kernels, compiled afresh by `tilepress warm`: none computes other floats elsewhere, and there are no others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
COMPILE = """
import json, sys
sys.path.append({tests!r})
from kernel_code import compiled, has_floats, objections
from tilepress.jobs.maintenance.warm import warm
warmed = warm(quiet=True, processes=1)
code = list(compiled())
json.dump({{
    "compiled": warmed.compiled,
    "not_kept": warmed.not_kept,
    "looked_at": len(code),
    "with_floats": sum(has_floats(ir) for _, ir, _ in code),
    "objections": [(name, found) for name, ir, assembly in code for found in objections(ir, assembly)],
}}, sys.stdout)
"""
EVERYTHING = """
import sys, tempfile
sys.path.append({tests!r})
from tile_samples import KINDS, spec_of, tiles_of
import tilepress
from tilepress.jobs.maintenance.warm import warm
from tilepress.codecs import registry
from tilepress.codecs.kernels.cache import KernelCache

def each(use, sizes=((17, 31), (66, 65)), contents=("noise", "gradient", "black")):
    for kind in KINDS:
        for size in sizes:
            for content in contents:
                spec = spec_of(kind, *size)
                use(tiles_of(spec, content, count=2), spec)

warmed = warm(quiet=True, processes=1)
assert warmed.compiled == warmed.not_kept == 0, warmed
defaults = [*registry.CODECS]
for name in [*defaults, *(set(registry.shipped_models()) - {{*defaults, *registry.DEFAULT_MODELS.values()}})]:
    choice = registry.resolve(name)
    codec = registry.load_codec(choice.codec_id, choice.model_folder)
    less = {{}} if name in defaults else {{"sizes": ((17, 31),), "contents": ("noise",)}}
    each(lambda tiles, spec: codec.supports(spec) and codec.decode(codec.encode(tiles, spec), spec), **less)
for name in registry.RESIDUALS:
    coder = registry.load_residual(name)
    each(lambda tiles, spec: coder.decode(coder.encode(tiles[0], tiles[1] // 2, spec), tiles[1] // 2, spec))
with tempfile.TemporaryDirectory() as folder:
    for name in ["predictive-mlp", *registry.DEFAULT_MODELS]:
        effort = 1 if "effort" in registry.codec_class(registry.resolve(name).codec_id).options else None
        archive, back = f"{{folder}}/{{name}}", f"{{folder}}/{{name}}-back"
        tilepress.compress({samples!r}, archive, codec=name, effort=effort, include=["coffee-*", "gray/camera.tif"])
        tilepress.restore(archive, back)
    measures = ["psnr", "ssim", "ms_ssim", "max_error", "ssimulacra2"]
    tilepress.audit({samples!r}, against={samples!r}, metrics=measures)
    tilepress.audit(archive, against={samples!r}, out=f"{{folder}}/audit")
print(KernelCache.compiled, KernelCache.loaded, file=sys.stderr)
raise SystemExit(KernelCache.compiled)
"""


def run(program: str, cache: Path) -> str:
    """What a program prints that keeps its kernels in a folder."""
    program = program.format(tests=str(ROOT / "tests/support"), samples=str(ROOT / "infra/samples/images"))
    environment = os.environ | {"TILEPRESS_KERNEL_CACHE": str(cache)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture(scope="module")
def compiled(cache: Path) -> dict[str, Any]:
    """What compiling all kernels found. It is done once for all tests: it takes minutes."""
    found: dict[str, Any] = json.loads(run(COMPILE, cache))
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_kernel_of_the_codecs_computes_floats_that_another_machine_would_not(compiled) -> None:
    """Compiled afresh: numba cannot show what it loaded from a cache."""
    assert compiled["compiled"] >= compiled["looked_at"] > 250
    assert compiled["with_floats"] > 10
    assert compiled["objections"] == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_after_warming_nothing_that_codecs_or_audits_do_compiles_anything(compiled, cache) -> None:
    assert compiled["not_kept"] == 0
    run(EVERYTHING, cache)
