"""When a run was planned, and which moment a person means: texts of ISO 8601 in UTC, "2026-11-27T10:00:00Z"."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, time

from tilepress.pipeline.errors import UsageError

OVERRIDE = "TILEPRESS_DATE"  # environment variable: the date of runs that are planned, for archives equal byte for byte


def now() -> str:
    """Return this moment, to the second, or what $TILEPRESS_DATE says it is. UsageError if that is no moment."""
    given = os.environ.get(OVERRIDE)
    return text_of(moment(given, OVERRIDE) if given else datetime.now(UTC))


def text_of(when: datetime) -> str:
    """Return a moment as runs record it."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str, parameter: str) -> datetime:
    """Return the moment that a text of ISO 8601 means: UTC unless it has an offset; of a date alone, the day's end.

    UsageError, which names `parameter`, where it means none.
    """
    try:
        if len(text) == len("2026-11-27"):
            return datetime.combine(date.fromisoformat(text), time.max, UTC)
        when = datetime.fromisoformat(text)
    except ValueError as exc:
        raise UsageError(
            f"{parameter} {text!r} is neither a date nor a time, such as 2026-11-27 or 2026-11-27T10:00Z"
        ) from exc
    return when if when.tzinfo else when.replace(tzinfo=UTC)
