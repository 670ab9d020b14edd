"""Models, tiles and streams for the tests of the codec `lossless`: drawn in integers, the same on any machine.

A child process may import this file too (it stands alone) and print what its machine makes of the same cases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.lossless.features import FEATURES
from tilepress.codecs.lossless.levels import LEVELS, QUICK, Level
from tilepress.codecs.lossless.mixer import INPUTS, NODES
from tilepress.codecs.lossless.model import model_of, starts_of
from tilepress.codecs.lossless.network import OUTPUTS, Network
from tilepress.codecs.lossless.stack import StartState, decode_stack, encode_quickly, encode_stack, plain_start
from tilepress.codecs.model import Model

HIDDEN = {"fast": (8, 8), "default": (16, 8), "max": (12, 16)}


def drawn_network(one: int, two: int, seed: int) -> Network:
    """Weights of no training; outputs are of the size that trained ones have."""
    rng = np.random.default_rng(seed)
    shapes = ((FEATURES, one), one, (one, two), two, (two, OUTPUTS), OUTPUTS)
    sizes = (300, 9000, 700, 300_000, 300, 90_000)
    layers = [rng.integers(-size, size, shape).astype(np.int32) for shape, size in zip(shapes, sizes, strict=True)]
    first, b1, second, b2, third, b3 = layers
    return Network((first, b1, second, b2, third, b3))


def drawn_mixing(seed: int) -> np.ndarray:
    """About what a mean of the predictors is, (NODES, INPUTS)."""
    return plain_start().mixing + np.random.default_rng(seed).integers(-4000, 8000, (NODES, INPUTS)) / 65536


@cache
def drawn_starts(networks: bool) -> dict[int, StartState]:
    """Of `drawn_model`, by the code of the level."""
    return starts_of(drawn_model(networks))


@cache
def drawn_model(networks: bool) -> Model:
    """With a network for every level, or for none."""
    priors = {
        level.name: StartState(
            drawn_network(*HIDDEN[level.name], level.code) if networks else None, drawn_mixing(level.code)
        )
        for level in LEVELS
    }
    return model_of(priors, {"made": "drawn, for tests"}, "CC0-1.0")


def scene(spec: TileSpec) -> np.ndarray:
    """Slopes, edges, texture, a flat corner and single outliers: (h, w, c) of `spec.dtype`."""
    y, x, c = np.meshgrid(np.arange(spec.height), np.arange(spec.width), np.arange(spec.channels), indexing="ij")
    texture = (x * 7919 + y * 104729 + x * y * 31 + c * 13) % 7
    value = (x * 5 + y * 3 + c * 40) * 4 + (((x // 9) + (y // 7)) % 2) * 900 + texture * 12
    value = np.where((x > 2 * spec.width // 3) & (y > spec.height // 2), 700 + c, value % 4096)
    value = np.where((x * 31 + y * 17) % 97 == 5, 4095 * (y % 2), value)
    return (value * spec.maximum // 4095).astype(spec.dtype)


def checkerboard(spec: TileSpec) -> np.ndarray:
    """Extremes side by side, which leave least squares without an answer, with a fault here and there."""
    y, x, c = np.meshgrid(np.arange(spec.height), np.arange(spec.width), np.arange(spec.channels), indexing="ij")
    faulty = (x * 13 + y * 7 + c) % 41 == 0
    return np.where(faulty, spec.maximum // 3, ((x + y + c) % 2) * spec.maximum).astype(spec.dtype)


def coarse(tile: np.ndarray) -> np.ndarray:
    """A base as a lossy codec would give: of each 8x8 block the first sample."""
    rows, columns = (np.arange(size) // 8 * 8 for size in tile.shape[:2])
    return np.ascontiguousarray(tile[np.ix_(rows, columns)])


@dataclass(frozen=True)
class Case:
    """What is coded, and how."""

    level: Level
    networks: bool
    based: bool
    error: int
    spec: TileSpec
    draw: Callable[[TileSpec], np.ndarray] = scene

    @property
    def name(self) -> str:
        """In words."""
        spec = self.spec
        words = [self.level.name, "network" if self.networks else "", "base" if self.based else ""]
        words += [f"near {self.error}" if self.error else "", f"{spec.height}x{spec.width}x{spec.channels}"]
        return " ".join(word for word in [*words, f"{spec.bit_depth} bits", self.draw.__name__] if word)

    @property
    def tile(self) -> np.ndarray:
        """(h, w, c) of `spec.dtype`."""
        return self.draw(self.spec)

    @property
    def base(self) -> np.ndarray | None:
        """The same, if there is one."""
        return coarse(self.tile) if self.based else None

    def encode(self) -> bytes:
        """The payload."""
        if self.level is QUICK:
            return encode_quickly(self.tile, self.base, self.spec, self.error)
        prior = drawn_starts(self.networks)[self.level.code]
        return encode_stack(self.tile, self.base, self.spec, self.level, self.error, prior)

    def decode(self, payload: bytes) -> np.ndarray:
        """The tile, or near it."""
        return decode_stack(payload, self.base, self.spec, drawn_starts(self.networks))


def cases(height: int, width: int, codes: Sequence[int] = (1, 2, 3, 4)) -> list[Case]:
    """Levels of these codes with and without network, base, bound, of 8 and 16 bits, 1 to 3 planes."""
    rgb = TileSpec(height, width, 3, "uint8", 8, "rgb")
    gray = TileSpec(height, width, 1, "uint16", 16, "gray")
    both = TileSpec(height, width, 2, "uint8", 8, "gray")
    deep = TileSpec(height, width, 2, "uint16", 16, "gray")
    return [
        Case(level, networks, based, error, spec, draw)
        for level in (*LEVELS, QUICK)
        if level.code in codes
        for networks, based, error, spec, draw in (
            (True, True, 300, deep, scene),
            (False, False, 2, both, scene),
            (True, False, 0, rgb, scene),
            (True, True, 0, both, scene),
            (False, True, 0, gray, checkerboard),
            (True, False, 0, gray, checkerboard),
        )
    ]


def report(chosen: Iterable[Case]) -> dict[str, str]:
    """Of each case the stream in hexadecimal digits; AssertionError unless it decodes to what it should."""
    found = {}
    for case in chosen:
        payload = case.encode()
        assert payload[0] == case.level.code, f"{case.name}: kept raw"
        difference = np.abs(case.decode(payload).astype(np.int64) - case.tile)
        assert difference.max() <= case.error, case.name
        found[case.name] = payload.hex()
    return found
