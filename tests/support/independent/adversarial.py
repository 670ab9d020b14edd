"""The codecs gan and gan-ae, as FORMAT.md 8k specifies them: numpy only, in int64."""

from __future__ import annotations

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
        codes = np.frombuffer(content, np.uint8).astype(np.int64)
        assert codes.max() <= 255 * self.config["steps"][-1] // self.config["steps"][self.level]
        return codes.reshape(count, self.grid(height), self.grid(width), depth)


def adversarial(config: dict[str, Any], tensors: dict[str, np.ndarray]) -> Adversarial:
    """View `adversarial`."""
    bits = dict(zip(("activation_bits", "fraction_bits"), config["adversarial_bits"], strict=True))
    prefix = "adversarial."
    others = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    return Adversarial({**config, **bits}, {**tensors, **others})
