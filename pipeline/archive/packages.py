"""Which packages besides tilepress an archive needs: run.json of each run names them by codec."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from tilepress.pipeline.archive.layout import list_runs
from tilepress.pipeline.archive.sealed import read_json
from tilepress.pipeline.errors import IntegrityError, MissingError
from tilepress.pipeline.storage.base import Storage

PACKAGES = "packages"  # in run.json: {codec id: ["NAME VERSION", "tilepress[EXTRA]"]}; missing: none
Packages = Mapping[str, list[str]]


def recorded_packages(storage: Storage) -> Packages:
    """Return the packages of each codec of an archive that needs some; those of a run without run.json are unknown."""
    found: dict[str, list[str]] = {}
    for run in list_runs(storage):
        with suppress(IntegrityError, MissingError):  # a hint, which nothing but messages depends on
            found |= packages_of(read_json(storage.read(run.summary), run.summary))
    return found


def packages_of(summary: Mapping[str, Any]) -> Packages:
    """Return the packages that the content of a run.json names; what has another form is left out."""
    named = summary.get(PACKAGES)
    items = named.items() if isinstance(named, dict) else ()
    return {codec: list(map(str, packages)) for codec, packages in items if isinstance(packages, list)}
