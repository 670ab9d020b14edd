"""Kernels that decode with floats add, multiply and divide in the order written: the same bits on every machine."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numba import njit

from tests.support.kernel_code import has_floats, kernels, names, objections


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
