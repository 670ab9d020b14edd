"""The frozen entropy model of a quality level, as a model folder holds it: tensors of `Fitted`, and `cdf`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tilepress.codecs.entropy import rans
from tilepress.codecs.entropy.context_model import Fitted, LatentCoder
from tilepress.codecs.errors import ModelError
from tilepress.codecs.model import INTEGERS, tensor


def load_coder(tensors: Mapping[str, np.ndarray], prefix: str, latents: int) -> LatentCoder:
    """From tensors `{prefix}.cdf` and so on; ModelError if they are damaged or not for K `latents`."""
    fitted = Fitted._make(tensor(tensors, f"{prefix}.{name}", INTEGERS).astype(np.int32) for name in Fitted._fields)
    if fitted.top.shape != (latents,):
        raise ModelError(f"the entropy model of {prefix} is not for {latents} latents: the model is damaged")
    return LatentCoder(fitted, rans.Tables.from_cdf(tensor(tensors, f"{prefix}.cdf", ("uint16",))))
