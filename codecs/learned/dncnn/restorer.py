"""From JPEG coefficients to the restored picture, exactly: plane by plane, in pieces that do not show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tilepress.codecs.integer.network import IntegerNetwork
from tilepress.codecs.jpeg.decode import picture_of
from tilepress.codecs.jpeg.file.coefficients import Coefficients
from tilepress.codecs.learned.batches import run_integer
from tilepress.codecs.learned.dncnn.cells import Corrections, restored_blocks
from tilepress.codecs.learned.dncnn.config import DncnnConfig
from tilepress.codecs.learned.dncnn.features import bounds, features
from tilepress.codecs.learned.networks import load_synthesis, reach

_PIECE = 128  # blocks of a piece's side: a network needs some 200 MB for it
_AT_ONCE = 1 << 20  # samples that go through the network together
_SAMPLES = 64  # of a block


@dataclass(frozen=True)
class Plane:
    """A component: quantised coefficients int16 (rows, columns, 64), and steps (64,), natural order."""

    blocks: np.ndarray
    table: np.ndarray


@dataclass(frozen=True)
class _Piece:
    """Blocks of a plane that are corrected together. `inner`: rows and columns of the plane; `outer`: with margins."""

    plane: int
    inner: tuple[slice, slice]
    outer: tuple[slice, slice]


class Restorer:
    """The network of a model, proven exact, and what goes around it. Immutable; may be used from several threads."""

    def __init__(self, config: DncnnConfig, tensors: Mapping[str, np.ndarray], device: str) -> None:
        """ModelError if the tensors are damaged, or cannot be proven."""
        self._config, plan = config, config.network_plan
        steps = load_synthesis(plan, tensors, config.activation_bits)
        self._network = IntegerNetwork(steps, bounds(), device)
        self._reach = reach(plan)
        self._deviations = np.array(config.deviations, np.int64)

    def pictures(self, images: Sequence[Coefficients]) -> list[np.ndarray]:
        """Return restored pictures uint8 (height, width, 1 or 3), with libjpeg-turbo's interpolated chroma."""
        planes = (Plane(b, t) for image in images for b, t in zip(image.blocks, image.tables, strict=True))
        restored = iter(self.planes(list(planes)))
        return [picture_of(image, [next(restored) for _ in image.blocks]) for image in images]

    def planes(self, planes: Sequence[Plane]) -> list[np.ndarray]:
        """Return the samples of planes, uint8 (8 rows, 8 columns) each.

        Wherever a plain decoder's samples are compressed by libjpeg to the same coefficients, so are these.
        """
        out = [np.empty((8 * p.blocks.shape[0], 8 * p.blocks.shape[1]), np.uint8) for p in planes]
        for piece, values in self._corrections(planes):
            plane, (rows, columns) = planes[piece.plane], piece.inner
            levels = plane.blocks[rows, columns]
            added = Corrections(values.reshape(-1, _SAMPLES), self._config.fraction_bits)
            blocks = restored_blocks(levels.reshape(-1, _SAMPLES), plane.table, added, self._config.margins)
            samples = blocks.reshape(*levels.shape[:2], 8, 8).swapaxes(1, 2)
            inside = slice(8 * rows.start, 8 * rows.stop), slice(8 * columns.start, 8 * columns.stop)
            out[piece.plane][inside] = samples.reshape(8 * levels.shape[0], 8 * levels.shape[1])
        return out

    def _corrections(self, planes: Sequence[Plane]) -> Iterator[tuple[_Piece, np.ndarray]]:
        """Yield pieces of all planes with their corrections int64 (rows, columns, 64), without margins."""
        pieces = [piece for number, plane in enumerate(planes) for piece in self._pieces(number, plane.blocks.shape)]
        for group in _equal(pieces):
            yield from zip(group, self._run(planes, group), strict=True)

    def _run(self, planes: Sequence[Plane], group: Sequence[_Piece]) -> Iterator[np.ndarray]:
        import torch

        chosen = ((planes[piece.plane], piece.outer) for piece in group)
        x = np.stack([features(p.blocks[outer], p.table, self._deviations) for p, outer in chosen])
        made = run_integer(self._network, torch.from_numpy(x).to(self._network.device), _SAMPLES, _AT_ONCE)
        values = made.movedim(1, -1).to(torch.int64).cpu().numpy()
        for piece, each in zip(group, values, strict=True):
            cut = (slice(i.start - o.start, i.stop - o.start) for i, o in zip(piece.inner, piece.outer, strict=True))
            yield np.ascontiguousarray(each[tuple(cut)])

    def _pieces(self, number: int, shape: tuple[int, ...]) -> Iterator[_Piece]:
        for top in range(0, shape[0], _PIECE):
            for left in range(0, shape[1], _PIECE):
                inner = _cut(top, shape[0], 0), _cut(left, shape[1], 0)
                yield _Piece(number, inner, (_cut(top, shape[0], self._reach), _cut(left, shape[1], self._reach)))


def _cut(start: int, size: int, margin: int) -> slice:
    """The places of a piece that begins at `start`, and a margin within `size`: beyond it the network sees zeros."""
    return slice(max(0, start - margin), min(size, start + _PIECE + margin))


def _equal(pieces: Iterable[_Piece]) -> Iterator[list[_Piece]]:
    """Yield pieces of equal size with margins, few enough at a time."""
    groups: dict[tuple[int, int], list[_Piece]] = {}
    for piece in pieces:
        rows, columns = (each.stop - each.start for each in piece.outer)
        group = groups.setdefault((rows, columns), [])
        group.append(piece)
        if len(group) * rows * columns * _SAMPLES >= _AT_ONCE:
            yield groups.pop((rows, columns))
    yield from groups.values()
