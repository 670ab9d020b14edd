"""Origin `ycc`: the rule itself. Planes are luma, the two chroma planes at their own size, and alpha if there is one.

Facts: version uint8 = 1 | conversion uint8 | sampling uint8 | of rows, then of columns: half size uint8 0 or 1, phase,
period and offset uint8 (sampling.py).
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import ClassVar

import numpy as np

from tilepress.codecs.codec import TileSpec
from tilepress.codecs.errors import StreamError
from tilepress.codecs.origins.base import Guess, Origin, Recovered
from tilepress.codecs.origins.ycc.colours import COLOURS, EXACT_SWSCALE, Colour
from tilepress.codecs.origins.ycc.finer_filters import filters, parameters
from tilepress.codecs.origins.ycc.finer_glance import lively_windows, may_be_interpolated
from tilepress.codecs.origins.ycc.glance import likely_conversions
from tilepress.codecs.origins.ycc.sampling import FANCY, FINE, FULL, MIDWAY, REPLICATED, Axis, Sampling

_FACTS = struct.Struct("<11B")
_VERSION = 1
_LEAST_SIDE = 5  # in smaller pictures a chroma plane could have more samples than the picture
_NAMES = {
    (True, True): "half chroma",
    (False, True): "chroma of half width",
    (True, False): "chroma of half height",
    (False, False): "full chroma",
}
_KINDS = {FULL: "", REPLICATED: " replicated", MIDWAY: " interpolated", FANCY: " smoothed"} | dict.fromkeys(
    FINE, " interpolated"
)


class Ycc(Origin):
    """Colours that were converted from luma and chroma by one of COLOURS; chroma of full or half size."""

    id = "ycc"
    colours: ClassVar[frozenset[str]] = frozenset({"rgb"})

    def detect(self, picture: np.ndarray, spec: TileSpec) -> Guess | None:
        """Look at some distinct colours, then at some thousand, whether a conversion can have made them."""
        if not _fits(spec):
            return None
        if likely_conversions(picture, spec, grays=False) and (guess := self._converted(picture, spec)):
            return guess
        windows = lively_windows(picture)
        return self._interpolated(windows) if windows and may_be_interpolated(windows[0]) else None

    def _converted(self, picture: np.ndarray, spec: TileSpec) -> Guess | None:
        from tilepress.codecs.origins.ycc.first_look import conversion_of  # loads numba, as all of the search does

        found = conversion_of(picture, spec)
        return Guess(self.id, found[1], (found[0].number, None)) if found else None

    def _interpolated(self, windows: list[np.ndarray]) -> Guess | None:
        from tilepress.codecs.origins.ycc.finer_look import interpolation_of

        found = interpolation_of(windows)
        return Guess(self.id, found[2], found[:2]) if found else None

    def invert(self, picture: np.ndarray, spec: TileSpec, guess: Guess) -> Recovered | None:
        """Return luma, chroma and alpha; None for pictures that have no three colours of 8 bits, or are tiny."""
        if not _fits(spec) or not isinstance(guess.hints, tuple):
            return None
        from tilepress.codecs.origins.ycc.finer_search import fine_planes
        from tilepress.codecs.origins.ycc.first_look import sampling_of
        from tilepress.codecs.origins.ycc.recover import planes_of, scene_of

        number, sampling = guess.hints
        colour = COLOURS[number]
        if sampling is None:
            scene = scene_of(picture, colour)
            sampling = sampling_of(scene)
            found = planes_of(scene, sampling)
        else:
            found = fine_planes(picture, number, sampling)
        planes = [plane[:, :, None] for plane in found]
        alpha = [np.ascontiguousarray(picture[:, :, 3:])] if spec.alpha else []
        return Recovered(_packed(colour, sampling), (*planes, *alpha))

    def plane_specs(self, facts: bytes, spec: TileSpec) -> tuple[TileSpec, ...]:
        """Return luma of the picture's size, the two chroma planes, and alpha."""
        if not _fits(spec):
            raise StreamError("pictures of such a kind have no origin `ycc`")
        _, sampling = _read(facts)
        gray = replace(spec, colour="gray", channels=1)
        rows, columns = sampling.shape(spec.height, spec.width)
        if rows > spec.height or columns > spec.width:
            raise StreamError("chroma of an origin `ycc` is larger than its picture")
        chroma = replace(gray, height=rows, width=columns)
        return (gray, chroma, chroma, *([gray] if spec.alpha else []))

    def apply(self, recovered: Recovered, spec: TileSpec) -> np.ndarray:
        """Bring chroma to full size and convert."""
        from tilepress.codecs.origins.ycc.finer import fine_chroma, make_fine_colours
        from tilepress.codecs.origins.ycc.upsampling import full_chroma, picture_of

        specs = self.plane_specs(recovered.facts, spec)
        found = [(plane.shape, plane.dtype.name) for plane in recovered.planes]
        if found != [(one.shape, one.dtype) for one in specs]:
            raise StreamError("planes of an origin `ycc` are not those that its facts tell")
        colour, sampling = _read(recovered.facts)
        luma, u, v, *alpha = (np.array(plane[:, :, 0], order="C") for plane in recovered.planes)
        picture = np.empty(spec.shape, np.uint8)
        if sampling.kind in FINE:
            both = filters(sampling, spec.height, spec.width)
            fine = fine_chroma(u, *both), fine_chroma(v, *both)
            make_fine_colours(luma, *fine, parameters(colour.number), picture)
        else:
            lattice = sampling.lattice(spec.height, spec.width)
            picture_of(luma, full_chroma(u, lattice), full_chroma(v, lattice), colour, picture)
        if alpha:
            picture[:, :, 3] = alpha[0]
        return picture

    def describe(self, recovered: Recovered) -> str:
        """Return the conversion and how chroma was sampled."""
        colour, sampling = _read(recovered.facts)
        half = sampling.vertical.half, sampling.horizontal.half
        return f"{colour.name}, {_NAMES[half]}{_KINDS[sampling.kind]}"


def _fits(spec: TileSpec) -> bool:
    eight_bits = spec.dtype == "uint8" and spec.bit_depth == 8
    return spec.colour == "rgb" and eight_bits and min(spec.height, spec.width) >= _LEAST_SIDE


def _packed(colour: Colour, sampling: Sampling) -> bytes:
    axes = [(axis.half, axis.phase, axis.period, axis.offset) for axis in (sampling.vertical, sampling.horizontal)]
    return _FACTS.pack(_VERSION, colour.number, sampling.kind, *axes[0], *axes[1])


def _read(facts: bytes) -> tuple[Colour, Sampling]:
    if len(facts) != _FACTS.size or facts[0] != _VERSION:
        raise StreamError("facts of an origin `ycc` are of another size or version")
    _, number, kind, *axes = _FACTS.unpack(facts)
    vertical, horizontal = (Axis(bool(half), *rest) for half, *rest in (axes[:4], axes[4:]))
    sampling = Sampling(kind, vertical, horizontal)
    if number not in (EXACT_SWSCALE if kind in FINE else COLOURS) or max(axes[0], axes[4]) > 1 or not sampling.valid():
        raise StreamError("facts of an origin `ycc` name no conversion or sampling that there is")
    return COLOURS[number], sampling
