"""How the parts of the lossless kernels are compiled that are handed arrays: they borrow them, and count no references.

numba counts a reference to every array that a function is handed, in a tuple too, with two atomic operations each; in
parts that run once a sample that costs as much as the work. `_nrt` is numba's own switch for functions without it:
one that would allocate then does not compile. What such a function must not do is to return an array, or a tuple with
one, since its caller gives back a reference that was never taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit
from numba.core.caching import NullCache
from numba.core.dispatcher import Dispatcher

from tilepress.codecs.kernel_cache import kernel_cache

Function = TypeVar("Function", bound=Callable[..., Any])


def borrowing(function: Function) -> Function:
    """Like kernel.inline, for a function that neither makes nor returns arrays."""
    return _cached(njit(nogil=True, forceinline=True, _nrt=False)(function), function)


def borrowing_kernel(function: Function) -> Function:
    """Like kernel.kernel, for a function that neither makes nor returns arrays."""
    return _cached(njit(nogil=True, _nrt=False)(function), function)


def _cached(compiled: Any, function: Function) -> Function:
    if isinstance(compiled, Dispatcher):  # with NUMBA_DISABLE_JIT it is the function itself
        vars(compiled)["_cache"] = kernel_cache(function) or NullCache()
    return cast(Function, compiled)
