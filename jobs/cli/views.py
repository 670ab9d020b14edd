"""What the commands that only look print: ls, info, errors, cat. Each returns the exit code."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from tilepress.jobs.archives import listing
from tilepress.jobs.cli.messages import MESSAGES, plain
from tilepress.jobs.cli.progress import counted, size
from tilepress.jobs.cli.protection import show_protection
from tilepress.jobs.cli.tables import print_json, print_notes, print_summary, ranges
from tilepress.pipeline.archive.fidelity import bound_text
from tilepress.pipeline.archive.schema import NO_FILES
from tilepress.pipeline.errors import UsageError
from tilepress.pipeline.reading.archive import open_archive


def show_ls(
    url: str, path: str | None, run: int | None, as_of: str | None, *, include_deleted: bool, as_json: bool
) -> int:
    """Print one line an image, and return the exit code."""
    archive = open_archive(url, run=run, as_of=as_of, include_deleted=include_deleted)
    print_notes(archive.problems)
    found = source = stored = 0
    line = _narrow_line if sys.stdout.isatty() and shutil.get_terminal_size().columns < _WIDE else _wide_line
    for entry in listing.listed(archive, path):
        row = listing.describe(entry)
        if as_json:
            print_json(row, indent=None)
        else:
            if not found:
                print(line("source", "stored", "method", "image", "path"))
            print(line(*_cells(row)))
        found, source, stored = found + 1, source + row["source_bytes"], stored + row["stored_bytes"]
    if path is not None and not found:
        MESSAGES.error(f"nothing in {url} matches {path!r}", 2, "UsageError")
        return 2
    if not as_json:
        print(f"{counted(found, 'file')}, {size(source)}, stored in {size(stored)}")
    return 0


def _cells(row: dict[str, Any]) -> tuple[int, int, str, str, str]:
    """What a line of `ls` tells of an image."""
    shape = f"{row['width']}x{row['height']} {row['mode']}" if row["width"] else "-"
    target = f" -> {row['link_target']}" if row["link_target"] is not None else ""
    gone = "  (gone from the source)" if row["gone_from_source"] else ""
    return row["source_bytes"], row["stored_bytes"], row["method"], shape, f"{plain(row['path'] + target)}{gone}"


def _wide_line(source: int | str, stored: int | str, method: str, shape: str, path: str) -> str:
    one, other = (f"{each:,}" if isinstance(each, int) else each for each in (source, stored))
    return f"{one:>12} {other:>12}  {method:<12} {shape:<18} {path}"


def _narrow_line(source: int | str, stored: int | str, method: str, shape: str, path: str) -> str:
    one, other = (size(each) if isinstance(each, int) else each for each in (source, stored))
    return f"{one:>7} {other:>7}  {method:<9} {path}"


def show_info(url: str, path: str | None, run: int | None, as_of: str | None, *, as_json: bool) -> int:
    """Print an archive, or one image, and return the exit code."""
    if path is not None:
        _print_facts(listing.describe(listing.one_entry(url, path, run, as_of)), as_json=as_json)
        return 0
    info = listing.archive_info(url, run, as_of)
    if as_json:
        print_json(info)
        return 0
    print_notes(info.problems)
    print(f"archive {info.archive_id}  {info.format}  {info.url}")
    for each in info.runs:
        print(_run_line(each))
    for codec, packages in info.packages.items():
        print(f"reading it takes {' and '.join(packages)} besides tilepress, for codec {codec}")
    print_summary(info.summary)
    print(f"sure to come back: {_back(info.comes_back)}")
    _print_disk(info)
    show_protection(info)
    for each in info.audits:
        late = f"; overdue: {ranges(each['overdue'])}" if each["overdue"] else ""
        print(f"audited in parts: {each['audited']} of {each['parts']}, last on {each['last']}{late}")
    if info.gone:
        print(f"{info.gone:,} of them are gone from the source")
    return 0


_PROBE = 4096  # bytes that tell a text from other files
_WIDE = 80  # columns of a terminal with room for exact sizes and shapes
_STORED = {"bytes": "stored verbatim", None: "NOT STORED"}  # by how much comes back
_STATES = {
    "complete": "complete",
    "unfinished": "NOT COMPLETE: repeat its command to finish it, or `tilepress abandon` it",
    "abandoned": "given up",
}


def _run_line(run: dict[str, Any]) -> str:
    """One line about a run: when, what, how, and whether it is complete."""
    settings = run["settings"]
    encoding = settings.get("press")
    told = [f"run {run['run']}: {counted(run['images'], 'image')}"]
    if "verb" in settings:
        told[0] += f", by {settings['verb']}"
    if encoding:
        told[0] += f" from {settings['source']}"
        told.append(f"codec {settings['codec']}, fidelity {encoding['fidelity']}{_bound(encoding)}")
        told.append(f"tiles of {encoding['tile']}")
    date = [run["date"].replace("T", " ").replace("Z", " UTC")] if run["date"] else []
    return ", ".join([*told, *date, _STATES[run["state"]]])


def _back(counts: Mapping[str, int]) -> str:
    """How much of the files is sure to come back, in words: pixels often come back in the very file, too."""
    words = {"bytes": "byte for byte", "pixels": "pixel for pixel, with all metadata"}
    return ", ".join(f"{counted(count, 'file')} {words.get(how, how)}" for how, count in counts.items()) or "nothing"


def _print_disk(info: listing.ArchiveInfo) -> None:
    """What the archive takes in all: models, indexes, plans and old versions are bytes too."""
    files = info.summary.stored_bytes_in
    share = info.disk_bytes / files if files else 1.0
    saved = f", {100 * (1 - share):.1f} % less than the files" if share < 1 else ""
    if share > 1:
        saved = f", {share:.3g} times what the files take"
    print(f"on disk {size(info.disk_bytes)} in {counted(info.objects, 'file')}, models and indexes included{saved}")
    if info.superseded_bytes:
        advice = f"tilepress compact {info.url} gives their room back"
        print(f"{size(info.superseded_bytes)} of these are older versions of images: {advice}")


def _bound(encoding: dict[str, Any]) -> str:
    return f" {bound_text(encoding['max_error'])}" if encoding.get("max_error") else ""


def _print_facts(facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(facts)
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        if value not in (None, ""):
            print(f"{name:<{width}}  {value}")


def show_errors(url: str, *, as_json: bool) -> int:
    """Print the files that are stored verbatim, or not at all, with the reasons, and return the exit code."""
    archive = open_archive(url)
    rows = [*listing.failures(archive), *listing.left_out(archive)]
    if as_json:
        print_json(rows)
        return 0
    for row in rows:
        stored = _STORED.get(row["comes_back"], "stored")
        print(plain(f"{row['reason_code']:<15} {stored:<16} {row['path']}: {row['reason']}"))
    counts = ", ".join(f"{count:,} {reason}" for reason, count in listing.reasons(rows).items())
    print(counts or f"every file of {url} is stored by its pixels or as a transcoded JPEG")
    return 0


def write_cat(url: str, path: str, output: str | None, run: int | None, as_of: str | None) -> int:
    """Write one file, when all of it is proven right, to standard output or a file; return the exit code."""
    entry = listing.one_entry(url, path, run, as_of)
    if (facts := entry.index_row.facts).method in NO_FILES:
        raise UsageError(f"{path} is {f'a symbolic link to {facts.reason}' if facts.reason else 'a folder'}")
    with tempfile.TemporaryFile() as scratch:
        entry.write(cast(BinaryIO, scratch))
        scratch.seek(0)
        if output is None:
            if sys.stdout.isatty() and _is_binary(scratch):
                raise UsageError(f"{path} is no text for a terminal: append `> FILE`, or name a file by `output`")
            shutil.copyfileobj(scratch, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        else:
            _copy_to(Path(output), scratch)
    return 0


def _is_binary(file: IO[bytes]) -> bool:
    """Whether the beginning of a file is something else than text; the file is at its beginning again."""
    begin = file.read(_PROBE)
    file.seek(0)
    try:
        text = begin.decode()
    except UnicodeDecodeError as exc:
        return exc.end < len(begin)  # else only cut in the midst of a character
    return any(not character.isprintable() and character not in "\t\r\n\f" for character in text)


def _copy_to(output: Path, source: IO[bytes]) -> None:
    try:
        with output.open("wb") as file:
            shutil.copyfileobj(source, file)
    except OSError as exc:
        raise UsageError(f"{output} cannot be written: {exc.strerror}") from exc
