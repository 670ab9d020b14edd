"""From the trained network of `cnn-rnn-ae` to a model: quantisers and tables of each iteration, integer syntheses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tilepress.codecs.learned.cnn_rnn_ae.config import RecurrentConfig
from tilepress.codecs.model import Model
from tilepress.codecs.planes.quantiser import Quantiser
from tilepress.jobs.recipes.cnn_rnn_ae.network import RecurrentAutoencoder
from tilepress.jobs.recipes.export.calibration import Sample
from tilepress.jobs.recipes.export.stepped import (
    analysis_tensors,
    equal_squares,
    fitted_quantiser,
    named,
    picture_of,
    spread,
    stepped_tensors,
    values_of,
)
from tilepress.jobs.recipes.export.synthesis import export_synthesis

_ERRORS = (-np.inf, np.inf)  # what errors are clipped to


def export(
    network: RecurrentAutoencoder,
    tiles: Sequence[np.ndarray],
    dead_zone: float,
    training: Mapping[str, Any],
    licence: str,
) -> Model:
    """Return the model of a trained network, for codecs/learned/cnn_rnn_ae/codec.py.

    Args:
        network: Trained, on the processor.
        tiles: Images to fit tables to and to round weights for, uint8 (h, w, 3).
        dead_zone: Of latents that are mostly 0, in steps.
        training: Goes into model.json.
        licence: Of the weights, which goes there too.
    """
    config = network.config
    tensors: dict[str, np.ndarray] = {}
    stock = _Stock.of(network, tiles)
    quantisers = []
    for i, latents in enumerate(stock.latents):
        quantisers.append(fitted_quantiser(latents, config.steps[i], network.ceilings[i], dead_zone))
        parts = stepped_tensors(quantisers[i], latents, training["seed"])
        tensors |= named(f"iteration{i}", parts)
    bounds = config.bounds_of([quantiser.bounds for quantiser in quantisers])
    activation_bits, fraction_bits, lost = [], [], []
    for at, plan in enumerate(config.synthesis_plans):
        analysis, synthesis = network.pair(at)
        exported = export_synthesis(plan, synthesis, bounds[at], stock.samples(config, quantisers, at))
        tensors |= named(f"network{at}", exported.tensors | analysis_tensors(analysis))
        activation_bits.append(exported.activation_bits)
        fraction_bits.append(exported.fraction_bits)
        lost.append(exported.lost)
    config = replace(config, activation_bits=tuple(activation_bits), fraction_bits=tuple(fraction_bits))
    record = {**training, "integer_loss": round(max(lost), 6)}
    return Model("cnn-rnn-ae", config.to_json(), record, licence, tensors)


@dataclass(frozen=True)
class _Stock:
    """What a model is exported from: latents (m, K, rows, columns) of each iteration, over all pictures.

    `errors`: of some of these pictures, what each iteration saw, (1, 3, h, w) or in pieces, `some` saying of which.
    """

    latents: list[np.ndarray]
    errors: list[list[np.ndarray]]
    some: list[int]
    side: int

    @classmethod
    def of(cls, network: RecurrentAutoencoder, tiles: Sequence[np.ndarray]) -> _Stock:
        """Run the float network over equal squares of tiles."""
        squares, cut = equal_squares(tiles), network.config.cut
        side, some = squares.shape[1], spread(len(squares))
        latents: list[list[np.ndarray]] = [[] for _ in network.config.steps]
        errors: list[list[np.ndarray]] = [[] for _ in network.config.steps]
        for number, square in enumerate(squares):
            pieces = cut.split(cut.pad(picture_of(square)))
            for i, done in enumerate(network.iterations(pieces)):
                latents[i].append(cut.gather(done.latents, side, side).numpy())
                if number in some:
                    errors[i].append(done.error.numpy())
        return cls([np.concatenate(each) for each in latents], errors, some, side)

    def samples(self, config: RecurrentConfig, quantisers: Sequence[Quantiser], network: int) -> list[Sample]:
        """Return pictures as the synthesis of a number sees them, in all iterations that it serves."""
        out = []
        for iteration in (i for i, at in enumerate(config.networks) if at == network):
            for number, error in zip(self.some, self.errors[iteration], strict=True):
                seen = zip(quantisers[: 1 + iteration], self.latents, strict=False)
                values = [values_of(quantiser, latents[number : number + 1]) for quantiser, latents in seen]
                inputs = config.cut.scatter(config.inputs_of(values), self.side, self.side)
                out.append(Sample(inputs.numpy(), error, _ERRORS))
        return out
