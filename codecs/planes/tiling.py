"""Three ways to put a picture through a convolutional network: whole, in blocks side by side, in overlapping blocks.

Blocks stand at multiples of `block - overlap`; where two overlap, both are decoded, and blended with weights that
rise linearly from one to the other (in both directions: the product). Weights are integers, so that the blend is
exact: sum w x / (2 overlap)^2, rounded to the nearest.

A whole picture gets a margin of replicated edges on its way in, and its latents one of replicated latents on their way
out; what comes of margins is cut off. Networks pad with zeros, and zero is mid-gray: without margins the corners of a
black picture would not be black.

Latents of all ways have the same layout: one grid, blocks row by row and column by column in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_MAX_MARGIN = 16


@dataclass(frozen=True)
class Tiling:
    """`stride`: pixels for one latent, each way; `block`: side of blocks, 0 for whole pictures; `overlap`: pixels;
    `margin`: latents, of whole pictures only."""

    stride: int
    block: int = 0
    overlap: int = 0
    margin: int = 0

    @property
    def sane(self) -> bool:
        """Whether blocks are whole latents, and no pixel is in more than two blocks of a row."""
        if not self.block:
            return self.overlap == 0 and 0 <= self.margin <= _MAX_MARGIN
        whole = self.block % self.stride == 0
        return whole and not self.margin and self.stride <= self.block <= 1024 and 0 <= 2 * self.overlap <= self.block

    def blocks(self, side: int) -> int:
        """Return how many blocks cover `side` pixels; 1 where pictures are whole."""
        return -(-max(side - self.overlap, 1) // (self.block - self.overlap)) if self.block else 1

    def padded(self, side: int) -> int:
        """Return pixels that the blocks cover, or the whole latents."""
        if not self.block:
            return side + -side % self.stride
        return self.blocks(side) * (self.block - self.overlap) + self.overlap

    def grid(self, side: int) -> int:
        """Return latents along `side` pixels."""
        return self.blocks(side) * self.block // self.stride if self.block else self.padded(side) // self.stride

    def pad(self, pictures: np.ndarray) -> np.ndarray:
        """Return pictures (m, c, h, w) with edges replicated to their padded size and margins."""
        around = self.margin * self.stride
        sides = [(around, around + self.padded(side) - side) for side in pictures.shape[2:]]
        return np.pad(pictures, [(0, 0), (0, 0), *sides], mode="edge") if any(map(any, sides)) else pictures

    def split(self, pictures: np.ndarray) -> np.ndarray:
        """Return pictures (m, c, H, W) of `pad` as the analysis takes them: as they are, or (m * blocks, c, b, b)."""
        if not self.block:
            return pictures
        windows = np.lib.stride_tricks.sliding_window_view(pictures, (self.block, self.block), axis=(2, 3))
        pitch = self.block - self.overlap
        chosen = windows[:, :, ::pitch, ::pitch].transpose(0, 2, 3, 1, 4, 5)
        return np.require(chosen.reshape(-1, *chosen.shape[3:]), requirements=["C", "W"])

    def gather(self, latents: np.ndarray, height: int, width: int) -> np.ndarray:
        """Return grids (m, k, rows, columns) of the latents (m * blocks, k, b, b) of pictures of height x width."""
        if not self.block:
            return _inside(latents, self.margin)
        rows, columns, side = self.blocks(height), self.blocks(width), self.block // self.stride
        cut = latents.reshape(-1, rows, columns, latents.shape[1], side, side).transpose(0, 3, 1, 4, 2, 5)
        return np.ascontiguousarray(cut.reshape(len(cut), -1, rows * side, columns * side))

    def scatter(self, grids: np.ndarray, height: int, width: int) -> np.ndarray:
        """Inverse of `gather`, margins replicated."""
        if not self.block:
            sides = [(self.margin, self.margin)] * 2
            return np.pad(grids, [(0, 0), (0, 0), *sides], mode="edge") if self.margin else grids
        rows, columns, side = self.blocks(height), self.blocks(width), self.block // self.stride
        cut = grids.reshape(len(grids), -1, rows, side, columns, side).transpose(0, 2, 4, 1, 3, 5)
        return np.ascontiguousarray(cut.reshape(-1, cut.shape[3], side, side))

    def join(self, decoded: np.ndarray, height: int, width: int) -> np.ndarray:
        """Return int64 pictures (m, c, H, W) of padded size, blended, of decoded integers (m * blocks, c, b, b).

        Exact for
        |values| below 2^40."""
        if not self.block:
            return _inside(decoded, self.margin * self.stride)
        rows, columns, block = self.blocks(height), self.blocks(width), self.block
        cut = decoded.astype(np.int64, copy=False).reshape(-1, rows, columns, decoded.shape[1], block, block)
        across = self._overlay(cut.transpose(0, 1, 3, 4, 2, 5))  # (m, rows, c, block, W)
        both = self._overlay(across.transpose(0, 2, 4, 1, 3)).swapaxes(2, 3)
        if not self.overlap:
            return np.ascontiguousarray(both)
        total = (2 * self.overlap) ** 2
        return np.ascontiguousarray((2 * both + total) // (2 * total))

    def _overlay(self, pieces: np.ndarray) -> np.ndarray:
        """(..., count, b) to (..., length): weighted sums at multiples of the pitch; weights add up to 2 overlap."""
        count, block, pitch = pieces.shape[-2], self.block, self.block - self.overlap
        if not self.overlap:
            return pieces.reshape(*pieces.shape[:-2], count * block)
        out = np.zeros((*pieces.shape[:-2], count * pitch + self.overlap), np.int64)
        for i in range(count):
            out[..., i * pitch : i * pitch + block] += pieces[..., i, :] * self._weights(i > 0, i < count - 1)
        return out

    def _weights(self, before: bool, after: bool) -> np.ndarray:
        """Of a block with or without a neighbour on either side."""
        full, ramp = 2 * self.overlap, 2 * np.arange(self.overlap, dtype=np.int64) + 1
        weights = np.full(self.block, full, np.int64)
        if before:
            weights[: self.overlap] = ramp
        if after:
            weights[self.block - self.overlap :] = full - ramp
        return weights


def _inside(array: np.ndarray, margin: int) -> np.ndarray:
    height, width = array.shape[2:]
    return array[:, :, margin : height - margin, margin : width - margin]
