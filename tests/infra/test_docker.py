"""The container image ships compiled kernels that are found again, and run, on other machines than its builder's."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from llvmlite.binding import get_host_cpu_features

DOCKERFILE = (Path(__file__).parent.parent.parent / "infra/docker/Dockerfile").read_text()
PROGRAM = """
import json, numpy as np
from tilepress.codecs.entropy import rans
from tilepress.codecs.kernels.cache import KernelCache
starts = np.zeros(9, np.uint16)
assert rans.put_bits(starts, starts.copy(), 0, 5, 3) == 1
print(json.dumps([KernelCache.compiled, KernelCache.loaded]))
"""


def settings() -> dict[str, str]:
    """The ENV of the image, arguments filled in."""
    (features,) = re.findall(r"^ARG CPU_FEATURES=(\S+)$", DOCKERFILE, re.MULTILINE)
    (block,) = re.findall(r"^ENV ((?:.*\\\n)*.*)$", DOCKERFILE, re.MULTILINE)
    pairs = (item.split("=", 1) for item in block.replace("\\\n", " ").split())
    return {name: value.replace("${CPU_FEATURES}", features) for name, value in pairs}


def test_kernels_are_compiled_for_features_that_are_stated_before_and_after_they_are_built() -> None:
    assert DOCKERFILE.index("\nENV ") < DOCKERFILE.index("tilepress warm") < DOCKERFILE.index("\nUSER ")
    assert settings()["NUMBA_CPU_NAME"] == "generic"
    wanted = {name.removeprefix("+") for name in settings()["NUMBA_CPU_FEATURES"].split(",")}
    assert wanted <= set(get_host_cpu_features()), "features that LLVM does not know"
    assert "avx512f" not in wanted, "many machines lack it"


def test_what_the_image_compiles_is_loaded_under_the_same_settings_and_not_under_others(tmp_path) -> None:
    shipped = settings() | {"TILEPRESS_KERNEL_CACHE": str(tmp_path)}
    found = []
    for changes in ({}, {}, {"NUMBA_CPU_FEATURES": "+sse2"}):
        environment = os.environ | shipped | {"HOME": os.environ["HOME"]} | changes
        done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout))
    assert found == [[1, 0], [0, 1], [1, 0]]
