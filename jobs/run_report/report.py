"""The content of run-report.json: one command, how it ended, and what it did (FORMAT.md, section 1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from tilepress.pipeline.errors import IntegrityError

FORMAT = "tilepress-run-report-1"
MAX_BYTES = 1 << 20  # of a report that is read
_MAX_ERROR = 2000  # characters


@dataclass(frozen=True)
class RunReport:
    """How one command ended. `exit_code` and `finished` are None while it runs, or if it was killed.

    `submission`: the id under which `submit` started it, or "". `run`: of the archive, if the command made or finished
    one. `counts`: by the names of `COUNTED`. `retries`: by cause. `error`: the first message, or "".
    """

    verb: str
    arguments: dict[str, Any]
    tilepress: str
    host: str
    started: str
    submission: str = ""
    finished: str | None = None
    exit_code: int | None = None
    run: int | None = None
    counts: dict[str, int] = field(default_factory=dict)
    retries: dict[str, int] = field(default_factory=dict)
    error: str = ""

    def to_json(self) -> bytes:
        """Return the sealed JSON text."""
        from tilepress.pipeline.archive.sealed import seal_json  # loads pyarrow

        return seal_json({"format": FORMAT, **asdict(self), "error": self.error[:_MAX_ERROR]})

    @classmethod
    def parse(cls, data: bytes, name: str) -> RunReport:
        """Return the report that a file holds; IntegrityError unless it is one, as it was written."""
        from tilepress.pipeline.archive.sealed import read_json

        content = read_json(data, name)
        if content.get("format") != FORMAT:
            raise IntegrityError(f"{name} is no run report that this tilepress reads")
        known = {each.name: content[each.name] for each in fields(cls) if each.name in content}
        if not _is_right(known):
            raise IntegrityError(f"{name} is no run report: it lacks fields, or has other values than they take")
        return cls(**known)

    def counts_before(self, other: RunReport) -> bool:
        """Tell whether this report is to stay where `other` would replace it: of a later run, or a later end."""
        if self.run is not None and other.run is not None and self.run != other.run:
            return self.run > other.run
        return (self.finished or "") > (other.finished or "")


def now() -> str:
    """Return the moment in UTC to the millisecond: "2026-11-28T09:30:00.000Z"."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _is_right(content: Mapping[str, Any]) -> bool:
    texts = ("verb", "tilepress", "host", "started")
    numbers = ("exit_code", "run")
    return (
        all(isinstance(content.get(name), str) for name in texts)
        and all(isinstance(content.get(name, ""), str) for name in ("submission", "error"))
        and isinstance(content.get("finished"), str | None)
        and all(isinstance(content.get(name), int | None) for name in numbers)
        and isinstance(content.get("arguments"), dict)
        and all(isinstance(content.get(name, {}), dict) for name in ("counts", "retries"))
    )
