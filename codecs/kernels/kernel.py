"""How every numba kernel of the codecs is compiled: no GIL, cached on disk, strict integer and float semantics.

A kernel is compiled on its first call for the types of its arguments, and found again by later processes as long as no
source of its package has changed (cache.py; `tilepress warm` does it all at once). Constants of a module are
compiled into it: they must follow from sources alone. No fastmath: floats are computed in the order written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, cast

from numba import njit
from numba.core.dispatcher import Dispatcher

from tilepress.codecs.kernels.cache import kernel_cache, require_processor

Int: TypeAlias = Any  # an integer within a kernel: int64 to numba, int or a numpy integer to a type checker
Float: TypeAlias = Any  # a float64 or float32 within a kernel
Function = TypeVar("Function", bound=Callable[..., Any])

require_processor()


def kernel(function: Function) -> Function:
    """Return a function that is compiled on its first call for the types of its arguments."""
    return _cached(njit(nogil=True)(function), function)


def inline(function: Function) -> Function:
    """Return the same for a part of a kernel: inlined by force, since handing arrays on costs more than most parts."""
    return _cached(njit(nogil=True, forceinline=True)(function), function)


def borrowing(function: Function) -> Function:
    """Return an `inline` part that counts no references to its arrays: it neither makes arrays nor returns them.

    numba counts references to every array, in tuples too, by two atomic operations each. In parts that run once a
    sample, counting costs as much as the work. Without the counting runtime (`_nrt`) a function that would allocate
    does not compile. A function that returns an array does compile, and must not be written: its caller would give
    back a reference that was never taken.
    """
    return _cached(njit(nogil=True, forceinline=True, _nrt=False)(function), function)


def borrowing_kernel(function: Function) -> Function:
    """Return a `kernel` under the terms of `borrowing`."""
    return _cached(njit(nogil=True, _nrt=False)(function), function)


def _cached(compiled: Any, function: Function) -> Function:
    if isinstance(compiled, Dispatcher):  # with NUMBA_DISABLE_JIT it is the function itself
        vars(compiled)["_cache"] = kernel_cache(function)
    return cast(Function, compiled)
