"""A reader of archives written from FORMAT.md alone: it shares no code with tilepress.

What it cannot read, FORMAT.md does not specify well enough; what it reads otherwise, one of the two got wrong.
Payloads are fetched by the byte ranges of the index, out of the part as plain bytes.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zstandard

from tests.support.independent import codecs as independent_codecs
from tests.support.independent.lossless import decode_residual
from tests.support.independent.sealed import json_file, parquet_file

IMAGE_FACTS = [
    "image",
    "path",
    "name",
    "page",
    "source_bytes",
    "modified_ns",
    "permissions",
    "etag",
    "format",
    "mode",
    "width",
    "height",
    "dtype",
    "bit_depth",
    "tile_size",
    "fidelity",
    "method",
    "reason_code",
    "reason",
    "file_sha256",
    "pixels_sha256",
    "stack",
    "cell",
    "of_run",
    "of_image",
]
STACK_FACTS = ["images", "source_bytes", "width", "height", "members_crc", "pixels_sha256"]
TILE_FACTS = ["tile", "x", "y", "w", "h", "codec", "residual_codec", "base_crc", "pixels_crc", "psnr"]
PART_COLUMNS = [
    *["kind", *IMAGE_FACTS, "images", "members_crc", *TILE_FACTS, "row_crc"],
    *["container_bytes", "shared_bytes", "payload_bytes", "latents_bytes", "residual_bytes"],
    *["container", "shared", "payload", "latents", "residual"],
]
_FILES = {"tiles", "stack", "same", "jpeg", "file", "file-zstd", "none"}
_METHODS = {"add": _FILES, "link": {"link", "none"}, "folder": {"folder", "none"}}  # by the state in the plan
CHANNELS = {"1": 1, "L": 1, "LA": 2, "P": 1, "RGB": 3, "RGBA": 4, "CMYK": 4}


def crc_of(*values: object) -> int:
    """FORMAT.md 3, row_crc."""
    out = bytearray()
    for value in values:
        if value is None:
            out += b"n"
        elif isinstance(value, int):
            out += b"i" + struct.pack("<q", value)
        elif isinstance(value, float):
            out += b"f" + struct.pack("<f", value)
        else:
            data = value.encode() if isinstance(value, str) else value
            assert isinstance(data, bytes)
            out += b"b" + struct.pack("<q", len(data)) + data
    return zlib.crc32(out)


def crc(samples: np.ndarray) -> int:
    """CRC-32 of samples in raster order."""
    return zlib.crc32(samples.astype(samples.dtype.newbyteorder("<")).tobytes())


@dataclass
class Image:
    """One row of an index, and the part's bytes."""

    row: dict[str, Any]
    part: bytes
    models: Path

    @property
    def holds_pixels(self) -> bool:
        """Whether `pixels` gives it, and not `file`."""
        return self.row["method"] in ("tiles", "stack")

    def file(self) -> bytes:
        """The file of methods jpeg, file and file-zstd; the target of a link, nothing of a folder."""
        method, payload = self.row["method"], self._image_row()[2]
        if method == "jpeg":
            data = independent_codecs.transcoded_jpeg(payload) + b"".join(map(_expand, self._pieces()))
        else:
            pieces = [payload] if payload else list(self._pieces())
            data = b"".join(map(_expand, pieces) if method == "file-zstd" else pieces)
        assert method != "folder" or (data, self.row["source_bytes"]) == (b"", 0)
        assert method != "link" or (data and b"\0" not in data and not self.row["pieces"])
        assert hashlib.sha256(data).digest() == self.row["file_sha256"]
        return data

    def pixels(self) -> np.ndarray:
        """(height, width, channels) of the methods tiles and stack; if lossy, the base."""
        return self._cell() if self.row["method"] == "stack" else self._tiled()

    def _cell(self) -> np.ndarray:
        """FORMAT.md 3, stacks."""
        row, stack = self.row, self.row["stacked"]
        (tile,) = row["tiles"]
        assert [tile[name] for name in ("tile", "x", "y", "w", "h")] == [0, 0, 0, stack["width"], stack["height"]]
        mosaic = self._tile(tile)
        digest = hashlib.sha256(mosaic.astype(mosaic.dtype.newbyteorder("<")).tobytes()).digest()
        assert not self._is_exact(tile) or digest == stack["pixels_sha256"]
        assert max(stack["width"], stack["height"]) <= 1024
        down, across = divmod(row["cell"], stack["width"] // row["width"])
        y, x = down * row["height"], across * row["width"]
        assert row["cell"] < stack["images"] and y + row["height"] <= stack["height"]
        return mosaic[y : y + row["height"], x : x + row["width"]]

    def _tiled(self) -> np.ndarray:
        row = self.row
        out = np.zeros((row["height"], row["width"], CHANNELS[row["mode"]]), row["dtype"])
        size, across = row["tile_size"], -(-row["width"] // row["tile_size"])
        assert len(row["tiles"]) == across * -(-row["height"] // size)
        for number, tile in enumerate(row["tiles"]):
            x, y = number % across * size, number // across * size
            box = (x, y, min(size, row["width"] - x), min(size, row["height"] - y))
            assert (tile["tile"], *(tile[name] for name in "xywh")) == (number, *box)
            out[y : y + tile["h"], x : x + tile["w"]] = self._tile(tile)
        exact = all(self._is_exact(tile) for tile in row["tiles"])
        digest = hashlib.sha256(out.astype(out.dtype.newbyteorder("<")).tobytes()).digest()
        assert not exact or digest == row["pixels_sha256"]
        return out

    def container(self) -> tuple[dict[str, Any], list[bytes]]:
        """FORMAT.md 7."""
        stacked = self.row["method"] == "stack"
        sealed = independent_codecs.unseal(b"TS" if stacked else b"TC", self._image_row()[0])
        raw = zstandard.ZstdDecompressor().decompress(sealed)
        return self._parsed(self._of_cell(raw) if stacked else raw)

    def _of_cell(self, raw: bytes) -> bytes:
        count, cells, cell = struct.unpack_from("<I", raw)[0], self.row["stacked"]["images"], self.row["cell"]
        lengths = struct.unpack_from(f"<{count}I", raw, 4)
        assert len(raw) == 4 + 4 * count + sum(lengths) + 8 * cells
        which = struct.unpack_from(f"<{cells}I", raw, len(raw) - 8 * cells)[cell]
        start = 4 + 4 * count + sum(lengths[:which])
        return raw[start : start + lengths[which]]

    def _parsed(self, raw: bytes) -> tuple[dict[str, Any], list[bytes]]:
        (length,) = struct.unpack_from("<I", raw)
        header = json.loads(raw[4 : 4 + length])
        blobs, at = [], 4 + length
        for size in header["blobs"]:
            blobs.append(raw[at : at + size])
            at += size
        assert at == len(raw)
        return header, blobs

    def _image_row(self) -> list[bytes]:
        payloads = [self._range(self.row, name) for name in ("container", "shared", "payload")]
        facts = ["image", *(self.row[name] for name in IMAGE_FACTS), *payloads]
        if self.row["method"] == "stack":
            stack = [self.row["stacked"][name] for name in STACK_FACTS]
            facts = ["stack", self.row["stack"], *stack, *payloads[:2]]
        assert crc_of(*facts) == self.row["row_crc"]
        assert not payloads[1]
        return payloads

    def _pieces(self) -> Iterator[bytes]:
        for number, piece in enumerate(self.row["pieces"]):
            payload = self._range(piece, "payload")
            assert crc_of("piece", self.row["image"], number, payload) == piece["row_crc"]
            yield payload

    def _tile(self, tile: dict[str, Any]) -> np.ndarray:
        latents, residual = self._range(tile, "latents"), self._range(tile, "residual")
        facts = [tile[name] for name in TILE_FACTS]
        owner = self.row["image"] if self.row["stack"] is None else self.row["stack"]
        assert crc_of("tile", owner, *facts, latents, residual) == tile["row_crc"]
        shape = independent_codecs.Shape(
            tile["h"], tile["w"], CHANNELS[self.row["mode"]], self.row["dtype"], self.row["bit_depth"], self.row["mode"]
        )
        base = independent_codecs.decode(tile["codec"], latents, shape, self.models)
        assert tile["base_crc"] is None or crc(base) == tile["base_crc"]
        assert residual or tile["pixels_crc"] == tile["base_crc"]
        assert bool(residual) == bool(tile["residual_codec"])
        if residual:
            assert tile["residual_codec"] == "lossless-1"
            base = decode_residual(residual, base, shape, self.models)
            assert crc(base) == tile["pixels_crc"]
        return base

    def _is_exact(self, tile: dict[str, Any]) -> bool:
        """Whether the tile that is given equals the source."""
        if tile["residual_codec"]:
            return not self.row["fidelity"].startswith("max-error")
        return tile["psnr"] is None

    def _range(self, row: dict[str, Any], name: str) -> bytes:
        start, length = row[f"{name}_offset"], row[f"{name}_bytes"]
        return self.part[start : start + length] if length else b""


def _expand(frame: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(frame)


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
    folders = sorted((folder / "runs").iterdir(), key=lambda path: int(path.name))
    replaced = {place for path in folders for place in _replaces(path)}
    for path in folders:
        run = Run(path).read(folder / "models", replaced)
        for name in run.forgotten:
            found.pop(name, None)
        for image in run.images:
            if image.row["method"] != "none":
                found[image.row["path"]] = image
    return found


def _replaces(folder: Path) -> list[tuple[int, int]]:
    _, names = parquet_file(folder / "manifest.parquet", "tilepress-manifest-1")
    return [(run, shard) for run, shard in json.loads(names.get("tilepress.replaces", "[]"))]
