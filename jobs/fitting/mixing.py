"""Mixing weights to begin with: what coding images of the archive ends with, on average."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tilepress.codecs.lossless.levels import Level
from tilepress.codecs.lossless.mixer import INPUTS, NODES, first_weights, new_mixer
from tilepress.codecs.lossless.network import Network
from tilepress.codecs.lossless.predictors import NETWORK
from tilepress.codecs.lossless.stack import StartState, plain_start
from tilepress.jobs.fitting.images import Window
from tilepress.jobs.fitting.samples import final_mixers

_TRUST = 0.5  # of the network, where no weights are known yet


def usual_mixing(network: Network | None) -> np.ndarray:
    """Weights (NODES, INPUTS) where nothing is known: the network counts half, the other predictors share the rest."""
    mixing = plain_start().mixing
    if network is not None:
        mixing[mixing > 0] *= 1 - _TRUST
        mixing[:, NETWORK] = _TRUST
    return mixing


def mean_mixing(windows: Sequence[Window], level: Level, prior: StartState) -> np.ndarray:
    """Return mean (NODES, INPUTS) of the weights that coding the windows from `prior` ends with.

    Over the contexts of the first set that were trained; kinds of decision that never occurred keep theirs.
    """
    begin = first_weights(new_mixer(prior.mixing))
    total, count = np.zeros((NODES, INPUTS)), np.zeros((NODES, 1))
    for window in windows:
        for mixer in final_mixers(window.samples, window.spec, level, prior):
            weights = first_weights(mixer)
            trained = (weights != begin).any(2, keepdims=True)
            total += (weights * trained).sum(1)
            count += trained.sum(1)
    return np.where(count > 0, total / np.maximum(count, 1), prior.mixing)
