"""The driver's storage settings, which its workers on a cluster were started without."""

from __future__ import annotations

import os

_FORWARDED = ("AWS_", "FSSPEC_")  # environment variables that a driver's workers need as much as the driver does


def environment() -> tuple[tuple[str, str], ...]:
    """Return this process's storage settings. Sent with tasks: a cluster's own workers were started without them."""
    return tuple(sorted(item for item in os.environ.items() if item[0].startswith(_FORWARDED)))


def adopt(variables: tuple[tuple[str, str], ...]) -> None:
    """Take over a driver's storage settings."""
    for name in [name for name in os.environ if name.startswith(_FORWARDED)]:
        del os.environ[name]
    os.environ.update(variables)
