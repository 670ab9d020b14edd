"""Networks that learn compiled (`compile=true`): torch.compile makes few kernels of many small operations.

Only steps are compiled. Validation and export run the network as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch

from tilepress.jobs.recipes.options import Options
from tilepress.pipeline.errors import UsageError

# Random numbers are those of the seed. Weights lie as Learner laid them: turning them around is not undone everywhere.
_OPTIONS: dict[str, Any] = {"fallback_random": True, "layout_optimization": False}


def compiled(network: torch.nn.Module, options: Options) -> torch.nn.Module:
    """Return what steps call: the network, compiled at its first call if `compile` is set."""
    if not options.compile:
        return network
    return cast(torch.nn.Module, torch.compile(network, options=_OPTIONS))


@contextmanager
def compiling_named(options: Options) -> Iterator[None]:
    """Return a context that makes a UsageError of what a compiler cannot do, or of there being none."""
    if not options.compile:
        yield
        return
    from torch._dynamo.exc import TorchDynamoException  # takes seconds to import

    try:
        yield
    except (TorchDynamoException, AssertionError) as exc:  # compiled code asserts what it was made for
        raise UsageError(f"the network cannot be compiled here: set compile=false ({_first_line(exc)})") from exc


def _first_line(exc: BaseException) -> str:
    return next(iter(str(exc).splitlines()), type(exc).__name__)
