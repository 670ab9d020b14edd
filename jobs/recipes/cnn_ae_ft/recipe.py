"""Trains `cnn-ae-ft` before it meets any image: as `cnn-ae`, with a decoder so narrow that its changes cost little."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tilepress.jobs.recipes.cnn_ae.recipe import CnnAeRecipe


class CnnAeFtRecipe(CnnAeRecipe):
    """See the module, and `CnnAeRecipe`."""

    codec_id: ClassVar[str] = "cnn-ae-ft"
    defaults: ClassVar[Mapping[str, Any]] = {
        **CnnAeRecipe.defaults,
        "synthesis": ["conv 24 3", "relu", "conv 48 3", "shuffle 4"],
        "told": False,
    }
