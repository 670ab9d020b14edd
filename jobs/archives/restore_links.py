"""Symbolic links and folders come back, where the destination has such."""

from __future__ import annotations

from tilepress.pipeline.archive.schema import kind_of
from tilepress.pipeline.reading.image import Entry
from tilepress.pipeline.storage.base import FOLDER, LINK, check_name
from tilepress.pipeline.storage.local import LocalStorage
from tilepress.pipeline.storage.own_names import own_name

NAMES = {LINK: "symbolic link", FOLDER: "folder"}  # what summaries call them


def why_absent(entry: Entry) -> str:
    """Return why a link or folder cannot come back in an object store."""
    facts = entry.index_row.facts
    thing = f"a symbolic link to {facts.reason}" if facts.method == LINK else "a folder with its mode"
    return f"{thing}, which an object store does not have"


def restore_entry(entry: Entry, destination: LocalStorage, *, overwrite: bool) -> bool:
    """Make a link or folder, proven right, with its time and permissions; return False if it is there already.

    AlreadyExists if something else is; UnsafeName, IntegrityError.
    """
    facts, target = entry.index_row.facts, entry.bytes()
    name = own_name(check_name(entry.path), facts.name)
    made = destination.create_entry(name, kind_of(facts.method), target, overwrite=overwrite)
    if made or facts.method == FOLDER:  # files that came before may have made the folder
        destination.set_facts(name, facts.modified_ns, facts.permissions)
    return made
