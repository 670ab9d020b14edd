"""From the trained network of `gdn-factorized` to a model: gains, integers of the transform, tables of the prior."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from tilepress.codecs.errors import ModelError
from tilepress.codecs.learned.divisive import ALIGNMENT
from tilepress.codecs.learned.gdn.codec import GdnConfig
from tilepress.codecs.model import Model
from tilepress.jobs.recipes.export.divisive import analysis_tensors, fixed_point, synthesis_tensors
from tilepress.jobs.recipes.export.factorized import factorized_tables
from tilepress.jobs.recipes.gdn.network import GdnNetwork

DEAD_ZONES = (0.1, 0.03)  # coarsest and finest level: the parts of a step by which latents are drawn to 0
_GAIN_BITS = 6  # fraction bits of inverse gains, the finest being one
_REACH = 2.0  # activations are clipped at so many times the largest that was seen
_SEEN = 16  # tiles that activations are measured on


def export(
    network: GdnNetwork,
    tiles: Sequence[np.ndarray],
    options: Mapping[str, Any],
    training: Mapping[str, Any],
    licence: str,
) -> Model:
    """Return the model of a trained network, for codecs/learned/gdn/codec.py. ModelError if weights are not finite.

    Args:
        network: Trained, on the processor.
        tiles: Images to round the weights for, uint8 (h, w, 3).
        options: The recipe's `export` keys.
        training: Goes into model.json.
        licence: Of the weights, which goes there too.
    """
    if not all(bool(torch.isfinite(p).all()) for p in network.parameters()):
        raise ModelError("weights to export are not finite: the training failed")
    levels = len(network.log_gain)
    zones = tuple(round(float(z), 3) for z in np.linspace(*DEAD_ZONES, levels))
    gains, inverse = _gains(network)
    with torch.no_grad():
        tensors = analysis_tensors(network, [_picture(tile) for tile in tiles[:_SEEN]])
        latents = [network.latents(_picture(tile)) for tile in tiles]
        reach = _measure(network, latents[:_SEEN])
        for level in range(levels):
            frozen = factorized_tables(network.density, latents, gains[level], zones[level])
            tensors |= frozen.tensors(f"level{level}")
    for level in range(levels):
        tensors[f"level{level}.gain"] = gains[level]
        tensors[f"level{level}.inverse"] = inverse[level]
    scaled = [torch.round(y * gain) * back for y in latents[:_SEEN] for gain, back in _scales(gains, inverse)]
    tensors |= synthesis_tensors(network, reach, scaled, _finest(network), _GAIN_BITS)
    config = GdnConfig(
        default_level=options["default_level"],
        channels=tuple(options["channels"]),
        levels=levels,
        reach=(fixed_point(float(reach[0].max())), fixed_point(float(reach[2].max()))),
        dead_zone=zones,
    )
    return Model("gdn-factorized", config.to_json(), training, licence, tensors)


def _gains(network: GdnNetwork) -> tuple[np.ndarray, np.ndarray]:
    """(levels, c) each: float gains of the analysis, integer ones of the synthesis, in units of 2^-_GAIN_BITS of the
    finest level's, which are folded into the first weights. Their products stay what was trained, so that rounding
    the second shifts the rate by very little and no scale at all."""
    forward, back = network.log_gain.detach().exp().numpy(), network.log_inverse_gain.detach().exp().numpy()
    wanted = back / _finest(network) * 2.0**_GAIN_BITS
    inverse = np.clip(np.rint(wanted), 1, 1 << 20).astype(np.int32)
    return (forward * wanted / inverse).astype(np.float32), inverse


def _finest(network: GdnNetwork) -> np.ndarray:
    """(c,): the smallest inverse gain of every channel. With it in the weights all their columns are of one size."""
    smallest: np.ndarray = network.log_inverse_gain.detach().exp().min(dim=0).values.numpy()
    return smallest


def _scales(gains: np.ndarray, inverse: np.ndarray) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """(c, 1, 1) each: gain and inverse, in units of the finest, of a middle and the finest level."""
    for level in (len(gains) // 2, len(gains) - 1):
        back = inverse[level].astype(np.float32) / 2**_GAIN_BITS
        yield torch.from_numpy(gains[level])[:, None, None], torch.from_numpy(back)[:, None, None]


def _picture(tile: np.ndarray) -> torch.Tensor:
    """(1, 3, h, w) in [0, 1) of a tile, cut to whole alignments."""
    height, width = (max(ALIGNMENT, side // ALIGNMENT * ALIGNMENT) for side in tile.shape[:2])
    short = [(0, max(0, height - tile.shape[0])), (0, max(0, width - tile.shape[1])), (0, 0)]
    padded = np.pad(tile[:height, :width], short, mode="edge")
    return torch.from_numpy(padded).permute(2, 0, 1)[None].float() / 256


def _measure(network: GdnNetwork, latents: Sequence[torch.Tensor]) -> list[np.ndarray]:
    """(c,) each: largest |x| of every channel after the first convolution, inverse GDN, convolution, inverse GDN,
    with room to spare; coarsest and finest level."""
    seen: dict[int, torch.Tensor] = {}
    for y in latents:
        for level in (0, len(network.log_gain) - 1):
            gain = network.log_gain[level].exp()[:, None, None]
            x = torch.round(y * gain) * network.log_inverse_gain[level].exp()[:, None, None]
            for i, step in enumerate(network.synthesis):
                x = step(x)
                if i in (1, 2, 4, 5):
                    top = x.abs().amax(dim=(0, 2, 3))
                    seen[i] = torch.maximum(seen.get(i, top), top)
    return [_REACH * seen[i].numpy().astype(np.float64) + 0.5 for i in sorted(seen)]
