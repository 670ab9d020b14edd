"""Whose fault an exception is: a codec's own, where another codec can do, or something that stops everyone."""

from __future__ import annotations

import errno

from tilepress.codecs.errors import CodecError
from tilepress.pipeline.errors import TilepressError

_SHORTAGES = {errno.ENOSPC, errno.EDQUOT, errno.ENOMEM}
_MESSAGE = 120  # characters of it that are worth repeating


def is_codecs_own(error: Exception) -> bool:
    """Tell whether a codec, given samples or streams, raised this for reasons of its own; plug-ins may raise anything.

    Not: want of memory (torch and Ray have their own names for it) or disk, a lost worker or actor, and whatever
    tilepress itself says about storage, archives and engines.
    """
    if isinstance(error, CodecError):
        return True
    names = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(error).__mro__}
    from_ray = any(name.startswith("ray.") for name in names)
    no_memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    no_room = isinstance(error, OSError) and error.errno in _SHORTAGES
    return not (from_ray or no_memory or no_room or isinstance(error, TilepressError))


def fault(reference: str, error: Exception) -> str:
    """Describe an error of a codec in one short line, equal for equal errors, so that they can be counted."""
    text = " ".join(str(error).split())
    text = text if len(text) <= _MESSAGE else f"{text[:_MESSAGE]} ..."
    return f"{reference.partition('@')[0]} failed ({type(error).__name__}{': ' if text else ''}{text})"
