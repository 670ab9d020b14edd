"""Kernels that decode with floats add, multiply and divide in the order written: the same bits on every machine."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numba import njit

from tests.support.kernel_code import has_floats, kernels, names, objections

INSPECT = """
import sys
sys.path.append({tests!r})
from kernel_code import compiled, has_floats, objections
from tilepress.codecs.warm import warm_kernels
warm_kernels(lambda name: None)
looked_at = floats = 0
for name, ir, assembly in compiled():
    looked_at += 1
    floats += has_floats(ir)
    for objection in objections(ir, assembly):
        print(name, objection)
print(looked_at, "kernels,", floats, "of them with floats", file=sys.stderr)
assert looked_at > 40
"""


def dot(a, b):
    total = 0.0
    for at in range(a.size):
        total += a[at] * b[at]
    return total / (abs(a[0]) + math.sqrt(b[0]) + 0.5)


def exponential(a, b):
    return math.exp(a[0]) * b[0]


def power(a, b):
    return a[0] ** b[0]


def logarithm(a, b):
    return math.log(a[0] + b[0])


def sine(a, b):
    return np.sin(a[0]) + b[0]


def remainder(a, b):
    return a[0] % b[0]


def found_in(function: Callable[..., float], **options: object) -> str:
    """The objections to a function of two arrays, compiled without a cache."""
    compiled = njit(**options)(function)
    a, b = np.arange(64) + 1.5, np.arange(64) + 2.5
    compiled(a, b)
    (result,) = compiled.overloads.values()
    ir = result.library.get_llvm_str()
    assert has_floats(ir) or "call" in ir
    return "\n".join(objections(ir, result.library.get_asm_str()))


def test_floats_in_order_are_accepted() -> None:
    assert found_in(dot) == ""


@pytest.mark.parametrize("allowed", [True, {"contract"}, {"reassoc"}, {"afn"}, {"arcp"}], ids=str)
def test_a_kernel_with_fastmath_is_refused(allowed) -> None:
    assert "flag " in found_in(dot, fastmath=allowed)


def test_fused_operations_are_refused_where_the_processor_has_them() -> None:
    from llvmlite.binding import get_host_cpu_features

    fused = get_host_cpu_features().get("fma", False)
    assert ("fused operation" in found_in(dot, fastmath={"contract"})) == fused


@pytest.mark.parametrize("function", [exponential, power, logarithm, sine, remainder])
def test_a_kernel_that_calls_a_mathematical_library_is_refused(function) -> None:
    assert "call of " in found_in(function) or "remainder" in found_in(function)


def test_no_kernel_of_the_codecs_is_compiled_with_fastmath_or_in_parallel() -> None:
    found = kernels()
    assert len(found) > 40
    for name, dispatcher in found.items():
        options = dispatcher.targetoptions
        assert not options.get("fastmath") and not options.get("parallel"), name
        assert "log10" not in names(dispatcher), name
        assert options["nogil"] and options.get("nopython", True), name


def test_every_kernel_of_the_codecs_has_a_cache_of_ours() -> None:
    wrong = [name for name, found in kernels().items() if type(found._cache).__name__ not in ("KernelCache", "NoCache")]
    assert wrong == [], "decorate with tilepress.codecs.kernels.kernel, not with numba's njit"


@pytest.mark.slow
def test_no_kernel_of_the_codecs_computes_floats_that_another_machine_would_not(tmp_path: Path) -> None:
    """Compiled afresh: numba cannot show what it loaded from a cache."""
    environment = os.environ | {"TILEPRESS_KERNEL_CACHE": str(tmp_path)}
    program = INSPECT.format(tests=str(Path(__file__).parents[2] / "support"))
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
