"""How the commands print: one JSON object, a table, a summary by method, notes, failures."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from tilepress.jobs.cli.messages import MESSAGES, plain
from tilepress.jobs.cli.progress import counted, size

if TYPE_CHECKING:
    from tilepress.pipeline.archive.summary import Summary

MANY = 20  # failures printed one by one
_METHODS = {
    "jpeg": "JPEG, transcoded byte for byte",
    "file": "stored verbatim",
    "file-zstd": "stored verbatim, by Zstandard",
    "link": "symbolic links",
    "folder": "folders",
    "none": "not stored",
}


def print_summary(summary: Summary) -> None:
    """Print a table of images and bytes by method, and the counts of failures."""
    # Imported here: pyarrow comes with it, which lists of codecs do without.
    from tilepress.pipeline.archive.schema import FAILURES, NOT_STORED
    from tilepress.pipeline.archive.summary import BEYOND_PALETTE

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("stored as", "images", "in", "out", "saved"):
        table.add_column(name, justify="left" if name == "stored as" else "right")
    for method, count in sorted(summary.images.items(), key=lambda item: -summary.bytes_in[item[0]]):
        table.add_row(
            _METHODS.get(method, f"pixels, {'' if method.startswith('was ') else 'by '}{method}"),
            *_sizes(count, summary.bytes_in[method], summary.bytes_out[method], stored=method != NOT_STORED),
        )
    stored = summary.images.total() - summary.images[NOT_STORED]
    name = "all stored" if summary.images[NOT_STORED] else "all"
    table.add_row(name, *_sizes(stored, summary.stored_bytes_in, summary.bytes_out.total()), style="bold")
    _console().print(table)
    for reason in sorted(FAILURES):
        if summary.failures[reason]:
            print(f"{reason}: {summary.failures[reason]:,}")
    for text, count in summary.warnings.items():
        kept = "" if text == BEYOND_PALETTE else "; other codecs keep them"
        print(f"warning: {text} on {counted(count, 'tile')}{kept}")


def _sizes(count: int, bytes_in: int, bytes_out: int, *, stored: bool = True) -> tuple[str, str, str, str]:
    saved = f"{100 * (1 - bytes_out / bytes_in):.1f} %" if bytes_in and stored else ""
    return f"{count:,}", size(bytes_in), size(bytes_out), saved


def print_table(rows: Iterable[dict[str, Any]], columns: tuple[str, ...]) -> None:
    """Print some columns of rows, items of lists and tuples joined by commas."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=column in ("codec", "model"))
    for row in rows:
        values = (row.get(column, "") for column in columns)
        table.add_row(*(", ".join(value) if isinstance(value, list | tuple) else str(value) for value in values))
    _console().print(table)


def _console() -> Console:
    # A pipe has no width: a table must not be folded at 80 columns for the program that reads it.
    return Console(width=None if sys.stdout.isatty() else 160, highlight=False)


def ranges(numbers: Iterable[int]) -> str:
    """Return ascending numbers as text, "0-7, 12, 14-15"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def print_notes(notes: Iterable[str]) -> None:
    """Print notes on standard error, where they disturb no pipe."""
    for note in notes:
        MESSAGES.say(f"note: {note}", "note")


def print_failures(title: str, failures: list[tuple[str, str]]) -> None:
    """Print the first few (path, reason), and how many more there are."""
    for path, reason in failures[:MANY]:
        print(plain(f"{title}: {path}: {reason.removeprefix(f'{path} ')}"))  # many a reason begins with the name
    if len(failures) > MANY:
        print(f"{title}: {len(failures) - MANY:,} more (--json names them all)")


def print_json(value: Any, indent: int | None = 2) -> None:
    """Print a value as JSON, dataclasses in it as objects."""
    print(json_text(value, indent))


def json_text(value: Any, indent: int | None = 2) -> str:
    """Return a value as JSON, dataclasses in it as objects; without `indent` on one line."""
    return json.dumps(value, indent=indent, default=_plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    # Not dataclasses.asdict: it counts the items of a Counter anew.
    return vars(value) if is_dataclass(value) else str(value)
