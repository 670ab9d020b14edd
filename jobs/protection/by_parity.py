"""What `repair` does with parity: files come back byte for byte, without the source; damaged parity is made again."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from tilepress.codecs.errors import MissingExtra
from tilepress.jobs.protection.checking import runs_with_files
from tilepress.jobs.protection.coverage import all_parity, replaced_names
from tilepress.pipeline.errors import IntegrityError, MissingError
from tilepress.pipeline.parity.description import Description
from tilepress.pipeline.parity.make import GroupTask, write_parity
from tilepress.pipeline.parity.restore import restore_files
from tilepress.pipeline.reading.archive import Archive


@dataclass
class Restored:
    """Files that are as they were again, and why others are not."""

    files: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def restore_by_parity(archive: Archive, names: Collection[str]) -> Restored:
    """Restore files of an archive by its parity, then damaged parity from the files.

    A file is replaced by nothing but the bytes that it had when its parity was made.

    Args:
        archive: The archive.
        names: Of damaged files, or of folders of them.
    """
    done = Restored()
    try:
        for description in _descriptions(archive):
            _restore(archive, description, names, done)
        for description in _descriptions(archive):
            _remake(archive, description, names, done)
    except MissingExtra as exc:
        done.failed["parity"] = str(exc)
    return done


def _descriptions(archive: Archive) -> Iterator[Description]:
    found = all_parity(archive.storage, runs_with_files(archive))
    return (each.description for _, each in found if each.description is not None)


def _is_named(file: str, names: Collection[str]) -> bool:
    """Whether a file is damaged itself, or lies in a folder that is."""
    parts = file.split("/")
    return any("/".join(parts[:count]) in names for count in range(1, len(parts) + 1))


def _restore(archive: Archive, description: Description, names: Collection[str], done: Restored) -> None:
    gone = replaced_names(archive) | set(done.files)
    wanted = {file.name for file in description.group.files if _is_named(file.name, names)} - gone
    if not wanted:
        return
    try:
        for name, problem in restore_files(archive.storage, description, wanted):
            if problem:
                done.failed[name] = problem
            else:
                done.files.append(name)
                done.failed.pop(name, None)
    except IntegrityError as exc:
        done.failed.update(dict.fromkeys(wanted, str(exc)))


def _remake(archive: Archive, description: Description, names: Collection[str], done: Restored) -> None:
    """Make the parity of a group again where some of it is damaged and all files of the group are sound."""
    group = description.group
    wrong = [name for name in group.objects if name in names]
    if not wrong:
        return
    try:
        write_parity(GroupTask(0, group, description.percent, again=True), archive.storage)
        done.files += wrong
    except (IntegrityError, MissingError) as exc:
        done.failed.update(dict.fromkeys(wrong, str(exc)))
