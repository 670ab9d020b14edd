"""The codecs gan and gan-ae, as FORMAT.md 8k specifies them: numpy only, in int64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tests.support.independent.networks import CnnAe


class Adversarial(CnnAe):
    """8k."""

    def read(self, content: bytes, count: int, height: int, width: int) -> Any:
        """(rows, columns, K) of each picture."""
        if self.config["coder"] == "entropy":
            return super().read(content, count, height, width)
        depth = self.tensors["synthesis0.weight"].shape[1] - bool(self.config["strengths"])
        self.m = {"zero": np.zeros(depth, np.int64)}
        bits, size = self.config.get("bits", 8), (count, self.grid(height), self.grid(width), depth)
        whole = int.from_bytes(content) >> -bits * math.prod(size) % 8
        places = reversed(range(math.prod(size)))
        codes = np.array([whole >> bits * place & ((1 << bits) - 1) for place in places])
        assert codes.max() <= ((1 << bits) - 1) * self.config["steps"][-1] // self.config["steps"][self.level]
        return codes.reshape(size)


def adversarial(config: dict[str, Any], tensors: dict[str, np.ndarray]) -> Adversarial:
    """View `adversarial`."""
    bits = dict(zip(("activation_bits", "fraction_bits"), config["adversarial_bits"], strict=True))
    prefix = "adversarial."
    others = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    return Adversarial({**config, **bits}, {**tensors, **others})
