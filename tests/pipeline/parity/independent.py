"""Restores files by parity, written from FORMAT.md, section 13, alone: nothing of tilepress is imported."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from pathlib import Path
from typing import Any

EXP, LOG = [0] * 510, [0] * 256
_value = 1
for _power in range(255):
    EXP[_power] = EXP[_power + 255] = _value
    LOG[_value] = _power
    _value = (_value << 1) ^ (0x11D if _value & 0x80 else 0)


def times(a: int, b: int) -> int:
    return EXP[LOG[a] + LOG[b]] if a and b else 0


def inverse(a: int) -> int:
    return EXP[255 - LOG[a]]


def scaled(block: bytes, factor: int) -> bytes:
    """Every byte of a block times a factor."""
    return block.translate(bytes(times(value, factor) for value in range(256)))


def added(one: bytes, other: bytes) -> bytes:
    length = len(one)
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).to_bytes(length, "big")


def restore(archive: Path, description: Path) -> dict[str, bytes]:
    """All files of a group, by name, from what is left of them and of its parity."""
    group = json.loads(description.read_text())
    size, data, parity, stripes = (group[name] for name in ("block", "data", "parity", "stripes"))
    blocks = stored_blocks(archive, group)
    rows = [read(archive / f"{group['folder']}/{group['key']}-{row:03d}.parity") for row in range(parity)]
    sums = read(archive / f"{group['folder']}/{group['key']}.crc")
    crcs = list(struct.unpack(f"<{len(sums) // 4}I", sums))
    count = len(blocks)
    blocks += [bytes(size)] * (stripes * data - count)
    for stripe in range(stripes):
        numbers = [row * stripes + stripe for row in range(data)]
        lost = [row for row, n in enumerate(numbers) if n < count and zlib.crc32(blocks[n]) != crcs[n]]
        there = {}
        for row, content in enumerate(rows):
            block = content[stripe * size : (stripe + 1) * size]
            if zlib.crc32(block) == crcs[count + row * stripes + stripe]:
                there[row] = block
        for row, block in solved(lost, there, [blocks[n] for n in numbers]).items():
            blocks[numbers[row]] = block
    return dict(joined(group, blocks))


def solved(lost: list[int], parity: dict[int, bytes], stripe: list[bytes]) -> dict[int, bytes]:
    """The lost rows of a stripe, by Gauss's elimination."""
    data = len(stripe)
    equations = []
    for row, block in sorted(parity.items())[: len(lost)]:
        known = block
        for column in set(range(data)) - set(lost):
            known = added(known, scaled(stripe[column], inverse((data + row) ^ column)))
        equations.append(([inverse((data + row) ^ column) for column in lost], known))
    if len(equations) < len(lost):
        raise ValueError("more is lost than there is parity")
    for at in range(len(lost)):
        swap = next(each for each in range(at, len(lost)) if equations[each][0][at])
        equations[at], equations[swap] = equations[swap], equations[at]
        factors, known = equations[at]
        unit = inverse(factors[at])
        factors, known = [times(each, unit) for each in factors], scaled(known, unit)
        equations[at] = factors, known
        for other in set(range(len(lost))) - {at}:
            theirs, block = equations[other]
            much = theirs[at]
            left = [a ^ times(b, much) for a, b in zip(theirs, factors, strict=True)]
            equations[other] = left, added(block, scaled(known, much))
    return {row: known for row, (_, known) in zip(lost, equations, strict=True)}


def stored_blocks(archive: Path, group: dict[str, Any]) -> list[bytes]:
    size, found = group["block"], []
    for file in group["files"]:
        count = max(1, -(-file["bytes"] // size))
        data = read(archive / file["name"])[: file["bytes"]].ljust(count * size, b"\0")
        found += [data[at * size : (at + 1) * size] for at in range(count)]
    return found


def joined(group: dict[str, Any], blocks: list[bytes]) -> Any:
    at = 0
    for file in group["files"]:
        count = max(1, -(-file["bytes"] // group["block"]))
        data = b"".join(blocks[at : at + count])[: file["bytes"]]
        at += count
        if hashlib.sha256(data).hexdigest() != file["content"]:
            raise ValueError(f"{file['name']} is not what it was")
        yield file["name"], data


def read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
