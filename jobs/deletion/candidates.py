"""Which files of a source a certificate lets go: its rows, the archive's index and the source's listing, joined."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tilepress.jobs.certification.rows import LOSSY, SAME_FILE, SAME_PIXELS, WITHIN
from tilepress.pipeline.reading.archive import Archive
from tilepress.pipeline.reading.image import Entry
from tilepress.pipeline.storage.base import ListedFile
from tilepress.pipeline.storage.ordered import merge_join

Accept = Literal["same-file", "equal-pixels", "lossy"]
Kept = Callable[[str, str], None]  # (path, why it stays)
Row = Mapping[str, Any]

LINKS = "it is no file of its own: links and folders stay"
NOT_CERTIFIED = "the certificate does not have it"
CHANGED = "it is not the file that was certified"
_OTHERWISE = "the archive holds it otherwise than the certificate says"


@dataclass(frozen=True)
class Candidate:
    """A file of the source that may go, if its content still has this SHA-256."""

    file: ListedFile
    sha256: bytes
    comes_back: str
    part: str  # that holds its content
    part_seal: str


def candidates(
    rows: Iterator[Row],
    archive: Archive,
    seals: Mapping[str, str],
    listed: Iterator[ListedFile],
    accept: Accept,
    kept: Kept,
) -> Iterator[Candidate]:
    """Yield the files that may go, in the order of their names.

    Args:
        rows: Of the certificate, in the order of their paths.
        archive: That it is of.
        seals: Of the parts of the archive, by their names.
        listed: The source's files.
        accept: What must come back of a file that goes.
        kept: Hears of every file that stays, and why.
    """
    known = merge_join(rows, archive.entries(), lambda row: str(row["path"]), lambda entry: entry.path)
    certified = ((row, entry) for row, entry in known if row is not None)
    for pair, file in merge_join(certified, listed, lambda each: str(each[0]["path"]), lambda file: file.name):
        if file is None:
            continue
        if file.kind:
            kept(file.name, LINKS)
        elif pair is None:
            kept(file.name, NOT_CERTIFIED)
        else:
            row, entry = pair
            sha256, reason = b"", _OTHERWISE
            if entry is not None and _is_held(row, entry, seals):
                sha256, reason = _expected(row, entry, file, accept)
            if reason:
                kept(file.name, reason)
            else:
                yield Candidate(file, sha256, row["comes_back"], row["part"], row["part_seal"])


def _is_held(row: Row, entry: Entry, seals: Mapping[str, str]) -> bool:
    """Whether the archive holds a file as the row says: a certificate alone proves nothing."""
    same = entry.part == row["part"] and entry.size == row["source_bytes"]
    return same and seals.get(row["part"]) == row["part_seal"] and not entry.index_row.damage


def _expected(row: Row, entry: Entry, file: ListedFile, accept: Accept) -> tuple[bytes, str]:
    """The SHA-256 that a file must have to go, or why it stays whatever it has."""
    if file.size != row["source_bytes"]:
        return b"", CHANGED
    known = bytes.fromhex(entry.sha256)
    if row["comes_back"] == SAME_FILE:
        returned = bytes(row["returned_sha256"])
        return returned, "" if known in (b"", returned) else _OTHERWISE
    if reason := _refused(row["comes_back"], accept):
        return b"", reason
    source = bytes(row["source_sha256"])
    if not source:
        return b"", "it comes back with equal pixels, and the archive knows no whole hash of the file"
    return source, "" if known == source else _OTHERWISE


def _refused(comes_back: str, accept: Accept) -> str:
    """Why a file stays that does not come back as it is; "" if that was accepted."""
    if comes_back == SAME_PIXELS:
        return "" if accept in ("equal-pixels", "lossy") else "it comes back with equal pixels, in another file"
    if comes_back == LOSSY or comes_back.startswith(WITHIN):
        return "" if accept == "lossy" else "it comes back near the original, not equal"
    return f"it comes back in a way that this version does not know: {comes_back}"
