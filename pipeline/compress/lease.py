"""Who is at work on an archive: a lease, that lets the next command leave it alone.

Commands that overlap are harmless without one: they share shards (sharing.py), and what is stored is created once. The
lease is for schedules: a nightly run that still goes on makes a second one needless. It is a small object that is
created and never replaced by others, so one command gets it; its holder rewrites it while it works. One that was killed
leaves a lease that ends by itself.

    lease/00000012.json    sealed JSON: who, since when and until when; the largest number counts, others are removed
"""

from __future__ import annotations

import platform
import re
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Literal, Self

from tilepress.pipeline.archive.sealed import read_json, seal_json
from tilepress.pipeline.compress.sharing import Driver
from tilepress.pipeline.errors import AlreadyExists, IntegrityError, MissingError, StorageError
from tilepress.pipeline.storage.base import Storage
from tilepress.pipeline.storage.own_names import printable

FOLDER = "lease/"
FORMAT = "tilepress-lease-1"
LENGTH_S = 90.0  # for which a killed holder keeps others away, at most
RENEW_S = 30.0
_LEAVE_S = 10.0  # for which a command waits at its end for a renewal under way
_NAME = re.compile(r"lease/(\d{8})\.json", re.ASCII)
_MAX_JSON = 1 << 16

IfBusy = Literal["share", "skip"]
_ENDED: set[str] = set()  # numbers of this process's drivers that have ended, though their leases may still be there


@dataclass(frozen=True)
class Holder:
    """Who holds a lease. Times are of the holder's clock, in UTC."""

    driver: Driver
    host: str
    verb: str
    since: datetime
    until: datetime

    def is_at_work(self, now: datetime, here: str) -> bool:
        """Tell whether it seems to be; `here` is the hash of this machine.

        A clock that is wrong by more than the length of a lease hides its holder, and keeps nobody away.
        """
        remains = (self.until - now).total_seconds()
        gone = self.driver.is_gone(here) or (self.driver.machine == here and self.driver.number in _ENDED)
        return 0 < remains <= 2 * LENGTH_S and not gone

    def __str__(self) -> str:
        return f"`{self.verb}` on {self.host} (process {self.driver.process}) since {self.since:%Y-%m-%d %H:%M:%S} UTC"


class Lease:
    """The lease of an archive for one command: a context. `begin` takes it, as soon as there is an archive."""

    def __init__(self, storage: Storage, verb: str, if_busy: IfBusy = "share") -> None:
        """Prepare for a verb. Where another command holds the lease, this one works beside it or is to be left."""
        self._storage, self._verb, self._if_busy = storage, verb, if_busy
        self._me = Driver.new()
        self._since = datetime.now(UTC)
        self._number: int | None = None  # of the object that this command holds
        self._renewing: threading.Thread | None = None
        self._end = threading.Event()

    def begin(self) -> Holder | None:
        """Take the lease, unless that was done; return who holds it where this command is to leave the archive alone.

        With "share" whatever ails the storage is passed over, since the lease is a hint; with "skip" it is raised.
        """
        if self._renewing is not None:
            return None
        try:
            other = self._take()
        except StorageError:
            if self._if_busy == "skip":
                raise
            other = None
        if other is not None and self._if_busy == "skip":
            return other
        self._renewing = threading.Thread(target=self._renew, name="tilepress-lease", daemon=True)
        self._renewing.start()
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let others have it."""
        self._end.set()
        _ENDED.add(self._me.number)
        if self._renewing is not None:
            self._renewing.join(_LEAVE_S)
        if self._number is not None:
            try:
                self._storage.remove(_name(self._number))
            except MissingError:  # another command took it, and removed this one
                return
            except StorageError:  # where nothing may be removed; not first, since a full disk takes nothing more
                with suppress(StorageError):
                    self._write(self._number, until=datetime.now(UTC), overwrite=True)

    def _renew(self) -> None:
        """Write the lease again and again; where another command has it, take it when that has ended."""
        while not self._end.wait(RENEW_S):
            with suppress(StorageError):
                if self._number is None or max(_numbers(self._storage), default=0) > self._number:
                    self._number = None  # this process did not come to renew it in time, and another took it
                    self._take()
                else:
                    self._write(self._number, self._ending(), overwrite=True)

    def _take(self) -> Holder | None:
        """Take the lease; return who holds it if another command does."""
        numbers = sorted(_numbers(self._storage))
        holder = _read(self._storage, numbers[-1]) if numbers else None
        if holder is not None and holder.is_at_work(datetime.now(UTC), self._me.machine):
            return holder
        following = numbers[-1] + 1 if numbers else 1
        try:
            self._write(following, self._ending())
        except AlreadyExists:  # another command was a moment faster
            return _read(self._storage, following)
        self._number = following
        for number in numbers:
            with suppress(StorageError):  # a store may not permit it
                self._storage.remove(_name(number))
        return None

    def _ending(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=LENGTH_S)

    def _write(self, number: int, until: datetime, *, overwrite: bool = False) -> None:
        host = printable(platform.node())[:255] or "?"
        times = {"since": self._since.isoformat(), "until": until.isoformat()}
        content = seal_json({"format": FORMAT, "verb": self._verb, "host": host, **times, **asdict(self._me)})
        self._storage.write(_name(number), content, overwrite=overwrite)  # need not survive a power failure


def holder_of(storage: Storage) -> Holder | None:
    """Return who is at work on an archive, as far as its lease says; None where nobody seems to be."""
    numbers = _numbers(storage)
    found = _read(storage, max(numbers)) if numbers else None
    return found if found is not None and found.is_at_work(datetime.now(UTC), Driver.new().machine) else None


def _name(number: int) -> str:
    return f"{FOLDER}{number:08d}.json"


def _numbers(storage: Storage) -> list[int]:
    return [int(match[1]) for entry in storage.list(FOLDER) if (match := _NAME.fullmatch(entry.name))]


def _read(storage: Storage, number: int) -> Holder | None:
    """The holder of a lease; None if it was given back a moment ago, or is not what tilepress wrote."""
    where = f"{storage.url}/{_name(number)}"
    try:
        if storage.size(_name(number)) > _MAX_JSON:
            return None
        return _holder(read_json(storage.read(_name(number)), where))
    except (MissingError, IntegrityError):
        return None


def _holder(content: dict[str, Any]) -> Holder | None:
    if content.get("format") != FORMAT:
        return None
    try:
        driver = Driver(str(content["machine"]), int(content["process"]), str(content["number"]))
        since, until = (datetime.fromisoformat(content[name]).astimezone(UTC) for name in ("since", "until"))
    except (KeyError, ValueError, TypeError, OverflowError):
        return None
    return Holder(driver, str(content.get("host")), str(content.get("verb")), since, until)
