"""Memory stays bounded, however large the image and however many the shards."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    """infra/bench/memory.py."""
    path = Path(__file__).parents[3] / "infra/bench/memory.py"
    spec = importlib.util.spec_from_file_location("memory_bench", path)
    sys.modules["memory_bench"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("memory")


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_a_tiff_of_400_megapixels_takes_less_than_2_gb(engine, bench, folder):
    assert bench.measure(folder, engine, 2, side=20_000).ours < bench.LIMIT


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_a_hundred_shards_with_a_slow_codec_take_less_than_2_gb(engine, bench, folder):
    assert bench.measure(folder, engine, 2, shards=100).ours < bench.LIMIT
