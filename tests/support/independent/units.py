"""The symmetric autoencoder, cae, as FORMAT.md 8j specifies it: numpy, in int64."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from tests.support.independent.networks import CnnAe, samples
from tests.support.independent.streams import Rans, Shape, level_tensors


class Cae:
    """FORMAT.md 8j."""

    def __init__(self, config: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        self.config, self.tensors = config, tensors

    def decode(self, content: bytes, shape: Shape) -> np.ndarray:
        """The base of a tile, (h, w, channels)."""
        level, *frame = struct.unpack_from("<BHBHB", content)
        unit = len(self.config["up"]) - 1 - level
        whole = self.network(unit)
        rans = Rans(content[7:])
        count = shape.channels - (2 if shape.mode in ("RGB", "RGBA") else 0)
        latents = whole.latents(rans, count, shape.height, shape.width)
        rans.check_end()
        pictures = [whole.synthesis(q, shape.height, shape.width) for q in latents]
        return samples(pictures, whole.fraction, frame, shape)

    def network(self, unit: int) -> CnnAe:
        """8c, its synthesis made of the parts from a unit on."""
        parts = {f"entry{unit}": ["conv 0 3", "relu"]}
        parts |= {f"up{u}": self.config["up"][u] for u in range(unit, -1, -1)}
        operations = [operation for part in parts.values() for operation in part]
        tensors: dict[str, np.ndarray] = {}
        number = 0
        for prefix, own in parts.items():
            for i in range(sum(operation.startswith("conv") for operation in own)):
                for name in ("weight", "bias", "shift"):
                    tensors[f"synthesis{number}.{name}"] = self.tensors[f"{prefix}.synthesis{i}.{name}"]
                number += 1
        steps = [self.config["steps"][unit]]
        given = {**self.config, "synthesis": operations, "steps": steps, "strengths": [], "block": 0, "overlap": 0}
        network = CnnAe(given, tensors)
        network.level, network.m = 0, level_tensors(self.tensors, unit, "unit")
        return network
