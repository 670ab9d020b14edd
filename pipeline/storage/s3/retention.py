"""Object lock: versions of objects that the store keeps until a date, whoever wants to remove or replace them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tilepress.pipeline.errors import MissingError, UsageError

Send = Callable[..., dict[str, Any]]  # (operation, **parameters) -> answer; MissingError where it is 404


def require_object_lock(send: Send, bucket: str) -> None:
    """Raise UsageError unless object lock is enabled for a bucket."""
    try:
        found = send("get_object_lock_configuration", Bucket=bucket)
    except MissingError as exc:
        if "no such bucket" in str(exc):
            raise
        found = {}
    if found.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") != "Enabled":
        raise UsageError(
            f"s3://{bucket} has no object lock, so `days` can retain nothing there: a bucket gets it when it is made "
            "(on Amazon S3 also later, once versioning is on)"
        )


def retain(send: Send, address: dict[str, str], until: datetime, mode: str) -> bool:
    """Retain the current version of an object; False if it is retained for as long, and as strictly, already."""
    try:
        now = send("get_object_retention", **address).get("Retention", {})
    except MissingError:  # never retained; if there is no such object, the next request says so
        now = {}
    wanted = "COMPLIANCE" if now.get("Mode") == "COMPLIANCE" else mode.upper()  # which nothing makes less strict
    ends = now.get("RetainUntilDate")
    if ends is not None and ends.astimezone(UTC) >= until and now.get("Mode") == wanted:
        return False
    latest = until if ends is None else max(until, ends.astimezone(UTC))
    send("put_object_retention", **address, Retention={"Mode": wanted, "RetainUntilDate": latest})
    return True
