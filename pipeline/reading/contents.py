"""Content that several rows share: a row of the method `same` has the content of another row, of any run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tilepress.pipeline.archive.index_row import image_facts
from tilepress.pipeline.archive.schema import CONTENTLESS, IMAGE_COLUMNS, SAME, row_crc
from tilepress.pipeline.reading.history import Version
from tilepress.pipeline.reading.run_view import RunView

Key = tuple[int, int]  # number of a run, and of an image in it


def content_of(runs: Mapping[int, RunView], version: Version) -> Version:
    """Return the row with the content of a row, and its run; the row itself unless its method is `same`.

    The row that is returned has the facts of the other one under "named". One whose content is not to be had has the
    reason under "damage".
    """
    view, row = version
    if row["method"] != SAME:
        return version
    target = runs.get(row["of_run"])
    held = target.index.at(row["of_image"]) if target and row["of_image"] is not None else None
    problem = _problem(row, held)
    if problem or target is None or held is None:
        return view, row | {"damage": f"{problem}: image {row['of_image']} of run {row['of_run']}"}
    return target, dict(held) | {"named": {column: row[column] for column in IMAGE_COLUMNS}}


def _problem(row: Mapping[str, Any], held: Mapping[str, Any] | None) -> str:
    """Why a row cannot have the content of another one; "" if it can."""
    try:
        if row_crc(image_facts(row), (b"", b"", b"")) != row["row_crc"]:
            return "its row is damaged (its CRC does not match), which refers to"
    except (TypeError, ValueError, AttributeError, OverflowError, KeyError):
        return "its row makes no sense, which refers to"
    if held is None or held["part"] != row["of_part"] or held["method"] in (*CONTENTLESS, SAME):
        return "it refers to content that is not there"
    hashes = {row["file_sha256"], held["file_sha256"]} - {b""}
    if held["source_bytes"] != row["source_bytes"] or len(hashes) > 1:
        return "it refers to the content of another file"
    return ""


def key_of(version: Version) -> Key:
    """Return what tells the content of a row, which has it itself, from all other content."""
    view, row = version
    return view.run.number, row["image"]
