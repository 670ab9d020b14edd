"""A reader of archives written from FORMAT.md alone: it shares no code with tilepress.

What it cannot read, FORMAT.md does not specify well enough; what it reads otherwise, one of the two got wrong.
Payloads are fetched by the byte ranges of the index, out of the part as plain bytes.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.independent.image import Image
from tests.support.independent.rows import IMAGE_FACTS, PART_COLUMNS, crc_of
from tests.support.independent.sealed import json_file, parquet_file

_FILES = {"tiles", "stack", "origin", "same", "jpeg", "file", "file-zstd", "none"}
_METHODS = {"add": _FILES, "link": {"link", "none"}, "folder": {"folder", "none"}}  # by the state in the plan


@dataclass
class Run:
    """A complete run, every file of it checked against the manifest, but parts that later runs stand for."""

    folder: Path
    images: list[Image] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    moves: bool = False

    def read(self, models: Path, replaced: set[tuple[int, int]]) -> Run:
        """Check all files, collect the images of the index whose content counts."""
        manifest, names = parquet_file(self.folder / "manifest.parquet", "tilepress-manifest-1")
        if names.get("tilepress.abandoned"):
            return self
        self.moves = "tilepress.replaces" in names
        plan, plan_names = parquet_file(self.folder / "plan.parquet", "tilepress-plan-1")
        index, index_names = parquet_file(self.folder / "index.parquet", "tilepress-index-1")
        assert names["tilepress.plan"] in (plan_names["tilepress.seal"], plan_names.get("tilepress.remade"))
        assert names["tilepress.plan"] == json_file(self.folder / "run.json")["plan"]
        assert names["tilepress.index"] in (index_names["tilepress.seal"], index_names.get("tilepress.remade"))
        number = int(self.folder.name)
        entries = [row for row in manifest.read().to_pylist() if (number, row["shard"]) not in replaced]
        parts = {row["shard"]: self._part(row, names["tilepress.plan"]) for row in entries}
        assert names.get("tilepress.date") == plan_names.get("tilepress.date")
        assert names.get("tilepress.replaces") == plan_names.get("tilepress.replaces")
        planned = plan.read().to_pylist()
        rows = index.read().to_pylist()
        assert [(row["image"], row["path"]) for row in rows] == [(row["image"], row["path"]) for row in planned]
        assert [row["path"].encode() for row in rows] == sorted(row["path"].encode() for row in rows)
        members: dict[tuple[int, int], list[dict[str, Any]]] = {}
        for row in rows:
            if row["stack"] is not None:
                members.setdefault((row["part"], row["stack"]), []).append(row)
        for images in members.values():
            crcs = [crc_of("image", *(each[name] for name in IMAGE_FACTS), b"", b"", b"") for each in images]
            assert zlib.crc32(struct.pack(f"<{len(crcs)}I", *crcs)) == images[0]["stacked"]["members_crc"]
        for row, plan_row in zip(rows, planned, strict=True):
            marks = {"gone": self.gone, "forgotten": self.forgotten}
            assert row["method"] in _METHODS.get(plan_row["state"], {plan_row["state"]})
            if row["method"] in marks:
                marks[row["method"]].append(row["path"])
            elif (number, row["part"]) not in replaced:
                assert row["part"] == plan_row["shard"]
                self.images.append(Image(row, parts[row["part"]], models))
        return self

    def _part(self, entry: dict[str, Any], plan_seal: str) -> bytes:
        path = self.folder / "parts" / f"{entry['shard']:05d}.parquet"
        file, names = parquet_file(path, "tilepress-part-1")
        assert (names["tilepress.seal"], names["tilepress.plan"]) == (entry["seal"], plan_seal)
        assert names["tilepress.shard"] == str(entry["shard"])
        assert file.schema_arrow.names == PART_COLUMNS
        rows = file.read(columns=["kind", "row_crc"])
        digest = zlib.crc32(b"".join(struct.pack("<I", value) for value in rows["row_crc"].to_pylist()))
        assert names["tilepress.rows"] == f"{entry['rows']}:{digest:08x}" and rows.num_rows == entry["rows"]
        assert rows["kind"].to_pylist().count("image") == entry["images"]
        assert path.stat().st_size == entry["bytes"]
        return path.read_bytes()


def read_archive(folder: Path) -> dict[str, Image]:
    """Path to image: FORMAT.md 1, which row counts. The newest run is the last."""
    assert json_file(folder / "archive.json")["format"] == "tilepress-archive-1"
    found: dict[str, Image] = {}
    held: dict[tuple[int, int], Image] = {}
    folders = sorted((folder / "runs").iterdir(), key=lambda path: int(path.name))
    replaced = {place for path in folders for place in _replaces(path)}
    for path in folders:
        run = Run(path).read(folder / "models", replaced)
        for name in run.forgotten:
            found.pop(name, None)
        for image in run.images:
            held[int(path.name), image.row["image"]] = image
            if image.row["method"] != "none" and (image.row["of_run"], image.row["of_part"]) not in replaced:
                found[image.row["path"]] = image
    return {path: _content(image, held) for path, image in found.items()}


def _content(image: Image, held: dict[tuple[int, int], Image]) -> Image:
    """FORMAT.md 4, method `same`."""
    row = image.row
    if row["method"] != "same":
        return image
    assert crc_of("image", *(row[name] for name in IMAGE_FACTS), b"", b"", b"") == row["row_crc"]
    other = held[row["of_run"], row["of_image"]]
    assert other.row["part"] == row["of_part"] and other.row["method"] not in ("none", "same")
    assert other.row["source_bytes"] == row["source_bytes"]
    assert other.row["file_sha256"] in (b"", row["file_sha256"])
    return other


def _replaces(folder: Path) -> list[tuple[int, int]]:
    _, names = parquet_file(folder / "manifest.parquet", "tilepress-manifest-1")
    return [(run, shard) for run, shard in json.loads(names.get("tilepress.replaces", "[]"))]
