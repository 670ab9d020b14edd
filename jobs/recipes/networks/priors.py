"""What a recipe may take latents to know of each other while it estimates their bits: the values of the key `prior`."""

from __future__ import annotations

from collections.abc import Mapping

from tilepress.jobs.recipes.networks.context_rate import ContextRate
from tilepress.jobs.recipes.networks.factorized_rate import FactorizedRate
from tilepress.jobs.recipes.networks.latent_rate import LatentRate
from tilepress.pipeline.errors import UsageError

PRIORS: Mapping[str, type[LatentRate]] = {"context": ContextRate, "factorized": FactorizedRate}


def require_prior(name: str) -> None:
    """UsageError unless it is one of PRIORS."""
    if name not in PRIORS:
        raise UsageError(f"model.prior must be one of {', '.join(PRIORS)}, not {name!r}")
