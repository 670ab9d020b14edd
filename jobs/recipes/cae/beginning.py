"""From a model of `cae` back to its float network."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tilepress.codecs.learned.cae.config import CaeConfig
from tilepress.codecs.learned.networks import ANALYSIS, plan
from tilepress.codecs.learned.tensors import chained, under
from tilepress.jobs.recipes.cae.network import SymmetricAutoencoder
from tilepress.jobs.recipes.export.beginning import Start, begin_analysis, begin_syntheses


def take_units(network: SymmetricAutoencoder, config: CaeConfig, tensors: Mapping[str, np.ndarray]) -> None:
    """Give a network the weights of a model of that configuration, whose units are the same. ModelError."""
    starts = []
    for unit in range(config.level_count):
        head = plan(config.head(unit), config.features[unit + 1], ANALYSIS)
        begin_analysis(network.downs[unit], config.down_plan(unit), under(tensors, f"down{unit}"))
        begin_analysis(network.heads[unit], head, under(tensors, f"head{unit}"))
        parts = chained(tensors, config.synthesis_parts(unit), "synthesis")
        bits = config.activation_bits, config.fraction_bits
        starts.append(Start(config.synthesis_plan(unit), network.synthesis(unit), parts, *bits))
    begin_syntheses(starts)
