"""FORMAT.md 10a: pictures out of planes, by the rules `planes` and `scale`; no exceptions."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from tests.support.independent.codecs import unseal


@dataclass(frozen=True)
class Step:
    """A rule, and its facts."""

    rule: str
    facts: bytes

    def plane_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Of the plane that a picture of a shape is made of."""
        height, width, channels = shape
        if self.rule == "scale":
            _, fy, oy, fx, ox = struct.unpack("<5B", self.facts)
            return -(-(height + oy) // fy), -(-(width + ox) // fx), channels
        _, kinds, _ = struct.unpack("<BBH", self.facts)
        alpha = channels in (2, 4)
        colours = 1 if kinds & 1 else channels - alpha
        return height, width, colours + (alpha and not kinds & 2)

    def apply(self, plane: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
        """The picture."""
        height, width, channels = shape
        if self.rule == "scale":
            _, fy, oy, fx, ox = struct.unpack("<5B", self.facts)
            return plane[(np.arange(height) + oy)[:, None] // fy, (np.arange(width) + ox)[None] // fx]
        _, kinds, alpha = struct.unpack("<BBH", self.facts)
        has_alpha = channels in (2, 4)
        colours = plane[..., : plane.shape[2] - (1 if has_alpha and not kinds & 2 else 0)]
        colours = np.repeat(colours, channels - has_alpha, axis=2) if kinds & 1 else colours
        if not has_alpha:
            return colours
        last = np.full_like(colours[..., :1], alpha) if kinds & 2 else plane[..., -1:]
        return np.concatenate([colours, last], axis=2)


def steps_of(data: bytes) -> list[Step]:
    """The steps of a chain."""
    payload = unseal(b"TO", data)
    count, at = payload[0], 1 + 13 * payload[0]
    steps = []
    for number in range(count):
        name, facts, exceptions = struct.unpack_from("<BIQ", payload, 1 + 13 * number)
        steps.append(Step(payload[at : at + name].decode(), payload[at + name : at + name + facts]))
        assert exceptions == 0 and steps[-1].facts[0] == 1 and steps[-1].rule in ("planes", "scale")
        at += name + facts
    assert at == len(payload)
    return steps
