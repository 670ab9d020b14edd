"""Where the data sets of a table lie, among the folders that a person named; nothing is fetched."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tilepress.jobs.reproduction.table import DataSet, Table
from tilepress.pipeline.errors import StorageError, UsageError
from tilepress.pipeline.sources.dataset import Source
from tilepress.pipeline.storage.options import StorageOptions


def located(table: Table, data: Sequence[str], storage_options: Mapping[str, Any]) -> dict[str, Source]:
    """Return every data set of a table by name.

    UsageError names each that is missing, what it holds and where people get it.

    Args:
        table: What needs them.
        data: "NAME=PLACE" of one data set, or a place that holds them by their names.
        storage_options: Of all places, as fsspec takes them.
    """
    names = {each.name for each in table.data}
    own = {name: place for name, equals, place in (each.partition("=") for each in data) if equals and name in names}
    shared = [each for each in data if each.partition("=")[0] not in own]
    found, missing = {}, []
    for wanted in table.data:
        places = [own[wanted.name]] if wanted.name in own else [f"{each.rstrip('/')}/{wanted.name}" for each in shared]
        source = next(_holding(places, StorageOptions(storage_options)), None)
        if source is None:
            missing.append(wanted)
        else:
            found[wanted.name] = source
    if missing:
        raise UsageError(_complaint(table, missing))
    return found


def _holding(places: Sequence[str], options: StorageOptions) -> Iterator[Source]:
    """The sources among some places that hold any file."""
    for place in places:
        source = Source(place, storage_options=options).absolute()
        try:
            if next(source.open().items(), None) is not None:
                yield source
        except (UsageError, StorageError):
            continue


def _complaint(table: Table, missing: Sequence[DataSet]) -> str:
    needed = "; ".join(f"{each.name}: {each.holds}, usually from {each.source}" for each in missing)
    first = missing[0].name
    return (
        f"table {table.name} needs images that `data` does not name ({needed}). "
        f"Name a folder that holds {first}/, or {first}=FOLDER"
    )


def fingerprint(source: Source) -> str:
    """Return a digest that changes when a file of the source does."""
    digest = hashlib.sha256()
    for item in source.open().items():
        digest.update(f"{item.name}\0{item.fingerprint}\n".encode())
    return digest.hexdigest()
