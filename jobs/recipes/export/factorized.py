"""Tables of a factorised prior: counts of quantised latents, a density standing in where counts are few."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from tilepress.codecs.entropy.factorized_prior import FactorizedTables, freeze
from tilepress.codecs.planes.quantiser import Quantiser
from tilepress.jobs.recipes.networks.density import Density

_SMOOTHING = 16.0  # latents that the density is worth beside the counts
_COUNTED = 2047  # largest latent that is counted


def factorized_tables(
    density: Density, latents: Sequence[torch.Tensor], gain: np.ndarray, dead_zone: float
) -> FactorizedTables:
    """Return the tables of one level.

    `density`: of the latents, before their gain.
    `latents`: real ones, (1, c, h, w) each, of the pictures that are counted.
    `gain`: float32 (c,), by which latents are multiplied before they are rounded.
    `dead_zone`: by how much of a step they are drawn to 0.
    """
    channels, width = len(gain), 2 * _COUNTED + 1
    edge = np.full(channels, _COUNTED)
    quantiser = Quantiser(-edge, edge, gain=gain, dead=np.full(channels, dead_zone))
    counts = np.zeros(channels * width)
    rows = np.arange(channels)[:, None] * width + _COUNTED
    for y in latents:
        q = quantiser.latents(y[0].flatten(1).T).T.numpy().astype(np.int64)
        counts += np.bincount((rows + q).ravel(), minlength=len(counts))
    histogram = counts.reshape(channels, width)
    low, high = np.array([_range(row) for row in histogram]).T
    values = torch.arange(-_COUNTED, _COUNTED + 1)[None, None, :, None] / torch.from_numpy(gain)[None, :, None, None]
    expected = density(values, 1 / torch.from_numpy(gain)[None])[0, :, :, 0].numpy()
    blend = histogram + _SMOOTHING * expected
    return freeze(low, [row[a + _COUNTED : b + _COUNTED + 1] for row, a, b in zip(blend, low, high, strict=True)])


def _range(histogram: np.ndarray) -> tuple[int, int]:
    """Least and largest latent of a channel, with room to spare."""
    used = np.flatnonzero(histogram) - _COUNTED
    margin = 4 + (int(used[-1]) - int(used[0])) // 4
    return max(int(used[0]) - margin, -_COUNTED), min(int(used[-1]) + margin, _COUNTED)
