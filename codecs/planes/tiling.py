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
from typing import TYPE_CHECKING

from tilepress.codecs.planes.edges import replicated

if TYPE_CHECKING:
    import torch

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

    def pad(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return pictures (m, c, h, w) with edges replicated to their padded size and margins."""
        around = self.margin * self.stride
        for axis in (2, 3):
            side = pictures.shape[axis]
            pictures = replicated(pictures, axis, around, around + self.padded(side) - side)
        return pictures

    def split(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return pictures (m, c, H, W) of `pad` as the analysis takes them: as they are, or (m * blocks, c, b, b)."""
        if not self.block:
            return pictures
        pitch = self.block - self.overlap
        windows = pictures.unfold(2, self.block, pitch).unfold(3, self.block, pitch)
        return windows.permute(0, 2, 3, 1, 4, 5).reshape(-1, pictures.shape[1], self.block, self.block)

    def gather(self, latents: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """Return grids (m, k, rows, columns) of the latents (m * blocks, k, b, b) of pictures of height x width."""
        if not self.block:
            return _inside(latents, self.margin)
        rows, columns, side = self.blocks(height), self.blocks(width), self.block // self.stride
        cut = latents.reshape(-1, rows, columns, latents.shape[1], side, side).permute(0, 3, 1, 4, 2, 5)
        return cut.reshape(len(cut), -1, rows * side, columns * side)

    def scatter(self, grids: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """Inverse of `gather`, margins replicated."""
        if not self.block:
            for axis in (2, 3):
                grids = replicated(grids, axis, self.margin, self.margin)
            return grids
        rows, columns, side = self.blocks(height), self.blocks(width), self.block // self.stride
        cut = grids.reshape(len(grids), -1, rows, side, columns, side).permute(0, 2, 4, 1, 3, 5)
        return cut.reshape(-1, cut.shape[3], side, side)

    def join(self, decoded: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """Return pictures (m, c, H, W) of padded size, blended, of whole numbers (m * blocks, c, b, b) in floats.

        Where blocks overlap, the blend is made of integers, and is float64; |values| are below 2^40 then.
        """
        import torch

        if not self.block:
            return _inside(decoded, self.margin * self.stride)
        rows, columns, block = self.blocks(height), self.blocks(width), self.block
        whole = decoded.to(torch.int64) if self.overlap else decoded
        cut = whole.reshape(-1, rows, columns, decoded.shape[1], block, block)
        across = self._overlay(cut.permute(0, 1, 3, 4, 2, 5))  # (m, rows, c, block, W)
        both = self._overlay(across.permute(0, 2, 4, 1, 3)).transpose(2, 3)
        if not self.overlap:
            return both
        total = (2 * self.overlap) ** 2
        return torch.div(2 * both + total, 2 * total, rounding_mode="floor").to(torch.float64)

    def _overlay(self, pieces: torch.Tensor) -> torch.Tensor:
        """(..., count, b) to (..., length): weighted sums at multiples of the pitch; weights add up to 2 overlap."""
        count, block, pitch = pieces.shape[-2], self.block, self.block - self.overlap
        if not self.overlap:
            return pieces.reshape(*pieces.shape[:-2], count * block)
        out = pieces.new_zeros((*pieces.shape[:-2], count * pitch + self.overlap))
        for i in range(count):
            weights = self._weights(i > 0, i < count - 1, pieces.device)
            out[..., i * pitch : i * pitch + block] += pieces[..., i, :] * weights
        return out

    def _weights(self, before: bool, after: bool, device: torch.device) -> torch.Tensor:
        """Of a block with or without a neighbour on either side."""
        import torch

        full, ramp = 2 * self.overlap, 2 * torch.arange(self.overlap, device=device) + 1
        weights = torch.full((self.block,), full, device=device)
        if before:
            weights[: self.overlap] = ramp
        if after:
            weights[self.block - self.overlap :] = full - ramp
        return weights


def _inside(x: torch.Tensor, margin: int) -> torch.Tensor:
    height, width = x.shape[2:]
    return x[:, :, margin : height - margin, margin : width - margin]
