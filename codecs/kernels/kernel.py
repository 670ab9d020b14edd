"""How every numba kernel of the codecs is compiled: no GIL, cached on disk, strict integer and float semantics.

A kernel is compiled on its first call for the types of its arguments, unless tilepress ships it compiled (pack.py), and
found again by later processes as long as no source of its package has changed (cache.py). `tilepress warm` does it all
at once. Code is for a level of processors (level.py, target.py), and the same on all of them. Constants of a module are
compiled into it: they must follow from sources alone. No fastmath: floats are computed in the order written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, cast

from numba.core.dispatcher import Dispatcher

from tilepress.codecs.kernels.cache import kernel_cache
from tilepress.codecs.kernels.pack import PART
from tilepress.codecs.kernels.target import dispatcher

Int: TypeAlias = Any  # an integer within a kernel: int64 to numba, int or a numpy integer to a type checker
Float: TypeAlias = Any  # a float64 or float32 within a kernel
Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Return a function that is compiled on its first call for the types of its arguments."""
    return _compiled(function, part=False, counts=True)


def inline(function: Function) -> Function:
    """Return the same for a part of a kernel: inlined by force, since handing arrays on costs more than most parts."""
    return _compiled(function, part=True, counts=True)


def borrowing(function: Function) -> Function:
    """Return an `inline` part that counts no references to its arrays: it neither makes arrays nor returns them.

    numba counts references to every array, in tuples too, by two atomic operations each. In parts that run once a
    sample, counting costs as much as the work. Without the counting runtime (`_nrt`) a function that would allocate
    does not compile. A function that returns an array does compile, and must not be written: its caller would give
    back a reference that was never taken.
    """
    return _compiled(function, part=True, counts=False)


def borrowing_kernel(function: Function) -> Function:
    """Return a `kernel` under the terms of `borrowing`."""
    return _compiled(function, part=False, counts=False)


def _compiled(function: Function, *, part: bool, counts: bool) -> Function:
    compiled = dispatcher(function, part=part, counts=counts)
    if isinstance(compiled, Dispatcher):  # with NUMBA_DISABLE_JIT it is the function itself
        vars(compiled)["_cache"] = kernel_cache(function, PART if part else "kernel")
    return cast(Function, compiled)
