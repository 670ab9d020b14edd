"""How every numba kernel of the codecs is compiled: no GIL, cached on disk, strict integer and float semantics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, cast

from numba import njit

Int: TypeAlias = Any  # an integer within a kernel: int64 to numba, int or a numpy integer to a type checker
Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile on first call; the machine code is cached beside the source file."""
    return cast(Function, njit(nogil=True, cache=True)(function))


def inline(function: Function) -> Function:
    """The same for a part of a kernel; inlined by force, since handing arrays on costs more than most parts."""
    return cast(Function, njit(nogil=True, cache=True, forceinline=True)(function))
