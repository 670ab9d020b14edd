"""The contract of origins: rules by which a picture was once made from something smaller.

Recovering:    picture --detect--> Guess --invert--> Recovered (facts, planes, perhaps a file)
Reproducing:   Recovered --apply--> picture, in integers only, on every device the same

A rule need not explain every sample. Those that `apply` gives wrongly are exceptions, which `exceptions.py` keeps
beside what was recovered: whatever a rule's `invert` returns, the picture comes back to the last bit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tilepress.codecs.codec import TileSpec

MAX_FACTS = 1 << 16  # bytes


@dataclass(frozen=True)
class Guess:
    """What a first look found: a rule that may explain the picture, and what it already knows of it."""

    origin: str  # `Origin.id`
    confidence: float  # 0 to 1: the share of what was looked at that the rule explains beyond chance
    hints: object = None  # of the rule's own: for its `invert` alone
    alone: bool = (
        True  # False: coders find as much by themselves, so that only an origin of the plane makes it worth it
    )


@dataclass(frozen=True)
class Recovered:
    """What a picture was made from.

    `facts` says how the picture is made of the planes: at most MAX_FACTS bytes, with a version of its own.
    `planes` are (h, w, c) arrays, each of the shape and type that `Origin.plane_specs` tells from the facts.
    `file` is the file that held the picture, where the origin is one (a JPEG); b"" otherwise.
    """

    facts: bytes
    planes: tuple[np.ndarray, ...] = ()
    file: bytes = b""


class Origin(ABC):
    """One family of rules. Instances are immutable and may be used from several threads.

    `id` is literal: archives refer to it for ever. `colours` are those of the pictures that are looked at. `pixelwise`
    says that there is one plane, and every pixel is made of that in its place: `apply` may be given smaller ones.
    """

    id: ClassVar[str]
    pixelwise: ClassVar[bool] = False
    colours: ClassVar[frozenset[str]] = frozenset({"gray", "rgb", "cmyk"})

    @abstractmethod
    def detect(self, picture: np.ndarray, spec: TileSpec) -> Guess | None:
        """Look at a sample of a picture, and return which rule may explain it; None where the answer is no.

        All rules together take no longer than the reading of the picture's bytes from memory a few times over.

        Args:
            picture: (h, w, c), uint8 or uint16.
            spec: Of the whole picture.
        """

    @abstractmethod
    def invert(self, picture: np.ndarray, spec: TileSpec, guess: Guess) -> Recovered | None:
        """Return what a picture was made from, as far as the rule explains it; None where it does not after all."""

    @abstractmethod
    def plane_specs(self, facts: bytes, spec: TileSpec) -> tuple[TileSpec, ...]:
        """Return shape and type of each plane. StreamError for facts that `invert` does not write for such a picture.

        No plane has more samples than the picture.
        """

    @abstractmethod
    def apply(self, recovered: Recovered, spec: TileSpec) -> np.ndarray:
        """Make the picture: (h, w, c) of the type of `spec`. StreamError for whatever `invert` does not return."""

    @abstractmethod
    def describe(self, recovered: Recovered) -> str:
        """Return a few words for people, such as "JPEG, quality 95, 4:2:0, libjpeg"."""
