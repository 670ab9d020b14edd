"""FORMAT.md 3 to 7: one image of an archive, by its index row and the bytes of its part."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import zstandard

from tests.support.independent import codecs as independent_codecs
from tests.support.independent.lossless import decode_quick_residual, decode_residual
from tests.support.independent.origins import steps_of
from tests.support.independent.rows import CHANNELS, IMAGE_FACTS, STACK_FACTS, TILE_FACTS, crc, crc_of


@dataclass
class Image:
    """One row of an index, and the part's bytes."""

    row: dict[str, Any]
    part: bytes
    models: Path

    @property
    def holds_pixels(self) -> bool:
        """Whether `pixels` gives it, and not `file`."""
        return self.row["method"] in ("tiles", "stack", "origin")

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
        """(height, width, channels) of the methods tiles, stack and origin; if lossy, the base."""
        held = {"stack": self._cell, "origin": self._made}
        return held.get(self.row["method"], self._tiled)()

    def _made(self) -> np.ndarray:
        """FORMAT.md 4 and 10a, of rules that take one plane."""
        row = self.row
        steps = steps_of(self._image_row()[1])
        shapes = [(row["height"], row["width"], CHANNELS[row["mode"]])]
        for step in steps:
            shapes.append(step.plane_shape(shapes[-1]))
        height, width, channels = shapes[-1]
        mode = next(name for name in ("L", "LA", "RGB", "RGBA") if CHANNELS[name] == channels)
        plane = replace(self, row=row | {"height": height, "width": width, "mode": mode, "pixels_sha256": None})
        made = plane._tiled()
        for step, shape in zip(steps[::-1], shapes[-2::-1], strict=True):
            made = step.apply(made, shape)
        assert hashlib.sha256(made.astype(made.dtype.newbyteorder("<")).tobytes()).digest() == row["pixels_sha256"]
        return made

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
        assert not exact or row["pixels_sha256"] in (digest, None)
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
        assert bool(payloads[1]) == (self.row["method"] == "origin")
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
            if tile["residual_codec"] == "lossless-quick-1":
                base = decode_quick_residual(residual, base, shape)
            else:
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
