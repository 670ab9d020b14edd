"""`lossless`, `lossless-quick` and the residuals as FORMAT.md 8g, 8m, 9 and 9a specify them: streams, headers, base."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.independent.lossless_plane import PlaneDecoder
from tests.support.independent.lossless_scene import Known
from tests.support.independent.lossless_squares import PAD
from tests.support.independent.predictive import RangeDecoder, raw
from tests.support.independent.quick.plane import decode_planes
from tests.support.independent.streams import Shape, read_model, unseal

NAMES = {1: "fast", 2: "default", 3: "max"}
RESIDUAL_MODEL = "fddfbd9b598cd3bc39249b8a6fd0fbf1feffc4b959f3bd716f522a6fb12bc578"  # section 9


def plane_values(content: bytes) -> tuple[np.ndarray, bytes]:
    """The values of a header, what follows it."""
    kind, lowest, highest = struct.unpack_from("<BHH", content)
    content = content[5:]
    values = np.arange(lowest, highest + 1)
    assert kind < 2 and len(values)
    if kind:
        (length,) = struct.unpack_from("<H", content)
        table, content = zlib.decompress(content[2 : 2 + length]), content[2 + length :]
        used = np.unpackbits(np.frombuffer(table, np.uint8), bitorder="little")[: len(values) - 2]
        assert len(table) == -(-(len(values) - 2) // 8) >= 1
        values = values[np.concatenate([[True], used.astype(bool), [True]])]
    return values, content


class Lossless:
    """Decodes with one model."""

    def __init__(self, config: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        self._tensors: dict[str, dict[str, np.ndarray]] = {}
        assert config["levels"].keys() == set(NAMES.values())
        for level, facts in config["levels"].items():
            names = {name for name in tensors if name.startswith(f"{level}.")}
            own = {name.partition(".")[2]: tensors[name].astype(np.int64) for name in names}
            assert [len(own[name]) for name in ("layer1.bias", "layer2.bias") if name in own] == facts["hidden"]
            self._tensors[level] = own

    def decode(self, content: bytes, shape: Shape, base: np.ndarray | None = None) -> np.ndarray:
        """A tile (h, w, c)."""
        return decode_content(content, shape, base, self._tensors)


def decode_content(
    content: bytes, shape: Shape, base: np.ndarray | None, tensors: dict[str, dict[str, np.ndarray]]
) -> np.ndarray:
    """A tile (h, w, c); `tensors`: of the levels 1 to 3 that may occur, by name."""
    (level, error), content = struct.unpack_from("<BH", content), content[3:]
    if level == 0:
        return raw(content, shape)
    order = list(range(shape.channels))
    order[:2] = [1, 0] if shape.mode in ("RGB", "RGBA") else order[:2]
    values, under = [], list[np.ndarray | None]()
    for channel in order:
        plane, content = plane_values(content)
        values.append(plane)
        under.append(None if base is None else under_values(plane, base[..., channel]))
    highest = [len(plane) - 1 for plane in values]
    if level == 4:
        planes = decode_planes(content, (shape.height, shape.width), highest, error, under)
    else:
        planes = _decode_modelled(content, shape, (level, tensors[NAMES[level]]), highest, error, under)
    out = np.zeros((shape.height, shape.width, shape.channels), shape.dtype)
    for channel, plane, numbers in zip(order, values, planes, strict=True):
        out[..., channel] = plane[numbers]
    return out


def _decode_modelled(
    content: bytes,
    shape: Shape,
    level: tuple[int, dict[str, np.ndarray]],
    highest: list[int],
    error: int,
    bases: list[np.ndarray | None],
) -> list[np.ndarray]:
    """Samples (h, w) of the planes in coding order, of the levels 1 to 3."""
    coder, before, out = RangeDecoder(content), list[Known](), []
    for most, base in zip(highest, bases, strict=True):
        numbers, known = np.zeros((shape.height, shape.width), np.int64), Known.empty(shape)
        if most:
            around = None if base is None else np.pad(base.astype(np.float64), PAD, mode="edge")
            decoder = PlaneDecoder(shape, *level, coder, most, error, before[:2], around)
            numbers, known = decoder.decode(), decoder.known
        out.append(numbers)
        before.insert(0, known)
    return out


def under_values(values: np.ndarray, base: np.ndarray) -> np.ndarray:
    """The base plane of section 9, (h, w)."""
    under: np.ndarray = (base[..., None] > values[:-1]).sum(-1)
    return under


def decode_residual(stream: bytes, base: np.ndarray, shape: Shape, models: Path) -> np.ndarray:
    """A tile of `lossless-1`, with the model in the folder `models` of an archive."""
    content = unseal(b"rL", stream)
    assert content[0] < 4
    return Lossless(*read_model(models / RESIDUAL_MODEL)).decode(content, shape, base)


def decode_quick_residual(stream: bytes, base: np.ndarray, shape: Shape) -> np.ndarray:
    """A tile of `lossless-quick-1`."""
    content = unseal(b"rQ", stream)
    assert content[0] in (0, 4)
    return decode_content(content, shape, base, {})


def decode_quick(stream: bytes, shape: Shape) -> np.ndarray:
    """A tile of codec `lossless-quick`."""
    content = unseal(b"LQ", stream)
    assert content[0] in (0, 4)
    return decode_content(content, shape, None, {})
