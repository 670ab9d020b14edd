"""From the trained network of `cae` to a model: quantiser and tables behind each unit, units in integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from torch import nn

from tilepress.codecs.learned.cae.config import CaeConfig, Parts
from tilepress.codecs.model import Model
from tilepress.codecs.planes.quantiser import Quantiser
from tilepress.jobs.recipes.cae.network import SymmetricAutoencoder
from tilepress.jobs.recipes.export.calibration import Chain, Sample
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
from tilepress.jobs.recipes.export.synthesis import export_chains

Tensors = dict[str, np.ndarray]


def export(
    network: SymmetricAutoencoder,
    tiles: Sequence[np.ndarray],
    dead_zone: float,
    training: Mapping[str, Any],
    licence: str,
) -> Model:
    """Return the model of a trained network, for codecs/learned/cae/codec.py.

    Args:
        network: Trained, on the processor.
        tiles: Images to fit tables to and to round weights for, uint8 (h, w, 3).
        dead_zone: Of latents that are mostly 0, in steps.
        training: Goes into model.json.
        licence: Of the weights, which goes there too.
    """
    config, squares, chains = network.config, equal_squares(tiles), []
    tensors: Tensors = {}
    for unit, step in enumerate(config.steps):
        latents = _latents(network, unit, squares)
        quantiser = fitted_quantiser(latents, step, 0.0, dead_zone)
        tensors |= named(f"unit{unit}", stepped_tensors(quantiser, latents, training["seed"]))
        samples = _samples(config, unit, squares, latents, quantiser)
        chains.append(Chain(config.synthesis_plan(unit), network.synthesis(unit), quantiser.bounds, samples))
        for name, part in (("down", network.downs), ("head", network.heads)):
            tensors |= named(f"{name}{unit}", analysis_tensors(cast(nn.Sequential, part[unit])))
    exported = export_chains(chains)
    for unit, each in enumerate(exported):
        _add_parts(tensors, each.tensors, config.synthesis_parts(unit))
    activation_bits, fraction_bits = exported[0].activation_bits, exported[0].fraction_bits
    config = replace(config, activation_bits=activation_bits, fraction_bits=fraction_bits)
    record = {**training, "integer_loss": round(max(each.lost for each in exported), 6)}
    return Model("cae", config.to_json(), record, licence, tensors)


def _add_parts(tensors: Tensors, chain: Tensors, parts: Parts) -> None:
    """Give the convolutions of a chain the names of its parts; those that other chains have are the same."""
    number = 0
    for prefix, count in parts:
        for i in range(count):
            for name in ("weight", "bias", "shift"):
                array = chain[f"synthesis{number}.{name}"]
                there = tensors.setdefault(f"{prefix}.synthesis{i}.{name}", array)
                assert np.array_equal(there, array), "chains disagree about a unit that they share"
            number += 1


def _latents(network: SymmetricAutoencoder, unit: int, squares: np.ndarray) -> np.ndarray:
    """Latents (m, K, rows, columns) behind a unit, of squares (m, s, s, 3)."""
    cut, analysis, side = network.config.cut(unit), network.analysis(unit), squares.shape[1]
    pieces = (cut.pad(picture_of(square)) for square in squares)
    return np.concatenate([cut.gather(analysis(x), side, side).numpy() for x in pieces])


def _samples(
    config: CaeConfig, unit: int, squares: np.ndarray, latents: np.ndarray, quantiser: Quantiser
) -> list[Sample]:
    """Some squares as the synthesis from a unit sees them."""
    out, side, cut = [], squares.shape[1], config.cut(unit)
    for at in spread(len(squares)):
        values = cut.scatter(values_of(quantiser, latents[at : at + 1]), side, side)
        out.append(Sample(values.numpy(), cut.pad(picture_of(squares[at])).numpy()))
    return out
