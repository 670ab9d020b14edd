"""The levels of processors that kernels are compiled for: by name, so that machine code is the same on all of a level.

On x86-64 the levels are those of its psABI (x86-64-v3: Intel Haswell, AMD Zen, and later); code for the features of
one processor is no faster (infra/bench/start/). On 64-bit ARM it is Armv8-A, which every such processor runs.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from functools import cache

from llvmlite.binding import get_host_cpu_features, get_host_cpu_name

from tilepress.codecs.errors import CodecError

VARIABLE = "TILEPRESS_KERNEL_LEVEL"
NATIVE = "native"
_V2 = ("cx16", "popcnt", "sse3", "sse4.1", "sse4.2", "ssse3")
_V3 = (*_V2, "avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe")
_V4 = (*_V3, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")


@dataclass(frozen=True)
class Level:
    """A name, the processor that LLVM generates code for, and the features that it takes for granted."""

    name: str
    cpu: str  # as LLVM names it
    needs: tuple[str, ...] = ()  # what a processor must have, as LLVM names features
    features: str = ""  # more than those of `cpu`: "+avx2,-avx512f"


_X86 = (
    Level("x86-64-v4", "x86-64-v4", _V4),
    Level("x86-64-v3", "x86-64-v3", _V3),
    Level("x86-64-v2", "x86-64-v2", _V2),
    Level("x86-64", "x86-64"),
)
_ARM = (Level("armv8-a", "generic", ("neon",)),)
_LEVELS = {"x86_64": _X86, "AMD64": _X86, "aarch64": _ARM, "arm64": _ARM}
_NEVER = "x86-64-v4"  # unless it is asked for: fewer machines run it, and kernels gain nothing


def levels_here() -> tuple[Level, ...]:
    """Return the levels of code that this processor runs, the highest first; none of an architecture without levels."""
    features = get_host_cpu_features()
    return tuple(level for level in _LEVELS.get(platform.machine(), ()) if all(map(features.get, level.needs)))


@cache
def kernel_level() -> Level:
    """Return the level that kernels are compiled for here: the one of $TILEPRESS_KERNEL_LEVEL, else the highest usual.

    `native` is this very processor, and all there is where an architecture has no levels. CodecError for a level that
    this processor does not run.
    """
    wanted = os.environ.get(VARIABLE) or next((level.name for level in levels_here() if level.name != _NEVER), NATIVE)
    if wanted == NATIVE:
        return Level(NATIVE, get_host_cpu_name(), features=get_host_cpu_features().flatten())
    found = {level.name: level for level in levels_here()}
    if wanted not in found:
        raise CodecError(
            f"kernels are to be compiled for {wanted}, and this processor runs {', '.join([*found, NATIVE])}: "
            f"unset {VARIABLE}"
        )
    return found[wanted]
