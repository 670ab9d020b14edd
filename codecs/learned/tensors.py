"""The integer steps of a synthesis as a model's tensors hold them: what they compute is proven by IntegerNetwork."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tilepress.codecs.integer.network import IntegerLayer, InverseGdn
from tilepress.codecs.model import INTEGERS, tensor

Tensors = Mapping[str, np.ndarray]


def convolution(
    tensors: Tensors, name: str, shape: tuple[int, int, int, int], low: int | None = None, high: int | None = None
) -> IntegerLayer:
    """Return the convolution of tensors `name.weight`, `.bias` and `.shift`, clipped to `low`..`high`.

    `shape`: (out, in, n, n) of the weights, n odd. ModelError if a tensor is missing or of another shape or type.
    """
    weight = tensor(tensors, f"{name}.weight", INTEGERS, shape)
    bias = tensor(tensors, f"{name}.bias", ("int32", "int64"), shape[:1])
    shift = tensor(tensors, f"{name}.shift", ("int8", "int32"), shape[:1])
    weights, biases, shifts = (array.astype(np.int64) for array in (weight, bias, shift))
    return IntegerLayer(weights, biases, shifts, low, high, padding=shape[2] // 2)


def inverse_gdn(tensors: Tensors, name: str, channels: int) -> InverseGdn:
    """Return the inverse GDN of tensors `name.beta`, `.gamma`, `.limit` and `.shift`. ModelError as `convolution`."""
    beta = tensor(tensors, f"{name}.beta", ("int64",), (channels,))
    gamma = tensor(tensors, f"{name}.gamma", ("int32", "int64"), (channels, channels))
    limit = tensor(tensors, f"{name}.limit", ("int32",), (channels,))
    shift = tensor(tensors, f"{name}.shift", ("int32",), (1,))
    return InverseGdn(beta, gamma.astype(np.int64), int(shift[0]), limit.astype(np.int64))


def under(tensors: Tensors, prefix: str) -> dict[str, np.ndarray]:
    """Return the tensors `prefix.NAME` as NAME: those of one of a model's several networks."""
    start = f"{prefix}."
    return {name.removeprefix(start): array for name, array in tensors.items() if name.startswith(start)}


def chained(tensors: Tensors, parts: Sequence[tuple[str, int]], kind: str) -> dict[str, np.ndarray]:
    """Return the tensors of a network whose parts follow each other, its convolutions counted through.

    `parts`: prefix of each part, and how many convolutions it has. `kind`: `analysis` or `synthesis`. The convolution
    i of a part is `PREFIX.KIND{i}.NAME` in the model.
    """
    out: dict[str, np.ndarray] = {}
    number = 0
    for prefix, count in parts:
        for i in range(count):
            out |= {f"{kind}{number}.{name}": array for name, array in under(tensors, f"{prefix}.{kind}{i}").items()}
            number += 1
    return out
