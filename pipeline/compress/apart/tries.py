"""How often a file is tried whose process ended, so that no file is blamed for what others and the machine do."""

from __future__ import annotations

import time

from tilepress.pipeline.compress.apart.process import DiedError, GoneError
from tilepress.pipeline.errors import CrashingPicture, LimitExceeded

_ATTEMPTS = 2  # of a file whose process crashes: somebody else may have ended that
_PAUSE_S = 1.0  # before a file is read again whose process was killed: memory may be had by then
_DECODER = "the process that decoded it"


class CrowdedError(Exception):
    """Memory was short in a process that holds pictures of other files, too."""


class Tries:
    """What became of the processes that were to read a file, and whether it is tried again, and how.

    A file is to blame for what its process does twice, or does when it serves that file alone. What other files and
    the machine do costs it no attempt, and makes no CrashingPicture of it.
    """

    def __init__(self, most: int = _ATTEMPTS) -> None:
        self.alone = False
        self._most = most
        self._crashes = self._kills = 0

    def go_on(self, exc: GoneError | DiedError | CrowdedError) -> None:
        """Return if the file is to be tried again, `alone` or not; else raise a PictureError."""
        if isinstance(exc, GoneError):
            return
        if isinstance(exc, CrowdedError):
            if self._most == 1:
                raise LimitExceeded(str(exc)) from exc
            self.alone = True
        elif exc.killed:
            self._kills += 1
            if self._kills >= self._most:
                raise LimitExceeded(f"{_DECODER} was killed: this machine may be short of memory") from exc
            self.alone = True
            time.sleep(_PAUSE_S)
        else:
            self._crashes += 1
            if exc.slow or self._crashes >= self._most:
                raise CrashingPicture(f"{_DECODER} {exc}") from exc
