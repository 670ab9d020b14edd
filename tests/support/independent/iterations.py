"""The codec that is applied to its own remaining error, cnn-rnn-ae, as FORMAT.md 8h specifies it: numpy, in int64."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from tests.support.independent.networks import CnnAe, Planes, samples
from tests.support.independent.streams import Rans, Shape, level_tensors

_RGB = ("RGB", "RGBA")


class CnnRnnAe:
    """FORMAT.md 8h."""

    def __init__(self, config: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        self.config, self.tensors = config, tensors
        iterations = range(len(config["steps"]))
        self.networks = [0 if config["shared"] else i for i in iterations]
        self.bits = [config["fraction_bits"][self.networks[i]] + config["shifts"][i] for i in iterations]
        self.fraction = max(16, *self.bits)

    def decode(self, content: bytes, shape: Shape) -> np.ndarray:
        """The base of a tile, (h, w, channels)."""
        level, *frame = struct.unpack_from("<BHBHB", content)
        lengths = struct.unpack_from(f"<{level}I", content, 7)
        at, streams = 7 + 4 * level, []
        for length in (*lengths, len(content) - 7 - 4 * level - sum(lengths)):
            streams.append(Rans(content[at : at + length]))
            at += length
        count = shape.channels - (2 if shape.mode in _RGB else 0)
        pictures: list[Planes] = [np.zeros((), np.int64)] * count
        seen: list[list[Planes]] = [[] for _ in range(count)]
        for i, rans in enumerate(streams):
            synthesis = _Synthesis(self, i)
            for number, q in enumerate(synthesis.latents(rans, count, shape.height, shape.width)):
                value = ((q - synthesis.m["zero"]) * self.config["steps"][i]).transpose(2, 0, 1)
                seen[number].append(value)
                inputs = value if self.config["shared"] else np.concatenate(seen[number])
                added = synthesis.decoded(inputs, shape.height, shape.width)
                pictures[number] = pictures[number] + added
            rans.check_end()
        return samples(pictures, self.fraction, frame, shape)


class _Synthesis(CnnAe):
    """8c, with what one iteration has of its own."""

    def __init__(self, codec: CnnRnnAe, iteration: int) -> None:
        network = codec.networks[iteration]
        bits = {name: codec.config[name][network] for name in ("activation_bits", "fraction_bits")}
        tensors = {
            name.partition(".")[2]: tensor
            for name, tensor in codec.tensors.items()
            if name.startswith(f"network{network}.")
        }
        super().__init__({**codec.config, **bits}, tensors)
        self.m = level_tensors(codec.tensors, iteration, "iteration")
        self.lift = codec.fraction - codec.bits[iteration]
