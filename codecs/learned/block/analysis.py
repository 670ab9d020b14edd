"""The encoder of the block codecs: float network on the device, quantisation, and care for incomplete blocks.

Nothing here has to be repeatable: only the symbols that come out count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilepress.codecs.learned.block.decoder import BlockDecoder
from tilepress.codecs.learned.dense import DenseNetwork
from tilepress.codecs.planes.quantiser import Quantiser

if TYPE_CHECKING:
    import torch

_SWEEPS = 3
_FAITH = 0.03  # weight of what the network says against the samples of an incomplete block


class BlockAnalysis:
    """A network whose latents are quantised."""

    def __init__(self, network: DenseNetwork):
        self._network, self.device = network, network.device

    def __call__(self, blocks: torch.Tensor, valid: tuple[int, int], decoder: BlockDecoder) -> torch.Tensor:
        """Return symbols int16 (n, c, rows, columns, K) of blocks float32 (n, c, rows, columns, N).

        `valid`: (height, width) within the blocks; beyond it blocks hold padding, whose error does not matter.
        """
        import torch

        values = decoder.quantiser.scaled(self._network(blocks))
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            self._refine_edges(values, blocks, valid, decoder)
            return decoder.quantiser.symbols(values).to(torch.int16)

    def _refine_edges(
        self, v: torch.Tensor, blocks: torch.Tensor, valid: tuple[int, int], decoder: BlockDecoder
    ) -> None:
        """Refit the last row and column of blocks, in place, where they are incomplete."""
        side = round(blocks.shape[-1] ** 0.5)
        rows, columns = blocks.shape[2:4]
        height, width = valid[0] - (rows - 1) * side, valid[1] - (columns - 1) * side
        last_row, last_column = slice(rows - 1, rows), slice(columns - 1, columns)
        if height < side:
            self._refit(v, blocks, (last_row, slice(0, columns)), (height, side), decoder)
        if width < side:
            self._refit(v, blocks, (slice(0, rows), last_column), (side, width), decoder)
        if height < side and width < side:
            self._refit(v, blocks, (last_row, last_column), (height, width), decoder)

    def _refit(
        self,
        v: torch.Tensor,
        blocks: torch.Tensor,
        where: tuple[slice, slice],
        valid: tuple[int, int],
        decoder: BlockDecoder,
    ) -> None:
        """Ridge regression of the real samples of incomplete blocks, around what the network gave."""
        import torch

        side = round(blocks.shape[-1] ** 0.5)
        inside = torch.arange(side**2, device=self.device).reshape(side, side)[: valid[0], : valid[1]].flatten()
        matrix, offset = (each[inside] for each in decoder.placed)
        samples = blocks[:, :, *where][..., inside].double() - offset
        start = v[:, :, *where].double()
        gram = matrix.T @ matrix
        pull = matrix.T @ samples.reshape(-1, len(inside)).T  # (K, blocks), as all that follows
        values = start.reshape(-1, len(gram)).T
        ridge = gram + _FAITH * torch.diag(gram.diagonal().mean().expand(len(gram)))
        change = torch.linalg.solve_ex(ridge, pull - gram @ values)[0]  # which looks at no number of the device
        rounded = _rounded_in_turn(values + change, pull, gram, decoder.quantiser)
        v[:, :, *where] = rounded.T.reshape(start.shape).float()


def _rounded_in_turn(v: torch.Tensor, pull: torch.Tensor, gram: torch.Tensor, quantiser: Quantiser) -> torch.Tensor:
    """Values of symbols near `v`; each is moved to other symbols as long as that brings the samples closer.

    Columns of the decoder's matrix are far from orthogonal where few samples are real: rounding alone would add up.

    Args:
        v: Values, float64 (K, blocks).
        pull: The transposed matrix times the samples.
        gram: The transposed matrix times the matrix, (K, K).
        quantiser: Of the symbols.
    """
    v = quantiser.nearest(v.T).T.contiguous()
    energy = gram.diagonal()[:, None] + 1e-12
    shares = (gram / energy).T.contiguous()  # what moving one value takes off the wish of each
    wish = (pull - gram @ v).div_(energy)
    for k in [*range(len(v))] * _SWEEPS:
        nearest = quantiser.nearest((v[k] + wish[k])[:, None], k)[:, 0]
        wish.addr_(shares[k], nearest - v[k], alpha=-1)
        v[k] = nearest
    return v
