"""An exception that travels between processes.

Exceptions do not pickle in general: unpickling calls the constructor with whatever is in `args`, which is another
thing than the constructor's parameters as soon as a class has its own.
"""

from __future__ import annotations

import importlib
import traceback
from dataclasses import dataclass

from tilepress.pipeline.errors import EngineError

_PLAIN = (str, bytes, int, float, bool, type(None))


@dataclass(frozen=True)
class RemoteError:
    """What a worker returns where it would have raised."""

    module: str
    name: str
    args: tuple[object, ...]
    message: str
    trace: str

    @classmethod
    def of(cls, error: Exception) -> RemoteError:
        """Describe an exception that was just caught."""
        kind = type(error)
        args = error.args if all(isinstance(arg, _PLAIN) for arg in error.args) else ()
        trace = "".join(traceback.format_exception(error))
        return cls(kind.__module__, kind.__qualname__, args, str(error), trace)

    def error(self) -> Exception:
        """The exception again, of its own class and with its own message; EngineError if the class is not here."""
        kind = self._kind()
        if kind is None:
            error: Exception = EngineError(f"{self.name}: {self.message}")
        else:
            error = self._built(kind)
        error.add_note(f"In a worker process:\n{self.trace}")
        return error

    def _kind(self) -> type[Exception] | None:
        try:
            found = getattr(importlib.import_module(self.module), self.name)
        except (ImportError, AttributeError):
            return None
        return found if isinstance(found, type) and issubclass(found, Exception) else None

    def _built(self, kind: type[Exception]) -> Exception:
        try:
            error = kind(*self.args)
            if str(error) == self.message:
                return error
        except Exception:  # noqa: BLE001 - a constructor with parameters of its own may raise anything
            pass
        error = kind.__new__(kind)
        error.args = (self.message,)
        return error
