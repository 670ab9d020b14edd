"""A picture whose pixels a JPEG decoder made, back to the coefficients of that JPEG.

Chroma first: luma of clipped colours needs it. Then luma; where it is sure, it narrows what chroma clipped colours can
have, and both are looked for again where they miss.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tilepress.codecs.jpeg.colour import to_rgb
from tilepress.codecs.jpeg.decoders import DECODERS, decoder_of, recoloured, upsamplings_of
from tilepress.codecs.jpeg.file.coefficients import Coefficients, block_shapes
from tilepress.codecs.jpeg.file.huffman_walk import MOST_AC
from tilepress.codecs.jpeg.file.tables import CHROMA, LUMA, quality_of, standard_table
from tilepress.codecs.jpeg.transform import Transform
from tilepress.codecs.jpeg.upsampling import Upsampling
from tilepress.codecs.origins.jpeg.search.chroma import Chroma, chroma_of
from tilepress.codecs.origins.jpeg.search.colour_bounds import CB, CR, chroma_bounds, luma_bounds
from tilepress.codecs.origins.jpeg.search.component import Component
from tilepress.codecs.origins.jpeg.search.grid import find_grid
from tilepress.codecs.origins.jpeg.search.sampling import Sampled, likely_samplings
from tilepress.codecs.origins.jpeg.search.scaled import Scaled
from tilepress.codecs.origins.jpeg.search.steps import Steps, find_steps
from tilepress.codecs.origins.jpeg.search.transforms import likely_transform
from tilepress.codecs.origins.jpeg.search.view import View, view_of

_ROUNDS = 4
_SLOW = 0.9  # of the wrong pixels left by a round: another one is not worth its time
_ENOUGH = 0.05  # of the pixels may be unexplained: beyond, other grids and samplings are tried
_ENOUGH_OF_MANY = 0.005  # the same where chroma may have become larger in different ways
_QUALITY = 75  # whose steps chroma gets that is flat everywhere
_LUMA_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Found:
    """A JPEG that explains a picture, which begins `top` rows and `left` columns after what the JPEG holds, turned."""

    image: Coefficients
    decoder: int  # of DECODERS
    turn: int
    top: int
    left: int
    wrong: int  # pixels that the JPEG does not explain


def recover_jpeg(picture: np.ndarray) -> Found | None:
    """Return the JPEG that explains most pixels of those found; None where no steps explain any.

    Args:
        picture: (h, w, 1 or 3) uint8.
    """
    view = view_of(picture)
    low, high = (bounds[0] for bounds in view.padded())
    transform, turn = likely_transform(low, high, view.conversion)
    view = view.turned(turn)
    upsamplings = upsamplings_of(transform, view.conversion)
    best = None
    ways = [Sampled((1, 1), upsamplings[0])] if view.gray else likely_samplings(*view.padded(), upsamplings)
    kinds = {way.upsampling for way in ways if way.factors != (1, 1)}
    enough = _ENOUGH if len(kinds) < 2 else _ENOUGH_OF_MANY
    for way in ways:
        for attempt in _attempts(view, transform, way):
            found = attempt.run()
            if found and (best is None or found.wrong < best.wrong):
                best = found
            if best is None or best.wrong <= enough * view.pixels:
                return best
    return best


def _attempts(view: View, transform: Transform, way: Sampled) -> Iterator[Recovery]:
    """Recoveries of chroma that was sampled so: on the grid that chroma shows, then on the one of luma alone."""
    if way.turned:
        view = view.mirrored() if way.factors[0] == 2 else view.flipped()
    if way.upsampling is Upsampling.SCALED:
        yield Recovery(view.shifted(*way.shift), transform, way)
        return
    recovery = Recovery(view, transform, way)
    shift = recovery.shift()
    if shift != (0, 0):
        shifted = Recovery(view.shifted(*shift), transform, way)
        if shifted.explained > recovery.explained:
            yield shifted
    yield recovery


class Recovery:
    """One attempt to bring a picture back, of which chroma was sampled in one way."""

    def __init__(self, view: View, transform: Transform, way: Sampled) -> None:
        """Shrink chroma to its own size; no block is looked for yet."""
        self._picture, self._view = view.picture, view
        self._place = view.top, view.left
        self._height, self._width = view.top + view.picture.shape[0], view.left + view.picture.shape[1]
        self._lows, self._highs = view.padded()
        self._sampling = way.factors
        self._number = decoder_of(transform, way.upsampling, view.conversion)
        self._decoder = DECODERS[self._number]
        self._chroma: list[Chroma] = []
        if not view.gray:
            self._known = self._lows.copy(), self._highs.copy()  # of chroma: luma will narrow these
            self._chroma = [
                chroma_of(self._known[0][c], self._known[1][c], way.factors, self._decoder) for c in (CB, CR)
            ]

    @cached_property
    def _luma_steps(self) -> Steps | None:
        """Steps of luma; None where none explain it."""
        return find_steps([(self._lows[0], self._highs[0])], self._decoder.transform)

    @cached_property
    def _chroma_steps(self) -> Steps:
        """Steps of chroma; those that belong to luma's where chroma does not tell."""
        quality = quality_of(self._luma_steps.table, LUMA) if self._luma_steps else None
        likely = standard_table(CHROMA, quality or _QUALITY)
        parts = [part.component for part in self._chroma]
        bounds = [(part.low, part.high) for part in parts]
        found = find_steps(bounds, self._decoder.transform, likely) or Steps(likely, 0.0)
        scaled = [part for part in self._chroma if isinstance(part, Scaled)]
        if not scaled:
            return found
        shares = [Steps(table, sum(part.share(table) for part in scaled)) for table in (likely, found.table)]
        return max(shares, key=lambda steps: steps.share)

    @property
    def explained(self) -> float:
        """The share of known samples of chroma that rounded coefficients make again."""
        return self._chroma_steps.share

    def shift(self) -> tuple[int, int]:
        """Return by how many rows and columns, 0 or 8, the grid of MCUs begins before that of luma's blocks."""
        across, down = self._sampling
        for part in self._chroma if (across, down) != (1, 1) else []:
            grid = find_grid(part.component.low)
            if grid is not None and grid[0] % 4 == grid[1] % 4 == 0:
                return 2 * grid[0] * (down - 1), 2 * grid[1] * (across - 1)
        return 0, 0

    def run(self) -> Found | None:
        """Return the JPEG of this sampling that explains most pixels; None where no steps explain any."""
        if self._luma_steps is None:
            return None
        table = self._luma_steps.table
        gray = self._view.gray
        guess = self._picture.reshape(self._picture.shape[:2]) if gray else self._picture @ _LUMA_WEIGHTS
        pad = ((self._place[0], 0), (self._place[1], 0))
        luma = Component(self._lows[0], self._highs[0], np.pad(guess, pad, mode="edge"), self._decoder.transform)
        if not gray:
            return self._run_colour(luma, table)
        luma.solve(table)
        samples = luma.own_samples(table)[self._place[0] :, self._place[1] :]
        return self._found((luma,), (table,), int((samples != self._picture[:, :, 0]).sum()), self._number)

    def _run_colour(self, luma: Component, table: np.ndarray) -> Found | None:
        """Return the JPEG in colour; `luma` is not solved yet, `table` its steps."""
        chroma, steps = self._chroma, self._chroma_steps.table
        best: Found | None = None
        for number in range(_ROUNDS):
            for part in chroma:
                if number:
                    part.refresh(steps)
                part.solve(steps)
            full = [part.full(steps, self._height, self._width) for part in chroma]
            plane = self._solve_luma(luma, table, full)
            count = self._wrong(plane, full, self._number)
            if best is not None and count >= best.wrong:
                break
            slow = best is not None and count > _SLOW * best.wrong
            number, count = self._best_colours(plane, full, count)
            best = self._found((luma, *(part.component for part in chroma)), (table, steps, steps), count, number)
            if count == 0 or slow:
                break
            self._known[0][:], self._known[1][:] = self._lows, self._highs
            chroma_bounds(self._picture, *self._place, plane, luma.missed, *self._known)
        return best

    def _solve_luma(self, luma: Component, table: np.ndarray, full: list[np.ndarray]) -> np.ndarray:
        """Look for the luma blocks that are missed, chroma being known; return all of luma, uint8 (h, w)."""
        lows, highs = self._lows[:1].copy(), self._highs[:1].copy()
        luma_bounds(self._picture, *self._place, self._decoder.conversion, full[0], full[1], lows, highs)
        luma.rebound(lows[0], highs[0], table)
        luma.solve(table)
        return luma.own_samples(table)

    def _best_colours(self, luma: np.ndarray, chroma: list[np.ndarray], count: int) -> tuple[int, int]:
        """The decoder that makes most pixels right, and how many not: few colours tell libjpeg 9 from those before."""
        other = recoloured(self._number, self._sampling) if count else None
        if other is None:
            return self._number, count
        return min((count, self._number), (self._wrong(luma, chroma, other), other))[::-1]

    def _wrong(self, luma: np.ndarray, chroma: list[np.ndarray], number: int) -> int:
        """How many pixels of the picture are not what a decoder makes of the planes found.

        `luma`, `chroma`: uint8 (h, w), of the JPEG's size. `number`: of the decoder.
        """
        decoded = np.empty((self._height, self._width, 3), np.uint8)
        to_rgb(luma, chroma[0], chroma[1], DECODERS[number].conversion, decoded)
        unlike = decoded[self._place[0] :, self._place[1] :] != self._picture
        return int((unlike[:, :, 0] | unlike[:, :, 1] | unlike[:, :, 2]).sum())

    def _found(self, parts: tuple[Component, ...], tables: tuple[np.ndarray, ...], wrong: int, number: int) -> Found:
        """A copy of what is found, in whole MCUs: blocks beyond the picture are flat, as their neighbours' mean is."""
        shapes = block_shapes(self._width, self._height, self._sampling, len(parts))
        blocks = []
        for part, (rows, columns) in zip(parts, shapes, strict=True):
            there = part.blocks.shape
            grown = np.pad(part.blocks, ((0, rows - there[0]), (0, columns - there[1]), (0, 0)), mode="edge")
            grown[there[0] :, :, 1:] = 0
            grown[:, there[1] :, 1:] = 0
            blocks.append(np.clip(grown, -MOST_AC, MOST_AC))
        image = Coefficients(self._width, self._height, self._sampling, tables, tuple(blocks))
        return Found(image, number, self._view.turn, *self._place, wrong)
