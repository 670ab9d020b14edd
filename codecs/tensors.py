"""The tensors of a model folder, checked as they are taken out: whoever made them may have meant harm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tilepress.codecs.errors import ModelError

INTEGERS = ("int8", "int16", "int32")


def tensor(
    tensors: Mapping[str, np.ndarray], name: str, dtypes: Sequence[str], shape: tuple[int, ...] | None = None
) -> np.ndarray:
    """A tensor by name; ModelError unless it is there with one of these dtypes, this shape, and finite values."""
    array = tensors.get(name)
    if array is None or str(array.dtype) not in dtypes or (shape is not None and array.shape != shape):
        raise ModelError(f"the model lacks tensor {name} of {'/'.join(dtypes)} {shape or ''}".rstrip())
    if not np.isfinite(array).all():
        raise ModelError(f"tensor {name} has values that are not finite: the training failed")
    return array
