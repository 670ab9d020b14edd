"""Files that a page carries: they are saved from the page itself, without any network."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass

from tilepress.jobs.pages.numbers import Value

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for the beginning of one


@dataclass(frozen=True)
class Download:
    """A file by the name under which it is saved."""

    name: str
    data: bytes
    media_type: str = "application/octet-stream"
    note: str = ""  # what it holds


def csv_file(name: str, columns: Sequence[str], rows: Sequence[Sequence[Value]], note: str = "") -> Download:
    """Return a table as CSV (RFC 4180, UTF-8). A text that a spreadsheet would run as a formula begins with "'"."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([_harmless(value) for value in row] for row in rows)
    return Download(name, out.getvalue().encode(errors="backslashreplace"), "text/csv", note)


def json_file(name: str, value: object, note: str = "") -> Download:
    """Return a value of plain numbers, texts, lists and mappings as JSON."""
    return Download(name, json.dumps(value, indent=1).encode(), "application/json", note)


def parquet_file(name: str, data: bytes, note: str = "") -> Download:
    """Return the bytes of a Parquet file."""
    return Download(name, data, "application/vnd.apache.parquet", note)


def _harmless(value: Value) -> Value:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
